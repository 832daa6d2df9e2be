"""Prepare IMDB-WIKI: the face crops that pass the filters become a folder of equally large faces."""

import datetime
import io
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from supremix.errors import UserError
from supremix.prepare.shared.archives import Place, list_files
from supremix.prepare.shared.command import exit_code
from supremix.prepare.shared.face_csv import FaceRow, format_rows, read_rows
from supremix.prepare.shared.faces import Face, FaceOptions, Origin, is_ready, prepare_faces, read_options
from supremix.prepare.shared.report import Finding
from supremix.runtime.progress import meter

if TYPE_CHECKING:
    import numpy as np

NAME = "imdb_wiki"
URL = "https://data.vision.ee.ethz.ch/cvl/rrothe/imdb-wiki/"
CSV_URL = "https://github.com/YyzHarry/imbalanced-regression (imdb-wiki-dir/data/imdb_wiki.csv)"
PAPER = {"train": 191509, "val": 11022, "test": 11022}
AGES = (0, 200)
LEAST_SCORE = 1.0
SPLIT_SEED, SPLIT_AGES, SPLIT_MOST = 666, range(121), 150
PARTS = ("imdb", "wiki")
FIELDS = ("dob", "photo_taken", "full_path", "face_score", "second_face_score")
FILTERS = {
    "face_score": f"at least {LEAST_SCORE:g}",
    "second_face_score": "none, or not above 0",
    "age": f"{AGES[0]} to {AGES[1]} years: year of the photo, taken in mid-year, less the date of birth",
}
SPLITTING = (
    f"of the n images of an age (0 to {SPLIT_AGES[-1]}), shuffled by seed {SPLIT_SEED}, "
    f"min(n // 3, {SPLIT_MOST}) validate, as many test, the others train"
)
ABOUT = f"""\
Prepare IMDB-WIKI for training: the faces as one memory-mapped array, with ages and split.

images: IMDB-WIKI (Rothe et al., 2018), imdb_crop.tar (7 GB) and wiki_crop.tar (1 GB), "faces only",
        {URL}
terms:  academic research only; the images are their owners'
needs:  32 GB of space for 224×224 pixels

--source is the folder with the two tars, unpacked or not; default: DATA/{NAME}. Images are used that have
  face_score         {FILTERS["face_score"]}
  second_face_score  {FILTERS["second_face_score"]}
  age                {FILTERS["age"]}
as Yang et al. (2021) do, and the paper after them; wrong labels up to 186 years stay in, as in the paper.

--split-csv is the split, columns age,path,split; default: imdb_wiki.csv in the source. The one of Yang et al. (2021):
        {CSV_URL}
Without one the split is drawn by their rule:
  {SPLITTING}.
Either way the table that was used is written to imdb_wiki.csv in the prepared folder. What is left out, by a filter
or for a fault, is listed in report.csv. Run again after an interruption, it goes on where it stopped.

examples:
  supremix prepare {NAME} --source ~/downloads --workers 8
  supremix prepare {NAME} --split-csv ~/imdb_wiki.csv    the split of Yang et al.
  supremix twin {NAME} && supremix prepare {NAME} --name {NAME}_demo     drawn faces instead"""


class Entry(NamedTuple):
    """A line of the metadata. path: as in the table, e.g. imdb_crop/01/nm0000001_rm….jpg; age: years."""

    path: str
    age: int | None
    score: float
    second_score: float


def read_metadata(part: str, place: Place) -> list[Entry]:
    """Read the entries of imdb.mat or wiki.mat; raise UserError where it is damaged."""
    from scipy.io import loadmat

    try:
        table = loadmat(io.BytesIO(place.read()), variable_names=[part])[part][0, 0]
        columns = [table[field].ravel() for field in FIELDS]
        lengths = {len(column) for column in columns}
        if len(lengths) != 1:
            raise ValueError(f"columns of different lengths {sorted(lengths)}")
        return [
            Entry(f"{part}_crop/{path.item()}", age_of(born, taken), float(score), float(second))
            for born, taken, path, score, second in zip(*columns, strict=True)
        ]
    except Exception as error:  # SciPy's reader lets many kinds through
        raise UserError(f"{part}.mat: damaged ({type(error).__name__}: {error}): get {part}_crop.tar again") from error


def age_of(born: "np.floating | np.integer", taken: "np.floating | np.integer") -> int | None:
    """Age in whole years at the middle of the year `taken`; None where a date is no date.

    Args:
        born: MATLAB's day number, which is 366 ahead of Python's; days before the year 1 count as its first.
        taken: year of the photo.
    """
    try:
        birth = datetime.date.fromordinal(max(int(born) - 366, 1))
        return int(taken) - birth.year - (birth.month >= 7)
    except (ValueError, OverflowError):
        return None


