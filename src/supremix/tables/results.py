"""Collect the values of a table from the records of its finished cells."""

import math
from dataclasses import dataclass, field
from typing import Any

from supremix.metrics.seeds import Summary, summarise
from supremix.suite.plan import Cell
from supremix.suite.spec import Panel, Row, Spec

UNSTATED = ""
"""The code of records that do not state it."""
Place = tuple[str, str, int]  # panel, row, seed


@dataclass(frozen=True)
class Results:
    """The values of a table, and the reasons for missing ones.

    Attributes:
        spec: the table's specification.
        values: (panel, row, column) → seed → value.
        runs: (panel, row) → seeds whose run is finished.
        synthetic: whether the data is synthetic.
        failed: cells whose run failed.
        unprepared: dataset that is not prepared → what prepares it.
        settings: the user's overrides.
        codes: digest of the code that made runs, or UNSTATED → (panel, row) of these runs.
        selected_by: metrics whose validation value chose the epoch of a run.
    """

    spec: Spec
    values: dict[tuple[str, str, str], dict[int, float]]
    runs: dict[tuple[str, str], set[int]]
    synthetic: bool
    failed: set[Place] = field(default_factory=set)
    unprepared: dict[str, list[str]] = field(default_factory=dict)
    settings: list[str] = field(default_factory=list)
    codes: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    selected_by: set[str] = field(default_factory=set)

    def of(self, panel: Panel, row_name: str, column: str) -> dict[int, float]:
        """Return the values by seed; empty if no run is finished or the row has no such metric."""
        return self.values.get((panel.name, row_name, column), {})

    def finished(self, panel: Panel, row_name: str) -> int:
        """Return the number of the row's finished seeds."""
        return len(self.runs.get((panel.name, row_name), ()))

    def failures(self, panel: Panel, row_name: str) -> list[int]:
        """Return the seeds of the row whose run failed."""
        return sorted(seed for name, row, seed in self.failed if (name, row) == (panel.name, row_name))

    def summary(self, panel: Panel, row_name: str, column: str) -> Summary | None:
        """Return the statistics over the seeds; None without a value."""
        return summarise(self.of(panel, row_name, column), len(self.spec.seeds))

    def mean(self, panel: Panel, row_name: str, column: str) -> float | None:
        """Return the mean over all planned seeds; None while a seed has no value."""
        summary = self.summary(panel, row_name, column)
        return summary.mean if summary and summary.complete else None

    def rivals(self, panel: Panel, row_name: str) -> dict[str, float | None]:
        """Return the means that the row has to beat, in the gain's column: those of all other rows but references."""
        column = self.spec.gain_column(panel)
        rows = [row for row in self.spec.rows_of(panel) if row.kind != "reference" and row.name != row_name]
        return {row.name: self.mean(panel, row.name, column) for row in rows}

    def paper(self, panel: Panel, row: Row, column: str) -> float | None:
        """Return the paper's value; None beside synthetic data."""
        return None if self.synthetic else self.spec.paper_value(panel, row, column)


def collect(
    spec: Spec,
    records: list[tuple[Cell, dict[str, Any]]],
    failed: set[Place] | None = None,
    unprepared: dict[str, list[str]] | None = None,
    settings: list[str] | None = None,
) -> Results:
    """Collect the test metrics of the finished cells.

    Args:
        spec: the table; records of rows that it does not have are ignored.
        records: finished cells with their records.
        failed: cells whose run failed.
        unprepared: dataset that is not prepared → what prepares it.
        settings: the user's overrides.
    """
    values: dict[tuple[str, str, str], dict[int, float]] = {}
    runs: dict[tuple[str, str], set[int]] = {}
    codes: dict[str, list[tuple[str, str]]] = {}
    selected_by: set[str] = set()
    panels = {(panel.name, row.name): panel for panel, row in spec.cells()}
    for cell, record in records:
        if (panel := panels.get((cell.panel, cell.row))) is None:
            continue
        runs.setdefault((cell.panel, cell.row), set()).add(cell.seed)
        if selection := record.get("selection"):
            selected_by.add(selection["metric"])
        for digest in digests(record):
            if (place := (cell.panel, cell.row)) not in codes.setdefault(digest, []):
                codes[digest].append(place)
        for column in spec.metrics_of(panel):
            variant, metric = column.split("/")
            value = record["metrics"]["test"].get(variant, {}).get(metric)
            if value is not None and math.isfinite(value):
                values.setdefault((cell.panel, cell.row, column), {})[cell.seed] = value
    synthetic = bool(spec.size) or any(record["synthetic"] for _, record in records)
    return Results(spec, values, runs, synthetic, failed or set(), unprepared or {}, settings or [], codes, selected_by)


def digests(record: dict[str, Any]) -> list[str]:
    """Return the digests of the code that made a run and its encoder; UNSTATED for a record that does not name it."""
    if record.get("schema", 1) == 1:  # which names no code; a line without a schema names none either
        return [UNSTATED]
    made = [record["code"]["digest"], record["pretrain_code"]]
    return list(dict.fromkeys(digest for digest in made if digest))
