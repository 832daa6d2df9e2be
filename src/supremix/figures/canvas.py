"""What all figures share: runs to draw, styles that work without colour, files on disk."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure as Picture

from supremix.suite.plan import Cell

STYLES: list[dict[str, Any]] = [
    # Colours of rising lightness; lines and markers distinguish the series without them.
    {"color": "#1b3a6b", "linestyle": "-", "marker": "o"},
    {"color": "#c4572b", "linestyle": "--", "marker": "s"},
    {"color": "#4f9d69", "linestyle": "-.", "marker": "^"},
    {"color": "#b59ac8", "linestyle": ":", "marker": "D"},
]


@dataclass(frozen=True)
class Run:
    """A finished run of a figure.

    Attributes:
        cell: its place in the figure.
        record: its record.
        folder: its folder in the store.
        encoder: folder of its pre-trained encoder, if it has one.
    """

    cell: Cell
    record: dict[str, Any]
    folder: Path
    encoder: Path | None


@dataclass
class Drawn:
    """A drawn figure.

    Attributes:
        picture: the matplotlib figure.
        numbers: rows of figure.csv, column → value.
        says: statements on the numbers.
        unusable: label of a run that could not be drawn → the reason.
    """

    picture: Picture
    numbers: list[dict[str, Any]] = field(default_factory=list)
    says: list[str] = field(default_factory=list)
    unusable: dict[str, str] = field(default_factory=dict)


def save(picture: Picture, path: Path, synthetic: bool) -> None:
    """Write a picture as .png and .svg, with the same bytes each time; mark synthetic data across it."""
    if synthetic:
        picture.text(
            0.5, 0.5, "SYNTHETIC DATA", ha="center", va="center", rotation=25, fontsize=28, color="0.35", alpha=0.35,
            weight="bold", zorder=10,
        )  # fmt: skip
    with matplotlib.rc_context({"svg.hashsalt": "supremix"}):
        title = {"Title": "Synthetic data"} if synthetic else {}
        picture.savefig(path.with_suffix(".png"), dpi=150, bbox_inches="tight", metadata={"Software": None, **title})
        picture.savefig(path.with_suffix(".svg"), bbox_inches="tight", metadata={"Date": None, **title})