def usable(entries: Sequence[Entry]) -> tuple[list[tuple[str, int]], list[Finding]]:
    """List paths and ages that pass the filters, each path once, and why the others do not."""
    kept: dict[str, int] = {}
    findings = []
    for entry in entries:
        reason = _fault(entry)
        if reason is None and entry.path in kept:
            reason = "listed twice", "in the metadata"
        if reason is not None:
            findings.append(Finding(entry.path, "dropped", *reason))
        elif entry.age is not None:
            kept[entry.path] = entry.age
    return list(kept.items()), findings


def _fault(entry: Entry) -> tuple[str, str] | None:
    if not entry.score >= LEAST_SCORE:
        return "face score too low", f"{entry.score:g}"
    if entry.second_score > 0:  # NaN where there is no second face
        return "a second face", f"score {entry.second_score:g}"
    if entry.age is None or not AGES[0] <= entry.age <= AGES[1]:
        return "age missing or out of range", f"{entry.age}"
    return None


def draw_rows(kept: Sequence[tuple[str, int]]) -> list[FaceRow]:
    """Split the images by the rule of Yang et al. (2021): validation and test balanced over the ages."""
    by_age: dict[int, list[str]] = {}
    for path, age in kept:
        by_age.setdefault(age, []).append(path)
    stream = random.Random(SPLIT_SEED)
    split: dict[str, str] = {}
    for age in SPLIT_AGES:
        paths = by_age.get(age, [])
        stream.shuffle(paths)
        size = min(len(paths) // 3, SPLIT_MOST)
        split |= dict.fromkeys(paths[:size], "val") | dict.fromkeys(paths[size : 2 * size], "test")
    return [FaceRow(path, float(age), split.get(path, "train")) for path, age in kept]


def compare_rows(rows: Sequence[FaceRow], kept: Sequence[tuple[str, int]]) -> list[Finding]:
    """List doubts about a given table: rows that the metadata would not have, or with another age."""
    ages = dict(kept)
    findings = []
    for row in rows:
        if row.path not in ages:
            findings.append(Finding(row.path, "kept", "in the csv, but not through the filters"))
        elif ages[row.path] != row.age:
            detail = f"{row.age:g} in the csv, which is used, {ages[row.path]} by the metadata"
            findings.append(Finding(row.path, "kept", "another age in the metadata", detail))
    return findings


def find_parts(options: FaceOptions) -> dict[str, Place]:
    """List all files of both parts, from tars or folders, as imdb_crop/… and wiki_crop/…."""
    files: dict[str, Place] = {}
    for part in PARTS:
        folder, tar = options.source / f"{part}_crop", options.source / f"{part}_crop.tar"
        if folder.is_dir():
            files |= {f"{part}_crop/{path}": place for path, place in list_files(folder).items()}
        elif tar.exists():
            files |= list_files(tar)
        else:
            raise UserError(f"{tar}: not there: get it from {URL}, or name the folder it is in with --source")
    return files


def read_entries(source: Path, files: Mapping[str, Place]) -> list[Entry]:
    """Read the metadata of both parts; raise UserError where one is missing or damaged."""
    places = {part: files.get(f"{part}_crop/{part}.mat") for part in PARTS}
    entries: list[Entry] = []
    with meter("reading metadata", sum(place.size for place in places.values() if place)) as advance:
        for part, place in places.items():
            if place is None:
                raise UserError(f"{source}: no {part}_crop/{part}.mat: get {part}_crop.tar again from {URL}")
            entries += read_metadata(part, place)
            advance(place.size)
    return entries


def main(arguments: list[str] | None = None) -> int:
    """Run ``supremix prepare NAME`` and return the exit code."""

    def body() -> None:
        options = read_options(ABOUT, NAME, arguments)
        if not options.source.exists() and is_ready(options):
            return
        files = find_parts(options)
        kept, findings = usable(read_entries(options.source, files))
        beside = options.source / "imdb_wiki.csv"
        table = options.csv or (beside if beside.is_file() else None)
        if table is None:
            rows = draw_rows(kept)
        else:
            rows, faults = read_rows(table, AGES)
            findings = [*faults, *compare_rows(rows, kept)]
        findings += [Finding(row.path, "dropped", "missing file") for row in rows if row.path not in files]
        faces = [Face(row.path, row.age, row.split, files[row.path]) for row in rows if row.path in files]
        if not faces:
            raise UserError(f"{options.source}: none of {len(rows)} images is there: check that tars and table match")
        splitting = SPLITTING if table is None else f"as in {table.name}"
        print(f"split: {splitting}")
        origin = Origin(URL, PAPER, {"filters": FILTERS, "splitting": splitting})
        prepare_faces(options, faces, findings, origin, {"imdb_wiki.csv": format_rows(rows)})

    return exit_code(body)
