"""Prepare AgeDB-DIR: AgeDB's images and Yang et al.'s split become a folder of equally large faces."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from supremix.errors import UserError
from supremix.prepare.shared.archives import Place, list_files
from supremix.prepare.shared.command import exit_code
from supremix.prepare.shared.face_csv import FaceRow, read_rows
from supremix.prepare.shared.faces import Face, FaceOptions, Origin, is_ready, prepare_faces, read_options
from supremix.prepare.shared.report import Finding

NAME = "agedb_dir"
URL = "https://ibug.doc.ic.ac.uk/resources/agedb/"
CSV_URL = "https://github.com/YyzHarry/imbalanced-regression (agedb-dir/data/agedb.csv)"
PAPER = {"train": 12208, "val": 2140, "test": 2140}
AGES = (0, 120)
FILE = re.compile(r"(?P<number>\d+)_[^_]+_(?P<age>\d+)_(?P<gender>[mf])\.jpg", re.IGNORECASE)
IMAGES = (".jpg", ".jpeg", ".png")
MISNAMED = "not named id_Name_age_gender.jpg"
ABOUT = f"""\
Prepare AgeDB-DIR for training: the faces as one memory-mapped array, with ages and split.

images: AgeDB (Moschoglou et al., 2017), files id_Name_age_gender.jpg, {URL}
terms:  non-commercial research; its authors send the password of the zip on request: unpack it with that first
split:  agedb.csv of Yang et al. (2021), 16,488 of the files,
        {CSV_URL}

--source is the folder with the images (subfolders too) or a zip without password; default: DATA/{NAME}.
--split-csv is the split; default: agedb.csv in the source, else in DATA/{NAME}.
Labels are the csv's ages. What is missing, doubled, misnamed, unreadable or out of range ({AGES[0]} to {AGES[1]} years)
is left out and listed in report.csv; so are images that the csv does not name. An age that differs from the one in
the file's name is kept and listed. Run again after an interruption, it goes on where it stopped.

examples:
  supremix prepare {NAME}                                from DATA/{NAME}
  supremix prepare {NAME} --source ~/AgeDB.zip --split-csv ~/agedb.csv
  supremix twin {NAME} && supremix prepare {NAME} --name {NAME}_demo     drawn faces instead"""


def collect(rows: Sequence[FaceRow], files: Mapping[str, Place]) -> tuple[list[Face], list[Finding]]:
    """Match the rows of the csv with the files of the source, by name; return the faces, and what does not match."""
    findings: list[Finding] = []
    unused: dict[str, str] = {}  # name → path in the source
    for path in files:
        name = _plain(path)
        if PurePosixPath(name).suffix.lower() not in IMAGES:
            continue
        if not FILE.fullmatch(name):
            findings.append(Finding(path, "dropped", MISNAMED))
        elif name in unused:
            findings.append(Finding(path, "dropped", "another file of this name", f"{unused[name]} is used"))
        else:
            unused[name] = path
    # Unpackers disagree on accented letters and on blanks in names, but a file's number is its own.
    by_number = {_parts(name): name for name in unused}
    faces: list[Face] = []
    for row in rows:
        name = _plain(row.path)
        parts = FILE.fullmatch(name)
        if not parts:
            findings.append(Finding(row.path, "dropped", f"{MISNAMED} in the csv"))
            continue
        match = name if name in unused else by_number.get(_parts(name), name)
        place = unused.pop(match, None)
        if place is None:
            findings.append(Finding(row.path, "dropped", "missing file"))
            continue
        if float(parts["age"]) != row.age:
            detail = f"{row.age:g} in the csv, which is used"
            findings.append(Finding(row.path, "kept", "another age in the file's name", detail))
        faces.append(Face(row.path, row.age, row.split, files[place]))
    findings += [Finding(path, "dropped", "not in the csv") for path in unused.values()]
    return faces, findings


def _plain(path: str) -> str:
    return unicodedata.normalize("NFC", PurePosixPath(path).name)


def _parts(name: str) -> tuple[str, ...]:
    parts = FILE.fullmatch(name)
    return tuple(part.lower() for part in parts.groups()) if parts else ()


def find_csv(options: FaceOptions) -> Path:
    """Find agedb.csv: as given, in the source, or in the data directory."""
    places = [options.csv] if options.csv else [options.source / "agedb.csv", options.data / NAME / "agedb.csv"]
    for place in places:
        if place.is_file():
            return place
    raise UserError(
        f"agedb.csv: not in {' or '.join(map(str, places))}: get it from {CSV_URL}, name it with --split-csv"
    )


def main(arguments: list[str] | None = None) -> int:
    """Run ``supremix prepare NAME`` and return the exit code."""

    def body() -> None:
        options = read_options(ABOUT, NAME, arguments)
        if not options.source.exists() and is_ready(options):
            return
        files = list_files(options.source)
        rows, findings = read_rows(find_csv(options), AGES)
        faces, unmatched = collect(rows, files)
        if not faces:
            unpacked = "unpack AgeDB.zip into it, or name another place with --source"
            raise UserError(f"{options.source}: none of the {len(rows)} images of the csv is there: {unpacked}")
        origin = Origin(URL, PAPER, {"ages": f"{AGES[0]} to {AGES[1]}"})
        prepare_faces(options, faces, [*findings, *unmatched], origin)

    return exit_code(body)
