"""A table's specification, as written in conf/table/<name>.yaml."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from supremix.errors import UserError
from supremix.metrics.regression import HIGHER_IS_BETTER
from supremix.suite.checks import misfits, paper_misfits

KINDS = ("reference", "baseline", "variant", "ours")
"""What a row is: a floor to beat, a rival, another setting of the method, or the method as it is proposed."""


@dataclass(frozen=True)
class Gain:
    """Gains of one row against named rows and against the best rival, in one error metric."""

    row: str
    metric: str
    against: list[str]


@dataclass(frozen=True)
class Panel:
    """A block of the table: the same rows under other settings. What is None here is the table's."""

    name: str
    overrides: list[str] = field(default_factory=list)
    metrics: dict[str, str] | None = None
    digits: int | None = None
    paper_key: str | None = None
    prepare: str | list[str] | None = None
    gain: Gain | None = None
    comparisons: list[tuple[str, str]] | None = None


@dataclass(frozen=True)
class Row:
    """A row: a name, the overrides that make it, and the paper's values: by metric, or by panel and metric."""

    name: str
    kind: str
    overrides: list[str]
    panels: list[str] | None = None  # None: in every panel
    paper: dict[str, Any] = field(default_factory=dict)

    def paper_in(self, panel: Panel) -> dict[str, float]:
        """The paper's values of this row in a panel, by metric."""
        by_panel = any(isinstance(value, dict) for value in self.paper.values())
        return self.paper.get(panel.name, {}) if by_panel else self.paper


@dataclass(frozen=True)
class Spec:
    """A table. ``metrics`` maps variant/metric of a record to a heading; ``comparisons`` pairs rows by name.

    ``paper_key`` is the variant beside which the paper's values stand, ``digits`` the decimals of all metrics but
    correlations, ``prepare`` the scripts under data_prep/ that make the data ready where they can, or dataset →
    commands. ``size`` is none at the paper's size; any other (conf/size/) means synthetic data.
    """

    name: str
    title: str
    overrides: list[str]
    seeds: list[int]
    metrics: dict[str, str]
    panels: list[Panel]
    rows: list[Row]
    digits: int = 2
    paper_key: str = "best"
    prepare: str | list[str] | dict[str, list[str]] | None = None
    gain: Gain | None = None
    comparisons: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    size: str = ""

    @property
    def folder(self) -> Path:
        """Where it is rendered to, unless told otherwise."""
        return results_folder(self.size) / self.name

    @property
    def label(self) -> str:
        """What its runs are filed under in W&B."""
        return f"{self.name}-{self.size}" if self.size else self.name

    def cells(self) -> list[tuple[Panel, Row]]:
        """Every panel with every row that stands in it, in the table's order."""
        return [(panel, row) for panel in self.panels for row in self.rows_of(panel)]

    def rows_of(self, panel: Panel) -> list[Row]:
        """The rows that stand in a panel."""
        return [row for row in self.rows if row.panels is None or panel.name in row.panels]

    def metrics_of(self, panel: Panel) -> dict[str, str]:
        """The panel's columns."""
        return panel.metrics or self.metrics

    def digits_of(self, panel: Panel) -> int:
        """The panel's decimals."""
        return self.digits if panel.digits is None else panel.digits

    def gain_of(self, panel: Panel) -> Gain | None:
        """The gain that is stated under the panel; None too where its row does not stand in it."""
        gain = panel.gain or self.gain
        return gain if gain and gain.row in {row.name for row in self.rows_of(panel)} else None

    def comparisons_of(self, panel: Panel) -> list[tuple[str, str]]:
        """The pairs that are compared under the panel: those of which it has both."""
        names = {row.name for row in self.rows_of(panel)}
        pairs = self.comparisons if panel.comparisons is None else panel.comparisons
        return [pair for pair in pairs if {*pair} <= names]

    def preparation(self, panel: Panel) -> dict[str, list[str]]:
        """Dataset → the commands that prepare it, for the panel; a script alone is for the dataset of its name."""
        prepare = panel.prepare or self.prepare or []
        if isinstance(prepare, dict):
            return prepare
        return {Path(script).stem: [script] for script in ([prepare] if isinstance(prepare, str) else prepare)}

    def scripts(self, panel: Panel, dataset: str) -> list[str]:
        """The scripts that prepare a dataset of the panel; where none is known for it, all of the panel's."""
        commands = self.preparation(panel)
        found = commands.get(dataset) or [command for listed in commands.values() for command in listed]
        return [command.split()[0] for command in found]

    def paper_value(self, panel: Panel, row: Row, column: str) -> float | None:
        """The paper's value for a column such as ``best/mae``; None where it prints none."""
        variant, metric = column.split("/")
        return row.paper_in(panel).get(metric) if variant == (panel.paper_key or self.paper_key) else None

    def gain_column(self, panel: Panel) -> str:
        """The column that gains and comparisons are about."""
        gain = panel.gain or self.gain
        return f"{panel.paper_key or self.paper_key}/{gain.metric if gain else 'mae'}"


