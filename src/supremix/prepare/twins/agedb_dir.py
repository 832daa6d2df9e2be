"""Write a twin of AgeDB-DIR: drawn faces under AgeDB's file names, with Yang et al.'s split or one like it."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from supremix.data.prepared.folder import SPLITS
from supremix.errors import UserError
from supremix.prepare.shared.face_csv import FaceRow, format_rows, read_rows
from supremix.prepare.shared.marker import marker
from supremix.prepare.twins.faces import draw_jpeg, person
from supremix.prepare.twins.raw_folder import TwinOptions, draw, raw_folder

SIZES = {"tiny": (60, 32), "small": (320, 32), "demo": (1500, 64), "real": (16488, 224)}  # images, pixels
AGES = (0, 120)
SYLLABLES = ("Ba", "De", "Fi", "Go", "Hu", "Ka", "Le", "Mi", "No", "Pu", "Ra", "Se", "Ti", "Vo", "Zu")


def generate(options: TwinOptions) -> None:
    """Write AgeDB/*.jpg and agedb.csv.

    Names, ages and split are those of the agedb.csv in ``<out>/agedb_dir`` where there is one, else made up alike;
    the smaller sizes take a part of them that keeps the shares of the splits and the range of ages. The size "real"
    needs the csv.
    """
    count, pixels = SIZES[options.size]
    with raw_folder(options, pixels=pixels) as folder:
        if folder is None:
            return
        rng = np.random.default_rng(options.seed)
        rows = choose(_table(options, rng), count, rng)
        (folder / "AgeDB").mkdir()
        work = partial(_draw, options.seed, round(pixels * 1.15))
        for row, content in draw("drawing faces", work, rows, options.workers):
            (folder / row.path).write_bytes(content)
        (folder / "agedb.csv").write_text(format_rows(rows), encoding="utf-8")


def _draw(seed: int, pixels: int, row: FaceRow) -> bytes:
    number, name, _, gender = Path(row.path).stem.split("_")
    who = person(name, gender == "m", seed)
    return draw_jpeg(row.age, who, np.random.default_rng([seed, int(number)]), pixels)


def choose(rows: Sequence[FaceRow], count: int, rng: np.random.Generator) -> list[FaceRow]:
    """`count` of the rows, in their order: from each split its share, evenly over the ages."""
    chosen: list[int] = []
    for split in SPLITS:
        of_split = [i for i, row in enumerate(rows) if row.split == split]
        by_age = sorted(of_split, key=lambda i: rows[i].age)
        share = len(of_split) / len(rows) * count
        size = count - len(chosen) if split == SPLITS[-1] else round(share)
        edges = np.arange(size + 1) * len(by_age) // size  # one of each of `size` stretches of the sorted rows
        chosen += [by_age[i] for i in rng.integers(edges[:-1], edges[1:])]
    return [rows[i] for i in sorted(chosen)]


def _table(options: TwinOptions, rng: np.random.Generator) -> list[FaceRow]:
    path = options.out / "agedb_dir" / "agedb.csv"
    if path.is_file() and marker(path) is None:
        return read_rows(path, AGES)[0]
    if options.size == "real":
        raise UserError(f"{path}: not there: the size real needs the true split; demo and tiny do not")
    return made_up_table(rng)


def made_up_table(rng: np.random.Generator) -> list[FaceRow]:
    """As many rows as AgeDB-DIR has, with training ages around 47 and others spread evenly, as there."""
    rows = []
    splits = rng.permutation(np.repeat(SPLITS, (12208, 2140, 2140)))
    people = ["".join(rng.choice(SYLLABLES, 4)) + rng.choice(["_f", "_m"]) for _ in range(560)]
    for number, split in enumerate(splits):
        age = int(np.clip(rng.normal(47, 17), 1, 101)) if split == "train" else int(rng.integers(3, 96))
        name, gender = people[rng.integers(len(people))].split("_")
        rows.append(FaceRow(f"AgeDB/{number}_{name}_{age}_{gender}.jpg", float(age), str(split)))
    return rows
