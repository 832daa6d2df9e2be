"""Small pictures in SVG, drawn in the colour of the text around them, so that they need no colours."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import ArrayLike

from supremix.metrics.by_label import Range

HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 220, 62, 8, 26, 40
NARROW, WIDE = 320, 430
PAD = 4
AT_MOST = 400
"""Points of one picture; of more, this number at equal distances in their order is drawn."""
STYLES = 6
"""Styles s0, s1, … of lines in the page's style sheet, which can be told apart without colour."""


@dataclass(frozen=True)
class Frame:
    """Axes, between whose ends things are drawn.

    Args:
        title: what is shown.
        axes: names of x and y.
        ends: lowest and highest x, lowest and highest y.
        width: pixels.
    """

    title: str
    axes: tuple[str, str]
    ends: tuple[tuple[float, float], tuple[float, float]]
    width: int = NARROW

    def across(self, x_N: ArrayLike) -> np.ndarray:
        """Return where values of x are."""
        return LEFT + PAD + _share(x_N, self.ends[0]) * (self.width - LEFT - RIGHT - 2 * PAD)

    def up(self, y_N: ArrayLike) -> np.ndarray:
        """Return where values of y are."""
        return HEIGHT - BOTTOM - PAD - _share(y_N, self.ends[1]) * (HEIGHT - BOTTOM - TOP - 2 * PAD)

    def around(self, inside: str, kind: str = "") -> str:
        """Return the whole picture: title, axes with their names and ends, and what is drawn inside."""
        (low_x, high_x), (low_y, high_y) = ((f"{low:.4g}", f"{high:.4g}") for low, high in self.ends)
        floor, right = HEIGHT - BOTTOM, self.width - RIGHT
        texts = [
            (LEFT, 14, "start", self.title),
            (LEFT, floor + 15, "start", low_x),
            *([(right, floor + 15, "end", high_x)] if high_x != low_x else []),
            ((LEFT + right) / 2, floor + 30, "middle", short(self.axes[0], self.width // 7)),
            (LEFT - 5, floor, "end", low_y),
            *([(LEFT - 5, TOP + 8, "end", high_y)] if high_y != low_y else []),
        ]
        words = "".join(f'<text x="{x}" y="{y}" text-anchor="{at}">{escape(text)}</text>' for x, y, at, text in texts)
        middle = (TOP + floor) / 2
        up = escape(short(self.axes[1], HEIGHT // 7))
        words += f'<text transform="translate(14 {middle}) rotate(-90)" text-anchor="middle">{up}</text>'
        about = f"{self.title}: {self.axes[1]}, {low_y} to {high_y}, over {self.axes[0]}, {low_x} to {high_x}"
        return (
            f'<svg{f" class={kind}" if kind else ""} viewBox="0 0 {self.width} {HEIGHT}" width="{self.width}" '
            f'role="img" aria-label="{escape(about)}">'
            f'<path class="axis" d="M{LEFT} {TOP}V{floor}H{right}"/>{inside}{words}</svg>'
        )

    def level(self, y: float) -> str:
        """Return a dashed line across at a value of y."""
        return f'<path class="thin" d="M{LEFT} {self.up(y):.0f}H{self.width - RIGHT}"/>'


def scatter(x_N: ArrayLike, y_N: ArrayLike, title: str, axes: tuple[str, str]) -> str:
    """Return a picture of points, with the diagonal on which both are the same.

    Args:
        x_N, y_N: the points; infinite ones are left out.
        title: what is shown.
        axes: names of x and y.
    """
    x, y = _finite(x_N, y_N)
    if not len(x):
        return _nothing(title)
    ends = (float(min(x.min(), y.min())), float(max(x.max(), y.max())))
    frame = Frame(title, axes, (ends, ends))
    xs, ys = _thinned(x, y)
    dots = "".join(f"M{a:.0f} {b:.0f}h0" for a, b in zip(frame.across(xs), frame.up(ys), strict=True))
    (low_x, high_x), (low_y, high_y) = frame.across(ends), frame.up(ends)
    diagonal = f'<path class="thin" d="M{low_x:.0f} {low_y:.0f}L{high_x:.0f} {high_y:.0f}"/>'
    return frame.around(f'{diagonal}<path class="dots" d="{dots}"/>')


def line(x_N: ArrayLike, y_N: ArrayLike, title: str, axes: tuple[str, str], mark: float | None) -> str:
    """Return a picture of a curve, with a vertical line at an x or none.

    Args:
        x_N, y_N: the points; infinite ones are left out.
        title: what is shown.
        axes: names of x and y.
        mark: where the vertical line is.
    """
    x, y = _finite(x_N, y_N)
    if not len(x):
        return _nothing(title)
    frame = Frame(title, axes, ((float(x.min()), float(x.max())), (float(y.min()), float(y.max()))))
    xs, ys = _thinned(x, y)
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(frame.across(xs), frame.up(ys), strict=True))
    inside = f'<polyline points="{points}"/>' if len(xs) > 1 else f'<path class="dots" d="M{points}h0"/>'
    if mark is not None:
        inside += f'<path class="thin" d="M{frame.across(mark):.0f} {TOP}V{HEIGHT - BOTTOM}"/>'
    return frame.around(inside)


def bars(ranges: Sequence[Range], title: str, axes: tuple[str, str], level: float) -> str:
    """Return a picture of the errors over ranges of the label, with the number of rows above each.

    Args:
        ranges: with their errors; at least one.
        title: what is shown.
        axes: names of label and error.
        level: where a dashed line is.
    """
    frame = Frame(title, axes, ((ranges[0].low, ranges[-1].high), (0.0, 1.1 * max(part.mae for part in ranges))))
    floor, inside = float(frame.up(0.0)), frame.level(level)
    for part in ranges:
        (left, right), top = frame.across([part.low, part.high]), float(frame.up(part.mae))
        size = f'width="{max(right - left - 2, 1):.1f}" height="{floor - top:.1f}"'
        inside += f'<rect x="{left + 1:.1f}" y="{top:.1f}" {size}/>'
        inside += (
            f'<text class="halo" x="{(left + right) / 2:.1f}" y="{top - 2:.1f}" text-anchor="middle">{part.rows}</text>'
        )
    return frame.around(inside)


def errors(ranges_of: Mapping[str, Sequence[Range]], title: str, axes: tuple[str, str]) -> str:
    """Return a picture of the errors of several methods over ranges of the label, each in a style of its own.

    Args:
        ranges_of: name → ranges with their errors, up to `STYLES` names.
        title: what is shown.
        axes: names of label and error.
    """
    every = [part for ranges in ranges_of.values() for part in ranges]
    low, high = min(part.low for part in every), max(part.high for part in every)
    frame = Frame(title, axes, ((low, high), (0.0, max(part.mae for part in every))), WIDE)
    inside = ""
    for style, (name, ranges) in enumerate(ranges_of.items()):
        xs, ys = frame.across([(part.low + part.high) / 2 for part in ranges]), frame.up([part.mae for part in ranges])
        inside += (
            f'<polyline class="s{style}" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in zip(xs, ys, strict=True))}"/>'
        )
        for x, y, part in zip(xs, ys, ranges, strict=True):
            says = f"{name}: label {part.low:.4g} to {part.high:.4g}, MAE {part.mae:.4g} over {part.rows} rows"
            inside += f'<circle class="mark" cx="{x:.1f}" cy="{y:.1f}" data-says="{escape(says)}"/>'
    return frame.around(inside, "picks")


def short(text: str, most: int) -> str:
    """Return a text of at most ``most`` letters, without its middle where it is longer."""
    half = (most - 1) // 2
    return text if len(text) <= most else f"{text[:half]}…{text[-half:]}"


def sample(style: int) -> str:
    """Return a short line of a style, for a legend."""
    return (
        f'<svg viewBox="0 0 48 10" width="48" aria-hidden="true"><polyline class="s{style}" points="0,5 48,5"/></svg>'
    )


def _share(values: ArrayLike, ends: tuple[float, float]) -> np.ndarray:
    return (np.asarray(values, dtype=float) - ends[0]) / ((ends[1] - ends[0]) or 1.0)


def _nothing(title: str) -> str:
    return f"<p>{escape(title)}: nothing to show</p>"


def _finite(x_N: ArrayLike, y_N: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    x, y = (np.asarray(values, dtype=float) for values in (x_N, y_N))
    there = np.isfinite(x) & np.isfinite(y)
    return x[there], y[there]


def _thinned(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    at = np.unique(np.linspace(0, len(x) - 1, min(len(x), AT_MOST)).round().astype(int))
    return x[at], y[at]
