"""Word the cells of a table, for every format; the best of a column stands in ``**``, as Markdown has it."""

import csv
import io
from collections.abc import Iterable, Sequence

from supremix.metrics.seeds import Summary
from supremix.suite.spec import Panel, Row, direction
from supremix.tables.results import Results

MISSING, FAILED, UNDEFINED, NOTHING = "missing", "failed", "undefined", "–"
DIGITS_OF_CORRELATIONS = 3


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a heading and rows as the text of a CSV file."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return file.getvalue()


def header(results: Results, panel: Panel) -> list[str]:
    """Return the headings of a panel: row, n, and each metric, with "paper" and "Δ" where the paper prints a value."""
    cells = ["synthetic data" if results.synthetic else "", "n"]
    for column, name in results.spec.metrics_of(panel).items():
        cells.append(f"{name}{results.spec.unit_of(panel, column)} {direction(column)}".rstrip())
        cells += ["paper", "Δ"] if has_paper(results, panel, column) else []
    return cells


def line(results: Results, panel: Panel, row: Row) -> list[str]:
    """Return the cells of a row, under the headings."""
    planned, finished = len(results.spec.seeds), results.finished(panel, row.name)
    cells = [row.name, f"{finished}" if finished == planned else f"{finished} of {planned}"]
    absent = FAILED if results.failures(panel, row.name) else MISSING
    for column in results.spec.metrics_of(panel):
        digits = digits_of(results, panel, column)
        summary = results.summary(panel, row.name, column)
        value = _value(summary, digits) if finished == planned else absent
        cells.append(f"**{value}**" if row.name in leaders(results, panel, column) else value)
        if has_paper(results, panel, column):
            paper, mean = results.paper(panel, row, column), results.mean(panel, row.name, column)
            cells.append(NOTHING if paper is None else f"{paper:.{digits}f}")
            cells.append(NOTHING if paper is None or mean is None else signed(mean - paper, digits))
    return cells


def leaders(results: Results, panel: Panel, column: str) -> set[str]:
    """Return the rows with the best mean of a column, to its decimals; none while a run of the panel is missing."""
    rows, sense = results.spec.rows_of(panel), direction(column)
    if not sense or any(results.finished(panel, row.name) < len(results.spec.seeds) for row in rows):
        return set()
    digits = digits_of(results, panel, column)
    means = {
        row.name: round(mean, digits) for row in rows if (mean := results.mean(panel, row.name, column)) is not None
    }
    if len(means) < 2:
        return set()
    first = (max if sense == "↑" else min)(means.values())
    return {name for name, mean in means.items() if mean == first}


def signed(value: float, digits: int) -> str:
    """Return a number with its sign, the minus as typeset."""
    return f"{value:+.{digits}f}".replace("-", "−")


def has_paper(results: Results, panel: Panel, column: str) -> bool:
    """Return whether the paper prints a value in the column."""
    return any(results.paper(panel, row, column) is not None for row in results.spec.rows_of(panel))


def digits_of(results: Results, panel: Panel, column: str) -> int:
    """Return the decimals of a column: the table's for errors, three for correlations, slopes and ranks."""
    return results.spec.digits_of(panel) if direction(column) == "↓" else DIGITS_OF_CORRELATIONS


def _value(summary: Summary | None, digits: int) -> str:
    if summary is None:
        return NOTHING
    if not summary.complete:
        return f"{UNDEFINED} in {summary.planned - summary.n}"
    spread = f" ± {summary.std:.{digits}f}" if summary.n > 1 else ""
    return f"{summary.mean:.{digits}f}{spread}".replace("-", "−")
