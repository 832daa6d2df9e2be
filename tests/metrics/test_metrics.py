"""Each measure against a value worked out by hand, and every input that has no answer."""

import math
import warnings

import numpy as np
import pytest

from supremix.metrics.regression import METRICS, grouped, regression_metrics


def test_values_by_hand():
    # Errors 1, −2, 0, 4; their absolute product with the zero floored is 8e-6.
    metrics = regression_metrics([1.0, 2.0, 3.0, 4.0], [2.0, 0.0, 3.0, 8.0])
    assert list(metrics) == ["mae", "rmse", "mse", "gm", "pearson", "spearman", "r2"]
    assert metrics["mae"] == pytest.approx(7 / 4)
    assert metrics["mse"] == pytest.approx(21 / 4)
    assert metrics["rmse"] == pytest.approx(math.sqrt(21 / 4))
    assert metrics["gm"] == pytest.approx((1 * 2 * 1e-6 * 4) ** (1 / 4))
    # Centred: y (−1.5, −.5, .5, 1.5), prediction (−1.25, −3.25, −.25, 4.75).
    assert metrics["pearson"] == pytest.approx(10.5 / math.sqrt(5 * 34.75))
    assert metrics["spearman"] == pytest.approx(1 - 6 * 2 / (4 * 15))  # ranks 2, 1, 3, 4
    assert metrics["r2"] == pytest.approx(1 - 21 / 5)


def test_spearman_ranks_ties_by_their_mean():
    y, prediction = [1.0, 2.0, 2.0, 3.0], [1.0, 2.0, 3.0, 4.0]
    expected = np.corrcoef([1, 2.5, 2.5, 4], [1, 2, 3, 4])[0, 1]
    assert regression_metrics(y, prediction)["spearman"] == pytest.approx(expected)


def test_perfect_prediction():
    y = np.array([3.0, 1.0, 2.0])
    expected = {"mae": 0, "rmse": 0, "mse": 0, "gm": 1e-6, "pearson": 1, "spearman": 1, "r2": 1}
    assert regression_metrics(y, y) == pytest.approx(expected)


def test_one_exact_hit_does_not_erase_gm():
    y, prediction = np.arange(10.0), np.arange(10.0) + 2
    prediction[4] = 4
    assert regression_metrics(y, prediction)["gm"] == pytest.approx(2**0.9 * 1e-6**0.1)


def test_gm_is_not_above_mae_however_small_the_unit():
    y = np.arange(10.0) * 1e-6
    metrics = regression_metrics(y, y + 2e-8)
    assert metrics["gm"] == pytest.approx(2e-8)
    prediction = y + 2e-8
    prediction[4] = y[4]
    assert regression_metrics(y, prediction)["gm"] < regression_metrics(y, prediction)["mae"]


def test_plain_floats_whatever_the_input():
    metrics = regression_metrics(np.float32([1, 2, 3]), [1, 2, 4])
    assert {type(value) for value in metrics.values()} == {float}
    assert metrics["mae"] == pytest.approx(1 / 3)


@pytest.mark.parametrize("shift", [0.0, 1e-15], ids=["exact", "to rounding"])
def test_constant_prediction_has_no_correlation(shift):
    prediction = np.full(5, 0.7) + shift * np.arange(5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        metrics = regression_metrics(np.arange(5.0), prediction)
    assert math.isnan(metrics["pearson"])
    assert math.isnan(metrics["spearman"])
    assert metrics["r2"] == pytest.approx(1 - 18.45 / 10)
    assert metrics["mae"] == pytest.approx(1.58)


@pytest.mark.parametrize(("y", "prediction"), [([2.0, 2.0, 2.0], [1.0, 2.0, 3.0]), ([1.0], [2.0])])
def test_constant_labels_have_neither_correlation_nor_r2(y, prediction):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        metrics = regression_metrics(y, prediction)
    assert all(math.isnan(metrics[key]) for key in ("pearson", "spearman", "r2"))
    assert all(math.isfinite(metrics[key]) for key in ("mae", "rmse", "mse", "gm"))


@pytest.mark.parametrize(
    ("y", "prediction", "message"),
    [
        ([1.0, 2.0], [1.0, 2.0, 3.0], r"\(2,\) and predictions \(3,\)"),
        ([[1.0], [2.0]], [[1.0], [2.0]], r"\(2, 1\)"),
        ([1.0, 2.0], [[1.0], [2.0]], r"\(2, 1\)"),
        ([], [], "no rows"),
        ([1.0, math.nan], [1.0, 2.0], "1 of 2 labels"),
        ([1.0, 2.0], [math.inf, math.nan], "2 of 2 predictions"),
    ],
)
def test_refused(y, prediction, message):
    with pytest.raises(ValueError, match=message):
        regression_metrics(y, prediction)


def test_groups_are_measured_on_their_rows_alone_and_an_empty_one_is_undefined():
    y, prediction = np.array([1.0, 2.0, 4.0, 8.0]), np.array([1.5, 2.0, 3.0, 9.0])
    some, none = np.array([True, False, True, True]), np.zeros(4, dtype=bool)
    found = grouped(y, prediction, {"few": some, "many": none})
    expected = regression_metrics(y[some], prediction[some])
    assert {name: found[f"{name}_few"] for name in METRICS} == expected
    assert all(np.isnan(found[f"{name}_many"]) for name in METRICS)
    assert len(found) == 2 * len(METRICS)
