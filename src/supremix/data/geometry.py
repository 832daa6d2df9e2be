"""Width of label bins and window of Mix-pos from the training labels alone, so that batches hold something to learn.

The rule, for batches of B rows:

1. Units. Labels count as they are, or as percent of their ranks where equal steps would be too coarse for most of them
   and too fine for the rest: their skewness is beyond ±1, or they span more than 12 interquartile ranges.
2. Bins. The narrowest of the widths 1, 2, 5, 10, 20, … (from the step of the grid on which the labels lie, such as 1
   for whole numbers) with which two thirds of a batch's anchors are expected to have a positive, at most a fifth of
   the range.
3. Window. The fewest bins, 5 or more, within which two thirds of the anchors are expected to have a row on either side.

N training labels, K different ones.
"""

from dataclasses import dataclass

import numpy as np

from supremix.errors import UserError

SKEWED, LONG_TAILED = 1.0, 12.0
ENOUGH = 2 / 3
BINS_AT_LEAST = 5
WINDOWS = (5, 6, 7, 8, 10, 12, 15, 20, 25, 30, 40, 50, 75, 100, 150, 200, 300, 500, 1000)
UNITS = ("auto", "label", "rank")


@dataclass(frozen=True, eq=False)
class Ranks:
    """Labels as percent of the training labels' ranks, in bins.

    Attributes:
        label_K, percent_K: training labels, ascending, and the middle of their ranks, percent.
        bin_size: percent.
    """

    label_K: np.ndarray
    percent_K: np.ndarray
    bin_size: float

    def __call__(self, y_N: np.ndarray) -> np.ndarray:
        """Return labels in label units as the middle of their rank's bin, percent."""
        return in_bins(self.percent(y_N), self.bin_size)

    def percent(self, y_N: np.ndarray) -> np.ndarray:
        """Return labels in label units as percent, without bins."""
        return np.interp(y_N, self.label_K, self.percent_K)


@dataclass(frozen=True, eq=False)
class Geometry:
    """How contrastive losses see labels.

    Attributes:
        bin_size: label units; None without bins, and with ranks.
        window: in the units of the labels that the loss sees.
        ranks: None where labels count as they are.
        positives, mix_pos: expected parts of a batch's anchors that have one.
        batch_size: of these batches.
    """

    bin_size: float | None
    window: float
    ranks: Ranks | None
    positives: float
    mix_pos: float
    batch_size: int

    def in_words(self) -> str:
        """Return what a batch holds."""
        if self.ranks is not None:
            bins, unit = f"by rank, in bins of {self.ranks.bin_size:g} %", " %"
        else:
            bins, unit = "as they are" if self.bin_size is None else f"in bins of {self.bin_size:g}", ""
        return (
            f"contrastive losses compare labels {bins}, window {self.window:g}{unit}: of 100 anchors in a batch of "
            f"{self.batch_size}, {100 * self.positives:.0f} have a positive and {100 * self.mix_pos:.0f} a Mix-pos"
        )


def find_geometry(
    name: str, y_N: np.ndarray, batch_size: int, bin_size: float | str | None, unit: str = "auto"
) -> Geometry:
    """Find bins and window by the rule above.

    Args:
        name: of the dataset, for messages.
        y_N: training labels, label units.
        batch_size: B, items.
        bin_size: "auto"; or a width in label units, or None for no bins, which stays.
        unit: "label" or "rank"; "auto" decides.
    """
    if unit not in UNITS:
        raise UserError(f"{name}: dataset.label_unit={unit}: use one of {', '.join(UNITS)}")
    if isinstance(bin_size, str) and bin_size != "auto":
        raise UserError(f"{name}: dataset.bin_size={bin_size}: use auto, a width in label units, or null")
    by_rank = unit == "rank" or (unit == "auto" and bin_size == "auto" and skewed(y_N))
    if not by_rank:
        width = auto_width(y_N, batch_size) if bin_size == "auto" else bin_size
        seen_N = y_N if width is None else in_bins(y_N, float(width))
        step = float(width or np.ptp(y_N) / 100 or 1.0)
        return _geometry(seen_N, step, batch_size, None if width is None else float(width), None)
    label_K, count_K = np.unique(y_N, return_counts=True)
    percent_K = 100 * (np.cumsum(count_K) - count_K / 2) / len(y_N)
    percent_N = np.interp(y_N, label_K, percent_K)
    ranks = Ranks(label_K, percent_K, auto_width(percent_N, batch_size, grid=False))
    return _geometry(ranks(y_N), ranks.bin_size, batch_size, None, ranks)


