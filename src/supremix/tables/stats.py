"""Statistics of a table's cells over seeds."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Summary:
    """Mean and standard deviation (ddof 1; NaN for one seed) of n finished seeds out of ``planned``."""

    mean: float
    std: float
    n: int
    planned: int

    @property
    def complete(self) -> bool:
        """Whether every planned seed is there: no mean is shown over a part of them."""
        return self.n == self.planned


def summarise(values: dict[int, float], planned: int) -> Summary | None:
    """Summary of the values by seed; None where there is none."""
    if not values:
        return None
    x = np.array(list(values.values()))
    return Summary(float(x.mean()), float(x.std(ddof=1)) if len(x) > 1 else float("nan"), len(x), planned)


@dataclass(frozen=True)
class Paired:
    """Difference a − b over the seeds that both have: mean, 95 % confidence interval, seeds where a is lower."""

    mean: float
    low: float
    high: float
    lower: int
    n: int


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
