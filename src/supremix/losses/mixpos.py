"""Mix-pos: their part in the denominators of a block of anchors, in its positives and in the gradient (eq. (3)).

Shapes: A anchors × B rows below × C rows above × G pieces, as in `mixtures.Chunk`; V: the rows below, then those above.
Pieces come last: side by side they make long runs of small ones, and a single piece leaves the rows above last. Padding
repeats rows, so that it changes no maximum; it is masked where sums are taken.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from supremix.losses.gram import Batch, Gradient, exp_below_, inverse_norm, on_device_of
from supremix.losses.mixtures import Chunk


@dataclass(frozen=True)
class Pass:
    """What a pass over a batch reads and fills: value, log(denominator) of the anchors, and gradient if there is one.

    ``rows_3N`` holds the ρ of `gram` and the shares and pulls of `contrast.shares`.
    """

    batch: Batch
    how: Any
    rows_3N: Tensor
    value: Tensor
    log_N: Tensor
    gradient: Gradient | None


def add_mix_pos(at: Pass, chunk: Chunk) -> None:
    """Add a chunk to the denominators, to the value's positives and to the gradient.

    All Mix-pos of an anchor must be in one chunk, and all its other pairs in ``log_N``: derivatives are taken of that.
    """
    batch, how, rate = at.batch, at.how, 1 / at.how.temperature
    n, cos, a = len(batch.cos_NN), batch.cos_NN.view(-1), chunk.widths[0]
    index_WG = on_device_of(cos, chunk.index_WG)
    has_WG, gap_WG = on_device_of(cos, np.array((chunk.has_WG, chunk.gap_WG)), cos.dtype)
    rho_WG, share_WG, pull_WG = at.rows_3N.index_select(1, index_WG.view(-1)).view(3, *index_WG.shape)
    i_AG, j_BG, k_CG = index_WG.split(chunk.widths)
    has_AG, has_BG, has_CG = has_WG.split(chunk.widths)
    _, down_BG, up_CG = gap_WG.split(chunk.widths)
    _, rho_BG, rho_CG = rho_WG.split(chunk.widths)
    share_AG, pull_AG = share_WG[:a].mul_(has_AG), pull_WG[:a].mul_(has_AG)
    i_jk_AVG = (i_AG * n)[:, None] + index_WG[a:]
    e_AVG = cos.index_select(0, i_jk_AVG.view(-1)).view(i_jk_AVG.shape).mul_(rho_WG[a:])
    e_ABG, e_ACG = e_AVG.split(chunk.widths[1:], dim=1)
    jk_BCG = (j_BG * n)[:, None] + k_CG
    down_B1G = down_BG[:, None]

    # ŝ = p e_ij + q e_ik with what all anchors of a piece share in p and q. Eq. (3): the mixture's label is the
    # anchor's, so p is to q as the gap above to the gap below.
    if how.renormalise:
        cos_BCG = cos.index_select(0, jk_BCG.view(-1)).view(jk_BCG.shape)
        r_BCG = inverse_norm(up_CG * rho_BG[:, None], down_B1G * rho_CG, cos_BCG)
    else:
        r_BCG = (up_CG + down_B1G).reciprocal_()
    p_BCG, q_BCG = up_CG * r_BCG, down_B1G * r_BCG
    has_BCG = has_BG[:, None] * has_CG
    s_ABCG = (q_BCG * e_ACG[:, None]).addcmul_(p_BCG, e_ABG[:, :, None])
    top_AG = s_ABCG.amax((1, 2))
    term_ABCG = exp_below_((s_ABCG - top_AG[:, None, None]).mul_(rate)).mul_(has_BCG)
    s_ABCG.mul_(has_BCG)
    at.value.sub_(s_ABCG.sum((1, 2)).mul_(pull_AG).sum())

    # Anchors repeated as padding write what the last one does.
    log_AG = term_ABCG.sum((1, 2)).log_().add_(top_AG.mul_(rate))
    log_AG = torch.logaddexp(log_AG, at.log_N.take(i_AG))
    at.log_N.scatter_(0, i_AG.view(-1), log_AG.view(-1))
    if at.gradient is None:
        return

    factor_AG = top_AG.sub_(log_AG).exp_().mul_(share_AG)
    by_s_ABCG = term_ABCG.mul_(factor_AG[:, None, None]).addcmul_(pull_AG[:, None, None], has_BCG, value=-1)
    by_e_AVG = torch.cat(((by_s_ABCG * p_BCG).sum(2), (by_s_ABCG * q_BCG).sum(1)), dim=1)
    at.gradient.e_NN.view(-1).scatter_add_(0, i_jk_AVG.view(-1), by_e_AVG.view(-1))
    if how.renormalise and not how.detach_mixtures:
        back_BCG = by_s_ABCG.mul_(s_ABCG).sum(0)
        with_p_BCG, with_q_BCG = back_BCG * p_BCG, back_BCG.mul_(q_BCG)
        by_own_VG = torch.cat(((with_p_BCG * p_BCG).sum(1), (with_q_BCG * q_BCG).sum(0))).mul_(rho_WG[a:])
        at.gradient.own_N.index_add_(0, index_WG[a:].reshape(-1), by_own_VG.view(-1), alpha=-1)
        at.gradient.m_NN.view(-1).scatter_add_(0, jk_BCG.view(-1), with_p_BCG.mul_(q_BCG).view(-1))
