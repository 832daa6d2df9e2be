"""Read and write tables of faces in the format of Yang et al. (2021): columns age, path, split."""

import csv
import io
import math
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from supremix.data.prepared.cells import length_fault, number, read_table, shown
from supremix.data.prepared.folder import SPLITS
from supremix.errors import UserError
from supremix.prepare.shared.report import Finding

COLUMNS = ("age", "path", "split")


class FaceRow(NamedTuple):
    """A checked row. path: as in the csv, unique; age: years."""

    path: str
    age: float
    split: str


def read_rows(path: Path, ages: tuple[float, float]) -> tuple[list[FaceRow], list[Finding]]:
    """Read the usable rows of a csv, in its order, and what is wrong with the others.

    Raises UserError where there is no such file, or none with these columns.

    Args:
        ages: lowest and highest age taken, years.
    """
    try:
        table = read_table(path.read_bytes())
    except FileNotFoundError:
        raise UserError(f"{path}: not there: get it, or name it with --split-csv") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not readable as CSV ({error}): get it again") from error
    if not set(COLUMNS) <= set(table.header):
        raise UserError(
            f"{path}: the header is {','.join(table.header)[:80]!r}, it must have age,path,split: get it again"
        )
    rows: list[FaceRow] = []
    findings: list[Finding] = []
    first: dict[str, int] = {}
    for at, cells in table.rows:
        line = dict(zip(table.header, cells, strict=False))
        name = line.get("path", "").strip("\n\r") or f"{path.name}, row {at}"
        short = length_fault(cells, table.header)
        fault = ("wrong number of fields", f"row {at} has {short}") if short else _fault(line, ages)
        if fault is None and name in first:
            same = _agree(_row(line), rows[first[name]])
            fault = "listed twice", f"row {at} repeats an earlier one{'' if same else ' with other values'}"
        if fault is not None:
            findings.append(Finding(name, "dropped", *fault))
            continue
        first[name] = len(rows)
        rows.append(_row(line))
    return rows, findings


def format_rows(rows: Iterable[FaceRow]) -> str:
    """Write rows in the same format."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([f"{row.age:g}", row.path, row.split] for row in rows)
    return text.getvalue()


def _row(line: dict[str, str]) -> FaceRow:
    return FaceRow(line["path"], number(line["age"]), line["split"])


def _agree(row: FaceRow, other: FaceRow) -> bool:
    return row.split == other.split and math.isclose(row.age, other.age)  # spreadsheets round


def _fault(line: dict[str, str], ages: tuple[float, float]) -> tuple[str, str] | None:
    if not line["path"]:
        return "no path in the csv", f"age {line['age']!r}, split {line['split']!r}"
    if not ages[0] <= number(line["age"]) <= ages[1]:  # fails for NaN too
        return "age missing or out of range", f"{shown(line['age'])} in the csv, not {ages[0]:g} to {ages[1]:g}"
    if line["split"] not in SPLITS:
        return "unknown split", f"{line['split']!r} in the csv, not {', '.join(SPLITS)}"
    return None
