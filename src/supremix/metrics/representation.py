"""Metrics of features by labels: whether rows near in label are near in features.

N rows, D features, T targets; P pairs of rows.
"""

import math

import numpy as np
from numpy.typing import ArrayLike

from supremix.metrics.rounding import is_constant

LOWER_IS_BETTER = ("alignment", "uniformity", "neighbour")
HIGHER_IS_BETTER = ("spearman", "rank")
REPRESENTATION = HIGHER_IS_BETTER + LOWER_IS_BETTER

ROWS = 2000  # that distances are taken between
ROUNDING = 1e-12  # part of the largest square below which a square is rounding, and 0: they come of inner products
TIES = 1e-9  # of the largest distance: nearest rows are as near as the nearest, but for this


def representation_metrics(features: ArrayLike, y: ArrayLike) -> dict[str, float]:
    """Compute all metrics of a representation.

    Of more than 2,000 rows 2,000 are drawn by NumPy's default generator of seed 0, the same ones in every call with as
    many rows: the nearest of 2,000 rows is farther away than that of all, so that ``alignment`` and ``neighbour``
    compare test sets of one size. Distances are Euclidean; below a millionth of the largest they are 0. Those of
    ``alignment`` and ``uniformity`` between features scaled to norm 1, all others between features as they are, which
    is what a linear head and a search for neighbours see.

    Args:
        features: (N, D), N ≥ 1.
        y: labels, (N,), or (N, T), whose distance is the Euclidean one.

    Returns:
        Name → value:

        - ``spearman``: rank correlation over pairs of rows of their distance in label and in features, in [−1, 1]; NaN
          where either is the same for all pairs.
        - ``rank``: effective rank of the centred features, exp of the entropy of their singular values over the sum
          (Roy and Vetterli 2007), in [1, D]: over how many directions they spread; NaN where all rows are the same.
          Singular values below a millionth of the largest, which float32 features have by rounding, count as 0.
        - ``alignment``: mean squared distance between each row and the rows nearest to it in label, ties averaged
          (Wang and Isola 2020, whose positives are the rows of one label; labels need not repeat here), in [0, 4].
        - ``uniformity``: log of the mean over pairs of exp(−2 × squared distance) (Wang and Isola 2020), in [−8, 0];
          lower is more evenly spread.
        - ``neighbour``: mean distance in label, label units, between each row and the rows nearest to it in features,
          ties averaged: the test error of a nearest neighbour that is drawn from the test rows.

        All are NaN for a single row.

    Raises:
        ValueError: the shapes are not those of the same rows, N is 0, or a value is not finite.
    """
    # Imported here, as in `metrics.regression`.
    from scipy.spatial.distance import pdist, squareform
    from sklearn.metrics.pairwise import euclidean_distances

    x_ND, y_NT = np.asarray(features, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if x_ND.ndim != 2 or y_NT.ndim not in (1, 2) or len(x_ND) != len(y_NT) or len(x_ND) == 0:
        raise ValueError(f"features {x_ND.shape} must be (N, D), and labels {y_NT.shape} (N,) or (N, T), N ≥ 1")
    for what, values in (("features", x_ND), ("labels", y_NT)):
        if not np.isfinite(values).all():
            raise ValueError(f"{what} are not finite")
    if len(x_ND) == 1:
        return dict.fromkeys(REPRESENTATION, math.nan)
    if len(x_ND) > ROWS:
        some = np.random.default_rng(0).choice(len(x_ND), ROWS, replace=False)
        x_ND, y_NT = x_ND[some], y_NT[some]

    def squares(x_ND: np.ndarray) -> np.ndarray:
        """Return squared distances (N, N) from inner products, which are much faster than differences."""
        square_NN = euclidean_distances(x_ND - x_ND.mean(axis=0), squared=True)
        return np.where(square_NN > ROUNDING * square_NN.max(), square_NN, 0.0)

    label_P = pdist(y_NT.reshape(len(y_NT), -1))
    unit_ND = x_ND / np.maximum(np.linalg.norm(x_ND, axis=1, keepdims=True), np.finfo(np.float64).tiny)
    label_NN, feature_NN, square_NN = squareform(label_P), np.sqrt(squares(x_ND)), squares(unit_ND)
    return {
        "spearman": _rank_correlation(label_P, squareform(feature_NN, checks=False)),
        "rank": _effective_rank(x_ND),
        "alignment": _over_nearest(label_NN, square_NN),
        "uniformity": float(np.log(np.exp(-2 * squareform(square_NN, checks=False)).mean())),
        "neighbour": _over_nearest(feature_NN, label_NN),
    }


def _rank_correlation(values: np.ndarray, other: np.ndarray) -> float:
    from scipy.stats import spearmanr

    return math.nan if is_constant(values) or is_constant(other) else float(spearmanr(values, other).statistic)


def _effective_rank(x_ND: np.ndarray) -> float:
    if is_constant(x_ND).all():
        return math.nan
    centred_ND = x_ND - x_ND.mean(axis=0)
    square = np.linalg.eigvalsh(centred_ND @ centred_ND.T if len(x_ND) < x_ND.shape[1] else centred_ND.T @ centred_ND)
    singular = np.sqrt(square[square > ROUNDING * square.max()])
    part = singular / singular.sum()
    return float(np.exp(-(part * np.log(part)).sum()))


def _over_nearest(distance_NN: np.ndarray, value_NN: np.ndarray) -> float:
    """Return the mean over rows of the mean value at the rows that are nearest to each."""
    others_NN = distance_NN + np.diag(np.full(len(distance_NN), np.inf))
    nearest_NN = others_NN <= others_NN.min(axis=1, keepdims=True) + TIES * distance_NN.max()
    return float(((value_NN * nearest_NN).sum(axis=1) / nearest_NN.sum(axis=1)).mean())
