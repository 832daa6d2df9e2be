"""Balanced MSE by batch-based Monte Carlo, BMC (Ren et al. 2022, "Balanced MSE for imbalanced visual regression")."""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from supremix.losses.pairs import full_precision, positive_number, settings_of
from supremix.losses.regression.batch import read_batch, reduction_of


class BalancedMSELoss(nn.Module):
    """Pick each row's own target among those of the batch, by the distance to its prediction.

    The loss of row i is 2σ² times the cross-entropy of the logits −(ŷ_i − y_k)² / 2σ² over the rows k, with k = i as
    the class. Frequent targets come often among the k, so that a prediction near them costs more than under MSE. The
    factor 2σ² passes no gradient on. σ is learnt by its logarithm ``log_noise``, which keeps it above 0: the loss has a
    parameter, to be given to the optimizer and moved with the model. A σ far above the spread of the targets leaves the
    gradient 2(ȳ − y_i), whatever the prediction, which drives all predictions outwards until σ has fallen.

    Args:
        noise: σ at the start, the spread of predictions around targets, in the unit of the targets.
        reduction: "mean", or "none" for the loss of each row, (N,).
    """

    registered_name = "loss/balanced_mse"
    numbers_only = True

    def __init__(self, noise: float = 1.0, reduction: str = "mean") -> None:
        super().__init__()
        self.noise, self.reduction = positive_number("noise", noise), reduction_of(reduction)
        self.log_noise = nn.Parameter(torch.tensor(math.log(self.noise)))

    def forward(self, output_N: Any, target_N: Any) -> Tensor:
        """Return the loss of a batch.

        Args:
            output_N: predictions.
            target_N: targets; the batch's own are all that the distribution of targets is known by.

        Raises:
            ValueError: the shapes are not those of one batch.
        """
        output_N, target_N = read_batch(output_N, target_N)
        with full_precision(output_N.device):
            double_variance = 2 * self.log_noise.to(output_N.dtype).mul(2).exp()
            logits_NN = -((output_N[:, None] - target_N) ** 2) / double_variance
            own_N = torch.arange(len(target_N), device=output_N.device)
            return F.cross_entropy(logits_NN, own_N, reduction=self.reduction) * double_variance.detach()

    def extra_repr(self) -> str:
        """Show all settings."""
        return settings_of(self)
