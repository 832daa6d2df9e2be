"""Label bins of training rows, and smoothing over neighbouring bins. K bins from lowest to highest training label."""

import math

import numpy as np
import torch
from torch import Tensor

from supremix.data.dataset import Data

KERNELS = ("gaussian", "triang", "laplace")


class Bins:
    """The label bins of the training rows.

    Args:
        binned_N: training labels rounded to their bins, multiples of ``bin_size``.
        bin_size: width of a bin, label units.

    ``of_row``: (N,) bin number of each training row, 0 to ``count`` − 1. ``rows``: (K,) training rows of each bin.
    """

    def __init__(self, binned_N: np.ndarray, bin_size: float) -> None:
        number_N = np.rint(binned_N / bin_size).astype(np.int64)
        self.bin_size = bin_size
        self.lowest = int(number_N.min())
        self.of_row = number_N - self.lowest
        self.rows = np.bincount(self.of_row)
        self.count = len(self.rows)

    def rows_at(self, binned_M: np.ndarray) -> np.ndarray:
        """Return (M,) numbers of training rows in the bins of labels rounded to their bins; 0 outside the range."""
        number_M = np.rint(binned_M / self.bin_size).astype(np.int64) - self.lowest
        inside_M = (number_M >= 0) & (number_M < self.count)
        return np.where(inside_M, self.rows[np.clip(number_M, 0, self.count - 1)], 0)


def training_bins(data: Data) -> Bins:
    """Return the training labels' bins; the data must have a bin size."""
    assert data.bin_size is not None
    return Bins(data.label_bins(data.train.y), data.bin_size)


class OfTarget:
    """Looks up what a training row has by its label (bin number, weight) from its target, as a loss is given it.

    A target is looked up among those of the training rows and not rounded to a bin again: in float32 a label that lies
    on the border of two bins would fall on either side.

    Args:
        target_N: targets of the training rows, whatever their scale.
        value_N: integers or floats, equal where targets are.
    """

    def __init__(self, target_N: np.ndarray, value_N: np.ndarray) -> None:
        target_U, first_U = np.unique(target_N.astype(np.float32), return_index=True)
        self.target_U, self.value_U = torch.from_numpy(target_U), torch.from_numpy(value_N[first_U])

    def __call__(self, target_B: Tensor) -> Tensor:
        """Return (B,) values for float32 targets, on their device."""
        target_U, value_U = (values.to(target_B.device, non_blocking=True) for values in (self.target_U, self.value_U))
        return value_U[torch.searchsorted(target_U, target_B)]


def kernel_window(kernel: str, size: int, sigma: float) -> Tensor:
    """Return weights (size,) float64 of a bin and its neighbours, symmetric, 1 in the middle.

    gaussian exp(−d²/2σ²), laplace exp(−|d|/σ), triang 1 − |d|/((size + 1)/2) at a distance of d bins.
    Raises ValueError for an unknown kernel, a size that is not odd and positive, or a sigma that is not above 0.
    """
    if kernel not in KERNELS:
        raise ValueError(f"kernel={kernel}: use one of {', '.join(KERNELS)}")
    if isinstance(size, bool) or not isinstance(size, int) or size < 1 or size % 2 == 0:
        raise ValueError(f"size={size}: give an odd whole number, 1 or more")
    if not (math.isfinite(sigma) and sigma > 0):
        raise ValueError(f"sigma={sigma}: give a number above 0")
    d = (torch.arange(size, dtype=torch.float64) - size // 2).abs()
    if kernel == "gaussian":
        return torch.exp(-(d**2) / (2 * sigma**2))
    return torch.exp(-d / sigma) if kernel == "laplace" else 1 - d / ((size + 1) / 2)


def smooth(values_KX: Tensor, window: Tensor) -> Tensor:
    """Return each bin's sum over its neighbours, weighted by the window; (K, …) like the input. Zero outside."""
    # A sum of shifted copies: a convolution may be computed in TensorFloat-32 on a GPU, to three digits only.
    outside = values_KX.new_zeros(len(window) // 2, *values_KX.shape[1:])
    padded = torch.cat([outside, values_KX, outside])
    shifted = (weight * padded[k : k + len(values_KX)] for k, weight in enumerate(window.tolist()))
    return torch.stack(list(shifted)).sum(0)
