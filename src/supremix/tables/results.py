"""Collect the values of a table from the records of its finished cells."""

import math
from dataclasses import dataclass, field
from statistics import mean
from typing import Any

import numpy as np

from supremix.metrics.seeds import Summary, summarise
from supremix.store.records import measured_on_test
from supremix.suite.codes import Codes, codes_of
from supremix.suite.plan import Cell
from supremix.suite.spec import Panel, Row, Spec

Place = tuple[str, str, int]  # panel, row, seed
Outcomes = dict[Place, tuple[np.ndarray, np.ndarray]]
"""Of finished runs: test labels and their predictions, (N,), label units."""


@dataclass(frozen=True, eq=False)
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
        codes: that made the runs, as `suite.codes` collects them.
        selected_by: metrics whose validation value chose the epoch of a run.
        outcomes: test labels and predictions of the runs of which they are at hand.
        constant: cells whose test predictions are all equal.
        untuned: rows of which a run lacks the settings that were tuned for them.
        validation: (panel, row) → seed → validation MAE, infinite where it is not defined.
    """

    spec: Spec
    values: dict[tuple[str, str, str], dict[int, float]]
    runs: dict[tuple[str, str], set[int]]
    synthetic: bool
    failed: set[Place] = field(default_factory=set)
    unprepared: dict[str, list[str]] = field(default_factory=dict)
    settings: list[str] = field(default_factory=list)
    codes: Codes = field(default_factory=dict)
    selected_by: set[str] = field(default_factory=set)
    outcomes: Outcomes = field(default_factory=dict)
    constant: set[Place] = field(default_factory=set)
    untuned: set[str] = field(default_factory=set)
    validation: dict[tuple[str, str], dict[int, float]] = field(default_factory=dict)

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

    def by_validation(self, panel: Panel) -> dict[str, dict[int, float]]:
        """Return row → seed → validation MAE, the lowest mean first; rows with a missing run are left out."""
        rows = {row.name: self.validation.get((panel.name, row.name), {}) for row in self.spec.rows_of(panel)}
        whole = [(row, by_seed) for row, by_seed in rows.items() if len(by_seed) == len(self.spec.seeds)]
        return dict(sorted(whole, key=lambda pair: mean(pair[1].values())))

    def rivals(self, panel: Panel, row_name: str) -> dict[str, float | None]:
        """Return the means that the row has to beat, in the gain's column: those of all other rows but references."""
        column = self.spec.gain_column(panel)
        rows = [row for row in self.spec.rows_of(panel) if row.kind != "reference" and row.name != row_name]
        return {row.name: self.mean(panel, row.name, column) for row in rows}

    def paper(self, panel: Panel, row: Row, column: str) -> float | None:
        """Return the paper's value; None beside synthetic data."""
        return None if self.synthetic else self.spec.paper_value(panel, row, column)


def value_of(record: dict[str, Any], column: str) -> float | None:
    """Return what a record measured on test rows for a column, such as best/mae; None without it."""
    variant, metric = column.split("/")
    return measured_on_test(record).get(variant, {}).get(metric)


def validation_of(record: dict[str, Any]) -> float:
    """Return the MAE on the validation rows, label units; infinite where it is not defined."""
    mae = record["metrics"].get("val", {}).get("best", {}).get("mae")
    return math.inf if mae is None else mae


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
    selected_by: set[str] = set()
    constant: set[Place] = set()
    untuned: set[str] = set()
    panels = {(panel.name, row.name): panel for panel, row in spec.cells()}
    validation: dict[tuple[str, str], dict[int, float]] = {}
    tuned = {row.name: {*(row.tuned or [])} for row in spec.rows}
    for cell, record in records:
        if (panel := panels.get((cell.panel, cell.row))) is None:
            continue
        runs.setdefault((cell.panel, cell.row), set()).add(cell.seed)
        validation.setdefault((cell.panel, cell.row), {})[cell.seed] = validation_of(record)
        if not tuned[cell.row] <= {*cell.overrides}:
            untuned.add(cell.row)
        if selection := record.get("selection"):
            selected_by.add(selection["metric"])
        best = measured_on_test(record).get("best", {})
        if best.get("pearson") is None and best.get("r2") is not None:  # undefined, though labels differ
            constant.add((cell.panel, cell.row, cell.seed))
        for column in spec.metrics_of(panel):
            value = value_of(record, column)
            if value is not None and math.isfinite(value):
                values.setdefault((cell.panel, cell.row, column), {})[cell.seed] = value
    codes = codes_of((cell, record) for cell, record in records if (cell.panel, cell.row) in panels)
    synthetic = bool(spec.size) or any(record["synthetic"] for _, record in records)
    absent = failed or set(), unprepared or {}
    known = spec, values, runs, synthetic, *absent, settings or [], codes, selected_by
    return Results(*known, constant=constant, untuned=untuned, validation=validation)
