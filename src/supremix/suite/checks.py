"""What must agree within a table's specification, checked before the first run rather than after the last."""

import math
from collections import Counter
from collections.abc import Iterator
from typing import Any

from supremix.suite.spec import Panel, Row, Spec, direction

KINDS = ("reference", "baseline", "variant", "ours")
"""What a row is: a floor to beat, a rival, another setting of the method, or the method as it is proposed."""


def problems(spec: Spec) -> Iterator[str]:
    """Yield what makes a specification unusable, a line each."""
    yield from _repeated(spec)
    panels = [panel.name for panel in spec.panels]
    for row in spec.rows:
        yield from _of_row(row, panels)
    names = [row.name for row in spec.rows]
    parts: list[Spec | Panel] = [spec, *spec.panels]
    for part in parts:
        yield from _of_comparisons(part, names)
    if spec.against is not None and spec.against not in names:
        yield f"against names the row {spec.against!r}, which the table does not have"
    for panel in spec.panels:
        if spec.gain_of(panel) and spec.gain_column(panel) not in spec.metrics_of(panel):
            yield f"gain is about {spec.gain_column(panel)}, which is no column of the panel {panel.name!r}"
    yield from _of_paper(spec)


def _repeated(spec: Spec) -> Iterator[str]:
    cells = [(panel.name, row.name) for panel, row in spec.cells()]
    panels = [panel.name for panel in spec.panels]
    listed: dict[str, list[Any]] = {"panel": panels, "seed": spec.seeds, "panel and row": cells}
    for what, values in listed.items():
        yield from (f"{what} {value!r} stands there twice" for value, count in Counter(values).items() if count > 1)


def _of_row(row: Row, panels: list[str]) -> Iterator[str]:
    if row.kind not in KINDS:
        yield f"row {row.name!r} has kind {row.kind!r}: use one of {', '.join(KINDS)}"
    by_panel = [name for name, value in row.paper.items() if isinstance(value, dict)]
    if 0 < len(by_panel) < len(row.paper):
        yield f"row {row.name!r}: paper: give values by metric or by panel, not both"
    for name in [*(row.panels or []), *by_panel]:
        if name not in panels:
            yield f"row {row.name!r} names the panel {name!r}, which the table does not have"


def _of_comparisons(part: Spec | Panel, names: list[str]) -> Iterator[str]:
    mentioned = [name for pair in part.comparisons or [] for name in pair]
    mentioned += [part.gain.row, *part.gain.against] if part.gain else []
    for name in mentioned:
        if name not in names:
            yield f"comparisons and gain name the row {name!r}, which the table does not have"
    if part.gain and direction(f"best/{part.gain.metric}") != "↓":
        yield f"gain: {part.gain.metric} is no error: choose a metric of which less is better"


def _of_paper(spec: Spec) -> Iterator[str]:
    """Yield values of the paper that are no numbers, or that no column would show."""
    for panel, row in spec.cells():
        for metric, value in row.paper_in(panel).items():
            place = f"row {row.name!r}: paper: {metric}"
            column = f"{panel.paper_key or spec.paper_key}/{metric}"
            if column not in spec.metrics_of(panel):
                yield f"{place}: {column} is no column: there are {', '.join(spec.metrics_of(panel))}"
            if type(value) not in (int, float) or not math.isfinite(value):
                yield f"{place}: {value!r} is no number: write it without quotes"
