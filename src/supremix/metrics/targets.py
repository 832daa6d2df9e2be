"""Metrics of several targets: of each, and their mean. N rows, T targets."""

from collections.abc import Callable, Mapping

import numpy as np

Arrays = Mapping[str, np.ndarray]
"""Labels and predictions by name, (N,) or (N, T). Of several targets also ``target_name``, (T,), and ``target_mean``
and ``target_std``, (T,), of the training labels."""

Measure = Callable[..., dict[str, float]]
"""From arrays (N,), labels first, to name → value."""


def mean_over_targets(measure: Measure, *standard_NT: np.ndarray) -> dict[str, float]:
    """Return the mean over targets of each metric; NaN where that of a target is undefined.

    Args:
        measure: gives the metrics of one target.
        standard_NT: labels, predictions and whatever else it takes, each target in units of its standard deviation in
            training, so that none counts more for its unit.
    """
    each = [measure(*of_N) for of_N in zip(*(array_NT.T for array_NT in standard_NT), strict=True)]
    return {name: float(np.mean([values[name] for values in each])) for name in each[0]}


def over_targets(measure: Measure, arrays: Arrays, *names: str) -> dict[str, float]:
    """Compute metrics, of several targets those of each and their means.

    Args:
        measure: gives the metrics of one target.
        arrays: of which it takes some.
        names: of those, in order.

    Returns:
        Of one target ``<metric>`` → value, in label units. Of several ``<metric>_<target>`` → value, in the target's
        units, and ``<metric>`` → the mean over targets, each in its standard deviations.
    """
    if "target_name" not in arrays:
        return measure(*(arrays[name] for name in names))
    metrics = mean_over_targets(measure, *(in_deviations(arrays, name) for name in names))
    for target, *of_N in zip(arrays["target_name"], *(arrays[name].T for name in names), strict=True):
        metrics |= {f"{metric}_{target}": value for metric, value in measure(*of_N).items()}
    return metrics


def in_deviations(arrays: Arrays, name: str) -> np.ndarray:
    """Return labels or predictions, of several targets in standard deviations of the training labels, from their mean.

    Args:
        arrays: of which one is taken.
        name: of that one.
    """
    values = arrays[name]
    return (values - arrays["target_mean"]) / arrays["target_std"] if "target_name" in arrays else values
