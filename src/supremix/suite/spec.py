"""A table's specification, as written in conf/table/<name>.yaml; `reading` checks it.

The marks of the types are for what stands in YAML: None is the value of a key that is left out, and a key that is
there and empty is a mistake, but for ``prepare`` and ``gain``.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import ConfigDict

from supremix.metrics import regression, representation
from supremix.suite import fields
from supremix.suite.fields import Text

HIGHER_IS_BETTER = (*regression.HIGHER_IS_BETTER, *representation.HIGHER_IS_BETTER)
NEITHER_IS_BETTER = ("slope", "nominal", "coverage")  # best at 0, at what was asked for

FORBID = ConfigDict(extra="forbid")  # of keys that are not listed


@dataclass(frozen=True)
class Gain:
    """Gains of one row against named rows and against the best rival, in one error metric."""

    __pydantic_config__ = FORBID

    row: str
    metric: str
    against: list[str]


@dataclass(frozen=True)
class Panel:
    """A block of the table: the same rows under other settings. What is None here is the table's."""

    __pydantic_config__ = FORBID

    name: Text
    overrides: Annotated[list[str], *fields.OVERRIDES] = field(default_factory=list)
    metrics: Annotated[dict[str, str] | None, *fields.METRICS] = None
    digits: Annotated[int | None, fields.DIGITS] = None
    unit: Annotated[str | None, fields.UNIT] = None
    paper_key: Annotated[str | None, fields.PAPER_KEY] = None
    prepare: Annotated[str | list[str] | dict[str, list[str]] | None, fields.PREPARE] = None
    gain: Annotated[Gain | None, fields.GAIN] = None
    comparisons: Annotated[list[tuple[str, str]] | None, fields.COMPARISONS] = None


@dataclass(frozen=True)
class Row:
    """A row: a name, the overrides that make it, and the paper's values: by metric, or by panel and metric.

    ``tuned`` are overrides that a search on validation found for it, after its own; none where its own are best.
    """

    __pydantic_config__ = FORBID

    name: Text
    kind: str
    overrides: Annotated[list[str], *fields.OVERRIDES]
    panels: Annotated[list[str] | None, fields.PANELS_OF_ROW] = None  # None: in every panel
    paper: Annotated[dict[str, Any], fields.PAPER] = field(default_factory=dict)
    tuned: Annotated[list[str] | None, fields.OVERRIDES] = None  # None: not tuned

    @property
    def line(self) -> list[str]:
        """Return the overrides that make it, those that were tuned after its own."""
        return [*self.overrides, *(self.tuned or [])]

    def paper_in(self, panel: Panel) -> dict[str, float]:
        """Return the paper's values of this row in a panel, by metric."""
        by_panel = any(isinstance(value, dict) for value in self.paper.values())
        return self.paper.get(panel.name, {}) if by_panel else self.paper