def results_folder(size: str) -> Path:
    """The folder of all tables and figures of a size, so that none of another size overwrites the paper's."""
    return Path("results") / size


def higher_is_better(column: str) -> bool:
    """Whether a column such as ``best/pearson`` or, on a part of the rows, ``best/pearson_few`` is a correlation."""
    return column.split("/")[1].partition("_")[0] in HIGHER_IS_BETTER


def load(path: Path) -> Spec:
    """Read a specification; UserError naming the file and key where it does not fit."""
    with reading(path, "table") as raw:
        return built(raw)


@contextmanager
def reading(path: Path, what: str) -> Iterator[Any]:
    """Yield the content of a specification of a table or a figure; what does not fit in it becomes a UserError."""
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in path.parent.glob("*.yaml")))
        raise UserError(f"{path}: no such {what}; there are: {known}")
    try:
        content = OmegaConf.to_container(OmegaConf.load(path), resolve=True)
        if not isinstance(content, dict) or not content:
            raise ValueError("it has no keys: write it like the others there")
        yield content
    except KeyError as error:
        raise UserError(f"{path}: the key {error} is missing") from None
    except (OmegaConfBaseException, YAMLError, TypeError, ValueError) as error:
        raise UserError(f"{path}: {error}") from None


def built(raw: dict[str, Any]) -> Spec:
    """The specification with this content; KeyError, TypeError or ValueError where it does not fit."""
    for misfit in misfits(raw):
        raise ValueError(misfit)
    panels = [Panel(**panel | _pairs(panel)) for panel in raw.get("panels", [{"name": ""}])]
    spec = Spec(**raw | _pairs(raw) | {"panels": panels, "rows": [Row(**row) for row in raw["rows"]]})
    for problem in _problems(spec) or paper_misfits(spec):
        raise ValueError(problem)
    return spec


def _pairs(raw: dict[str, Any]) -> dict[str, Any]:
    """Gain and comparisons, where a table or panel has them, as what they are."""
    found: dict[str, Any] = {}
    if raw.get("gain"):
        found["gain"] = Gain(**raw["gain"])
    if raw.get("comparisons"):
        found["comparisons"] = [(a, b) for a, b in raw["comparisons"]]
    return found


def _problems(spec: Spec) -> list[str]:
    """What makes a specification unusable, a line each."""
    names, panels = [row.name for row in spec.rows], [panel.name for panel in spec.panels]
    cells = [(panel.name, row.name) for panel, row in spec.cells()]
    listed: dict[str, list[Any]] = {"panel": panels, "seed": spec.seeds, "panel and row": cells}
    found = [
        f"{what} {value!r} stands there twice"
        for what, values in listed.items()
        for value, count in Counter(values).items()
        if count > 1
    ]
    found += [f"seed {seed!r}: give whole numbers" for seed in spec.seeds if type(seed) is not int]
    for row in spec.rows:
        if row.kind not in KINDS:
            found.append(f"row {row.name!r} has kind {row.kind!r}: use one of {', '.join(KINDS)}")
        mixed = len({isinstance(value, dict) for value in row.paper.values()}) > 1
        by_panel = [name for name, value in row.paper.items() if isinstance(value, dict)]
        found += [f"row {row.name!r}: paper: give values by metric or by panel, not both"] * mixed
        found += [
            f"row {row.name!r} names the panel {name!r}, which the table does not have"
            for name in [*(row.panels or []), *by_panel]
            if name not in panels
        ]
    parts: list[Spec | Panel] = [spec, *spec.panels]
    for part in parts:
        mentioned = [name for pair in part.comparisons or [] for name in pair]
        mentioned += [part.gain.row, *part.gain.against] if part.gain else []
        found += [
            f"comparisons and gain name the row {name!r}, which the table does not have"
            for name in mentioned
            if name not in names
        ]
        if part.gain and higher_is_better(f"best/{part.gain.metric}"):
            found.append(f"gain: {part.gain.metric} is no error: choose a metric of which less is better")
    found += [
        f"gain is about {spec.gain_column(panel)}, which is no column of the panel {panel.name!r}"
        for panel in spec.panels
        if spec.gain_of(panel) and spec.gain_column(panel) not in spec.metrics_of(panel)
    ]
    return found
