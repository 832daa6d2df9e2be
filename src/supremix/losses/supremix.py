"""SupReMix: supervised contrastive regression with Mix-neg and Mix-pos (Wu et al. 2023, section 3, eq. (6))."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from supremix.losses import compiled, pairs
from supremix.losses.beta import sample_beta
from supremix.losses.labels import LabelVectors, device_of, read_label_vectors
from supremix.losses.windows import Windows, anchor_weights, find_windows, group_vectors

BETAS = (0.1, 1e6)
"""Within it a Beta draw in float32 is a number from 0 to 1; below, both of its gamma variates may be 0."""


class SupReMixLoss(nn.Module):
    """Contrast real pairs, Mix-neg and Mix-pos, with negatives weighted by label distance.

    Mix-neg are mixtures of the anchor with a row of another label. Mix-pos are mixtures of a row below and a row above
    the anchor that have the anchor's label. Anchors without a positive are left out. No mixture is built: see
    `definition`.

    Args:
        temperature: τ > 0, divides every logit.
        window: γ ≥ 0 in label units, may be infinite; Mix-pos are made of rows within it on both sides.
        beta: (α, β) > 0 of the Beta distribution of λ, the anchor's share of a Mix-neg.
        label_range: R > 0 of eq. (5), max − min of the training labels; None takes the batch's.
        mix_neg, mix_pos, weight: the three components of table 9; all off is SupCon. Mix-pos need labels that are
            numbers; without them labels may be vectors (N, T), which count by the norm of their difference.
        similarity: "cosine", the paper's, or "l2", the negative distance of the embeddings as they are.
        mix_space: mix raw embeddings ("embedding") or unit vectors ("sphere"); cosine only.
        renormalise: scale mixtures to norm 1 before the inner product; cosine only.
        detach_mixtures: let no gradient pass through the mixtures.
        window_inclusive: whether a row at exactly γ is in the window.
        reduction: "label_sum", eq. (6), or "mean" (over positives, then anchors).
        on_no_positive: "raise", or "zero": what a batch without any positive gives.

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
        similarity: str = "cosine",
        mix_space: str = "embedding",
        renormalise: bool = True,
        detach_mixtures: bool = False,
        window_inclusive: bool = True,
        reduction: str = "label_sum",
        on_no_positive: str = "raise",
    ) -> None:
        super().__init__()
        self.temperature = pairs.in_range("temperature", temperature, *pairs.TEMPERATURES)
        self.window = pairs.number(window)
        if not self.window >= 0:
            raise ValueError(f"window must be 0 or more label units, got {window}")
        if np.shape(beta) != (2,):
            raise ValueError(f"beta must be two numbers (α, β), such as [2, 8], got {beta}")
        self.beta = (pairs.in_range("beta", beta[0], *BETAS), pairs.in_range("beta", beta[1], *BETAS))
        self.label_range = None if label_range is None else pairs.positive_number("label_range", label_range)
        self.mix_neg, self.mix_pos, self.weight = mix_neg, mix_pos, weight
        self.numbers_only = mix_pos
        self.similarity = pairs.one_of("similarity", similarity, "cosine", "l2")
        self.mix_space = pairs.one_of("mix_space", mix_space, "embedding", "sphere")
        self.renormalise, self.detach_mixtures = renormalise, detach_mixtures
        self.window_inclusive = window_inclusive
        self.reduction = pairs.one_of("reduction", reduction, "label_sum", "mean")
        self.on_no_positive = pairs.one_of("on_no_positive", on_no_positive, "raise", "zero")

    @classmethod
    def as_written(cls, temperature: float, window: float, **settings: Any) -> "SupReMixLoss":
        """Return the paper's reading, which is that of the defaults: eq. (6), embeddings mixed, then normalised."""
        return cls(temperature, window, **settings)

    @classmethod
    def as_released(cls, temperature: float, window: float, **settings: Any) -> "SupReMixLoss":
        """Return the reading of the authors' review-time release: unit vectors mixed, neither normalised nor
        differentiated, rows at exactly γ left out, means over positives and anchors.
        """
        mixing = {"mix_space": "sphere", "renormalise": False, "detach_mixtures": True, "window_inclusive": False}
        reading: dict[str, Any] = {**mixing, "reduction": "mean"}
        return cls(temperature, window, **(reading | settings))

    @pairs.without_compiling
    def forward(
        self,
        z_ND: Tensor,
        y_N: Any,
        lam_NN: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Return the loss of a batch, a scalar.

        Args:
            z_ND: embeddings; normalised inside where the similarity is the cosine.
            y_N: labels, in the units of ``window``: a tensor, an array or a list. The host reads them: labels on the
                CPU spare waiting for a GPU. Of vectors the loss runs as defined, slower.
            lam_NN: λ in [0, 1] of anchor i (row) and negative k (column); None draws them.
            generator: source of the draws, on the device of ``z_ND``; None takes torch's global one.

        Raises:
            ValueError: the shapes are not those of one batch, a label is not finite, or no anchor has a positive.
        """
        z_ND, labels = pairs.check_vectors(z_ND, y_N)
        if lam_NN is not None and lam_NN.shape != (len(z_ND), len(z_ND)):
            raise ValueError(f"lam_NN must have shape ({len(z_ND)}, {len(z_ND)}), got {tuple(lam_NN.shape)}")
        windows = self._windows(labels)
        weights_2N = anchor_weights(windows, self)
        if self.on_no_positive == "raise" and not weights_2N.any():
            raise ValueError(
                f"no anchor of the {len(z_ND)} rows has a positive, labels {windows.label_N.min():g} to "
                f"{windows.label_N.max():g}: use labels in wider bins, or on_no_positive='zero'"
            )
        with pairs.full_precision(z_ND.device):
            if len(z_ND) < 2:
                return z_ND.sum() * 0.0
            if not self.mix_neg:
                lam_NN = None
            elif lam_NN is None:
                lam_NN = sample_beta(*self.beta, z_ND.new_empty(len(z_ND), len(z_ND)), generator)
            else:
                order_N = torch.from_numpy(windows.order_N).to(lam_NN.device)
                lam_NN = lam_NN.index_select(0, order_N).index_select(1, order_N).to(z_ND.device)
            return compiled.supremix(z_ND, lam_NN, windows, weights_2N, self)

    def count_positives(self, y_N: Any) -> Tensor:
        """Return the number of positives of each anchor, real and mixed, (N,)."""
        windows = self._windows(read_label_vectors(y_N))
        return torch.from_numpy(windows.in_batch_order(windows.count_positives(self.mix_pos))).to(device_of(y_N))

    def count_mix_pos(self, y_N: Any) -> Tensor:
        """Return the number of Mix-pos of each anchor, (N,); zeros without ``mix_pos``."""
        windows = self._windows(read_label_vectors(y_N))
        return torch.from_numpy(windows.in_batch_order(windows.count_mix_pos(self.mix_pos))).to(device_of(y_N))

    def lower_bound(self, y_N: Any) -> float:
        """Return L* of eq. (9), below which the loss of no embeddings with these labels falls, whatever the flags.

        An anchor with c positives of weight w, 1/R or 1, has Σ_p −log(e^{s_p} / Σ_p w e^{s_p}) ≥ c log(c w), since the
        denominator has all of its positives (lemma 1); the reduction weights it as it does the loss. The paper's
        k_{(m,i),m} − 1 is c: its k counts the anchor too.
        """
        windows = self._windows(read_label_vectors(y_N))
        count_N = windows.count_positives(self.mix_pos)
        scale = (windows.span if self.label_range is None else self.label_range) if self.weight else 1.0
        each_N, _ = anchor_weights(windows, self)
        return float(each_N @ np.log(np.maximum(count_N, 1) / scale))

    def extra_repr(self) -> str:
        """Show all settings."""
        return pairs.settings_of(self)

    def _windows(self, labels: LabelVectors) -> Windows:
        if labels.numbers is not None:
            return find_windows(labels.numbers, self.window, self.window_inclusive)
        if self.mix_pos:
            raise ValueError(f"y_N must hold a number for each row, since mix_pos=True, got shape {labels.y_NT.shape}")
        return group_vectors(labels)
