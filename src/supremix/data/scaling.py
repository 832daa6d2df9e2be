"""Standardise targets, and inputs without a fixed range, by the training rows."""

import numpy as np

from supremix.data.dataset import TargetScale
from supremix.errors import UserError
from supremix.metrics.rounding import is_constant

SCALINGS = ("raw", "standard")


def target_scale(name: str, scaling: str | None, y_N: np.ndarray) -> TargetScale:
    """Return the units that a regression head predicts.

    Args:
        name: of the dataset, for messages.
        scaling: "standard" standardises by these labels, "raw" or None keeps label units.
        y_N: training labels, label units, (N,) or (N, T).

    Raises:
        UserError: no such scaling.
    """
    if scaling is not None and scaling not in SCALINGS:
        raise UserError(f"{name}: scaling={scaling!r}: use one of {', '.join(SCALINGS)}")
    if scaling != "standard" or len(y_N) == 0:
        return TargetScale(0.0, 1.0)
    mean, std = mean_std(y_N)
    return TargetScale(mean, std) if y_N.ndim == 2 else TargetScale(float(mean), float(std))


def mean_std(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation (ddof 0) over the first axis, with a deviation of 1 for constants.

    Constant is what differs by no more than rounding.
    """
    # By the range, not by std == 0: the computed deviation of many a 0.1 is 1e-17, and dividing by that would
    # blow up any other value in the validation rows. Computed values that should be equal differ by rounding.
    constant = is_constant(values)
    return np.where(constant, values[0], values.mean(axis=0)), np.where(constant, 1.0, values.std(axis=0))
