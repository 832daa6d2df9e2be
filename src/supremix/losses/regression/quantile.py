"""The quantile loss, also called pinball (Koenker and Bassett 1978, eq. 3.1)."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from torch import Tensor, nn

from supremix.losses.pairs import full_precision, settings_of
from supremix.losses.regression.batch import part, read_batch, read_targets, reduction_of


class QuantileLoss(nn.Module):
    """Take each output of the head as a quantile of the target.

    The loss of a row is the mean over the quantiles q of max(q e, (q − 1) e), e = y − ŷ_q. The median is the
    prediction. Outputs may cross, so the interval lies between the lowest and the highest of a row, which are its outer
    quantiles once they are sorted (Chernozhukov et al. 2010).

    Args:
        quantiles: in ascending order, between 0 and 1; 0.5 is one of them, neither the first nor the last.
        reduction: "mean", or "none" for the loss of each row, (N,).
    """

    registered_name = "loss/quantile"
    numbers_only = True

    def __init__(self, quantiles: Sequence[float] = (0.05, 0.5, 0.95), reduction: str = "mean") -> None:
        super().__init__()
        self.quantiles = [part("each of quantiles", q) for q in quantiles]
        if 0.5 not in self.quantiles[1:-1] or not all(low < high for low, high in pairwise(self.quantiles)):
            raise ValueError(
                f"quantiles must ascend, with 0.5 between the first and the last, as [0.05, 0.5, 0.95], got "
                f"{list(quantiles)}"
            )
        self.reduction = reduction_of(reduction)

    @property
    def outputs(self) -> int:
        """Number of quantiles."""
        return len(self.quantiles)

    @property
    def coverage(self) -> float:
        """Part of the targets between the outer quantiles."""
        return self.quantiles[-1] - self.quantiles[0]

    def forward(self, output_NK: Any, target_N: Any) -> Tensor:
        """Return the loss of a batch.

        Args:
            output_NK: the quantiles, in the order of ``quantiles``.
            target_N: targets.

        Raises:
            ValueError: the shapes are not those of one batch.
        """
        output_NK, target_N = read_batch(output_NK, target_N, self.outputs)
        with full_precision(output_NK.device):
            error_NK, quantile_K = target_N[:, None] - output_NK, output_NK.new_tensor(self.quantiles)
            loss_N = (quantile_K * error_NK).maximum((quantile_K - 1) * error_NK).mean(dim=1)
            return loss_N if self.reduction == "none" else loss_N.mean()

    def point(self, output_NK: Tensor) -> Tensor:
        """Return the medians, (N,)."""
        return output_NK[:, self.quantiles.index(0.5)]

    def interval(self, output_NK: Tensor) -> tuple[Tensor, Tensor]:
        """Return the outer quantiles of each row, (N,) each."""
        return output_NK.amin(dim=1), output_NK.amax(dim=1)

    def start(self, target_N: np.ndarray) -> np.ndarray:
        """Return the quantiles of the training targets, (K,)."""
        return np.quantile(read_targets(target_N), self.quantiles)

    def extra_repr(self) -> str:
        """Show all settings."""
        return settings_of(self)
