"""Render a table's results as Markdown and CSV; missing values show as missing."""

from supremix.suite.codes import made_by
from supremix.tables import cells, differences, statements, tuned
from supremix.tables.results import Results

DETAILS = "details.md"
COLUMNS = (
    "table", "panel", "row", "column", "mean", "std", "n", "planned", "ci_low", "ci_high", "paper", "difference",
    "synthetic",
)  # fmt: skip


def markdown(results: Results) -> str:
    """Return the table in Markdown, with what is said of it in few lines."""
    spec = results.spec
    lines = [f"# {spec.title}", "", statements.selection_rule(results), ""]
    for warning in statements.warnings(results):
        lines += [warning, ""]
    for panel in spec.panels:
        lines += [f"## {panel.name}", ""] if panel.name else []
        header = cells.header(results, panel)
        lines += md_head(header)
        lines += [md_line(cells.line(results, panel, row)) for row in spec.rows_of(panel)]
        lines.append("")
        if texts := [f"- {text}" for text in statements.under(results, panel)]:
            lines += [*texts, ""]
        if differences.asked(results, panel):
            header, grid = differences.grid(results, panel)
            lines += [*md_head(header), *map(md_line, grid), ""]
            lines += [*(f"- {text}" for text in differences.legend(results, panel)), ""]
    lines += [f"- {text}" for text in (*tuned.tuning(results), *made_by(results.codes))]
    lines += [f"- [Paired differences, intervals, notes]({DETAILS})"] * bool(details(results))
    return "\n".join(lines).rstrip() + "\n"


def details(results: Results) -> str:
    """Return in Markdown what is behind the statements of a table; an empty text where nothing is."""
    panels = {panel.name: statements.details(results, panel) for panel in results.spec.panels}
    lines: list[str] = []
    for heading, texts in (*panels.items(), ("Notes", [*results.spec.notes, *tuned.settings(results)])):
        if texts:
            lines += [*([f"## {heading}", ""] if heading else []), *(f"- {text}" for text in texts), ""]
    return "\n".join([f"# {results.spec.title}: details", "", *lines]).rstrip() + "\n" if lines else ""


def md_head(cells: list[str], numbers: bool = True) -> list[str]:
    """Return the first two lines of a Markdown table; with ``numbers`` all columns but the first are right-aligned."""
    return [md_line(cells), md_line(["---", *["---:" if numbers else "---"] * (len(cells) - 1)])]


def md_line(cells: list[str]) -> str:
    """Return cells as a line of a Markdown table."""
    return "| " + " | ".join(cells) + " |"


def as_csv(results: Results) -> str:
    """Return a header, and one line for each panel, row and column."""
    return cells.csv_text(COLUMNS, numbers(results))


def numbers(results: Results) -> list[list[str | float | int | None]]:
    """Return the rows under COLUMNS in full precision.

    Each has the statistics over the finished seeds, n of the planned, with their 95 % bootstrap interval, the paper's
    value and the difference.
    """
    spec = results.spec
    rows: list[list[str | float | int | None]] = []
    for panel, row in spec.cells():
        for column in spec.metrics_of(panel):
            summary = results.summary(panel, row.name, column)
            mean, n = (summary.mean, summary.n) if summary else (None, 0)
            std = summary.std if summary and summary.n > 1 else None
            low, high = (summary.interval if summary else None) or (None, None)
            paper = results.paper(panel, row, column)
            difference = mean - paper if mean is not None and paper is not None else None
            place, count = [spec.name, panel.name, row.name, column], [n, len(spec.seeds)]
            rows.append([*place, mean, std, *count, low, high, paper, difference, results.synthetic])
    return rows
