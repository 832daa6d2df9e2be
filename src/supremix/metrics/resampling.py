"""Intervals over the rows of a test set that is the same for all seeds. Shapes: S seeds, N rows, R resamples."""

import math
from collections.abc import Callable
from functools import cache

import numpy as np

from supremix.metrics.regression import SMALLEST_ERROR

RESAMPLES = 2_000

MEASURES: dict[str, tuple[Callable[[np.ndarray], np.ndarray], Callable[[np.ndarray], np.ndarray]]] = {
    "mae": (np.abs, np.asarray),
    "mse": (np.square, np.asarray),
    "rmse": (np.square, np.sqrt),
    "gm": (lambda error: np.log(np.maximum(np.abs(error), SMALLEST_ERROR)), np.exp),
}
"""Metric → what is taken of each row's error, and what is made of its mean."""


def resampled(metric: str, error_SN: np.ndarray) -> np.ndarray:
    """Return a metric's mean over seeds on R resamples of the test rows, (R,); every call takes the same resamples.

    What is summed is rounded to 52 − log₂(N) bits below its largest, so that sums are exact, and the same bits whatever
    order a processor's BLAS adds in.

    Args:
        metric: one of MEASURES.
        error_SN: predictions minus labels, label units.
    """
    each, whole = MEASURES[metric]
    count_RN = _counts(error_SN.shape[1])
    return whole(count_RN @ _summable(each(error_SN)).T / error_SN.shape[1]).mean(axis=1)


def interval(resampled_R: np.ndarray) -> tuple[float, float]:
    """Return the 95 % percentile interval."""
    low, high = np.percentile(resampled_R, [2.5, 97.5])
    return float(low), float(high)


def _summable(value_SN: np.ndarray) -> np.ndarray:
    """Return values as multiples of one power of two, of which no sum of N needs more than float64's 53 bits."""
    value_SN = value_SN.astype(np.float64)
    _, exponent = math.frexp(np.abs(value_SN).max() * value_SN.shape[1])
    return np.ldexp(np.rint(np.ldexp(value_SN, 52 - exponent)), exponent - 52)


@cache
def _counts(n: int) -> np.ndarray:
    """Return how often each of n rows is in each resample, (R, n)."""
    return np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), size=RESAMPLES).astype(np.float64)