@dataclass(frozen=True)
class Spec:
    """A table. ``metrics`` maps variant/metric of a record to a heading; ``comparisons`` pairs rows by name,
    ``against`` names one that all others are set beside.

    ``remark`` is a sentence under the table; ``notes`` stand in details.md.
    ``paper_key`` is the variant beside which the paper's values stand, ``digits`` the decimals of all metrics but
    correlations, ``unit`` that of the labels, ``prepare`` the commands that make the data ready where they can,
    ``prepare ukb``, or dataset → commands. ``size`` is none at the paper's size; any other (conf/size/) means
    synthetic data. ``planned`` are the file's seeds, where others were asked for.
    """

    __pydantic_config__ = FORBID

    name: Text
    title: Text
    overrides: Annotated[list[str], *fields.OVERRIDES]
    seeds: Annotated[list[fields.Seed], fields.SEEDS]
    metrics: Annotated[dict[str, str], *fields.METRICS]
    panels: Annotated[list[Panel], fields.parts("panel")]
    rows: Annotated[list[Row], fields.parts("row")]
    digits: Annotated[int, fields.DIGITS] = 2
    unit: Annotated[str | None, fields.UNIT] = None
    paper_key: Annotated[str, fields.PAPER_KEY] = "best"
    prepare: Annotated[str | list[str] | dict[str, list[str]] | None, fields.PREPARE] = None
    gain: Annotated[Gain | None, fields.GAIN] = None
    comparisons: Annotated[list[tuple[str, str]], fields.COMPARISONS] = field(default_factory=list)
    against: Annotated[str | None, fields.AGAINST] = None
    remark: Annotated[str | None, fields.REMARK] = None
    notes: Annotated[list[str], fields.NOTES] = field(default_factory=list)
    size: str = ""
    planned: list[int] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        """Return the folder in which it is rendered by default."""
        return results_folder(self.size) / self.name

    @property
    def label(self) -> str:
        """Return the name under which W&B groups its runs."""
        return f"{self.name}-{self.size}" if self.size else self.name

    @property
    def other_seeds(self) -> list[str]:
        """Return the option that names its seeds, where the file lacks one of them; else nothing."""
        new = set(self.seeds) - set(self.planned or self.seeds)
        return [f"--seeds={','.join(map(str, self.seeds))}"] if new else []

    def cells(self) -> list[tuple[Panel, Row]]:
        """Return every panel with every row that stands in it, in the table's order."""
        return [(panel, row) for panel in self.panels for row in self.rows_of(panel)]

    def rows_of(self, panel: Panel) -> list[Row]:
        """Return the rows that stand in a panel."""
        return [row for row in self.rows if row.panels is None or panel.name in row.panels]

    def metrics_of(self, panel: Panel) -> dict[str, str]:
        """Return the panel's columns."""
        return panel.metrics or self.metrics

    def digits_of(self, panel: Panel) -> int:
        """Return the panel's decimals."""
        return self.digits if panel.digits is None else panel.digits

    def unit_of(self, panel: Panel, column: str) -> str:
        """Return the unit of a column, in parentheses; an empty text where it has none, or none is known."""
        unit, metric = panel.unit or self.unit, column.split("/")[1].partition("_")[0]
        squared = "²" * (metric == "mse")
        return f" ({unit}{squared})" if unit and metric in ("mae", "mse", "rmse", "gm") else ""

    def gain_of(self, panel: Panel) -> Gain | None:
        """Return the gain that is stated under the panel; None where there is none, or its row is not in the panel."""
        gain = panel.gain or self.gain
        return gain if gain and gain.row in {row.name for row in self.rows_of(panel)} else None

    def comparisons_of(self, panel: Panel) -> list[tuple[str, str]]:
        """Return the pairs that are compared under the panel: those of which it has both rows."""
        names = {row.name for row in self.rows_of(panel)}
        pairs = self.comparisons if panel.comparisons is None else panel.comparisons
        return [pair for pair in pairs if {*pair} <= names]

    def preparation(self, panel: Panel) -> dict[str, list[str]]:
        """Map each dataset of the panel to its commands; ``prepare NAME`` alone belongs to the dataset NAME."""
        prepare = panel.prepare or self.prepare or []
        if isinstance(prepare, dict):
            return prepare
        return {command.split()[-1]: [command] for command in ([prepare] if isinstance(prepare, str) else prepare)}

    def commands(self, panel: Panel, dataset: str) -> list[str]:
        """List the sub-commands that prepare a dataset; where nothing is known for it, those of the panel."""
        by_dataset = self.preparation(panel)
        listed = by_dataset.get(dataset) or [command for commands in by_dataset.values() for command in commands]
        return [f"supremix {' '.join(command.split()[:2])}" for command in listed]

    def paper_value(self, panel: Panel, row: Row, column: str) -> float | None:
        """Return the paper's value for a column such as ``best/mae``; None where the paper has none."""
        variant, metric = column.split("/")
        return row.paper_in(panel).get(metric) if variant == (panel.paper_key or self.paper_key) else None

    def gain_column(self, panel: Panel) -> str:
        """Return the column that gains and comparisons are about."""
        gain = panel.gain or self.gain
        return f"{panel.paper_key or self.paper_key}/{gain.metric if gain else 'mae'}"


def results_folder(size: str) -> Path:
    """Return the folder of all tables and figures of a size, so that none of another size overwrites the paper's."""
    return Path("results") / size


def direction(column: str) -> str:
    """Return "↑" or "↓" for a column of which more or less is better, as ``best/pearson_few``, and "" for others."""
    name = column.split("/")[1].partition("_")[0]
    return "" if name in NEITHER_IS_BETTER else "↑" if name in HIGHER_IS_BETTER else "↓"
