"""Metrics of prediction intervals: how many labels they hold, and how wide they are. N rows."""

import numpy as np
from numpy.typing import ArrayLike

INTERVAL = ("nominal", "coverage", "width", "score")


def interval_metrics(y: ArrayLike, low: ArrayLike, high: ArrayLike, coverage: float) -> dict[str, float]:
    """Compute all metrics of intervals.

    Args:
        y: labels, (N,), N ≥ 1.
        low, high: ends of each row's interval, label units, (N,).
        coverage: part of the labels that the intervals are to hold, in (0, 1).

    Returns:
        Name → value:

        - ``nominal``: the coverage that was asked for.
        - ``coverage``: part of the labels inside their interval, ends included.
        - ``width``: mean width, label units; lower is better among intervals that hold as many labels.
        - ``score``: mean interval score (Gneiting and Raftery 2007, section 6.2), label units: the width, and
          2/(1 − coverage) times how far a label is outside. Lower is better; the true quantiles have the lowest.

    Raises:
        ValueError: the shapes differ or are not (N,), N is 0, a value is not finite, or the coverage is not in (0, 1).
    """
    y_N, low_N, high_N = (np.asarray(values, dtype=np.float64) for values in (y, low, high))
    if y_N.ndim != 1 or y_N.size == 0 or not y_N.shape == low_N.shape == high_N.shape:
        raise ValueError(f"labels {y_N.shape} and ends {low_N.shape}, {high_N.shape} must all be (N,), N ≥ 1")
    if not all(np.isfinite(values).all() for values in (y_N, low_N, high_N)):
        raise ValueError("labels or ends of intervals are not finite")
    if not 0 < coverage < 1:
        raise ValueError(f"coverage must lie between 0 and 1, got {coverage}")
    outside_N = np.maximum(low_N - y_N, 0) + np.maximum(y_N - high_N, 0)
    width = float((high_N - low_N).mean())
    return {
        "nominal": float(coverage),
        "coverage": float(((low_N <= y_N) & (y_N <= high_N)).mean()),
        "width": width,
        "score": width + 2 / (1 - float(coverage)) * float(outside_N.mean()),
    }
