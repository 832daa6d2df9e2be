"""Metrics of features against loops over pairs, at constructed geometries, and what is refused."""

import math
import warnings

import numpy as np
import pytest
from scipy.stats import rankdata

from supremix.metrics import representation
from supremix.metrics.representation import REPRESENTATION, representation_metrics


def in_loops(x_ND, y_N):
    """The metrics from their definitions."""
    n = len(x_ND)
    others = {i: [j for j in range(n) if j != i] for i in range(n)}
    unit = [x / math.sqrt(sum(x**2)) for x in x_ND]

    def square(a, b):
        return sum((s - t) ** 2 for s, t in zip(a, b, strict=True))

    def over_nearest(distance, value):
        found = []
        for i in range(n):
            nearest = min(distance(i, j) for j in others[i])
            at = [value(i, j) for j in others[i] if distance(i, j) <= nearest + 1e-9]
            found.append(sum(at) / len(at))
        return sum(found) / n

    pairs = [(i, j) for i in range(n) for j in range(i)]
    label, feature = (lambda i, j: abs(y_N[i] - y_N[j])), (lambda i, j: math.sqrt(square(x_ND[i], x_ND[j])))
    ranks = [rankdata([distance(*pair) for pair in pairs]) for distance in (label, feature)]
    eigenvalues = np.linalg.eigvalsh(np.cov(x_ND.T)).clip(0)
    part = [math.sqrt(value) / sum(np.sqrt(eigenvalues)) for value in eigenvalues]
    return {
        "spearman": np.corrcoef(*ranks)[0, 1],
        "rank": math.exp(-sum(p * math.log(p) for p in part if p > 0)),
        "alignment": over_nearest(label, lambda i, j: square(unit[i], unit[j])),
        "uniformity": math.log(sum(math.exp(-2 * square(unit[i], unit[j])) for i, j in pairs) / len(pairs)),
        "neighbour": over_nearest(feature, label),
    }


LABELS = {
    "distinct": np.arange(13) ** 1.5,
    "repeated": np.arange(13) // 3 * 0.1,
    "tenths apart": np.arange(13) * 0.1 + 0.2,
}


@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
def test_values_are_those_of_the_loops(labels):
    draw = np.random.default_rng(0)
    x_ND, y_N = draw.normal(size=(13, 4)) * [3, 1, 0.5, 2] + 5, draw.permutation(labels)
    assert representation_metrics(x_ND, y_N) == pytest.approx(in_loops(x_ND, y_N), rel=1e-9)


def test_features_that_are_the_label_are_ordered_and_those_that_are_not_are_not():
    y_N = np.random.default_rng(1).normal(size=300)
    line = representation_metrics(np.stack([y_N, np.ones(300)], axis=1), y_N)
    assert (line["spearman"], line["rank"]) == pytest.approx((1, 1))
    noise = representation_metrics(np.random.default_rng(2).normal(size=(300, 8)), y_N)
    assert abs(noise["spearman"]) < 0.05
    assert 7.5 < noise["rank"] <= 8
    assert line["neighbour"] < 0.1 * noise["neighbour"]
    assert line["alignment"] < 0.1 * noise["alignment"]
    assert noise["uniformity"] < line["uniformity"] <= 0


def test_nearest_rows_that_tie_are_averaged_in_whatever_order():
    x_ND, y_N = np.array([[0.0], [0.0], [0.0], [9.0]]), np.array([1.0, 2.0, 4.0, 0.0])
    expected = np.mean([(1 + 3) / 2, (1 + 2) / 2, (3 + 2) / 2, (1 + 2 + 4) / 3])
    for order in ([0, 1, 2, 3], [3, 2, 1, 0]):
        assert representation_metrics(x_ND[order], y_N[order])["neighbour"] == pytest.approx(expected)


@pytest.mark.parametrize("width", [3, 40])  # fewer and more features than rows
def test_rows_that_are_repeated_are_at_no_distance_and_add_no_direction(width):
    x_ND = np.random.default_rng(5).normal(size=(12, width)).repeat(2, axis=0) + 1000
    found = representation_metrics(x_ND, np.arange(12.0).repeat(2))
    assert (found["alignment"], found["neighbour"]) == (0, 0)
    line = representation_metrics(np.outer(np.arange(24.0), np.ones(width)) + 1000, np.arange(24.0))
    assert (line["rank"], line["spearman"]) == pytest.approx((1, 1), abs=1e-9)


def test_labels_may_be_vectors():
    x_ND, y_N = np.random.default_rng(3).normal(size=(9, 2)), np.arange(9.0)
    both = representation_metrics(x_ND, np.stack([3 * y_N, 4 * y_N], axis=1))
    scalar = representation_metrics(x_ND, 5 * y_N)
    assert both == pytest.approx(scalar)


def test_of_many_rows_the_same_ones_are_drawn_in_every_call(monkeypatch):
    monkeypatch.setattr(representation, "ROWS", 50)
    x_ND, y_N = np.random.default_rng(4).normal(size=(60, 3)), np.arange(60.0)
    some = np.random.default_rng(0).choice(60, 50, replace=False)
    assert representation_metrics(x_ND, y_N) == representation_metrics(x_ND[some], y_N[some])


def test_what_has_no_value_is_undefined_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        collapsed = representation_metrics(np.full((5, 3), 0.1), np.arange(5.0))
        one_label = representation_metrics(np.eye(4), np.ones(4))
        dead = representation_metrics(np.zeros((5, 3)), np.arange(5.0))
        alone = representation_metrics(np.ones((1, 3)), np.ones(1))
    assert [name for name, value in collapsed.items() if math.isnan(value)] == ["spearman", "rank"]
    assert collapsed["neighbour"] == pytest.approx(2.0)  # all other rows are as near
    assert math.isnan(one_label["spearman"])
    assert math.isfinite(dead["uniformity"])
    assert set(alone) == set(REPRESENTATION)
    assert all(map(math.isnan, alone.values()))


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.ones(3), np.ones(3), r"features \(3,\) must be \(N, D\)"),
        (np.ones((3, 2)), np.ones(2), r"labels \(2,\) \(N,\) or"),
        (np.ones((0, 2)), np.ones(0), "N ≥ 1"),
        (np.full((2, 2), np.nan), np.ones(2), "features are not finite"),
        (np.ones((2, 2)), np.array([1, np.inf]), "labels are not finite"),
    ],
)
def test_refused(x, y, message):
    with pytest.raises(ValueError, match=message):
        representation_metrics(x, y)
