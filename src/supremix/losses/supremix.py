"""SupReMix: supervised contrastive regression with Mix-neg and Mix-pos (Wu et al. 2023, section 3, eq. (6)).

No mixture is materialised. A mixture is a combination of two embeddings, so its inner product with an anchor and its
norm follow from inner products between embeddings: see `contrast`.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from supremix.losses import mixtures, pairs
from supremix.losses.contrast import Contrast
from supremix.losses.gram import on_device_of
from supremix.losses.labels import device_of, read_labels

TRIPLETS_AT_ONCE = 1 << 17
"""The most Mix-pos computed together: bounds memory, and keeps them in the processor's cache."""


class SupReMixLoss(nn.Module):
    """Contrast real pairs, Mix-neg and Mix-pos, with negatives weighted by label distance.

    Mix-neg are mixtures of the anchor with a row of another label. Mix-pos are mixtures of a row below and a row above
    the anchor that have the anchor's label. Anchors without a positive are left out. The gradient is computed with the
    value; there is no second derivative.

    Args:
        temperature: τ > 0, divides every logit.
        window: γ ≥ 0 in label units, may be infinite; Mix-pos are made of rows within it on both sides.
        beta: (α, β) > 0 of the Beta distribution of λ₁, the anchor's share of a Mix-neg.
        label_range: R > 0 of eq. (5), max − min of the training labels; None takes the batch's.
        mix_neg, mix_pos, weight: the three components of table 9; all off is SupCon.
        mix_space: mix raw embeddings ("embedding") or unit vectors ("sphere").
        renormalise: scale mixtures to norm 1 before the inner product.
        detach_mixtures: let no gradient pass through the mixtures.
        window_inclusive: whether a row at exactly γ is in the window.
        reduction: "mean" (over positives, then anchors) or "label_sum", eq. (6).

    Raises:
        ValueError: an argument is out of its range.
    """

    registered_name = "loss/supremix"

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

    @pairs.without_compiling
    def forward(
        self,
        z_ND: Tensor,
        y_N: Any,
        lam_NN: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Return the loss of a batch, a scalar; 0 for a single row.

        Args:
            z_ND: embeddings; normalised inside.
            y_N: labels, in the units of ``window``: a tensor, an array or a list. The host reads them: labels on the
                CPU spare waiting for a GPU.
            lam_NN: λ₁ in [0, 1] of anchor i (row) and negative k (column); None draws them.
            generator: source of the draws, on the device of ``z_ND``; None takes torch's global one.

        Raises:
            ValueError: the shapes are not those of one batch, or a label is not finite.
        """
        z_ND, labels = pairs.check_batch(z_ND, y_N)
        if lam_NN is not None and lam_NN.shape != (len(z_ND), len(z_ND)):
            raise ValueError(f"lam_NN must have shape ({len(z_ND)}, {len(z_ND)}), got {tuple(lam_NN.shape)}")
        with pairs.full_precision(z_ND.device):
            if len(z_ND) < 2:
                return z_ND.sum() * 0.0
            windows = mixtures.find_windows(labels, self.window, self.window_inclusive)
            if not self.mix_neg:
                lam_NN = None
            elif lam_NN is None:
                lam_NN = mixtures.sample_beta(*self.beta, z_ND.new_empty(len(z_ND), len(z_ND)), generator)
            else:
                order_N = on_device_of(lam_NN, windows.order_N)
                lam_NN = lam_NN.index_select(0, order_N).index_select(1, order_N).to(z_ND)
            return Contrast.apply(z_ND, lam_NN, windows, self, TRIPLETS_AT_ONCE)

    def count_positives(self, y_N: Any) -> Tensor:
        """Return the number of positives of each anchor, real and mixed, (N,)."""
        return self._counted(y_N, lambda windows: windows.count_positives(self.mix_pos))

    def count_mix_pos(self, y_N: Any) -> Tensor:
        """Return the number of Mix-pos of each anchor, (N,); zeros without ``mix_pos``."""
        return self._counted(y_N, lambda windows: windows.triplets_N * self.mix_pos)

    def _counted(self, y_N: Any, count: Callable[[mixtures.Windows], np.ndarray]) -> Tensor:
        windows = mixtures.find_windows(read_labels(y_N), self.window, self.window_inclusive)
        count_N = np.empty_like(windows.order_N)
        count_N[windows.order_N] = count(windows)
        return torch.from_numpy(count_N).to(device_of(y_N))
