"""Gaussian negative log-likelihood: a mean and a variance for each row (Nix and Weigend 1994)."""

import math
from statistics import NormalDist
from typing import Any

import numpy as np
import torch.nn.functional as F
from torch import Tensor, nn

from supremix.losses.pairs import full_precision, settings_of
from supremix.losses.regression.batch import part, read_batch, read_targets, reduction_of

SMALLEST_VARIANCE = 1e-6  # of the targets' unit squared: a smaller one counts as this
LARGEST_LOG = 80.0  # log-variance: float32 holds its exponential; a larger one counts as this


class GaussianNLL(nn.Module):
    """Take the head's two outputs as mean and log-variance of a Gaussian, and return −log of its density.

    The loss of a row is ½ (s + (y − μ)² e^{−s}), s the log-variance, without the constant ½ log 2π. The variance is no
    less than 1e-6, as ``torch.nn.functional.gaussian_nll_loss`` has it, which computes the loss.

    Args:
        coverage: of the interval, μ ± the normal quantile times the standard deviation.
        reduction: "mean", or "none" for the loss of each row, (N,).
    """

    registered_name = "loss/gaussian_nll"
    numbers_only = True
    outputs = 2

    def __init__(self, coverage: float = 0.9, reduction: str = "mean") -> None:
        super().__init__()
        self.coverage, self.reduction = part("coverage", coverage), reduction_of(reduction)

    def forward(self, output_N2: Any, target_N: Any) -> Tensor:
        """Return the loss of a batch.

        Args:
            output_N2: mean and log-variance.
            target_N: targets.

        Raises:
            ValueError: the shapes are not those of one batch.
        """
        output_N2, target_N = read_batch(output_N2, target_N, self.outputs)
        with full_precision(output_N2.device):
            mean_N, log_N = output_N2[:, 0], output_N2[:, 1]
            variance_N = (log_N + (log_N.clamp(max=LARGEST_LOG) - log_N).detach()).exp()  # its gradient stays
            return F.gaussian_nll_loss(mean_N, target_N, variance_N, eps=SMALLEST_VARIANCE, reduction=self.reduction)

    def point(self, output_N2: Tensor) -> Tensor:
        """Return the means, (N,)."""
        return output_N2[:, 0]

    def interval(self, output_N2: Tensor) -> tuple[Tensor, Tensor]:
        """Return both ends of the central interval of each row's Gaussian, (N,) each."""
        deviation_N = output_N2[:, 1].clamp(max=LARGEST_LOG).exp().clamp(min=SMALLEST_VARIANCE).sqrt()
        half_N = NormalDist().inv_cdf((1 + self.coverage) / 2) * deviation_N
        return output_N2[:, 0] - half_N, output_N2[:, 0] + half_N

    def start(self, target_N: np.ndarray) -> np.ndarray:
        """Return mean and log-variance of the training targets, (2,)."""
        given_N = read_targets(target_N)
        return np.array([given_N.mean(), math.log(max(given_N.var(), SMALLEST_VARIANCE))])

    def extra_repr(self) -> str:
        """Show all settings."""
        return settings_of(self)
