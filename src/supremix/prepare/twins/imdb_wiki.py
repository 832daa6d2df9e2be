"""Write a twin of IMDB-WIKI: two tars of drawn face crops with MATLAB metadata, some of them damaged."""

import datetime
import io
import tarfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from supremix.prepare.shared.face_csv import FaceRow, format_rows
from supremix.prepare.twins.faces import draw_jpeg, person
from supremix.prepare.twins.raw_folder import TwinOptions, draw, raw_folder

SIZES = {  # images, of which about 3 in 4 pass; pixels
    "tiny": (80, 32),
    "small": (480, 32),
    "demo": (2000, 64),
    "real": (284737, 224),
}
WITH_SPLIT = ("tiny", "small", "demo")
HELD_OUT = 8  # in these, one image in eight validates, one tests
FAULTS = {  # share of the images
    "": 0.75,
    "no face": 0.08,
    "low score": 0.04,
    "second face": 0.09,
    "no birth": 0.01,
    "negative age": 0.01,
    "missing": 0.01,
    "truncated": 0.01,
}
HEADER = b"MATLAB 5.0 MAT-file, synthetic".ljust(116)  # in place of SciPy's, which names the time of day
LISTED = ("", "missing", "truncated")  # those that the metadata alone do not show


class Shot(NamedTuple):
    """One image and its metadata. path: below its part's folder."""

    part: str
    path: str
    name: str
    male: bool
    age: int
    born: int  # MATLAB's day number
    taken: int
    fault: str
    number: int


def generate(options: TwinOptions) -> None:
    """Write imdb_crop.tar and wiki_crop.tar, each with its images and its .mat.

    The smaller sizes come with a split, imdb_wiki.csv, since the usual rule would leave them little to train on.
    """
    count, pixels = SIZES[options.size]
    with raw_folder(options, pixels=pixels) as folder:
        if folder is None:
            return
        shots = _shots(count, np.random.default_rng(options.seed))
        for part in ("imdb", "wiki"):
            mine = [shot for shot in shots if shot.part == part]
            work = partial(_draw, options.seed, round(pixels * 1.15))
            with tarfile.open(folder / f"{part}_crop.tar", "w") as archive:
                _add(archive, f"{part}_crop/{part}.mat", _metadata(part, mine, options.seed))
                for shot, content in draw(f"drawing {part} faces", work, mine, options.workers):
                    if shot.fault != "missing":
                        _add(archive, f"{part}_crop/{shot.path}", content)
        if options.size in WITH_SPLIT:
            rows = _split([shot for shot in shots if shot.fault in LISTED])
            (folder / "imdb_wiki.csv").write_text(format_rows(rows), encoding="utf-8")


def _split(shots: Sequence[Shot]) -> list[FaceRow]:
    """Split the images evenly over the ages."""
    splits = {0: "val", HELD_OUT // 2: "test"}
    rows = []
    for i, shot in enumerate(sorted(shots, key=lambda shot: shot.age)):
        rows.append(FaceRow(f"{shot.part}_crop/{shot.path}", float(shot.age), splits.get(i % HELD_OUT, "train")))
    return rows


def _shots(count: int, rng: np.random.Generator) -> list[Shot]:
    shots = []
    faults = rng.choice(list(FAULTS), count, p=list(FAULTS.values()))
    people = [bool(rng.random() < 0.57) for _ in range(max(count // 10, 4))]  # a person has 10 images, by the mean
    for number, fault in enumerate(faults):
        part = "imdb" if rng.random() < 0.88 else "wiki"
        who = int(rng.integers(len(people)))
        age, taken = int(np.clip(rng.normal(37, 14), 0, 100)), int(rng.integers(1955, 2015))
        # Born before July: at mid-year the age is the difference of the years.
        birth = datetime.date(taken - age, int(rng.integers(1, 7)), int(rng.integers(1, 29)))
        born, taken_by = birth.toordinal() + 366, taken
        if fault == "no birth":
            born = 0
        elif fault == "negative age":
            taken_by = birth.year - 30
        day = f"{birth.year}-{birth.month}-{birth.day}"
        if part == "imdb":
            path = f"{who % 100:02d}/nm{who:07d}_rm{number:09d}_{day}_{taken_by}.jpg"
        else:
            path = f"{number % 100:02d}/{number}_{birth.isoformat()}_{taken_by}.jpg"
        shots.append(Shot(part, path, f"Person {who}", people[who], age, born, taken_by, str(fault), number))
    return shots


def _draw(seed: int, pixels: int, shot: Shot) -> bytes:
    rng = np.random.default_rng([seed, shot.number])
    content = draw_jpeg(shot.age, person(shot.name, shot.male, seed), rng, pixels)
    return content[: len(content) // 2] if shot.fault == "truncated" else content


def _metadata(part: str, shots: Sequence[Shot], seed: int) -> bytes:
    """Write the .mat file: a structure of rows, cells for texts, as MATLAB writes it."""
    from scipy.io import savemat

    rng = np.random.default_rng([seed, 1])
    none = np.array([shot.fault == "no face" for shot in shots])
    scores = np.where([shot.fault == "low score" for shot in shots], 0.6, rng.uniform(1.0, 6.0, len(shots)))
    second = np.where([shot.fault == "second face" for shot in shots], rng.uniform(1.0, 4.0, len(shots)), np.nan)
    table: dict[str, Any] = {
        "dob": np.array([[shot.born for shot in shots]], dtype=np.int32),
        "photo_taken": np.array([[shot.taken for shot in shots]], dtype=np.uint16),
        "full_path": _cells([shot.path for shot in shots]),
        "gender": np.array([[float(shot.male) for shot in shots]]),
        "name": _cells([shot.name for shot in shots]),
        "face_location": _cells([np.array([[1.0, 1.0, 100.0, 100.0]]) for _ in shots]),
        "face_score": np.where(none, -np.inf, scores)[None],
        "second_face_score": second[None],
    }
    file = io.BytesIO()
    savemat(file, {part: table})
    return HEADER + file.getvalue()[len(HEADER) :]


def _cells(values: Sequence[Any]) -> np.ndarray:
    cells = np.empty((1, len(values)), dtype=object)
    cells[0, :] = [np.asarray(value) for value in values]
    return cells


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(Path(name).as_posix())
    entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content))
