"""Ranks of methods over datasets (Demšar 2006). Shapes: D datasets, K methods."""

import math

import numpy as np


def mean_ranks(error_DK: np.ndarray) -> np.ndarray:
    """Return each method's rank, 1 for the lowest error and ties shared, averaged over the datasets, (K,)."""
    from scipy.stats import rankdata

    return rankdata(error_DK, axis=1).mean(axis=0)


def friedman(error_DK: np.ndarray) -> float | None:
    """Return the p value of Friedman's test that all methods rank alike; None below 2 datasets or 3 methods."""
    from scipy.stats import friedmanchisquare

    datasets, methods = error_DK.shape
    return float(friedmanchisquare(*error_DK.T).pvalue) if datasets >= 2 and methods >= 3 else None


def critical_difference(methods: int, datasets: int) -> float:
    """Return Nemenyi's critical difference: mean ranks that are less apart are not told apart at 5 %."""
    from scipy.stats import studentized_range

    quantile = float(studentized_range.ppf(0.95, methods, np.inf)) / math.sqrt(2)
    return quantile * math.sqrt(methods * (methods + 1) / (6 * datasets))


def cliques(rank_K: np.ndarray, difference: float) -> list[tuple[int, int]]:
    """Return the longest groups whose ranks are within the difference, as first and last place in ascending ranks.

    Args:
        rank_K: mean ranks, ascending.
        difference: the critical one.
    """
    ends = [int(np.searchsorted(rank_K, rank + difference, side="right")) - 1 for rank in rank_K]
    return [(first, last) for first, last in enumerate(ends) if last > first and (first == 0 or ends[first - 1] < last)]
