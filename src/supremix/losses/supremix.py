"""SupReMix: supervised contrastive regression with Mix-neg and Mix-pos (Wu et al. 2023, section 3, eq. (6)).

No mixture is ever materialised. A mixture is a combination of two embeddings, so its inner product with an
anchor and its norm follow from inner products between embeddings, two N×N matrices.
"""

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from supremix.losses import mixtures, pairs

TRIPLETS_AT_ONCE = 1 << 18
"""More Mix-pos than this are computed in chunks, and again in the backward pass, to bound memory."""


class SupReMixLoss(nn.Module):
    """Contrastive loss over real pairs, Mix-neg and Mix-pos, weighted by label distance.

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
        self.window = float(window)
        if not self.window >= 0:
            raise ValueError(f"window must be 0 or more label units, got {self.window:g}")
        if len(beta) != 2:
            raise ValueError(f"beta must be two numbers (α, β), got {tuple(beta)}")
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
            y_N: labels, in the units of ``window``.
            lam_NN: given λ₁ of anchor i (row) and negative k (column), in [0, 1]; drawn when None.
            generator: source of the draws, on the device of ``z_ND``; torch's global one when None.
        """
        z_ND, y_N = pairs.check_batch(z_ND, y_N)
        if lam_NN is not None and lam_NN.shape != (len(z_ND), len(z_ND)):
            raise ValueError(f"lam_NN must have shape ({len(z_ND)}, {len(z_ND)}), got {tuple(lam_NN.shape)}")
        with torch.autocast(z_ND.device.type, enabled=False):
            if len(z_ND) < 2:
                return z_ND.sum() * 0.0
            return self._loss(z_ND, y_N, lam_NN, generator)

    def count_positives(self, y_N: Tensor) -> Tensor:
        """Positives of each anchor, real and mixed, (N,); the anchors at 0 are left out of the loss."""
        y_N = pairs.exact_labels(y_N)
        positive_NN, _ = pairs.real_masks(pairs.label_distance(y_N))
        count_N = positive_NN.sum(1)
        if self.mix_pos:
            found = mixtures.windows(y_N, self.window, self.window_inclusive)
            count_N = count_N.index_add(0, found.order_N, found.triplets_N)
        return count_N

    def _loss(self, z_ND: Tensor, y_N: Tensor, lam_NN: Tensor | None, generator: torch.Generator | None) -> Tensor:
        unit_ND = pairs.unit_rows(z_ND)
        source_ND = unit_ND if self.mix_space == "sphere" else self._mixture_source(z_ND)
        if self.detach_mixtures:
            source_ND = source_ND.detach()
        dot_NN = unit_ND @ source_ND.T  # ⟨u_i, v_j⟩: anchors with what mixtures are made of
        gram_NN = source_ND @ source_ND.T  # ⟨v_j, v_k⟩: gives the mixtures' norms

        distance_NN = pairs.label_distance(y_N)
        positive_NN, others_NN = pairs.real_masks(distance_NN)
        distance_NN = distance_NN.to(z_ND.dtype)
        span = pairs.label_span(y_N, self.label_range)
        logits_NN = unit_ND @ unit_ND.T / self.temperature
        positive_sum_N = torch.where(positive_NN, logits_NN, 0.0).sum(1)
        positive_count_N = positive_NN.sum(1)
        label_count_N = positive_count_N + 1

        log_denominator_N = pairs.masked_logsumexp(logits_NN + self._log_weight(distance_NN, span), others_NN)
        if self.mix_neg:
            negative_NN = others_NN & ~positive_NN
            mixed_N = self._mix_neg(dot_NN, gram_NN, distance_NN, negative_NN, span, lam_NN, generator)
            log_denominator_N = torch.logaddexp(log_denominator_N, mixed_N)
        if self.mix_pos:
            mixed_N, sum_N, count_N = self._mix_pos(dot_NN, gram_NN, y_N)
            log_w = self._log_weight(torch.zeros_like(mixed_N), span)
            log_denominator_N = torch.logaddexp(log_denominator_N, mixed_N + log_w)
            positive_sum_N, positive_count_N = positive_sum_N + sum_N, positive_count_N + count_N
        return pairs.reduce_anchors(log_denominator_N, positive_sum_N, positive_count_N, self.reduction, label_count_N)

    def _mixture_source(self, z_ND: Tensor) -> Tensor:
        """Raw embeddings; where mixtures are renormalised a common scale drops out, and 1 avoids overflow."""
        if not self.renormalise:
            return z_ND
        largest = z_ND.detach().abs().max()
        return z_ND / torch.where(largest > 0, largest, 1.0)

    def _log_weight(self, distance: Tensor, span: Tensor | float) -> Tensor:
        return pairs.log_weight(distance, span) if self.weight else torch.zeros_like(distance)

    def _mix_neg(
        self,
        dot_NN: Tensor,
        gram_NN: Tensor,
        distance_NN: Tensor,
        negative_NN: Tensor,
        span: Tensor | float,
        lam_NN: Tensor | None,
        generator: torch.Generator | None,
    ) -> Tensor:
        """log Σ w exp(logit) over each anchor's Mix-neg λ v_i + (1−λ) v_k, eq. (1), (N,)."""
        if lam_NN is None:
            lam_NN = mixtures.sample_beta(*self.beta, dot_NN.detach(), generator)
        lam_NN = lam_NN.to(dot_NN)
        norm2_N = gram_NN.diagonal()
        logits_NN = pairs.mixture_logit(
            lam_NN,
            dot_NN.diagonal()[:, None],
            dot_NN,
            norm2_N[:, None],
            norm2_N[None, :],
            gram_NN,
            self.renormalise,
        )
        # The mixture's label is λ y_i + (1−λ) y_k: (1−λ)|y_i − y_k| away from the anchor's.
        log_weight_NN = self._log_weight((1 - lam_NN) * distance_NN, span)
        return pairs.masked_logsumexp(logits_NN / self.temperature + log_weight_NN, negative_NN)

    def _mix_pos(self, dot_NN: Tensor, gram_NN: Tensor, y_N: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Over each anchor's Mix-pos, eq. (3): log Σ exp(logit), Σ logit and how many there are, all (N,)."""
        found = mixtures.windows(y_N, self.window, self.window_inclusive)
        count_N = found.triplets_N
        bounds = list(mixtures.chunk_bounds(count_N, TRIPLETS_AT_ONCE))
        lse_N = dot_NN.new_full(count_N.shape, -torch.inf)
        sum_N = torch.zeros_like(lse_N)
        for start, stop in bounds:
            if len(bounds) == 1:
                part_lse, part_sum = self._mix_pos_chunk(dot_NN, gram_NN, found, start, stop)
            else:
                part_lse, part_sum = checkpoint(
                    self._mix_pos_chunk, dot_NN, gram_NN, found, start, stop,
                    use_reentrant=False, preserve_rng_state=False,
                )  # fmt: skip
            at = torch.arange(start, stop, device=lse_N.device)
            lse_N, sum_N = lse_N.index_copy(0, at, part_lse), sum_N.index_copy(0, at, part_sum)
        back_N = torch.argsort(found.order_N)
        return lse_N[back_N], sum_N[back_N], count_N[back_N]

    def _mix_pos_chunk(
        self, dot_NN: Tensor, gram_NN: Tensor, found: mixtures.Windows, start: int, stop: int
    ) -> tuple[Tensor, Tensor]:
        at = mixtures.triplets(found, start, stop)
        n = len(dot_NN)
        norm2_N = gram_NN.diagonal()
        logits_T = pairs.mixture_logit(
            at.lam_T.to(dot_NN.dtype),
            dot_NN.flatten().index_select(0, at.i_T * n + at.j_T),
            dot_NN.flatten().index_select(0, at.i_T * n + at.k_T),
            norm2_N.index_select(0, at.j_T),
            norm2_N.index_select(0, at.k_T),
            gram_NN.flatten().index_select(0, at.j_T * n + at.k_T),
            self.renormalise,
        ) / self.temperature  # fmt: skip
        segment_T = at.segment_T - start
        empty_A = logits_T.new_zeros(stop - start)
        sum_A = empty_A.index_add(0, segment_T, logits_T)
        top_A = (empty_A - torch.inf).scatter_reduce(0, segment_T, logits_T.detach(), "amax")
        shifted_T = (logits_T - top_A.index_select(0, segment_T)).exp()
        total_A = empty_A.index_add(0, segment_T, shifted_T)
        has_A = top_A > -torch.inf
        lse_A = torch.where(has_A, torch.where(has_A, total_A, 1.0).log() + top_A, -torch.inf)
        return lse_A, sum_A
