"""Preparing a cohort: subjects with an age each, the files that belong to them, and what was left out, and why."""

import csv
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from supremix.data.prepared.folder import SPLITS
from supremix.errors import UserError

OLDEST = 122.5  # years; the longest human life on record
EXCLUDED = "on the list of --exclude"


class Finding(NamedTuple):
    """One line of report.csv: a subject or a file that was left out, or kept in spite of a doubt."""

    id: str
    file: str
    action: str  # "dropped" or "kept"
    reason: str  # the same words for the same fault, so that they can be counted
    detail: str


@dataclass
class Report:
    """What deserves a word, subject by subject and file by file."""

    findings: list[Finding] = field(default_factory=list)

    def add(self, subject: str, file: str, reason: str, *, kept: bool = False) -> None:
        """Note a subject or a file, "" where it is unknown; what stands in brackets after the reason is the detail."""
        words, _, detail = reason.partition(" (")
        self.findings.append(Finding(subject, file, "kept" if kept else "dropped", words, detail.removesuffix(")")))

    def write(self, path: Path) -> None:
        """Write the CSV id,file,action,reason,detail, sorted."""
        with path.open("w", encoding="utf-8", newline="") as handle:
            writer = csv.writer(handle, lineterminator="\n")
            writer.writerow(Finding._fields)
            writer.writerows(sorted(self.findings))

    def summary(self, examples: int = 3) -> list[str]:
        """Lines for the terminal: a count for each action and reason, the most frequent first, and the first names."""
        named: dict[str, list[str]] = {}
        for finding in sorted(self.findings):
            named.setdefault(f"{finding.action}: {finding.reason}", []).append(finding.file or finding.id)
        return [
            f"  {len(names):7d} {what}: {', '.join(names[:examples])}{', …' if len(names) > examples else ''}"
            for what, names in sorted(named.items(), key=lambda item: -len(item[1]))
        ]


@dataclass(frozen=True)
class Subject:
    """Age in years, and the split where the table gives one."""

    age: float
    split: str | None


def read_ages(
    path: Path, id_columns: Sequence[str], age_columns: Mapping[str, float], report: Report
) -> dict[str, Subject]:
    """Read a table of ages, CSV or tab-separated: the first of the columns that is there counts.

    age_columns: name → what one unit is in years. A column `split` with train, val and test is read where there
    is one. Rows without a usable age and subjects with contradictory ones go to the report. UserError where the
    table itself is unusable, or only some rows have a split.
    """
    header, rows = _read_table(path)
    id_column = _column(path, header, id_columns, "the subject")
    age_column = _column(path, header, list(age_columns), "the age")
    split_column = header.index("split") if "split" in header else None
    subjects: dict[str, Subject] = {}
    contradictory: set[str] = set()
    for number, row in enumerate(rows, start=1):
        subject, text = row[id_column].strip(), row[age_column].strip()
        split = None if split_column is None else row[split_column].strip()
        if not subject:
            report.add("", f"{path.name} row {number}", "row without a subject")
            continue
        years = _years(text, age_columns[header[age_column]])
        if years is None:
            report.add(subject, "", f"no usable age ({path.name} row {number} has {text!r})")
            continue
        if split is not None and split not in SPLITS:
            raise UserError(
                f"{path}: row {number} (subject {subject}) has the split {split!r}: use train, val or test, "
                "or leave the column out to have a split drawn"
            )
        if subject not in subjects:
            subjects[subject] = Subject(years, split)
        elif subjects[subject] == Subject(years, split):
            report.add(subject, "", f"duplicate row in the table of ages ({path.name} row {number})", kept=True)
        else:
            contradictory.add(subject)
            report.add(subject, "", f"contradictory rows in the table of ages ({path.name} row {number})")
    return {subject: found for subject, found in subjects.items() if subject not in contradictory}


def read_list(path: Path, header: Sequence[str]) -> set[str]:
    """Subjects, one a line; a header line of one of these names is skipped."""
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read ({error}): give a text file with one subject a line") from error
    subjects = {line for line in lines if line and line not in header}
    for subject in subjects:
        if not subject.replace("_", "").replace("-", "").isalnum():
            raise UserError(f"{path}: the line {subject[:40]!r} is no subject: give one subject a line")
    return subjects


def match(
    subjects: Mapping[str, Subject], files: Mapping[str, Sequence[str]], excluded: Iterable[str], report: Report
) -> list[tuple[str, str]]:
    """Subjects with an age and a file, as (subject, file), sorted; everything that has no counterpart is reported.

    files: subject → its files' names. Of several the first by name is taken.
    """
    excluded = set(excluded)
    pairs = []
    for subject in sorted(files.keys() | subjects.keys()):
        names = sorted(files.get(subject, ()))
        if subject in excluded:
            report.add(subject, ", ".join(names), EXCLUDED)
        elif not names:
            report.add(subject, "", "in the table of ages, but no file")
        elif subject not in subjects:
            report.add(subject, ", ".join(names), "file, but no usable age in the table")
        else:
            pairs.append((subject, names[0]))
            for name in names[1:]:
                report.add(subject, name, f"another file of the same subject ({names[0]} was taken)")
    return pairs


def _read_table(path: Path) -> tuple[list[str], list[list[str]]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
        first = text.partition("\n")[0]
        header, *rows = list(csv.reader(text.splitlines(), delimiter="\t" if "\t" in first else ",", strict=True))
    except FileNotFoundError:
        raise UserError(f"{path}: no table of ages: put it there, or name it with --ages") from None
    except (OSError, UnicodeDecodeError, csv.Error, ValueError) as error:
        raise UserError(f"{path}: not readable as a table ({error}): give CSV or tab-separated text") from error
    header = [name.strip() for name in header]
    for number, row in enumerate(rows, start=1):
        if len(row) != len(header):
            raise UserError(f"{path}: row {number} has {len(row)} fields, the header {len(header)}: correct it")
    double = [name for name, count in Counter(header).items() if count > 1]
    if double:
        raise UserError(f"{path}: column {double[0]!r} occurs twice in the header: rename one")
    return header, rows


def _column(path: Path, header: Sequence[str], names: Sequence[str], what: str) -> int:
    for name in names:
        if name in header:
            return header.index(name)
    raise UserError(f"{path}: no column for {what}: name it {' or '.join(names)} (found: {', '.join(header)[:100]})")


def _years(text: str, unit: float) -> float | None:
    try:
        years = float(text) * unit
    except ValueError:
        return None
    return years if math.isfinite(years) and 0 < years <= OLDEST else None
