"""Label bins of training rows, and smoothing over neighbouring bins. K bins that have a training row, ascending.

Bins without a training row are nowhere counted or kept, so that labels may be far apart.
"""

import numpy as np
import torch
from torch import Tensor

from supremix.data.dataset import Data

KERNELS = ("gaussian", "triang", "laplace")
SIZE_AT_MOST = 9999  # bins
SIGMAS = (1e-3, 1e6)  # bins: beyond, a bin stands alone, or all weigh the same


class Bins:
    """The label bins of the training rows.

    Args:
        binned_N: training labels rounded to their bins, multiples of ``bin_size``.
        bin_size: width of a bin, label units.

    ``number``: (K,) bins by label, in widths from 0, ascending. ``of_row``: (N,) each training row's bin, as its place
    among them. ``rows``: (K,) training rows of each bin.
    """

    def __init__(self, binned_N: np.ndarray, bin_size: float) -> None:
        self.bin_size = bin_size
        self.number, self.of_row, self.rows = np.unique(
            self._numbers(binned_N), return_inverse=True, return_counts=True
        )
        self.count = len(self.number)

    def rows_at(self, binned_M: np.ndarray) -> np.ndarray:
        """Return (M,) numbers of training rows in the bins of labels rounded to their bins; 0 in other bins."""
        return np.append(self.rows, 0)[self.places(self._numbers(binned_M))]

    def places(self, number_X: np.ndarray) -> np.ndarray:
        """Return the places of bins given by their numbers, in their shape; K for those without a training row."""
        place_X = np.searchsorted(self.number, number_X)
        known_X = self.number[np.minimum(place_X, self.count - 1)] == number_X
        return np.where(known_X, place_X, self.count)

    def _numbers(self, binned_N: np.ndarray) -> np.ndarray:
        return np.rint(binned_N / self.bin_size).astype(np.int64)


def training_bins(data: Data) -> Bins:
    """Return the training labels' bins; the data must have a bin size."""
    assert data.bin_size is not None
    return Bins(data.label_bins(data.train.y), data.bin_size)


def kernel_window(kernel: str, size: int, sigma: float) -> Tensor:
    """Return weights (size,) float64 of a bin and its neighbours, symmetric, 1 in the middle.

    gaussian exp(−d²/2σ²), laplace exp(−|d|/σ), triang 1 − |d|/((size + 1)/2) at a distance of d bins.
    Raises ValueError for an unknown kernel, a size that is not odd and positive, or a sigma that is not above 0.
    """
    if kernel not in KERNELS:
        raise ValueError(f"kernel={kernel}: use one of {', '.join(KERNELS)}")
    if isinstance(size, bool) or not isinstance(size, int) or not 1 <= size <= SIZE_AT_MOST or size % 2 == 0:
        raise ValueError(f"size={size}: give an odd whole number, 1 or more, below {SIZE_AT_MOST + 1:,}")
    known = isinstance(sigma, int | float) and not isinstance(sigma, bool)
    if not (known and SIGMAS[0] <= sigma <= SIGMAS[1]):
        raise ValueError(f"sigma={sigma}: give a number above 0, of {SIGMAS[0]:g} to {SIGMAS[1]:g} bins")
    d = (torch.arange(size, dtype=torch.float64) - size // 2).abs()
    if kernel == "gaussian":
        return torch.exp(-(d**2) / (2 * sigma**2))
    return torch.exp(-d / sigma) if kernel == "laplace" else 1 - d / ((size + 1) / 2)


class Smoothing:
    """Sums over the neighbours of each bin, weighted by a window.

    Args:
        bins: K bins.
        window: (size,) weights of a bin and its neighbours, as `kernel_window` gives them.
    """

    def __init__(self, bins: Bins, window: Tensor) -> None:
        beside_S1 = np.arange(len(window))[:, None] - len(window) // 2
        self.weights = window.tolist()
        self.place_SK = torch.from_numpy(bins.places(bins.number + beside_S1))

    def __call__(self, values_KX: Tensor) -> Tensor:
        """Return the sums, (K, …) like the values; bins without a training row add nothing."""
        # A sum of copies: a convolution may be computed in TensorFloat-32 on a GPU, to three digits only.
        padded = torch.cat([values_KX, values_KX.new_zeros(1, *values_KX.shape[1:])])
        place_SK = self.place_SK.to(values_KX.device, non_blocking=True)
        beside = (weight * padded[place_K] for weight, place_K in zip(self.weights, place_SK, strict=True))
        return torch.stack(list(beside)).sum(0)
