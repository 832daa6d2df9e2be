"""Report every input that was left out or is doubtful, in report.csv and on the terminal."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from supremix.errors import visible

COLUMNS = ("id", "file", "action", "reason", "detail")
EXAMPLES = 3


class Finding(NamedTuple):
    """One line of report.csv.

    Attributes:
        file: the input's name or place, "" where it has none.
        action: "dropped" or "kept" (in spite of a doubt).
        reason: the same words for the same fault, so that they can be counted.
        detail: what is particular to this input.
        id: the subject that the input belongs to, "" where the file alone names it.
    """

    file: str
    action: str
    reason: str
    detail: str = ""
    id: str = ""


def dropped(text: str, file: str = "", subject: str = "") -> Finding:
    """Make the finding of an input that is left out, from "reason" or "reason (detail)"."""
    return _finding("dropped", text, file, subject)


def kept(text: str, file: str = "", subject: str = "") -> Finding:
    """Make the finding of a doubtful input that is kept, from "reason" or "reason (detail)"."""
    return _finding("kept", text, file, subject)


def _finding(action: str, text: str, file: str, subject: str) -> Finding:
    reason, _, detail = text.partition(" (")
    return Finding(file, action, reason, detail.removesuffix(")"), subject)


def write_report(folder: Path, findings: Sequence[Finding]) -> None:
    """Write report.csv, sorted by subject, else in the order of the findings."""
    # Names of files need not be text in any encoding.
    with (folder / "report.csv").open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(finding._asdict() for finding in _sorted(findings))


def summary_lines(folder: Path, findings: Sequence[Finding]) -> list[str]:
    """Count the findings by action and reason, the most frequent first, with the first names of each."""
    names: dict[str, list[str]] = {}
    for finding in _sorted(findings):
        names.setdefault(f"{finding.action}: {finding.reason}", []).append(visible(finding.file or finding.id))
    lines = [
        f"  {len(named):7d} {what}: {', '.join(named[:EXAMPLES])}{', …' if len(named) > EXAMPLES else ''}"
        for what, named in sorted(names.items(), key=lambda item: -len(item[1]))
    ]
    return [*lines, f"  all {len(findings)} by name and reason: {folder / 'report.csv'}"] if lines else []


def compare_counts(counts: Mapping[str, int], paper: Mapping[str, int]) -> str:
    """Set the sizes of the splits beside those of the paper's table 12, in one line."""
    match = all(counts[split] == count for split, count in paper.items())
    ours, theirs = ("/".join(str(sizes[split]) for split in paper) for sizes in (counts, paper))
    return f"{'/'.join(paper)}: {ours}; the paper's table 12: {theirs}: {'match' if match else 'differ'}"


def _sorted(findings: Sequence[Finding]) -> list[Finding]:
    return sorted(findings, key=lambda finding: finding.id)
