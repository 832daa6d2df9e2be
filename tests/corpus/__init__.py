"""Odd raw files by format: each module has sound files, a command that prepares them, and a table of odd ones.

`test_corpus.py` runs each case through the command line. It ends with the right value, with a line of report.csv that
names what was left out or doubted, or with one line that names file, place and way out.
"""

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RAW = "RAW"
"""Stands for the folder of raw files in arguments."""


@dataclass(frozen=True)
class Odd:
    """An odd input, and what must become of it.

    Args:
        write: changes the sound files below the folder.
        refused: words of the one line on stderr that refuses the input; none where it is prepared.
        report: words of one line of report.csv; none where nothing is left out or doubted.
        right: raises AssertionError where the prepared folder does not hold the right values.
        arguments: further ones of the command.
    """

    name: str
    write: Callable[[Path], Any]
    refused: Sequence[str] = ()
    report: Sequence[str] = ()
    right: Callable[[Path], Any] = lambda folder: None
    arguments: Sequence[str] = ()


def put(name: str, content: str | bytes) -> Callable[[Path], Any]:
    """A file of this name and content, text in UTF-8."""
    raw = content if isinstance(content, bytes) else content.encode()
    return lambda folder: (folder / name).write_bytes(raw)


def labels(folder: Path) -> dict[str, float]:
    """The labels of a prepared folder by id."""
    with (folder / "manifest.csv").open(encoding="utf-8", newline="") as file:
        return {row["id"]: float(row["label"]) for row in csv.DictReader(file)}


def have(**expected: float | None) -> Callable[[Path], None]:
    """Rows of the prepared folder with these labels, None for a row that is not there; other rows are not looked at."""

    def check(folder: Path) -> None:
        found = labels(folder)
        assert {name: found.get(name) for name in expected} == expected

    return check
