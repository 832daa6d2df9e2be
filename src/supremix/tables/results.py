"""What the records of a table's finished cells say, before it is worded."""

import math
from dataclasses import dataclass, field
from typing import Any

from supremix.metrics.seeds import Summary, summarise
from supremix.suite.plan import Cell
from supremix.suite.spec import Panel, Row, Spec

UNSTATED = ""
"""Stands for the code of records that do not say which it was."""
Place = tuple[str, str, int]  # panel, row, seed


@dataclass(frozen=True)
class Results:
    """A table's values, (panel, row, column) → seed → value, and what stands in the way of the others.

    runs: (panel, row) → seeds whose run is finished. failed: cells whose run failed. unprepared: datasets that are not
    there, each with the scripts that prepare it. settings: the user's, on top of the specification's. codes: digest of
    the code that made runs → their (panel, row), UNSTATED for records that do not say it.
    """

    spec: Spec
    values: dict[tuple[str, str, str], dict[int, float]]
    runs: dict[tuple[str, str], set[int]]
    synthetic: bool
    failed: set[Place] = field(default_factory=set)
    unprepared: dict[str, list[str]] = field(default_factory=dict)
    settings: list[str] = field(default_factory=list)
    codes: dict[str, list[tuple[str, str]]] = field(default_factory=dict)

    def of(self, panel: Panel, row_name: str, column: str) -> dict[int, float]:
        """Values by seed; empty where nothing is finished or the column has no meaning for the row."""
        return self.values.get((panel.name, row_name, column), {})

    def finished(self, panel: Panel, row_name: str) -> int:
        """How many of the row's seeds are finished."""
        return len(self.runs.get((panel.name, row_name), ()))

    def failures(self, panel: Panel, row_name: str) -> list[int]:
        """The seeds whose run failed."""
        return sorted(seed for at, name, seed in self.failed if (at, name) == (panel.name, row_name))

    def summary(self, panel: Panel, row_name: str, column: str) -> Summary | None:
        """Mean and spread over the seeds."""
        return summarise(self.of(panel, row_name, column), len(self.spec.seeds))

    def mean(self, panel: Panel, row_name: str, column: str) -> float | None:
        """The mean where every seed has a value: none is formed over a part of them."""
        summary = self.summary(panel, row_name, column)
        return summary.mean if summary and summary.complete else None

    def rivals(self, panel: Panel, row_name: str) -> dict[str, float | None]:
        """The means that the row has to beat, in the gain's column: all of the panel but references."""
        column = self.spec.gain_column(panel)
        rows = [row for row in self.spec.rows_of(panel) if row.kind != "reference" and row.name != row_name]
        return {row.name: self.mean(panel, row.name, column) for row in rows}

    def paper(self, panel: Panel, row: Row, column: str) -> float | None:
        """The paper's value; none beside synthetic data."""
        return None if self.synthetic else self.spec.paper_value(panel, row, column)


def collect(
    spec: Spec,
    found: list[tuple[Cell, dict[str, Any]]],
    failed: set[Place] | None = None,
    unprepared: dict[str, list[str]] | None = None,
    settings: list[str] | None = None,
) -> Results:
    """Gather the test metrics of the finished cells; records of rows that the table no longer has count for nothing."""
    values: dict[tuple[str, str, str], dict[int, float]] = {}
    runs: dict[tuple[str, str], set[int]] = {}
    codes: dict[str, list[tuple[str, str]]] = {}
    panels = {(panel.name, row.name): panel for panel, row in spec.cells()}
    for cell, record in found:
        if (panel := panels.get((cell.panel, cell.row))) is None:
            continue
        runs.setdefault((cell.panel, cell.row), set()).add(cell.seed)
        for digest in digests(record):
            if (place := (cell.panel, cell.row)) not in codes.setdefault(digest, []):
                codes[digest].append(place)
        for column in spec.metrics_of(panel):
            variant, metric = column.split("/")
            value = record["metrics"]["test"].get(variant, {}).get(metric)
            if value is not None and math.isfinite(value):
                values.setdefault((cell.panel, cell.row, column), {})[cell.seed] = value
    synthetic = bool(spec.size) or any(record["synthetic"] for _, record in found)
    return Results(spec, values, runs, synthetic, failed or set(), unprepared or {}, settings or [], codes)


def digests(record: dict[str, Any]) -> list[str]:
    """The digests of the code that made a run and its encoder; UNSTATED of a record of schema 1."""
    if record["schema"] == 1:
        return [UNSTATED]
    made = [record["code"]["digest"], record["pretrain_code"]]
    return list(dict.fromkeys(digest for digest in made if digest))
