"""Value and gradient of SupReMix in one pass, without a mixture ever built (Wu et al. 2023, section 3).

A mixture λ v_j + (1−λ) v_k has the inner product λ e_ij + (1−λ) e_ik with anchor i, and the squared norm
λ² m_jj + (1−λ)² m_kk + 2 λ (1−λ) m_jk, with e and m of `gram`.

The loss is Σ_i share_i log(denominator_i) − pull_i Σ_p s_ip/τ with shares and pulls that labels alone determine. So
the derivative by a logit is known as soon as its anchor's denominator is, and nothing is kept for a backward pass.
Blocks of anchors, and chunks of their Mix-pos, bound the memory. Shapes: N rows in label order, R anchors of a block.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from supremix.losses import mixtures, pairs
from supremix.losses.gram import Gradient, exp_below_, inverse_norm, sort_batch
from supremix.losses.mixpos import Pass, add_mix_pos

if TYPE_CHECKING:
    from supremix.losses.supremix import SupReMixLoss

PAIRS_AT_ONCE = 1 << 19
"""Real pairs of a block; there are as many Mix-neg."""


class Contrast(torch.autograd.Function):
    """The loss as one step of the graph, whose gradient is computed with its value."""

    @staticmethod
    def forward(
        ctx: Any,
        z_ND: Tensor,
        lam_NN: Tensor | None,
        found: mixtures.Windows,
        how: "SupReMixLoss",
        triplets_at_once: int,
    ) -> Tensor:
        """The loss of embeddings in any order; λ of Mix-neg in label order, None where there are none."""
        batch = sort_batch(z_ND, found, how.mix_space == "sphere", how.renormalise)
        share_N, pull_N = torch.from_numpy(shares(found, how)).to(z_ND.device, z_ND.dtype)
        inverse_span = 1 / pairs.label_span(found.label_N, how.label_range) if how.weight else 1.0
        gradient = Gradient.zeros(batch) if ctx.needs_input_grad[0] else None
        at = Pass(batch, share_N, pull_N, inverse_span, how, gradient)
        value = z_ND.new_zeros(())
        step = max(1, PAIRS_AT_ONCE // len(z_ND))
        for start in range(0, len(z_ND), step):
            value += anchors(at, slice(start, min(start + step, len(z_ND))), lam_NN, triplets_at_once)
        if gradient is not None:
            ctx.save_for_backward(gradient.by_embedding(batch, how.detach_mixtures))
        return value

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        """The gradient of the forward pass."""
        return pairs.times_saved(ctx, upstream), None, None, None, None


def shares(found: mixtures.Windows, how: "SupReMixLoss") -> np.ndarray:
    """Share of an anchor's log(denominator) in the loss, and pull of each of its positives, (2, N).

    ``mean``: over an anchor's positives, then over the anchors that have one (Khosla et al. 2020, L_out).
    ``label_sum``: eq. (6), Σ_i 1/k_{y_i} Σ_p. Anchors without a positive are left out.
    """
    count_N = found.count_positives(how.mix_pos)
    if how.reduction == "mean":
        pull_N = (count_N > 0) / (np.maximum(count_N, 1) * max(np.count_nonzero(count_N), 1))
    else:
        pull_N = (count_N > 0) / found.same_label_N
    return np.array((pull_N * count_N, pull_N))


def anchors(at: Pass, rows: slice, lam_NN: Tensor | None, triplets_at_once: int) -> Tensor:
    """The terms of the anchors in ``rows``, a scalar; their derivatives are added to those of the pass."""
    batch, how, rate = at.batch, at.how, 1 / at.how.temperature
    n, start = len(batch.cos_NN), rows.start
    cos_RN = batch.cos_NN[rows]
    gap_RN = (batch.label_N[rows, None] - batch.label_N).to(cos_RN.dtype).abs_()
    same_RN = torch.le(gap_RN, pairs.LABEL_TOLERANCE, out=torch.empty_like(gap_RN))
    excluded = -torch.finfo(cos_RN.dtype).max / 4

    # Real pairs in the first N columns, Mix-neg in the others: exp(s/τ), then times w of eq. (5).
    term_RM = cos_RN.new_empty(len(cos_RN), n if lam_NN is None else 2 * n)
    real_RN, mixed_RN = term_RM[:, :n], term_RM[:, n:]
    real_RN.copy_(cos_RN).diagonal(start).fill_(excluded)
    if lam_NN is not None:
        # The anchor's own share of a Mix-neg is parallel to it: ⟨u_i, v_i⟩ = ρ_i.
        lam_RN, rest_RN = lam_NN[rows], 1 - lam_NN[rows]
        own_RN, other_RN = lam_RN * batch.rho_N[rows, None], rest_RN * batch.rho_N
        s_RN = torch.addcmul(own_RN, other_RN, cos_RN)
        if how.renormalise:
            r_RN = inverse_norm(own_RN, other_RN, cos_RN)
            s_RN.mul_(r_RN)
        torch.add(s_RN, same_RN, alpha=excluded, out=mixed_RN)
    top_R1 = term_RM.amax(1, keepdim=True)
    exp_below_(term_RM.sub_(top_R1).mul_(rate))
    if how.weight:
        real_RN.addcmul_(real_RN, gap_RN)
        if lam_NN is not None:
            # The label of a Mix-neg is λ y_i + (1−λ) y_k, (1−λ) |y_i − y_k| away from the anchor's.
            mixed_RN.addcmul_(mixed_RN, gap_RN.mul_(rest_RN))
    log_R = term_RM.sum(1).mul_(at.inverse_span).log_().add_(top_R1[:, 0], alpha=rate)
    same_RN.diagonal(start).zero_()
    sum_R = torch.linalg.vecdot(same_RN, cos_RN).mul_(rate)
    if how.mix_pos:
        for chunk in mixtures.chunks(batch.found, start, rows.stop, triplets_at_once):
            add_mix_pos(at, start, chunk, log_R, sum_R)
    share_R, pull_R = at.share_N[rows], at.pull_N[rows]
    value = torch.dot(share_R, log_R) - torch.dot(pull_R, sum_R)
    if at.gradient is None:
        return value

    # From here on `term` is the derivative by s.
    by_cos_RN, by_e_RN, by_m_RN = at.gradient.cos_NN[rows], at.gradient.e_NN[rows], at.gradient.m_NN[rows]
    term_RM *= (top_R1[:, 0] * rate - log_R).exp_().mul_(share_R).mul_(at.inverse_span * rate)[:, None]
    torch.addcmul(real_RN, same_RN, pull_R[:, None], value=-rate, out=by_cos_RN)
    if lam_NN is not None:
        if how.renormalise:
            mixed_RN.mul_(r_RN)
        by_e_RN.addcmul_(mixed_RN, rest_RN).diagonal(start).add_(torch.linalg.vecdot(mixed_RN, lam_RN))
        if how.renormalise and not how.detach_mixtures:
            minus_twice_RN = s_RN.mul_(mixed_RN).mul_(r_RN)  # the derivative by the squared norm
            with_rest_RN = minus_twice_RN * rest_RN
            by_m_RN.addcmul_(with_rest_RN, lam_RN, value=-1)
            by_norm2_N = at.gradient.m_NN.diagonal()
            by_norm2_N.sub_(with_rest_RN.mul_(rest_RN).sum(0), alpha=0.5)
            by_norm2_N[rows].sub_(minus_twice_RN.mul_(lam_RN).mul_(lam_RN).sum(1), alpha=0.5)
    return value
