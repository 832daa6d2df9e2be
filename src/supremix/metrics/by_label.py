"""How far predictions are off where: mean absolute error over ranges of the label. N rows."""

from typing import NamedTuple

import numpy as np

RANGES = 10


class Range(NamedTuple):
    """A range of labels: its ends, label units, how many rows it has, and their mean absolute error."""

    low: float
    high: float
    rows: int
    mae: float


def error_by_label(y_N: np.ndarray, prediction_N: np.ndarray, ranges: int = RANGES) -> list[Range]:
    """Return the error over equally wide ranges of the labels, without those that have no row.

    Args:
        y_N: labels, label units.
        prediction_N: of these rows.
        ranges: how many.
    """
    edges = np.linspace(y_N.min(), y_N.max(), ranges + 1)
    at_N = np.searchsorted(edges[1:-1], y_N, side="right")
    error_N = np.abs(prediction_N - y_N)
    masks = ((at, at_N == at) for at in range(ranges))
    return [
        Range(float(edges[at]), float(edges[at + 1]), int(here.sum()), float(error_N[here].mean()))
        for at, here in masks
        if here.any()
    ]
