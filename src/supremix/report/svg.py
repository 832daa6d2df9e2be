"""Small pictures in SVG, drawn in the colour of the text around them, so that they need no colours."""

from html import escape

import numpy as np
from numpy.typing import ArrayLike

WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 320, 220, 56, 26, 40
AT_MOST = 400
"""Points of one picture; of more, so many at equal distances in their order are drawn."""


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
    ends = (min(x.min(), y.min()), max(x.max(), y.max()))
    xs, ys = _thinned(x, y)
    across, up = _across(xs, ends), _up(ys, ends)
    dots = "".join(f"M{a:.0f} {b:.0f}h0" for a, b in zip(across, up, strict=True))
    (low_x, high_x), (low_y, high_y) = _across(np.array(ends), ends), _up(np.array(ends), ends)
    return _framed(
        title,
        axes,
        (ends, ends),
        f'<path class="thin" d="M{low_x:.0f} {low_y:.0f}L{high_x:.0f} {high_y:.0f}"/><path class="dots" d="{dots}"/>',
    )


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
    ends = ((x.min(), x.max()), (y.min(), y.max()))
    xs, ys = _thinned(x, y)
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(_across(xs, ends[0]), _up(ys, ends[1]), strict=True))
    inside = f'<polyline points="{points}"/>'
    if mark is not None:
        (at,) = _across(np.array([mark]), ends[0])
        inside += f'<path class="thin" d="M{at:.0f} {TOP}V{HEIGHT - BOTTOM}"/>'
    return _framed(title, axes, ends, inside)


def _framed(title: str, axes: tuple[str, str], ends: tuple[tuple[float, float], ...], inside: str) -> str:
    """Return a whole picture: title, axes with their names and ends, and what is drawn inside."""
    (low_x, high_x), (low_y, high_y) = ends
    floor, right = HEIGHT - BOTTOM, WIDTH - 8
    texts = [
        (LEFT, 14, "start", title),
        (LEFT, floor + 15, "start", f"{low_x:.4g}"),
        (right, floor + 15, "end", f"{high_x:.4g}"),
        ((LEFT + right) / 2, floor + 30, "middle", axes[0]),
        (LEFT - 5, floor, "end", f"{low_y:.4g}"),
        (LEFT - 5, TOP + 8, "end", f"{high_y:.4g}"),
    ]
    words = "".join(f'<text x="{x}" y="{y}" text-anchor="{at}">{escape(text)}</text>' for x, y, at, text in texts)
    middle = (TOP + floor) / 2
    words += f'<text transform="translate(14 {middle}) rotate(-90)" text-anchor="middle">{escape(axes[1])}</text>'
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" role="img" aria-label="{escape(title)}">'
        f'<path class="axis" d="M{LEFT} {TOP}V{floor}H{right}"/>{inside}{words}</svg>'
    )


def _nothing(title: str) -> str:
    return f"<p>{escape(title)}: nothing to show</p>"


def _finite(x_N: ArrayLike, y_N: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    x, y = (np.asarray(values, dtype=float) for values in (x_N, y_N))
    there = np.isfinite(x) & np.isfinite(y)
    return x[there], y[there]


def _thinned(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    at = np.unique(np.linspace(0, len(x) - 1, min(len(x), AT_MOST)).round().astype(int))
    return x[at], y[at]


def _across(x: np.ndarray, ends: tuple[float, float]) -> np.ndarray:
    return LEFT + 4 + (x - ends[0]) / ((ends[1] - ends[0]) or 1.0) * (WIDTH - LEFT - 16)


def _up(y: np.ndarray, ends: tuple[float, float]) -> np.ndarray:
    return HEIGHT - BOTTOM - 4 - (y - ends[0]) / ((ends[1] - ends[0]) or 1.0) * (HEIGHT - BOTTOM - TOP - 8)
