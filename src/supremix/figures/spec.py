"""Read a figure's specification, conf/figure/<N>.yaml; its runs are specified as a table's are."""

from dataclasses import dataclass
from pathlib import Path

from supremix.suite.reading import built, reading
from supremix.suite.spec import Spec

DRAWINGS = {"tsne": ("colour",), "histograms": ("x", "y"), "sizes": ("x", "y"), "gap": ("x", "y")}
"""Name of a drawing → the labels that it needs."""


@dataclass(frozen=True)
class Figure:
    """A figure.

    Attributes:
        spec: its runs.
        drawing: a key of DRAWINGS.
        labels: labels with units.
        paper: what the paper says of its own figure.
    """

    spec: Spec
    drawing: str
    labels: dict[str, str]
    paper: str | None = None


def load(path: Path) -> Figure:
    """Read a specification; raise UserError naming file and key if it does not fit."""
    with reading(path, "figure") as raw:
        of_figure = {key: raw.pop(key) for key in ("drawing", "labels", "paper") if key in raw}
        figure = Figure(built(raw | {"metrics": {}}), **of_figure)
        if figure.drawing not in DRAWINGS:
            raise ValueError(f"drawing {figure.drawing!r}: use one of {', '.join(DRAWINGS)}")
        if set(figure.labels) != set(DRAWINGS[figure.drawing]):
            raise ValueError(f"labels: give {' and '.join(DRAWINGS[figure.drawing])} for drawing {figure.drawing}")
        return figure
