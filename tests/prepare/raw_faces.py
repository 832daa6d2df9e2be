"""Small raw face data for tests, in the formats of AgeDB and IMDB-WIKI."""

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

PEOPLE = ("AnnExample", "BobSample", "CyProbe")


def jpeg(number: int, size: tuple[int, int] = (30, 26)) -> bytes:
    """A JPEG file of (width, height) `size`, different for each number."""
    rng = np.random.default_rng(number)
    coarse = Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8))
    file = io.BytesIO()
    coarse.resize(size, Image.Resampling.BICUBIC).save(file, "JPEG")
    return file.getvalue()


def name_of(number: int) -> str:
    """AgeDB's file name of image `number`."""
    return f"{number}_{PEOPLE[number % 3]}_{age_of(number)}_{'fm'[number % 2]}.jpg"


def age_of(number: int) -> int:
    """Its age."""
    return 20 + 3 * number


def split_of(number: int) -> str:
    """Its split: 8 of 12 train."""
    return ("train", "val", "test", "train", "train", "train")[number % 6]


def csv_lines(count: int) -> list[str]:
    """agedb.csv of `count` images, with its header."""
    return ["age,path,split", *(f"{age_of(i)},AgeDB/{name_of(i)},{split_of(i)}" for i in range(count))]


def write_agedb(folder: Path, count: int = 12, lines: Sequence[str] | None = None) -> Path:
    """Write AgeDB/ with `count` images and agedb.csv below `folder`."""
    (folder / "AgeDB").mkdir(parents=True)
    for i in range(count):
        (folder / "AgeDB" / name_of(i)).write_bytes(jpeg(i))
    write_csv(folder, csv_lines(count) if lines is None else lines)
    return folder


def write_csv(folder: Path, lines: Sequence[str]) -> None:
    """Write agedb.csv."""
    (folder / "agedb.csv").write_text("\n".join([*lines, ""]), encoding="utf-8")


def zipped(folder: Path, target: Path) -> Path:
    """The images of `folder` as a zip."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.mkdir("AgeDB")
        for path in sorted((folder / "AgeDB").iterdir()):
            archive.write(path, f"AgeDB/{path.name}")
    return target
