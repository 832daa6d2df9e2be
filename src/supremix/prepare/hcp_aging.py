"""HCP-Aging parcel time series: one file a subject and a table of ages, checked, into a prepared folder."""

import argparse
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from supremix.errors import UserError
from supremix.prepare.shared import cohort
from supremix.prepare.shared.command import MARKER, command, marker
from supremix.prepare.shared.parallel import cut, digest, run_pieces
from supremix.prepare.shared.subjects import Report, match, read_ages, read_list

NAME = "hcp_aging"
URL = "https://www.humanconnectome.org/study/hcp-lifespan-aging"
PAPER: dict[str, Any] = {"sizes": {"train": 456, "val": 100, "test": 100}, "ages": (36, 100)}
PARCELS = 400
SHORTEST = 32
PER_PIECE = 16
ID_COLUMNS = ("subject", "src_subject_id")
AGE_COLUMNS = {"age": 1.0, "interview_age": 1 / 12}
ENDINGS = (".npy", ".csv", ".tsv", ".txt")
ABOUT = f"""\
Prepare HCP-Aging's resting-state fMRI time series of {PARCELS} parcels for training.

source: Lifespan Human Connectome Project in Aging, {URL},
        preprocessed with the CBIG pipeline and averaged over the {PARCELS} parcels of Schaefer et al. (2018)
terms:  an approved application and its data use certification: no subject's data may be passed on

The source folder holds one file a subject, SUBJECT.npy, .csv (commas) or .tsv, .txt (tabs or spaces; no header), a
table of {PARCELS} parcels × frames or frames × {PARCELS} parcels, of any length from {SHORTEST} frames; and ages.csv
with the columns subject, age (years; or interview_age, months) and, if the split is given, split (train, val, test).

Each parcel's series is standardised over its frames to mean 0 and standard deviation 1, and stored as float32. Without
a given split, one is drawn in the paper's proportions. What is damaged, missing or double is left out and named in
report.csv, subjects with a constant parcel too, since it has no standardised series."""


def prepare(args: argparse.Namespace) -> None:
    """Make the prepared folder, or go on with an unfinished one; one that is there and whole is left as it is."""
    folder, source = args.out / args.name, args.source or args.data / args.name
    report = Report()
    ages_file = args.ages or source / "ages.csv"
    files = find_files(source, {ages_file.name, args.exclude.name if args.exclude else ""}, report)
    ages = read_ages(ages_file, ID_COLUMNS, AGE_COLUMNS, report)
    excluded = read_list(args.exclude, ID_COLUMNS) if args.exclude else set()
    items = []
    for subject, file in match(ages, files, excluded, report):
        stat = (source / file).stat()
        items.append((subject, file, stat.st_size, stat.st_mtime_ns))
    drawn = [(subject, ages[subject].age, ages[subject].split, size) for subject, _, size, _ in items]
    source_sha256 = digest(args.split_seed, drawn)
    if cohort.is_finished(folder, args.name, source_sha256):
        print(f"{folder}: already prepared, left as it is")
        return
    make = partial(make_piece, source=source)
    pieces = cut(items, PER_PIECE, "standardised")
    records = run_pieces(cohort.scratch_folder(folder), pieces, make, args.workers, "series")
    done = cohort.usable(pieces, records, report, "series")
    if len(done) < 3:
        raise cohort.nothing_usable(folder, report, source)
    kept, frames = [subject for subject, _, _ in done], [became["frames"] for _, _, became in done]
    split = cohort.splits_of(kept, ages, PAPER["sizes"], args.split_seed)
    years = [ages[subject].age for subject in kept]
    cohort.store(
        folder,
        pieces,
        records,
        report,
        {"id": kept, "label": years, "split": split, "frames": frames},
        stem="frames",
        rows=[sum(became.get("frames", 0) for became in record["result"]) for record in records],
        dtype="float32",
        row_shape=(PARCELS,),
        name=args.name,
        label="age, years",
        source={"file": source.name, "sha256": source_sha256, "url": URL},
        synthetic=marker(source) is not None,
    )
    length = f"{min(frames)} to {max(frames)}" if min(frames) < max(frames) else str(frames[0])
    cohort.tell(folder, f"series of {PARCELS} parcels, {length} frames", split, years, report, PAPER)


