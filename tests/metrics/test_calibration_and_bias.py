"""Metrics of intervals, and the bias of predictions with its correction, by hand and by what they must leave alone."""

import math
from statistics import NormalDist

import numpy as np
import pytest

from supremix.metrics import bias_metrics, interval_metrics, regression_metrics


def test_interval_metrics_by_hand():
    y, low, high = [0.0, 5.0, 10.0, 3.0], [0.0, 6.0, 1.0, 2.0], [2.0, 9.0, 4.0, 3.0]
    found = interval_metrics(y, low, high, 0.8)  # outside: by 1 below, and by 6 above; an end belongs to it
    assert found == pytest.approx({"nominal": 0.8, "coverage": 0.5, "width": 9 / 4, "score": 9 / 4 + 10 * (1 + 6) / 4})


def test_the_true_quantiles_have_the_lowest_score():
    y_N = np.random.default_rng(0).normal(size=20_000)
    half = NormalDist().inv_cdf(0.95)

    def score(stretch):
        return interval_metrics(y_N, np.full(20_000, -half * stretch), np.full(20_000, half * stretch), 0.9)["score"]

    assert score(1.0) < min(score(0.8), score(1.2))


@pytest.mark.parametrize(
    ("y", "low", "high", "coverage", "message"),
    [
        ([1.0], [0.0, 1.0], [2.0, 2.0], 0.9, "must all be"),
        ([], [], [], 0.9, "N ≥ 1"),
        ([1.0], [math.nan], [2.0], 0.9, "not finite"),
        ([1.0], [0.0], [2.0], 1.0, "coverage must lie between 0 and 1"),
    ],
)
def test_intervals_refused(y, low, high, coverage, message):
    with pytest.raises(ValueError, match=message):
        interval_metrics(y, low, high, coverage)


def test_the_correction_undoes_a_linear_bias_that_validation_shows():
    y_N, val_N, noise_N = np.arange(20.0, 80.0), np.arange(25.0, 75.0), np.random.default_rng(0).normal(size=60)
    found = bias_metrics(y_N, 0.6 * (y_N + noise_N) + 18, val_N, 0.6 * val_N + 18)
    assert found["slope"] == pytest.approx(-0.4, abs=0.03)
    assert found["mae_corrected"] == pytest.approx(np.abs(noise_N).mean())
    assert found["rmse_corrected"] == pytest.approx(np.sqrt((noise_N**2).mean()))


def test_the_correction_reads_no_label_of_the_rows_that_it_corrects():
    """A prediction that knows nothing of the label is not made to look good: its errors rise."""
    draw = np.random.default_rng(1)
    y_N, val_N = draw.normal(50, 10, size=500), draw.normal(50, 10, size=500)
    guess_N, val_guess_N = draw.normal(50, 5, size=500), 0.1 * val_N + draw.normal(45, 5, size=500)
    found = bias_metrics(y_N, guess_N, val_N, val_guess_N)
    assert found["slope"] == pytest.approx(-1, abs=0.1)
    assert found["mae_corrected"] > 2 * regression_metrics(y_N, guess_N)["mae"]


def test_without_a_line_the_bias_is_undefined():
    y_N, one = np.arange(4.0), np.ones(4)
    constant = bias_metrics(y_N, one, y_N, one)
    assert constant["slope"] == pytest.approx(-1)
    assert math.isnan(constant["mae_corrected"])
    assert math.isnan(bias_metrics(one, y_N, y_N, y_N)["slope"])
    assert math.isnan(bias_metrics(y_N, y_N, one, y_N)["rmse_corrected"])
