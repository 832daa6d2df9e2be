"""What all pictures share: runs to draw from, styles that need no colour, files on disk."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure as Picture

from supremix.suite.plan import Cell

STYLES: list[dict[str, Any]] = [
    # Colours of rising lightness; line and marker tell the series apart without them.
    {"color": "#1b3a6b", "linestyle": "-", "marker": "o"},
    {"color": "#c4572b", "linestyle": "--", "marker": "s"},
    {"color": "#4f9d69", "linestyle": "-.", "marker": "^"},
    {"color": "#b59ac8", "linestyle": ":", "marker": "D"},
]


@dataclass(frozen=True)
class Run:
    """A finished run of a figure: its place there, its record, its folder and its encoder's, where it has one."""

    cell: Cell
    record: dict[str, Any]
    folder: Path
    encoder: Path | None


@dataclass
class Drawn:
    """A picture, the numbers in it by column, what they say, and which runs could not be drawn, by label, and why."""

    picture: Picture
    numbers: list[dict[str, Any]] = field(default_factory=list)
    says: list[str] = field(default_factory=list)
    unusable: dict[str, str] = field(default_factory=dict)


def save(picture: Picture, path: Path, synthetic: bool) -> None:
    """Write the picture as .png and .svg, the same bytes for the same picture; synthetic data say so across it."""
    if synthetic:
        picture.text(
            0.5, 0.5, "SYNTHETIC DATA", ha="center", va="center", rotation=25, fontsize=28, color="0.35", alpha=0.35,
            weight="bold", zorder=10,
        )  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    with matplotlib.rc_context({"svg.hashsalt": "supremix"}):
        title = {"Title": "Synthetic data"} if synthetic else {}
        picture.savefig(path.with_suffix(".png"), dpi=150, bbox_inches="tight", metadata={"Software": None, **title})
        picture.savefig(path.with_suffix(".svg"), bbox_inches="tight", metadata={"Date": None, **title})
