"""Read and write tables of faces in the format of Yang et al. (2021): columns age, path, split."""

import csv
import io
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

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
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            lines = list(reader)
            header = reader.fieldnames or []
    except FileNotFoundError:
        raise UserError(f"{path}: not there: get it, or name it with --split-csv") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: not readable as CSV ({error}): get it again") from error
    if not set(COLUMNS) <= set(header):
        raise UserError(f"{path}: the header is {','.join(header)[:80]!r}, it must have age,path,split: get it again")
    rows: list[FaceRow] = []
    findings: list[Finding] = []
    first: dict[str, int] = {}
    for number, line in enumerate(lines, start=1):
        name = (line["path"] or "").strip("\n\r") or f"{path.name}, row {number}"
        fault = _fault(line, ages)
        if fault is None and name in first:
            same = FaceRow(*_values(line)) == rows[first[name]]
            fault = "listed twice", f"row {number} repeats an earlier one{'' if same else ' with other values'}"
        if fault is not None:
            findings.append(Finding(name, "dropped", *fault))
            continue
        first[name] = len(rows)
        rows.append(FaceRow(*_values(line)))
    return rows, findings


def format_rows(rows: Iterable[FaceRow]) -> str:
    """Write rows in the same format."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([f"{row.age:g}", row.path, row.split] for row in rows)
    return text.getvalue()


def _values(line: dict[str, str]) -> tuple[str, float, str]:
    return line["path"], float(line["age"]), line["split"]


def _fault(line: dict[str, str], ages: tuple[float, float]) -> tuple[str, str] | None:
    if not line["path"]:
        return "no path in the csv", f"age {line['age']!r}, split {line['split']!r}"
    try:
        age = float(line["age"])
    except (TypeError, ValueError):
        age = float("nan")
    if not ages[0] <= age <= ages[1]:  # fails for NaN too
        return "age missing or out of range", f"{line['age']!r} in the csv, not {ages[0]:g} to {ages[1]:g}"
    if line["split"] not in SPLITS:
        return "unknown split", f"{line['split']!r} in the csv, not {', '.join(SPLITS)}"
    return None
