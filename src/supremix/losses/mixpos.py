"""Mix-pos: their part in the denominators of a block of anchors, in its positives and in the gradient (eq. (3)).

Shapes: A anchors × B rows below × C rows above × G pieces, as in `mixtures.Chunk`. Pieces come last: side by side they
make long runs of small ones, and a single piece leaves the rows above last. Padding repeats rows, so that it changes
no maximum; it is masked where sums are taken.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from supremix.losses.gram import Batch, Gradient, exp_below_, inverse_norm
from supremix.losses.mixtures import Chunk

if TYPE_CHECKING:
    from supremix.losses.supremix import SupReMixLoss


@dataclass(frozen=True)
class Pass:
    """What a pass over a batch reads, and the gradient that it fills where there is one."""

    batch: Batch
    share_N: Tensor
    pull_N: Tensor
    inverse_span: float
    """1/R of eq. (5), the weight of every positive; 1 without weights."""
    how: "SupReMixLoss"
    gradient: Gradient | None


def add_mix_pos(at: Pass, start: int, chunk: Chunk, log_R: Tensor, sum_R: Tensor) -> None:
    """Add a chunk to log(denominator) and to Σ s/τ over the positives of the anchors from ``start`` on.

    All Mix-pos of an anchor must be in one chunk, and all its other pairs in ``log_R``: derivatives are taken of that.
    """
    batch, how, rate = at.batch, at.how, 1 / at.how.temperature
    n, cos = len(batch.cos_NN), batch.cos_NN.view(-1)
    a = chunk.widths[0]
    index_WG = torch.from_numpy(chunk.index_WG).to(cos.device)
    has_WG, gap_WG = torch.from_numpy(np.array((chunk.has_WG, chunk.gap_WG))).to(cos.device, cos.dtype)
    rho_WG = batch.rho_N.take(index_WG)
    i_AG, j_BG, k_CG = index_WG.split(chunk.widths)
    _, rho_BG, rho_CG = rho_WG.split(chunk.widths)
    has_AG, has_BG, has_CG = has_WG.split(chunk.widths)
    _, down_BG, up_CG = gap_WG.split(chunk.widths)
    has_BCG = has_BG[:, None] * has_CG
    lam_BCG = up_CG / (up_CG + down_BG[:, None])  # eq. (3): the mixture's label is the anchor's
    rest_BCG = 1 - lam_BCG

    # s/τ = p e_ij + q e_ik with what all anchors of a piece share in p and q.
    i_jk_AVG = (i_AG * n)[:, None] + index_WG[a:]  # V: the rows below, then those above
    e_AVG = cos.index_select(0, i_jk_AVG.view(-1)).view(i_jk_AVG.shape).mul_(rho_WG[a:])
    e_ABG, e_ACG = e_AVG.split(chunk.widths[1:], dim=1)
    jk_BCG = (j_BG * n)[:, None] + k_CG
    if how.renormalise:
        cos_BCG = cos.index_select(0, jk_BCG.view(-1)).view(jk_BCG.shape)
        r_BCG = inverse_norm(lam_BCG * rho_BG[:, None], rest_BCG * rho_CG, cos_BCG)
        p_BCG, q_BCG = (lam_BCG * r_BCG).mul_(rate), (rest_BCG * r_BCG).mul_(rate)
    else:
        p_BCG, q_BCG = lam_BCG * rate, rest_BCG * rate
    logit_ABCG = (q_BCG * e_ACG[:, None]).addcmul_(p_BCG, e_ABG[:, :, None])
    top_AG = logit_ABCG.amax((1, 2))
    term_ABCG = exp_below_(logit_ABCG - top_AG[:, None, None]).mul_(has_BCG)
    logit_ABCG.mul_(has_BCG)

    # Anchors repeated as padding write what the last one does.
    at_AG = i_AG - start
    log_AG = term_ABCG.sum((1, 2)).mul_(at.inverse_span).log_().add_(top_AG)
    log_AG = torch.logaddexp(log_AG, log_R.take(at_AG))
    sum_AG = logit_ABCG.sum((1, 2)).add_(sum_R.take(at_AG))
    log_R.scatter_(0, at_AG.view(-1), log_AG.view(-1))
    sum_R.scatter_(0, at_AG.view(-1), sum_AG.view(-1))
    if at.gradient is None:
        return

    factor_AG = top_AG.sub_(log_AG).exp_().mul_(at.inverse_span).mul_(at.share_N.take(i_AG)).mul_(has_AG)
    pull_AG = at.pull_N.take(i_AG).mul_(has_AG)
    by_logit_ABCG = term_ABCG.mul_(factor_AG[:, None, None]).sub_(pull_AG[:, None, None])
    by_e_AVG = torch.cat(
        [(by_logit_ABCG * p_BCG.mul_(has_BCG)).sum(2), (by_logit_ABCG * q_BCG.mul_(has_BCG)).sum(1)], dim=1
    )
    at.gradient.e_NN.view(-1).scatter_add_(0, i_jk_AVG.view(-1), by_e_AVG.view(-1))
    if how.renormalise and not how.detach_mixtures:
        # The derivative by the squared norm, as that of a logit by it is −logit r²/2.
        by_norm2_BCG = by_logit_ABCG.mul_(logit_ABCG).sum(0).mul_(r_BCG).mul_(r_BCG).mul_(-0.5)
        with_lam_BCG, with_rest_BCG = by_norm2_BCG * lam_BCG, by_norm2_BCG * rest_BCG
        at.gradient.m_NN.view(-1).scatter_add_(0, jk_BCG.view(-1), (with_lam_BCG * rest_BCG).mul_(2).view(-1))
        by_own_VG = torch.cat([with_lam_BCG.mul_(lam_BCG).sum(1), with_rest_BCG.mul_(rest_BCG).sum(0)])
        at.gradient.m_NN.diagonal().index_add_(0, index_WG[a:].reshape(-1), by_own_VG.view(-1))
