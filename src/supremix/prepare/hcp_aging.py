"""Prepare HCP-Aging: parcel time series, a file for each subject, and a table of ages become a prepared folder."""

import argparse
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from supremix.data.prepared.making import cut, make_pieces
from supremix.errors import UserError
from supremix.prepare.shared import cohort
from supremix.prepare.shared.command import exit_code
from supremix.prepare.shared.marker import MARKER, marker
from supremix.prepare.shared.report import Finding, dropped
from supremix.prepare.shared.sources import is_current
from supremix.prepare.shared.subjects import match, read_ages, read_list
from supremix.prepare.shared.working_folder import resumable_folder
from supremix.runtime.stamps import stamp

NAME = "hcp_aging"
URL = "https://www.humanconnectome.org/study/hcp-lifespan-aging"
PAPER: dict[str, Any] = {"sizes": {"train": 456, "val": 100, "test": 100}, "ages": (36, 100)}
PER_PIECE = 16
ID_COLUMNS = ("subject", "src_subject_id")
AGE_COLUMNS = {"age": 1.0, "interview_age": 1 / 12}
ENDINGS = (".npy", ".csv", ".tsv", ".txt")
ABOUT = f"""\
Prepare HCP-Aging's resting-state fMRI time series of 400 parcels for training.

source: Lifespan Human Connectome Project in Aging, {URL},
        preprocessed with the CBIG pipeline and averaged over the 400 parcels of Schaefer et al. (2018)
terms:  an approved application and its data use certification: no subject's data may be passed on

The source folder holds one file a subject, SUBJECT.npy, .csv (commas) or .tsv, .txt (tabs or spaces), a table of
400 parcels × frames or frames × 400 parcels, of any length from 32 frames; and ages.csv
with the columns subject, age (years; or interview_age, months) and, if the split is given, split (train, val, test).

--parcels-in states which way the tables lie. Without it, they lie so that there are 400 parcels; what may as well
be a matrix of another atlas is refused. A header line and an index column, names or numbers that count or are whole
where the others are not, are left out and named in report.csv.

Each parcel's series is standardised over its frames to mean 0 and standard deviation 1, and stored as float32. Without
a given split, one is drawn in the paper's proportions. What is damaged, missing or double is left out and named in
report.csv, subjects with a constant parcel too, since it has no standardised series. Run again after an interruption,
it goes on where it stopped.

examples:
  supremix prepare {NAME} --source /data/series --workers 8
  supremix twin {NAME} && supremix prepare {NAME} --name {NAME}_demo     made-up series instead"""


def prepare(args: argparse.Namespace) -> None:
    """Make the prepared folder, or go on with an unfinished one; one that is there and whole is left as it is."""
    from supremix.prepare.hcp_series import PARCELS, check_axes

    folder, source = args.out / args.name, args.source or args.data / args.name
    findings: list[Finding] = []
    ages_file = args.ages or source / "ages.csv"
    files = find_files(source, {ages_file.name, args.exclude.name if args.exclude else ""}, findings)
    ages = read_ages(ages_file, ID_COLUMNS, AGE_COLUMNS, findings)
    excluded = read_list(args.exclude, ID_COLUMNS) if args.exclude else set()
    items = [(subject, file, stamp(source / file)) for subject, file in match(ages, files, excluded, findings)]
    made_from = cohort.source_of(
        items, ages, (args.split_seed, args.parcels_in), lambda file: (source / file).read_bytes()
    )
    if is_current(folder, args.name, made_from, cohort.check_arrays):
        print(f"{folder}: already prepared, left as it is")
        return
    pieces = cut(items, PER_PIECE, ["standardised", args.parcels_in])
    make = partial(make_piece, source=source, parcels_in=args.parcels_in)
    with resumable_folder(folder, "") as (working, finished):
        records = make_pieces(finished, pieces, make, args.workers, "series")
        series = cohort.usable(pieces, records, findings, "series")
        cohort.need_three(series, finished, findings, source)
        if args.parcels_in is None:
            check_axes(series, findings)
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


def make_piece(items: Sequence[Any], *, source: Path, parcels_in: str | None) -> tuple[Any, list[dict[str, Any]]]:
    """Standardise series: frames of the usable, (sum of T, parcels) float32, or None; and the result of each."""
    import hashlib

    import numpy as np

    from supremix.prepare.hcp_series import read_series, standardised

    series = []
    results: list[dict[str, Any]] = []
    for _, file, *_ in items:
        results.append({"source": None})
        try:
            raw = (source / file).read_bytes()
            results[-1]["source"] = hashlib.sha256(raw).hexdigest()
            frames_TP, axis, doubts = read_series(raw, Path(file).suffix, parcels_in)
            series.append(standardised(frames_TP))
            sha256 = hashlib.sha256(series[-1].tobytes()).hexdigest()
            results[-1] |= {"frames": len(frames_TP), "parcels_in": axis, "doubts": doubts, "sha256": sha256}
        except (ValueError, OSError, MemoryError) as error:
            results[-1]["reason"] = str(error) or type(error).__name__
    return (np.concatenate(series) if series else None), results


def main(arguments: list[str] | None = None) -> int:
    """Run ``supremix prepare NAME`` and return the exit code."""
    parser = cohort.parser(NAME, ABOUT)
    parser.add_argument(
        "--parcels-in", choices=["rows", "columns"], help="which way the tables lie (default: see above)"
    )
    args = parser.parse_args(arguments)
    return exit_code(lambda: prepare(args))
