"""Statistics of a table's cells over seeds."""

from dataclasses import dataclass
from functools import cache

import numpy as np

RESAMPLES = 10_000


@dataclass(frozen=True)
class Summary:
    """Mean and standard deviation (ddof 1) of n finished seeds out of ``planned``; for one seed the latter is NaN.

    interval: 95 % bootstrap interval of the mean; None for one seed.
    """

    mean: float
    std: float
    n: int
    planned: int
    interval: tuple[float, float] | None

    @property
    def complete(self) -> bool:
        """Whether every planned seed is there: no mean is shown over a part of them."""
        return self.n == self.planned


def summarise(values: dict[int, float], planned: int) -> Summary | None:
    """Summary of the values by seed; None where there is none."""
    if not values:
        return None
    x = np.array([values[seed] for seed in sorted(values)])
    std = float(x.std(ddof=1)) if len(x) > 1 else float("nan")
    return Summary(float(x.mean()), std, len(x), planned, bootstrap(x) if len(x) > 1 else None)


def bootstrap(x_N: np.ndarray) -> tuple[float, float]:
    """95 % percentile bootstrap interval of the mean; the resamples are the same at every call."""
    low, high = np.percentile(x_N[_resamples(len(x_N))].mean(axis=1), [2.5, 97.5])
    return float(low), float(high)


@cache
def _resamples(n: int) -> np.ndarray:
    return np.random.default_rng(0).integers(n, size=(RESAMPLES, n))


@dataclass(frozen=True)
class Paired:
    """Difference a − b over the seeds that both have: mean, 95 % confidence interval, seeds where a is lower."""

    mean: float
    low: float
    high: float
    lower: int
    n: int

    @property
    def noise(self) -> bool:
        """Whether the interval holds 0, so that these seeds do not tell a from b."""
        return self.low <= 0 <= self.high


def paired(a: dict[int, float], b: dict[int, float]) -> Paired | None:
    """Paired t interval of a − b by seed; None below two common seeds."""
    from scipy.stats import t

    seeds = sorted(a.keys() & b.keys())
    if len(seeds) < 2:
        return None
    d = np.array([a[seed] - b[seed] for seed in seeds])
    half = float(t.ppf(0.975, len(d) - 1) * d.std(ddof=1) / np.sqrt(len(d)))
    mean = float(d.mean())
    return Paired(mean, mean - half, mean + half, int((d < 0).sum()), len(d))


def gain_percent(ours: float, baseline: float) -> float:
    """The paper's gain of an error: (baseline − ours) / ours, in percent."""
    return 100 * (baseline - ours) / ours
