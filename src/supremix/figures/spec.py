"""A figure's specification, as written in conf/figure/<N>.yaml: its runs are a table's, so one planner serves both."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from supremix.errors import UserError
from supremix.tables.spec import Panel, Row, Spec

DRAWINGS = {"tsne": ("colour",), "histograms": ("x", "y"), "sizes": ("x", "y"), "gap": ("x", "y")}
"""What can be drawn, and the labels that it needs."""


@dataclass(frozen=True)
class Figure:
    """A figure: its runs, what is drawn of them, labels with units, and what the paper says of its own."""

    spec: Spec
    drawing: str
    labels: dict[str, str]
    paper: str | None = None


def load(path: Path) -> Figure:
    """Read a specification; UserError naming the file and key where it does not fit."""
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in path.parent.glob("*.yaml")))
        raise UserError(f"{path}: no such figure; there are: {known}")
    try:
        raw: Any = OmegaConf.to_container(OmegaConf.load(path), resolve=True)
        of_figure = {key: raw.pop(key) for key in ("drawing", "labels", "paper") if key in raw}
        lists = {
            "panels": [Panel(**panel) for panel in raw.get("panels", [{"name": ""}])],
            "rows": [Row(**row) for row in raw["rows"]],
        }
        figure = Figure(Spec(**raw | lists, metrics={}), **of_figure)
    except (OmegaConfBaseException, TypeError, KeyError, ValueError) as error:
        raise UserError(f"{path}: {error}") from None
    if figure.drawing not in DRAWINGS:
        raise UserError(f"{path}: drawing {figure.drawing!r}: use one of {', '.join(DRAWINGS)}")
    if set(figure.labels) != set(DRAWINGS[figure.drawing]):
        raise UserError(f"{path}: labels: give {' and '.join(DRAWINGS[figure.drawing])} for drawing {figure.drawing}")
    return figure
