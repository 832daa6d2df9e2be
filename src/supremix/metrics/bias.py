"""The bias of predictions towards the mean label, known as age bias of brain ages, and their correction. N rows."""

import math

import numpy as np
from numpy.typing import ArrayLike

from supremix.metrics.regression import regression_metrics
from supremix.metrics.rounding import is_constant

BIAS = ("slope", "mae_corrected", "rmse_corrected")


def bias_metrics(y: ArrayLike, prediction: ArrayLike, val_y: ArrayLike, val_prediction: ArrayLike) -> dict[str, float]:
    """Compute the bias of predictions, and their errors after a correction that is fitted on validation.

    The correction is Cole's, as de Lange and Cole 2020 have it: least squares on the validation rows give ŷ ≈ a·y + b,
    and a prediction is corrected to (ŷ − b)/a. It reads no label of the rows that it corrects. The other common one
    adds y − (a·y + b), with the label that is to be predicted (Beheshti et al. 2019): it makes any prediction look
    good. Where a < 1, dividing by it widens the spread, so that errors may rise as the bias falls.

    Args:
        y, prediction: labels and predictions of the rows that are measured, label units, (N,).
        val_y, val_prediction: of the validation rows.

    Returns:
        Name → value:

        - ``slope``: of the error, prediction − label, against the label by least squares; 0 without bias, −1 for a
          constant prediction; NaN where labels are all equal.
        - ``mae_corrected``, ``rmse_corrected``: label units, lower is better; NaN where validation labels or
          predictions are all equal, so that there is nothing to fit.

    Raises:
        ValueError: as `regression_metrics` raises it.
    """
    y_N, prediction_N = np.asarray(y, dtype=np.float64), np.asarray(prediction, dtype=np.float64)
    of_val = np.asarray(val_y, dtype=np.float64), np.asarray(val_prediction, dtype=np.float64)
    regression_metrics(*of_val)  # checks
    values = regression_metrics(y_N, prediction_N)
    metrics = dict.fromkeys(BIAS, math.nan)
    if not is_constant(y_N):
        metrics["slope"] = _line(y_N, prediction_N - y_N)[0]
    if not any(map(is_constant, of_val)):
        slope, intercept = _line(*of_val)
        if slope != 0:
            values = regression_metrics(y_N, (prediction_N - intercept) / slope)
            metrics |= {f"{name}_corrected": values[name] for name in ("mae", "rmse")}
    return metrics


def _line(x_N: np.ndarray, y_N: np.ndarray) -> tuple[float, float]:
    """Return slope and intercept of the least-squares line."""
    from scipy.stats import linregress

    line = linregress(x_N, y_N)
    return float(line.slope), float(line.intercept)
