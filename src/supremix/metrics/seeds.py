"""Statistics over the seeds of a table's cell."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

RESAMPLES = 10_000


@dataclass(frozen=True)
class Summary:
    """Statistics of a cell over its finished seeds.

    Attributes:
        mean: mean over seeds.
        std: standard deviation with ddof 1; NaN for one seed.
        n: finished seeds.
        planned: seeds of the table.
        interval: 95 % bootstrap interval of the mean; None for one seed.
    """

    mean: float
    std: float
    n: int
    planned: int
    interval: tuple[float, float] | None

    @property
    def complete(self) -> bool:
        """Whether all planned seeds are finished; tables show no mean over a part of them."""
        return self.n == self.planned


def summarise(values: dict[int, float], planned: int) -> Summary | None:
    """Summarise the values of a cell.

    Args:
        values: seed → value.
        planned: seeds of the table.

    Returns:
        The summary; None without values.
    """
    return _summary(tuple(values[seed] for seed in sorted(values)), planned) if values else None


@cache  # pages ask for the same cell many times
def _summary(values: tuple[float, ...], planned: int) -> Summary:
    x = np.array(values)
    std = float(x.std(ddof=1)) if len(x) > 1 else float("nan")
    return Summary(float(x.mean()), std, len(x), planned, bootstrap(x) if len(x) > 1 else None)


def bootstrap(x_N: np.ndarray) -> tuple[float, float]:
    """Return the 95 % percentile bootstrap interval of the mean of x, (N,); every call takes the same resamples."""
    low, high = np.percentile(x_N[_resamples(len(x_N))].mean(axis=1), [2.5, 97.5])
    return float(low), float(high)


@cache
def _resamples(n: int) -> np.ndarray:
    return np.random.default_rng(0).integers(n, size=(RESAMPLES, n))


@dataclass(frozen=True)
class Paired:
    """The difference a − b over the seeds that both have.

    Attributes:
        mean: mean difference.
        low, high: its 95 % confidence interval.
        lower: number of seeds where a is lower.
        n: number of common seeds.
        p: of the paired t test, two-sided.
    """

    mean: float
    low: float
    high: float
    lower: int
    n: int
    p: float

    @property
    def noise(self) -> bool:
        """Whether the interval contains 0: these seeds do not distinguish a from b."""
        return self.low <= 0 <= self.high


def paired(a: Mapping[Any, float], b: Mapping[Any, float]) -> Paired | None:
    """Compute the paired t interval of a − b.

    Args:
        a, b: seed → value.

    Returns:
        The difference; None with fewer than two common seeds.
    """
    from scipy.stats import t

    seeds = sorted(a.keys() & b.keys())
    if len(seeds) < 2:
        return None
    d = np.array([a[seed] - b[seed] for seed in seeds])
    mean, error, freedom = float(d.mean()), float(d.std(ddof=1) / np.sqrt(len(d))), len(d) - 1
    half = float(t.ppf(0.975, freedom)) * error
    p = 2 * float(t.sf(abs(mean) / error, freedom)) if error else float(mean == 0)
    return Paired(mean, mean - half, mean + half, int((d < 0).sum()), len(d), p)


def holm(p_K: list[float]) -> list[float]:
    """Return p values after Holm's correction for K comparisons (Holm 1979), in the same order."""
    order_K = np.argsort(p_K)
    stepped_K = np.maximum.accumulate(np.asarray(p_K)[order_K] * np.arange(len(p_K), 0, -1))
    corrected_K = np.empty(len(p_K))
    corrected_K[order_K] = np.minimum(stepped_K, 1)
    return corrected_K.tolist()


def reduction_percent(error: float, baseline: float) -> float:
    """Return by how much an error is below a baseline's, in percent of the baseline's."""
    return 100 * (baseline - error) / baseline


def gain_percent(error: float, baseline: float) -> float:
    """Return the paper's gain of an error over a baseline's: (baseline − error) / error, in percent."""
    return 100 * (baseline - error) / error
