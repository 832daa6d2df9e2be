"""A table's specification, as written in conf/table/<name>.yaml."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from supremix.errors import UserError

KINDS = ("reference", "baseline", "ours")


@dataclass(frozen=True)
class Panel:
    """A block of the table: the same rows under other settings."""

    name: str
    overrides: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Row:
    """A row: a name, the overrides that make it, and the paper's values by metric."""

    name: str
    kind: str
    overrides: list[str]
    panels: list[str] | None = None  # None: in every panel
    paper: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Gain:
    """Gains of one row against named baselines and against the best one, in one metric."""

    row: str
    metric: str
    against: list[str]


@dataclass(frozen=True)
class Spec:
    """A table. ``metrics`` maps variant/metric of a record to a heading; ``comparisons`` pairs rows by name."""

    name: str
    title: str
    overrides: list[str]
    seeds: list[int]
    metrics: dict[str, str]
    panels: list[Panel]
    rows: list[Row]
    paper_key: str = "best"
    prepare: str | None = None
    gain: Gain | None = None
    comparisons: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def cells(self) -> list[tuple[Panel, Row]]:
        """Every panel with every row that stands in it, in the table's order."""
        return [(p, row) for p in self.panels for row in self.rows if row.panels is None or p.name in row.panels]

    def paper_value(self, row: Row, column: str) -> float | None:
        """The paper's value for a column such as ``best/mae``; None where it prints none."""
        variant, metric = column.split("/")
        return row.paper.get(metric) if variant == self.paper_key else None


def load(path: Path) -> Spec:
    """Read a specification; UserError naming the file and key where it does not fit."""
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in path.parent.glob("*.yaml")))
        raise UserError(f"{path}: no such table; there are: {known}")
    try:
        raw: Any = OmegaConf.to_container(OmegaConf.load(path), resolve=True)
        spec = Spec(
            **raw
            | {
                "panels": [Panel(**panel) for panel in raw.get("panels", [{"name": ""}])],
                "rows": [Row(**row) for row in raw["rows"]],
                "gain": Gain(**raw["gain"]) if raw.get("gain") else None,
                "comparisons": [(a, b) for a, b in raw.get("comparisons", [])],
            }
        )
    except (OmegaConfBaseException, TypeError, KeyError, ValueError) as error:
        raise UserError(f"{path}: {error}") from None
    names = [row.name for row in spec.rows]
    mentioned = [name for pair in spec.comparisons for name in pair]
    mentioned += [spec.gain.row, *spec.gain.against] if spec.gain else []
    for name in mentioned:
        if name not in names:
            raise UserError(f"{path}: comparisons and gain name the row {name!r}, which the table does not have")
    for row in spec.rows:
        if row.kind not in KINDS:
            raise UserError(f"{path}: row {row.name!r} has kind {row.kind!r}: use one of {', '.join(KINDS)}")
    return spec
