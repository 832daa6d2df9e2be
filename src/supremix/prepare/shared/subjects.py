"""Read the subjects of a cohort: their ages, their splits and the files that belong to them."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from supremix.data.prepared.cells import decode, length_fault, number, read_table, shown
from supremix.data.prepared.folder import SPLITS
from supremix.errors import UserError
from supremix.prepare.shared.report import Finding, dropped, kept

OLDEST = 122.5  # years; the longest human life on record
EXCLUDED = "on the list of --exclude"


@dataclass(frozen=True)
class Subject:
    """Age in years, and the split where the table gives one."""

    age: float
    split: str | None


def read_ages(
    path: Path, id_columns: Sequence[str], age_columns: Mapping[str, float], findings: list[Finding]
) -> dict[str, Subject]:
    """Read a table of ages, CSV or tab-separated, with a column `split` where there is one.

    Rows without a usable age and subjects with contradictory ones are added to `findings`. Raises UserError where the
    table itself is unusable, or a split is none of train, val and test.

    Args:
        id_columns: names that the column of subjects may have; one must be there.
        age_columns: names that the column of ages may have → what one unit is in years; one must be there.
    """
    header, rows = _read_table(path)
    id_column = _column(path, header, id_columns, "the subject")
    age_column = _column(path, header, list(age_columns), "the age")
    split_column = header.index("split") if "split" in header else None
    subjects: dict[str, Subject] = {}
    contradictory: set[str] = set()
    for at, row in rows:
        subject, text = row[id_column].strip(), row[age_column].strip()
        split = None if split_column is None else row[split_column].strip()
        if not subject:
            findings.append(dropped("row without a subject", f"{path.name} row {at}"))
            continue
        years = number(text) * age_columns[header[age_column]]
        if not 0 < years <= OLDEST:  # fails for NaN too
            findings.append(dropped(f"no usable age ({path.name} row {at} has {shown(text)})", subject=subject))
            continue
        if split is not None and split not in SPLITS:
            raise UserError(
                f"{path}: row {at} (subject {subject}) has the split {split!r}: use train, val or test, "
                "or leave the column out to have a split drawn"
            )
        if subject not in subjects:
            subjects[subject] = Subject(years, split)
        elif _agree(subjects[subject], Subject(years, split)):
            findings.append(kept(f"duplicate row in the table of ages ({path.name} row {at})", subject=subject))
        else:
            contradictory.add(subject)
            findings.append(dropped(f"contradictory rows in the table of ages ({path.name} row {at})", subject=subject))
    return {subject: facts for subject, facts in subjects.items() if subject not in contradictory}


def read_list(path: Path, header: Sequence[str]) -> set[str]:
    """Read a list of subjects, one a line; a header line of one of these names is skipped."""
    try:
        lines = [line.strip() for line in decode(path.read_bytes()).splitlines()]
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read ({error}): give a text file with one subject a line") from error
    subjects = {line for line in lines if line and line not in header}
    for subject in subjects:
        if not subject.replace("_", "").replace("-", "").isalnum():
            raise UserError(f"{path}: the line {subject[:40]!r} is no subject: give one subject a line")
    return subjects


def match(
    subjects: Mapping[str, Subject],
    files: Mapping[str, Sequence[str]],
    excluded: Iterable[str],
    findings: list[Finding],
) -> list[tuple[str, str]]:
    """Pair subjects that have an age with their files: (subject, file), sorted; add the others to `findings`.

    Args:
        files: subject → the names of its files; the first is taken.
        excluded: subjects to leave out.
    """
    excluded = set(excluded)
    pairs = []
    for subject in sorted(files.keys() | subjects.keys()):
        names = list(files.get(subject, ()))
        if subject in excluded:
            findings.append(dropped(EXCLUDED, ", ".join(names), subject))
        elif not names:
            findings.append(dropped("in the table of ages, but no file", subject=subject))
        elif subject not in subjects:
            findings.append(dropped("file, but no usable age in the table", ", ".join(names), subject))
        else:
            pairs.append((subject, names[0]))
            for name in names[1:]:
                findings.append(dropped(f"another file of the same subject ({names[0]} was taken)", name, subject))
    return pairs


def _read_table(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    try:
        table = read_table(path.read_bytes())
    except FileNotFoundError:
        raise UserError(f"{path}: no table of ages: put it there, or name it with --ages") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not readable as a table ({error}): give CSV or tab-separated text") from error
    for at, row in table.rows:
        if fault := length_fault(row, table.header):
            raise UserError(f"{path}: row {at} has {fault}: correct it")
    return table.header, table.rows


def _column(path: Path, header: Sequence[str], names: Sequence[str], what: str) -> int:
    there = [name for name in names if name in header]
    if len(there) > 1:
        raise UserError(f"{path}: {len(there)} columns for {what}: {', '.join(there)}: leave the one that is meant")
    if not there:
        raise UserError(f"{path}: no column for {what}: name it {' or '.join(names)} (found: {_shown(header)})")
    return header.index(there[0])


def _shown(header: Sequence[str]) -> str:
    return ", ".join(header)[:100]


def _agree(subject: Subject, other: Subject) -> bool:
    return subject.split == other.split and math.isclose(subject.age, other.age)  # spreadsheets round
