"""From finished records to Markdown, CSV and LaTeX; what is missing shows as missing."""

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from supremix.metrics import HIGHER_IS_BETTER
from supremix.tables.plan import Cell
from supremix.tables.spec import Panel, Row, Spec
from supremix.tables.stats import Paired, Summary, gain_percent, paired, summarise

MISSING = "missing"


@dataclass(frozen=True)
class Results:
    """A table's values: (panel, row, column) → seed → value."""

    spec: Spec
    values: dict[tuple[str, str, str], dict[int, float]]
    synthetic: bool

    def of(self, panel: Panel, row_name: str, column: str) -> dict[int, float]:
        """Values by seed; empty where nothing is finished or the column has no meaning for the row."""
        return self.values.get((panel.name, row_name, column), {})

    def summary(self, panel: Panel, row_name: str, column: str) -> Summary | None:
        """Mean and spread over the seeds."""
        return summarise(self.of(panel, row_name, column), len(self.spec.seeds))


def collect(spec: Spec, found: list[tuple[Cell, dict[str, Any]]]) -> Results:
    """Gather the test metrics of the finished cells."""
    values: dict[tuple[str, str, str], dict[int, float]] = {}
    for cell, record in found:
        for column in spec.metrics:
            variant, metric = column.split("/")
            value = record["metrics"]["test"].get(variant, {}).get(metric)
            if value is not None:
                values.setdefault((cell.panel, cell.row, column), {})[cell.seed] = value
    return Results(spec, values, any(record["synthetic"] for _, record in found))


def markdown(results: Results) -> str:
    """The table with its header, comparisons and notes."""
    spec = results.spec
    lines = [f"# {spec.title}", "", selection_rule(spec), ""]
    if results.synthetic:
        lines += ["**Synthetic data**: made by a generator, not to be compared with the paper.", ""]
    for panel in spec.panels:
        lines += [f"## {panel.name}", ""] if panel.name else []
        header = ["", "n", *(heading for column in spec.metrics for heading in _headings(results, column))]
        lines += [md_line(header), md_line(["---"] + ["---:"] * (len(header) - 1))]
        lines += [md_line(_line(results, panel, row)) for _, row in _rows(spec, panel)]
        lines += ["", *(f"- {text}" for text in under(results, panel)), ""]
    lines += [f"- {note}" for note in spec.notes]
    return "\n".join(lines).rstrip() + "\n"


def latex(results: Results) -> str:
    """The same table as a LaTeX ``tabular`` for each panel (booktabs)."""
    spec, out = results.spec, [f"% {tex(results.spec.title)}. {tex(selection_rule(results.spec))}"]
    for panel in spec.panels:
        header = ["", "n", *(heading for column in spec.metrics for heading in _headings(results, column))]
        out += [f"% {tex(panel.name)}", f"\\begin{{tabular}}{{l{'r' * (len(header) - 1)}}}", "\\toprule"]
        out += [" & ".join(map(tex, header)) + r" \\", "\\midrule"]
        out += [" & ".join(map(tex, _line(results, panel, row))) + r" \\" for _, row in _rows(spec, panel)]
        out += ["\\bottomrule", "\\end{tabular}"]
        out += [f"% {tex(text)}" for text in under(results, panel)]
    out += [f"% {tex(note)}" for note in spec.notes]
    return "\n".join(out) + "\n"


def as_csv(results: Results) -> str:
    """One line for each panel, row and column: mean, std, n, the paper's value and the difference to it."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["table", "panel", "row", "column", "mean", "std", "n", "planned", "paper", "difference"])
    spec = results.spec
    for panel, row in spec.cells():
        for column in spec.metrics:
            summary = results.summary(panel, row.name, column)
            paper = None if results.synthetic else spec.paper_value(row, column)
            mean, std, n = (summary.mean, summary.std, summary.n) if summary else (None, None, 0)
            difference = mean - paper if mean is not None and paper is not None else None
            writer.writerow([spec.name, panel.name, row.name, column, mean, std, n, len(spec.seeds), paper, difference])
    return file.getvalue()


def selection_rule(spec: Spec) -> str:
    """How each number was chosen, for the table's header."""
    return (
        f"Mean ± standard deviation (ddof 1) over {len(spec.seeds)} seeds. The epoch is the one with the lowest "
        "validation error; the test set is read once, at the end. Δ is the difference to the paper's value."
    )


def under(results: Results, panel: Panel) -> list[str]:
    """The statements under a panel: gains and paired differences."""
    spec = results.spec
    metric = spec.gain.metric if spec.gain else "mae"
    column = f"{spec.paper_key}/{metric}"
    heading = spec.metrics.get(column, metric.upper())
    present = {row.name for _, row in _rows(spec, panel)}
    texts = [text for text in [_gain(results, panel)] if text]
    papers = {row.name: row.paper.get(metric) for _, row in _rows(spec, panel)}
    for a, b in spec.comparisons:
        if not {a, b} <= present:
            continue
        result = paired(results.of(panel, a, column), results.of(panel, b, column))
        paper_a, paper_b = papers[a], papers[b]
        beside = ""
        if paper_a is not None and paper_b is not None and not results.synthetic:
            beside = f"; the paper: {paper_a - paper_b:+.2f}"
        texts.append(f"{a} − {b}, {heading}: {_difference(result, len(spec.seeds))}{beside}")
    return texts


