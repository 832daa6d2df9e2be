"""Compute value and gradient of SupReMix in one pass, without building a mixture (Wu et al. 2023, section 3).

The loss is Σ_i share_i log(denominator_i) − Σ_i pull_i Σ_p ŝ_ip with shares and pulls that labels alone determine. So
the derivative by an inner product ŝ is known as soon as its anchor's denominator is, and nothing is kept for a backward
pass. Blocks of anchors, and chunks of their Mix-pos, bound the memory.

Shapes: N rows in label order; R anchors of a block; M pairs of an anchor, N real ones and N Mix-neg.
"""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from supremix.losses import mixtures, pairs
from supremix.losses.gram import Gradient, exp_below_, inverse_norm, on_device_of, sort_batch
from supremix.losses.mixpos import Pass, add_mix_pos

PAIRS_AT_ONCE = 1 << 19
"""Real pairs in a block of anchors; it has as many Mix-neg."""


class Contrast(torch.autograd.Function):
    """SupReMix as one autograd function, which computes its gradient together with its value."""

    @staticmethod
    def forward(
        ctx: Any,
        z_ND: Tensor,
        lam_NN: Tensor | None,
        windows: mixtures.Windows,
        loss: Any,
        triplets_at_once: int,
    ) -> Tensor:
        """Compute the loss, a scalar.

        Args:
            z_ND: embeddings, in any order.
            lam_NN: λ₁ of each anchor and negative, in label order; None without Mix-neg.
            windows: the batch's labels, sorted.
            loss: the `SupReMixLoss` whose parameters apply.
            triplets_at_once: the most Mix-pos that are computed together.
        """
        value = z_ND.new_zeros(())
        by_z_ND = torch.empty_like(z_ND) if ctx.needs_input_grad[0] else None
        with torch.inference_mode():  # autograd's notes on each operation, never read here, take a tenth of the time
            batch = sort_batch(z_ND, windows, loss.mix_space == "sphere", loss.renormalise)
            shares_2N = on_device_of(z_ND, shares(windows, loss), z_ND.dtype)
            gradient = Gradient.zeros(batch) if by_z_ND is not None else None
            rows_3N = torch.cat((batch.rho_N[None], shares_2N))
            state = Pass(batch, loss, rows_3N, value, torch.empty_like(batch.rho_N), gradient)
            step = max(1, PAIRS_AT_ONCE // len(z_ND))
            for start in range(0, len(z_ND), step):
                anchors(state, slice(start, min(start + step, len(z_ND))), lam_NN, triplets_at_once)
            if loss.weight:  # R of eq. (5) divides every weight
                log_span = math.log(loss.label_range or windows.span)
                value.sub_(shares_2N[0].sum(), alpha=loss.temperature * log_span)
            if gradient is not None and by_z_ND is not None:
                by_z_ND.index_copy_(0, batch.order_N, gradient.by_embedding(batch, loss.detach_mixtures))
        if by_z_ND is not None:
            ctx.save_for_backward(by_z_ND)
        return value

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        """Scale the gradient that the forward pass computed."""
        return pairs.times_saved(ctx, upstream), None, None, None, None


def shares(windows: mixtures.Windows, loss: Any) -> np.ndarray:
    """Compute the weight of each anchor in the loss, both rows divided by τ.

    ``reduction="mean"`` averages over an anchor's positives, then over the anchors that have one (Khosla et al. 2020,
    L_out). ``"label_sum"`` is eq. (6), Σ_i 1/k_{y_i} Σ_p. Anchors without a positive get weight 0.

    Returns:
        (2, N): the share of the anchor's log(denominator), and the pull of each of its positives.
    """
    count_N = windows.count_positives(loss.mix_pos)
    if loss.reduction == "mean":
        pull_N = (count_N > 0) / (np.maximum(count_N, 1) * max(np.count_nonzero(count_N), 1))
    else:
        pull_N = (count_N > 0) / windows.same_label_N
    return np.array((pull_N * count_N, pull_N)) / loss.temperature


def anchors(state: Pass, rows: slice, lam_NN: Tensor | None, triplets_at_once: int) -> None:
    """Add the terms of a block of anchors to the value, the denominators and the gradient.

    R of eq. (5) is the same for all pairs, and left to the caller.

    Args:
        state: what the pass reads and fills.
        rows: the block's positions in label order.
        lam_NN: λ₁ in label order; None without Mix-neg.
        triplets_at_once: the most Mix-pos that are computed together.
    """
    batch, loss, rate = state.batch, state.loss, 1 / state.loss.temperature
    n, start = len(batch.cos_NN), rows.start
    cos_RN = batch.cos_NN[rows]
    gap_RN = (batch.label_N[rows, None] - batch.label_N).to(cos_RN.dtype).abs_()
    same_RN = torch.le(gap_RN, batch.windows.tolerance, out=torch.empty_like(gap_RN))
    excluded = -torch.finfo(cos_RN.dtype).max / 4

    # Real pairs in the first N columns, Mix-neg in the others: exp(ŝ/τ), then times the weight's numerator.
    term_RM = cos_RN.new_empty(len(cos_RN), n if lam_NN is None else 2 * n)
    real_RN, mixed_RN = term_RM[:, :n], term_RM[:, n:]
    real_RN.copy_(cos_RN).diagonal(start).fill_(excluded)
    if lam_NN is not None:
        # The anchor's own share of a Mix-neg is parallel to it: ⟨u_i, v_i⟩ = ρ_i.
        lam_RN, rest_RN = lam_NN[rows], 1 - lam_NN[rows]
        own_RN, other_RN = lam_RN * batch.rho_N[rows, None], rest_RN * batch.rho_N
        s_RN = torch.addcmul(own_RN, other_RN, cos_RN)
        if loss.renormalise:
            r_RN = inverse_norm(own_RN, other_RN, cos_RN)
            s_RN.mul_(r_RN)
        torch.add(s_RN, same_RN, alpha=excluded, out=mixed_RN)
    top_R1 = term_RM.amax(1, keepdim=True)
    exp_below_(term_RM.sub_(top_R1).mul_(rate))
    if loss.weight:
        real_RN.addcmul_(real_RN, gap_RN)
        if lam_NN is not None:
            # The label of a Mix-neg is λ y_i + (1−λ) y_k, (1−λ) |y_i − y_k| away from the anchor's.
            mixed_RN.addcmul_(mixed_RN, gap_RN.mul_(rest_RN))
    log_R1 = state.log_N[rows, None]
    torch.log(term_RM.sum(1, keepdim=True), out=log_R1).add_(top_R1.mul_(rate))
    share_R1, pull_R1 = state.rows_3N[1:, rows, None]
    same_RN.diagonal(start).zero_()
    same_RN.mul_(pull_R1)
    state.value.sub_((same_RN * cos_RN).sum())
    if loss.mix_pos:
        for chunk in mixtures.chunks(batch.windows, start, rows.stop, triplets_at_once):
            add_mix_pos(state, chunk)
    state.value.add_((log_R1 * share_R1).sum(), alpha=loss.temperature)
    if state.gradient is None:
        return

    # From here on `term` is the derivative by ŝ.
    term_RM.mul_(top_R1.sub_(log_R1).exp_().mul_(share_R1))
    torch.sub(real_RN, same_RN, out=state.gradient.cos_NN[rows])
    if lam_NN is None:
        return
    if loss.renormalise:
        mixed_RN.mul_(r_RN)
    state.gradient.e_NN[rows].addcmul_(mixed_RN, rest_RN)
    if loss.detach_mixtures:
        return
    if loss.renormalise:
        back_RN = s_RN.mul_(mixed_RN).mul_(r_RN)
        other_back_RN = back_RN * rest_RN
        state.gradient.m_NN[rows].addcmul_(other_back_RN, lam_RN)
        state.gradient.own_N.sub_(other_back_RN.mul_(other_RN).sum(0))
        mixed_RN.addcmul_(back_RN, own_RN, value=-1)
    state.gradient.own_N[rows].add_(mixed_RN.mul_(lam_RN).sum(1))
