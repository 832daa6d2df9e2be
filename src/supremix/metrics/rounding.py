"""Numbers that differ by no more than rounding are equal: their differences are no signal to scale up or correlate."""

import numpy as np

DOUBLE, SINGLE = 1e-12, 1e-6
"""Share of the largest value by which equal numbers differ after arithmetic, or when they were stored, in a format."""


def is_constant(values: np.ndarray, rounding: float = DOUBLE) -> np.ndarray:
    """Return whether the values (N, …) are equal along the first axis, (…) bool, but for rounding."""
    return np.asarray(np.ptp(values, axis=0) <= rounding * np.abs(values).max(axis=0))
