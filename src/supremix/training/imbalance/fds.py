"""Feature distribution smoothing (Yang et al. 2021, section 3.2): features fitted to smoothed statistics of their bin.

A training row's features z of bin b become (z − μ_b)·√(σ̃²_b/σ²_b) + μ̃_b, channel by channel, where μ̃ and σ̃² are the
means and variances of the bins around b, weighted by the kernel. Validation and test features are never touched: their
labels are not known. K bins that have a training row, D channels.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from supremix.training.imbalance.bins import Bins, Smoothing, kernel_window

RATIO_LEAST, RATIO_MOST = 0.1, 10.0  # of variances, smoothed to own (Yang et al.)
ROWS_AT_ONCE = 4096


@dataclass(frozen=True)
class FDS:
    """Settings, as in ``conf/imbalance``; ValueError where one has no meaning.

    The last three are of the running statistics, where the backbone is trained; frozen features are calibrated from
    the first epoch on, by statistics that are computed once.
    """

    registered_name = "imbalance/fds"

    kernel: str
    size: int  # bins
    sigma: float  # bins
    momentum: float  # share of the running statistics that an epoch leaves as it was
    start_update: int  # epochs before statistics are taken
    start_smooth: int  # epochs before features are calibrated

    def __post_init__(self) -> None:
        kernel_window(self.kernel, self.size, self.sigma)
        if not 0 <= self.momentum < 1:
            raise ValueError(f"momentum={self.momentum}: give a number from 0 to below 1")
        for name in ("start_update", "start_smooth"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 0:
                raise ValueError(f"{name}={value}: give a whole number, 0 or more")

    def smoothing(self, bins: Bins) -> Smoothing:
        """Return the kernel's sums over neighbouring bins."""
        return Smoothing(bins, kernel_window(self.kernel, self.size, self.sigma))

    def calibrated(self, z_ND: Tensor, bins: Bins) -> Tensor:
        """Return fixed features (N, D) of the training rows, calibrated by statistics of themselves."""
        bin_N = torch.from_numpy(bins.of_row).to(z_ND.device)
        parts = list(zip(z_ND.split(ROWS_AT_ONCE), bin_N.split(ROWS_AT_ONCE), strict=True))
        whole = moments(*parts[0], bins.count)
        for z_BD, bin_B in parts[1:]:
            whole = merged(whole, moments(z_BD, bin_B, bins.count))
        by_bin = calibration(whole.rows_K, whole.mean_KD, variance(whole), self.smoothing(bins))
        return torch.cat([by_bin(z_BD, bin_B) for z_BD, bin_B in parts])


class Moments(NamedTuple):
    """Rows, mean and sum of squared deviations of each bin: (K,), (K, D), (K, D)."""

    rows_K: Tensor
    mean_KD: Tensor
    squares_KD: Tensor


def moments(z_ND: Tensor, bin_N: Tensor, bins: int) -> Moments:
    """Return moments of features by bin; zeros where a bin has no row."""
    # Not by bincount, which waits for a GPU.
    rows_K = z_ND.new_zeros(bins).index_add(0, bin_N, z_ND.new_ones(len(z_ND)))
    at_least_one = rows_K.clamp(min=1)[:, None]
    nothing_KD = z_ND.new_zeros(bins, z_ND.shape[1])
    mean_KD = nothing_KD.index_add(0, bin_N, z_ND) / at_least_one
    return Moments(rows_K, mean_KD, nothing_KD.index_add(0, bin_N, (z_ND - mean_KD[bin_N]) ** 2))


def merged(a: Moments, b: Moments) -> Moments:
    """Return the moments of both sets of rows together (Chan et al. 1979)."""
    rows_K = a.rows_K + b.rows_K
    share_K1 = (b.rows_K / rows_K.clamp(min=1))[:, None]
    apart_KD = b.mean_KD - a.mean_KD
    squares_KD = a.squares_KD + b.squares_KD + apart_KD**2 * a.rows_K[:, None] * share_K1
    return Moments(rows_K, a.mean_KD + apart_KD * share_K1, squares_KD)


class Calibration(NamedTuple):
    """The map z → z · scale + shift by bin, both (K, D)."""

    scale_KD: Tensor
    shift_KD: Tensor

    def __call__(self, z_ND: Tensor, bin_N: Tensor) -> Tensor:
        """Return the calibrated features, (N, D)."""
        return z_ND * self.scale_KD[bin_N] + self.shift_KD[bin_N]


def calibration(rows_K: Tensor, mean_KD: Tensor, variance_KD: Tensor, smooth: Smoothing) -> Calibration:
    """Return the map that smooths the statistics of each bin.

    A mean is known from one row on and a variance from two; smoothing takes the known ones alone, so that an empty bin
    does not count as one of zeros. A bin of one row, or a channel that is constant in its bin, is moved and not scaled;
    a bin without rows stays as it is.
    """

    def smoothed(values_KD: Tensor, known_K1: Tensor) -> Tensor:
        weight_K1 = smooth(known_K1.to(values_KD.dtype))
        return smooth(torch.where(known_K1, values_KD, 0)) / weight_K1.clamp(min=torch.finfo().tiny)

    known_K1, spread_K1 = rows_K[:, None] > 0, rows_K[:, None] > 1
    ratio_KD = (smoothed(variance_KD, spread_K1) / variance_KD).clamp(RATIO_LEAST, RATIO_MOST)
    scale_KD = torch.where(spread_K1 & (variance_KD > 0), ratio_KD.sqrt(), 1)
    shift_KD = torch.where(known_K1, smoothed(mean_KD, known_K1) - mean_KD * scale_KD, 0)
    return Calibration(scale_KD, shift_KD)


def variance(of: Moments) -> Tensor:
    """Return variances (K, D), unbiased; 0 below two rows."""
    return of.squares_KD / (of.rows_K - 1).clamp(min=1)[:, None]