def find_files(source: Path, others: set[str], report: Report) -> dict[str, list[str]]:
    """Subject → the names of their files; what is no table of a known ending goes to the report."""
    if not source.is_dir():
        raise UserError(f"{source}: no such folder: put the series there, or name their folder with --source")
    files: dict[str, list[str]] = {}
    for path in sorted(source.iterdir()):
        if path.name in others or path.name == MARKER or path.name.startswith("."):
            continue
        if path.suffix not in ENDINGS or not path.is_file():
            report.add("", path.name, f"no SUBJECT{', SUBJECT'.join(ENDINGS)}")
        else:
            files.setdefault(path.stem, []).append(path.name)
    return files


def make_piece(items: Sequence[Any], *, source: Path) -> tuple[Any, list[dict[str, Any]]]:
    """All frames of the usable series, (sum of T, parcels) float32, or None; and what became of each series."""
    import hashlib

    import numpy as np

    series = []
    results: list[dict[str, Any]] = []
    for _, file, *_ in items:
        try:
            series.append(standardised(read_series(source / file)))
            sha256 = hashlib.sha256(series[-1].tobytes()).hexdigest()
            results.append({"frames": len(series[-1]), "sha256": sha256})
        except (ValueError, OSError, MemoryError) as error:
            results.append({"reason": str(error) or type(error).__name__})
    return (np.concatenate(series) if series else None), results


def read_series(path: Path) -> Any:
    """The table in a file as (T, parcels) float64, finite; ValueError says what is wrong with it."""
    import numpy as np

    if path.stat().st_size == 0:
        raise ValueError("the file is empty")
    try:
        if path.suffix == ".npy":
            table = np.load(path, allow_pickle=False)
        else:
            table = np.loadtxt(path, delimiter="," if path.suffix == ".csv" else None, ndmin=2)
        table = np.asarray(table).astype(np.float64, casting="same_kind")
    except Exception as error:  # np.load and np.loadtxt raise many kinds on damaged files
        raise ValueError(f"not readable as a table of numbers ({str(error)[:120]})") from None
    if table.ndim != 2 or PARCELS not in table.shape:
        raise ValueError(f"no {PARCELS} parcels ({'×'.join(map(str, table.shape))} values)")
    if table.shape == (PARCELS, PARCELS):
        raise ValueError(f"parcels and frames cannot be told apart ({PARCELS}×{PARCELS} values)")
    table = table.T if table.shape[0] == PARCELS else table
    if len(table) < SHORTEST:
        raise ValueError(f"fewer than {SHORTEST} frames ({len(table)})")
    if not np.isfinite(table).all():
        frame, parcel = np.argwhere(~np.isfinite(table))[0]
        raise ValueError(f"values that are NaN or infinite (the first: parcel {parcel + 1}, frame {frame + 1})")
    return table


def standardised(series_TP: Any) -> Any:
    """Each parcel with mean 0 and standard deviation 1 over its frames, float32; ValueError names a constant one."""
    import numpy as np

    constant = np.flatnonzero(np.ptp(series_TP, axis=0) == 0)
    if constant.size:
        shown = ", ".join(str(parcel + 1) for parcel in constant[:5])
        raise ValueError(
            f"constant parcels ({constant.size} of {PARCELS}: {shown}{', …' if constant.size > 5 else ''})"
        )
    return ((series_TP - series_TP.mean(axis=0)) / series_TP.std(axis=0)).astype(np.float32)


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit status."""
    args = cohort.parser(NAME, ABOUT).parse_args(arguments)
    return command(lambda: prepare(args))
