"""Metrics of a regression: pure functions from labels and predictions to numbers."""

import math

import numpy as np
from numpy.typing import ArrayLike

from supremix.metrics.rounding import is_constant

SMALLEST_ERROR = 1e-6  # label units

LOWER_IS_BETTER = ("mae", "rmse", "mse", "gm")
HIGHER_IS_BETTER = ("pearson", "spearman", "r2")
METRICS = LOWER_IS_BETTER + HIGHER_IS_BETTER
VARIANTS = ("best", "last", "ridge", "knn")
"""Of predictions: epoch chosen on validation, last epoch; on frozen features the closed-form probe, and neighbours."""


def regression_metrics(y: ArrayLike, prediction: ArrayLike) -> dict[str, float]:
    """Compute all metrics of predictions.

    Args:
        y: labels, (N,), N ≥ 1.
        prediction: predictions in label units, (N,).

    Returns:
        Name → value:

        - ``mae``, ``rmse``, ``gm`` in label units and ``mse`` in their square; lower is better.
        - ``pearson``, ``spearman``: correlations in [−1, 1]; NaN where labels or predictions are all equal.
        - ``r2``: 1 − (residual / total sum of squares), at most 1; NaN where labels are all equal.

        ``gm`` is the geometric mean of the absolute errors (Yang et al. 2021). Errors below 1e-6, or a thousandth of
        ``mae`` where that is less, count as this much, since one exact hit would make it 0 whatever the other rows. A
        hit still lowers it much: read it beside ``mae``.

    Raises:
        ValueError: the shapes differ or are not (N,), N is 0, or a value is not finite.
    """
    # Imported here: they take a second, and the names of metrics are needed long before their values.
    from scipy.stats import gmean, pearsonr, spearmanr
    from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score

    y_N, prediction_N = np.asarray(y, dtype=np.float64), np.asarray(prediction, dtype=np.float64)
    if y_N.ndim != 1 or y_N.shape != prediction_N.shape:
        raise ValueError(f"labels {y_N.shape} and predictions {prediction_N.shape} must both be (N,)")
    if y_N.size == 0:
        raise ValueError("no rows to measure")
    for what, values in (("labels", y_N), ("predictions", prediction_N)):
        if bad := np.count_nonzero(~np.isfinite(values)):
            raise ValueError(f"{bad} of {len(values)} {what} are not finite")

    mae, mse = float(mean_absolute_error(y_N, prediction_N)), float(mean_squared_error(y_N, prediction_N))
    smallest = min(SMALLEST_ERROR, mae / 1000) or SMALLEST_ERROR
    constant_y = bool(is_constant(y_N))
    uncorrelated = constant_y or bool(is_constant(prediction_N))
    return {
        "mae": mae,
        "rmse": math.sqrt(mse),
        "mse": mse,
        "gm": float(gmean(np.maximum(np.abs(y_N - prediction_N), smallest))),
        "pearson": math.nan if uncorrelated else float(pearsonr(y_N, prediction_N).statistic),
        "spearman": math.nan if uncorrelated else float(spearmanr(y_N, prediction_N).statistic),
        "r2": math.nan if constant_y else float(r2_score(y_N, prediction_N)),
    }


def cost(metric: str, value: float | None) -> float:
    """Return a metric's value with its sign set so that lower is better; infinity where it is undefined."""
    if value is None or math.isnan(value):
        return math.inf
    return value if metric in LOWER_IS_BETTER else -value


def grouped(y: np.ndarray, prediction: np.ndarray, masks: dict[str, np.ndarray]) -> dict[str, float]:
    """Compute all metrics of groups of rows.

    Args:
        y, prediction: (N,), label units.
        masks: group → (N,) bool, the rows in it.

    Returns:
        ``<metric>_<group>`` → value; NaN for a group without rows.
    """
    values: dict[str, float] = {}
    for group, mask_N in masks.items():
        measured = (
            regression_metrics(y[mask_N], prediction[mask_N]) if mask_N.any() else dict.fromkeys(METRICS, math.nan)
        )
        values |= {f"{name}_{group}": value for name, value in measured.items()}
    return values
