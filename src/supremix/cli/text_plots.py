"""Plots in characters, for a terminal. N points."""

from collections.abc import Sequence

import numpy as np

WIDTH, HEIGHT = 60, 16
DENSITY = " .:*#"
"""For no point, one, two to three, four to seven, and more in a cell."""


def scatter(x_N: Sequence[float], y_N: Sequence[float], title: str) -> list[str]:
    """Return the lines of a plot of points, with the ends of both axes; infinite ones are left out.

    Args:
        x_N, y_N: the points.
        title: what x and y are.
    """
    x, y = (np.asarray(values, dtype=float) for values in (x_N, y_N))
    there = np.isfinite(x) & np.isfinite(y)
    x, y = x[there], y[there]
    if not len(x):
        return [title, "  nothing to show"]
    count = np.zeros((HEIGHT, WIDTH), dtype=int)
    np.add.at(count, (HEIGHT - 1 - _cells(y, HEIGHT), _cells(x, WIDTH)), 1)
    level = np.where(count > 0, np.minimum(np.log2(np.maximum(count, 1)).astype(int) + 1, len(DENSITY) - 1), 0)
    ends = {0: f"{y.max():.4g}", HEIGHT - 1: f"{y.min():.4g}"}
    lines = [f"{ends.get(row, ''):>10} |{''.join(DENSITY[at] for at in cells)}" for row, cells in enumerate(level)]
    low, high = f"{x.min():.4g}", f"{x.max():.4g}"
    return [title, *lines, f"{'':>10} +{'-' * WIDTH}", f"{'':>12}{low}{high:>{WIDTH - len(low)}}"]


def bars(rows: Sequence[tuple[str, float, str]], title: str) -> list[str]:
    """Return a line a row: its name, a bar as long as its value, the value, and a remark."""
    longest = max((value for _, value, _ in rows), default=0.0) or 1.0
    width = max((len(name) for name, _, _ in rows), default=0)
    return [title] + [
        f"  {name:>{width}} {'#' * round(40 * value / longest)} {value:.4g}  {remark}" for name, value, remark in rows
    ]


def _cells(values: np.ndarray, count: int) -> np.ndarray:
    """Return which of ``count`` equal parts of their range each value lies in."""
    spread = np.ptp(values) or 1.0
    return np.minimum(((values - values.min()) / spread * count).astype(int), count - 1)