def _gain(results: Results, panel: Panel) -> str | None:
    spec = results.spec
    if spec.gain is None:
        return None
    column = f"{spec.paper_key}/{spec.gain.metric}"
    mean: Callable[[str], float | None] = lambda name: (  # noqa: E731
        s.mean if (s := results.summary(panel, name, column)) and s.complete else None
    )
    ours = mean(spec.gain.row)
    baselines = {row.name: mean(row.name) for _, row in _rows(spec, panel) if row.kind == "baseline"}
    known = {name: value for name, value in baselines.items() if value is not None}
    if ours is None or len(known) < len(baselines):
        return f"Gain of {spec.gain.row}: {MISSING}, not all its runs are finished"
    best = min(known, key=lambda name: known[name])
    against = [name for name in spec.gain.against if name in known]
    parts = [f"{gain_percent(ours, known[name]):+.1f} % against {name}" for name in against]
    parts.append(f"{gain_percent(ours, known[best]):+.1f} % against the best baseline, {best}")
    paper = {row.name: row.paper.get(spec.gain.metric) for _, row in _rows(spec, panel)}
    p_ours, p_base = paper[spec.gain.row], paper[spec.gain.against[0]]
    beside = ""
    if p_ours and p_base and not results.synthetic:
        beside = f"; the paper: {gain_percent(p_ours, p_base):+.1f} % against {spec.gain.against[0]}"
    return f"Gain of {spec.gain.row} in {spec.metrics[column]}, (baseline − ours) / ours: {', '.join(parts)}{beside}"


def _difference(result: Paired | None, planned: int) -> str:
    if result is None or result.n < planned:
        return f"{MISSING}, {result.n if result else 0} of {planned} pairs"
    interval = f"95 % CI [{result.low:+.3f}, {result.high:+.3f}]"
    return f"{result.mean:+.3f}, {interval}, lower in {result.lower} of {result.n} seeds"


def _rows(spec: Spec, panel: Panel) -> list[tuple[Panel, Row]]:
    return [(p, row) for p, row in spec.cells() if p.name == panel.name]


def _headings(results: Results, column: str) -> list[str]:
    arrow = "↑" if column.split("/")[1] in HIGHER_IS_BETTER else "↓"
    return [
        f"{results.spec.metrics[column]} {arrow}",
        *(["paper", "Δ"] if _has_paper(results, column) else []),
    ]


def _has_paper(results: Results, column: str) -> bool:
    return not results.synthetic and any(results.spec.paper_value(row, column) is not None for row in results.spec.rows)


def _line(results: Results, panel: Panel, row: Row) -> list[str]:
    spec = results.spec
    first = results.of(panel, row.name, next(iter(spec.metrics)))
    cells = [
        row.name,
        f"{len(first)}" if len(first) == len(spec.seeds) else f"{len(first)} of {len(spec.seeds)}",
    ]
    for column in spec.metrics:
        summary = results.summary(panel, row.name, column)
        mean = summary.mean if summary and summary.complete else None
        cells.append(_cell(summary, has_meaning=bool(first) and summary is None))
        if _has_paper(results, column):
            paper = spec.paper_value(row, column)
            cells.append("–" if paper is None else f"{paper:.2f}")
            cells.append("–" if paper is None or mean is None else f"{mean - paper:+.2f}")
    return cells


def _cell(summary: Summary | None, has_meaning: bool) -> str:
    if summary is None:
        return "–" if has_meaning else MISSING
    if not summary.complete:
        return MISSING
    return f"{summary.mean:.2f} ± {summary.std:.2f}" if summary.n > 1 else f"{summary.mean:.2f}"


def md_line(cells: list[str]) -> str:
    """A row of a Markdown table."""
    return "| " + " | ".join(cells) + " |"


def tex(text: str) -> str:
    """Text with what LaTeX would read as commands, or not know, written so that it prints."""
    for character, command in (
        ("\\", r"\textbackslash{}"), ("%", r"\%"), ("_", r"\_"), ("&", r"\&"), ("#", r"\#"), ("±", r"$\pm$"),
        ("↓", r"$\downarrow$"), ("↑", r"$\uparrow$"), ("Δ", r"$\Delta$"), ("−", "$-$"), ("–", "--"), ("√", r"$\surd$"),
        (">", "$>$"), ("·", r"$\cdot$"), ("α", r"$\alpha$"), ("β", r"$\beta$"), ("τ", r"$\tau$"), ("γ", r"$\gamma$"),
        ("→", r"$\rightarrow$"), ("×", r"$\times$"),
    ):  # fmt: skip
        text = text.replace(character, command)
    return text
