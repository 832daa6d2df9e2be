"""Label distribution smoothing (Yang et al. 2021, section 3.1): training rows weighted by their label's density."""

from dataclasses import dataclass

import numpy as np
import torch

from supremix.training.imbalance.bins import Bins, Smoothing, kernel_window

REWEIGHT = ("sqrt_inv", "inverse")


@dataclass(frozen=True)
class LDS:
    """Settings, as in ``conf/imbalance``; ValueError where one has no meaning."""

    registered_name = "imbalance/lds"

    kernel: str
    size: int  # bins
    sigma: float  # bins
    reweight: str  # "inverse": 1 / the smoothed number of training rows in a row's bin; "sqrt_inv": its root

    def __post_init__(self) -> None:
        kernel_window(self.kernel, self.size, self.sigma)
        if self.reweight not in REWEIGHT:
            raise ValueError(f"reweight={self.reweight}: use one of {', '.join(REWEIGHT)}")

    def row_weights(self, bins: Bins) -> np.ndarray:
        """Return (N,) float32 weights of the training rows, of mean 1."""
        rows_K = torch.as_tensor(bins.rows, dtype=torch.float64)
        smooth = Smoothing(bins, kernel_window(self.kernel, self.size, self.sigma))
        density_N = smooth(rows_K).numpy()[bins.of_row]
        weight_N = 1 / (np.sqrt(density_N) if self.reweight == "sqrt_inv" else density_N)
        return (weight_N / weight_N.mean()).astype(np.float32)
