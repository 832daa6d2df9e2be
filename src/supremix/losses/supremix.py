"""SupReMix: supervised contrastive regression with Mix-neg and Mix-pos (Wu et al. 2023, section 3, eq. (6)).

No mixture is ever materialised. A mixture is a combination of two embeddings, so its inner product with an
anchor and its norm follow from inner products between embeddings: see `contrast`.
"""

import numpy as np
import torch
from torch import Tensor, nn

from supremix.losses import mixtures, pairs
from supremix.losses.contrast import Contrast
from supremix.losses.gram import on_device_of

TRIPLETS_AT_ONCE = 1 << 17
"""More Mix-pos than this are computed in chunks, to bound memory and to stay in the processor's cache."""


class SupReMixLoss(nn.Module):
    """Contrastive loss over real pairs, Mix-neg and Mix-pos, weighted by label distance.

    Its gradient comes with its value, at no cost of a backward pass; there is no second derivative.

    Args:
        temperature: τ > 0, divides every logit.
        window: γ ≥ 0 in label units; Mix-pos are made of rows within it on both sides. May be infinite.
        beta: (α, β) > 0 of the Beta law of λ₁, the anchor's share of a Mix-neg.
        label_range: R of eq. (5), max − min of the training labels; None takes the batch's.
        mix_neg, mix_pos, weight: the three components of table 9; all off is SupCon.
        mix_space: mix raw embeddings ("embedding") or unit vectors ("sphere").
        renormalise: scale mixtures to norm 1 before the inner product.
        detach_mixtures: let no gradient pass through the mixtures.
        window_inclusive: count rows at exactly γ.
        reduction: "mean" (over positives, then anchors) or "label_sum", eq. (6).
    """

    def __init__(
        self,
        temperature: float,
        window: float,
        beta: tuple[float, float] = (2.0, 8.0),
        label_range: float | None = None,
        mix_neg: bool = True,
        mix_pos: bool = True,
        weight: bool = True,
        mix_space: str = "embedding",
        renormalise: bool = True,
        detach_mixtures: bool = False,
        window_inclusive: bool = True,
        reduction: str = "mean",
    ) -> None:
        super().__init__()
        self.temperature = pairs.positive_number("temperature", temperature)
        self.window = pairs.number(window)
        if not self.window >= 0:
            raise ValueError(f"window must be 0 or more label units, got {window}")
        if np.shape(beta) != (2,):
            raise ValueError(f"beta must be two numbers (α, β), got {beta}")
        self.beta = (pairs.positive_number("beta", beta[0]), pairs.positive_number("beta", beta[1]))
        self.label_range = None if label_range is None else pairs.positive_number("label_range", label_range)
        if mix_space not in ("embedding", "sphere"):
            raise ValueError(f"mix_space must be 'embedding' or 'sphere', got {mix_space!r}")
        if reduction not in ("mean", "label_sum"):
            raise ValueError(f"reduction must be 'mean' or 'label_sum', got {reduction!r}")
        self.mix_neg, self.mix_pos, self.weight = mix_neg, mix_pos, weight
        self.mix_space, self.renormalise, self.detach_mixtures = mix_space, renormalise, detach_mixtures
        self.window_inclusive, self.reduction = window_inclusive, reduction

    def forward(
        self,
        z_ND: Tensor,
        y_N: Tensor,
        lam_NN: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Loss of a batch.

        Args:
            z_ND: embeddings, normalised inside.
            y_N: labels, in the units of ``window``; the host reads them, so a GPU is waited for unless they are there.
            lam_NN: given λ₁ of anchor i (row) and negative k (column), in [0, 1]; drawn when None.
            generator: source of the draws, on the device of ``z_ND``; torch's global one when None.
        """
        z_ND = pairs.check_batch(z_ND, y_N)
        if lam_NN is not None and lam_NN.shape != (len(z_ND), len(z_ND)):
            raise ValueError(f"lam_NN must have shape ({len(z_ND)}, {len(z_ND)}), got {tuple(lam_NN.shape)}")
        with pairs.full_precision(z_ND.device):
            if len(z_ND) < 2:
                return z_ND.sum() * 0.0
            found = mixtures.windows(y_N, self.window, self.window_inclusive)
            if not self.mix_neg:
                lam_NN = None
            elif lam_NN is None:
                lam_NN = mixtures.sample_beta(*self.beta, z_ND.new_empty(len(z_ND), len(z_ND)), generator)
            else:
                order_N = on_device_of(lam_NN, found.order_N)
                lam_NN = lam_NN.index_select(0, order_N).index_select(1, order_N).to(z_ND)
            return Contrast.apply(z_ND, lam_NN, found, self, TRIPLETS_AT_ONCE)

    def count_positives(self, y_N: Tensor) -> Tensor:
        """Positives of each anchor, real and mixed, (N,); the anchors at 0 are left out of the loss."""
        found = mixtures.windows(y_N, self.window, self.window_inclusive)
        count_N = np.empty_like(found.order_N)
        count_N[found.order_N] = found.count_positives(self.mix_pos)
        return torch.from_numpy(count_N).to(y_N.device)
