"""Mixup for regression: training rows, or their hidden values, mixed with other rows, and their targets alike.

N training rows, B rows of a batch.
"""

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from supremix.errors import UserError
from supremix.losses.beta import sample_beta


class Mixture(NamedTuple):
    """Inputs of B rows and then of their B partners, and the rows' shares (B,)."""

    x: Any
    share_B: Tensor


def mixed(of_2B: Tensor, share_B: Tensor) -> Tensor:
    """Mix values of B rows with those of their partners, which come after them: λ own + (1 − λ) partner's."""
    own, partner = of_2B.chunk(2)
    return torch.lerp(partner, own, share_B.to(own).reshape(-1, *[1] * (own.ndim - 1)))


def mixture(x: Any, share_B: Tensor, layer: str) -> Any:
    """Return inputs mixed, or with what is needed to mix them at a layer behind.

    Args:
        x: inputs of B rows, then of their partners.
        share_B: of the rows.
        layer: as of `Mixup`.
    """
    if layer != "input":
        return Mixture(x, share_B)
    if not isinstance(x, Tensor) or not x.is_floating_point():
        raise UserError(
            "method.regression.mixing.layer=input: these inputs are no numbers to mix: use layer=features, or "
            "the name of a module of the backbone"
        )
    return mixed(x, share_B)


class Mixup:
    """Draw partners and shares of rows: C-Mixup (Yao et al. 2022), or mixup with partners at random.

    The partner j of row i is a training row, drawn with a probability proportional to exp(−‖y_i − y_j‖²/2σ²), or any
    alike; the share of row i is Beta(α, α). Mixed at a hidden layer with any row, it is Manifold Mixup (Verma et al.
    2019).

    Args:
        alpha: α > 0.
        bandwidth: σ > 0, label units; None draws any training row.
        layer: what is mixed: "input", "features", what the backbone gives, or the name of one of its modules, whose
            output.
    """

    registered_name = "mixing/mixup"

    def __init__(self, alpha: float, bandwidth: float | None, layer: str) -> None:
        if not 0.1 <= alpha <= 1e6:
            raise ValueError(f"alpha={alpha}: give a number from 0.1 to 1e6")
        if bandwidth is not None and not 0 < bandwidth < np.inf:
            raise ValueError(f"bandwidth={bandwidth}: give a number above 0, in label units, or null")
        self.alpha, self.bandwidth, self.layer = float(alpha), bandwidth, layer

    def fit(self, y_N: np.ndarray) -> None:
        """Take in the training labels (N,), or (N, T), label units."""
        self.y_N = y_N
        self.label_U, place_N, self.rows_U = np.unique(y_N, axis=0, return_inverse=True, return_counts=True)
        self.order_N, self.first_U = np.argsort(place_N.reshape(-1), kind="stable"), self.rows_U.cumsum() - self.rows_U

    def partners(self, row_B: np.ndarray, generator: torch.Generator) -> tuple[np.ndarray, Tensor]:
        """Draw the partners of training rows (B,), row numbers, and their own shares (B,) float32."""
        uniform_B2 = torch.rand(len(row_B), 2, generator=generator, dtype=torch.float64).numpy()
        share_B = sample_beta(self.alpha, self.alpha, torch.empty(len(row_B)), generator)
        if self.bandwidth is None:
            return (uniform_B2[:, 0] * len(self.y_N)).astype(np.int64), share_B
        # A label is drawn first, then a row that has it: labels repeat, so that there are fewer of them.
        gap_BU = self.y_N[row_B, None] - self.label_U
        gap_BU = (np.linalg.norm(gap_BU, axis=2) if gap_BU.ndim == 3 else gap_BU) / self.bandwidth
        upto_BU = np.cumsum(self.rows_U * np.exp(-(gap_BU**2) / 2), axis=1)
        label_B = (upto_BU <= uniform_B2[:, :1] * upto_BU[:, -1:]).sum(axis=1).clip(max=len(self.label_U) - 1)
        place_B = self.first_U[label_B] + (uniform_B2[:, 1] * self.rows_U[label_B]).astype(np.int64)
        return self.order_N[place_B], share_B
