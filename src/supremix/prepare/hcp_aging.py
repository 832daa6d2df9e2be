"""Prepare HCP-Aging: parcel time series, a file for each subject, and a table of ages become a prepared folder."""

import argparse
import io
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from supremix.errors import UserError
from supremix.prepare.shared import cohort
from supremix.prepare.shared.command import exit_code
from supremix.prepare.shared.marker import MARKER, marker
from supremix.prepare.shared.pieces import cut, make_pieces
from supremix.prepare.shared.report import Finding, dropped
from supremix.prepare.shared.sources import is_current
from supremix.prepare.shared.stamps import stamp
from supremix.prepare.shared.subjects import match, read_ages, read_list
from supremix.prepare.shared.working_folder import resumable_folder

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
report.csv, subjects with a constant parcel too, since it has no standardised series. Run again after an interruption,
it goes on where it stopped.

examples:
  supremix prepare {NAME} --source /data/series --workers 8
  supremix twin {NAME} && supremix prepare {NAME} --name {NAME}_demo     made-up series instead"""


def prepare(args: argparse.Namespace) -> None:
    """Make the prepared folder, or go on with an unfinished one; one that is there and whole is left as it is."""
    folder, source = args.out / args.name, args.source or args.data / args.name
    findings: list[Finding] = []
    ages_file = args.ages or source / "ages.csv"
    files = find_files(source, {ages_file.name, args.exclude.name if args.exclude else ""}, findings)
    ages = read_ages(ages_file, ID_COLUMNS, AGE_COLUMNS, findings)
    excluded = read_list(args.exclude, ID_COLUMNS) if args.exclude else set()
    items = [(subject, file, stamp(source / file)) for subject, file in match(ages, files, excluded, findings)]
    made_from = cohort.source_of(items, ages, (args.split_seed,), lambda file: (source / file).read_bytes())
    if is_current(folder, args.name, made_from, cohort.check_arrays):
        print(f"{folder}: already prepared, left as it is")
        return
    pieces = cut(items, PER_PIECE, "standardised")
    make = partial(make_piece, source=source)
    with resumable_folder(folder, "") as (working, finished):
        records = make_pieces(finished, pieces, make, args.workers, "series")
        series = cohort.usable(pieces, records, findings, "series")
        cohort.need_three(series, finished, findings, source)
        subjects, frames = [subject for subject, _, _ in series], [result["frames"] for _, _, result in series]
        split = cohort.splits_of(subjects, ages, PAPER["sizes"], args.split_seed)
        years = [ages[subject].age for subject in subjects]
        cohort.store(
            working,
            finished,
            pieces,
            records,
            findings,
            {"id": subjects, "label": years, "split": split, "frames": frames},
            stem="frames",
            rows=[sum(result.get("frames", 0) for result in record["result"]) for record in records],
            dtype="float32",
            row_shape=(PARCELS,),
            name=args.name,
            label="age, years",
            made_from=made_from,
            file=source.name,
            url=URL,
            synthetic=marker(source) is not None,
        )
    length = f"{min(frames)} to {max(frames)}" if min(frames) < max(frames) else str(frames[0])
    cohort.print_summary(folder, f"series of {PARCELS} parcels, {length} frames", split, years, findings, PAPER)


def find_files(source: Path, others: set[str], findings: list[Finding]) -> dict[str, list[str]]:
    """Map subjects to the names of their files; add what is no table of a known ending to `findings`."""
    if not source.is_dir():
        raise UserError(f"{source}: no such folder: put the series there, or name their folder with --source")
    files: dict[str, list[str]] = {}
    for path in sorted(source.iterdir()):
        if path.name in others or path.name == MARKER or path.name.startswith("."):
            continue
        if path.suffix not in ENDINGS or not path.is_file():
            findings.append(dropped(f"no SUBJECT{', SUBJECT'.join(ENDINGS)}", path.name))
        else:
            files.setdefault(path.stem, []).append(path.name)
    return files


def make_piece(items: Sequence[Any], *, source: Path) -> tuple[Any, list[dict[str, Any]]]:
    """Standardise series: frames of the usable, (sum of T, parcels) float32, or None; and the result of each."""
    import hashlib

    import numpy as np

    series = []
    results: list[dict[str, Any]] = []
    for _, file, *_ in items:
        results.append({"source": None})
        try:
            raw = (source / file).read_bytes()
            results[-1]["source"] = hashlib.sha256(raw).hexdigest()
            series.append(standardised(read_series(raw, Path(file).suffix)))
            sha256 = hashlib.sha256(series[-1].tobytes()).hexdigest()
            results[-1] |= {"frames": len(series[-1]), "sha256": sha256}
        except (ValueError, OSError, MemoryError) as error:
            results[-1]["reason"] = str(error) or type(error).__name__
    return (np.concatenate(series) if series else None), results


def read_series(raw: bytes, suffix: str) -> Any:
    """Read a file's content as (T, parcels) float64, finite; raise ValueError that names its fault."""
    import numpy as np

    if not raw:
        raise ValueError("the file is empty")
    try:
        if suffix == ".npy":
            table = np.load(io.BytesIO(raw), allow_pickle=False)
        else:
            table = np.loadtxt(io.BytesIO(raw), delimiter="," if suffix == ".csv" else None, ndmin=2)
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
    """Scale each parcel to mean 0 and standard deviation 1 over its frames, float32; ValueError for a constant."""
    import numpy as np

    constant = np.flatnonzero(np.ptp(series_TP, axis=0) == 0)
    if constant.size:
        shown = ", ".join(str(parcel + 1) for parcel in constant[:5])
        raise ValueError(
            f"constant parcels ({constant.size} of {PARCELS}: {shown}{', …' if constant.size > 5 else ''})"
        )
    return ((series_TP - series_TP.mean(axis=0)) / series_TP.std(axis=0)).astype(np.float32)


def main(arguments: list[str] | None = None) -> int:
    """Run ``supremix prepare NAME`` and return the exit code."""
    args = cohort.parser(NAME, ABOUT).parse_args(arguments)
    return exit_code(lambda: prepare(args))