def skewed(y_N: np.ndarray) -> bool:
    """Return whether equal steps of labels suit them badly."""
    spread = y_N.std() or 1.0
    quarter, three_quarters = np.quantile(y_N, [0.25, 0.75])
    skewness = float((((y_N - y_N.mean()) / spread) ** 3).mean())
    return abs(skewness) > SKEWED or float(np.ptp(y_N)) > LONG_TAILED * float(three_quarters - quarter) > 0


def auto_width(y_N: np.ndarray, batch_size: int, grid: bool = True) -> float:
    """Return the width of bins; ``grid``: whether the labels' own grid is the narrowest."""
    span = float(np.ptp(y_N)) or 1.0
    step = grid_of(y_N) if grid else None
    widths = [digit * 10.0**power for power in range(-9, 12) for digit in (1, 2, 5)]
    start = span / 1000 if step is None else step * (1 - 1e-9)
    widths = [width for width in widths if start <= width <= max(span / BINS_AT_LEAST, start)] or [step or span / 10]
    for width in widths:
        if positives(in_bins(y_N, width), batch_size) >= ENOUGH:
            return width
    return widths[-1]


def grid_of(y_N: np.ndarray) -> float | None:
    """Return the widest of 1, 0.1, 0.01, … and of 10, 100, … that all labels are multiples of; None where none is."""
    largest = float(np.abs(y_N).max()) or 1.0
    for power in range(int(np.floor(np.log10(largest))), -5, -1):
        steps_N = y_N / 10.0**power
        if (np.abs(steps_N - np.round(steps_N)) < 1e-6).all():
            return 10.0**power
    return None


def positives(seen_N: np.ndarray, batch_size: int) -> float:
    """Return the expected part of a batch's anchors with another row of the same label."""
    count_K = np.unique(seen_N, return_counts=True)[1]
    return float((count_K * (1 - _none_of(count_K - 1, len(seen_N), batch_size))).sum() / len(seen_N))


def mix_pos(seen_N: np.ndarray, window: float, batch_size: int) -> float:
    """Return the expected part of a batch's anchors with a row below and one above, both within the window."""
    label_K, count_K = np.unique(seen_N, return_counts=True)
    sum_K1 = np.concatenate([[0], np.cumsum(count_K)])
    reach = window * (1 + 1e-9)
    low_K = sum_K1[:-1] - sum_K1[np.searchsorted(label_K, label_K - reach, side="left")]
    high_K = sum_K1[np.searchsorted(label_K, label_K + reach, side="right")] - sum_K1[1:]
    no_low_K, no_high_K, neither_K = (
        _none_of(rows_K, len(seen_N), batch_size) for rows_K in (low_K, high_K, low_K + high_K)
    )
    return float((count_K * (1 - no_low_K - no_high_K + neither_K)).sum() / len(seen_N))


def _none_of(rows_K: np.ndarray, total: int, batch_size: int) -> np.ndarray:
    """Return the probability that an anchor's batch, drawn from all rows, has none of ``rows_K`` of the others."""
    from scipy.special import gammaln  # slow to import

    others, drawn = total - 1, min(batch_size, total) - 1
    left_K = others - rows_K  # C(left, drawn) / C(others, drawn)
    log_K = gammaln(left_K + 1) - gammaln(np.maximum(left_K - drawn, 0) + 1) - gammaln(others + 1)
    return np.where(left_K >= drawn, np.exp(log_K + gammaln(others - drawn + 1)), 0.0)


def in_bins(y_N: np.ndarray, width: float) -> np.ndarray:
    """Round to the nearest multiple of a width, halves upwards."""
    # Rounded to 6 digits first: 0.15 / 0.1 is 1.4999999999999998 in float64 and belongs in the upper bin.
    return np.floor(np.round(y_N / width, 6) + 0.5) * width


def _geometry(
    seen_N: np.ndarray, step: float, batch_size: int, bin_size: float | None, ranks: Ranks | None
) -> Geometry:
    shares = {bins: mix_pos(seen_N, bins * step, batch_size) for bins in WINDOWS}
    bins = next((bins for bins, share in shares.items() if share >= ENOUGH), None)
    if bins is None:
        bins = next(bins for bins, share in shares.items() if share >= max(shares.values()) * 0.999)
    return Geometry(
        bin_size, float(f"{bins * step:.6g}"), ranks, positives(seen_N, batch_size), shares[bins], batch_size
    )
