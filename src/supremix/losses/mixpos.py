"""Add Mix-pos to the denominators of a block of anchors, to its positives and to the gradient (eq. (3)).

Shapes: A anchors × B rows below × C rows above × G pieces, as in `mixtures.Chunk`; V = B + C, rows below, then rows
above. Pieces are the last dimension, which keeps memory contiguous: small pieces lie side by side, and a single piece
leaves the rows above last. Padding repeats rows, so it changes no maximum; sums mask it.
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
    """What a pass over a batch reads and fills.

    Attributes:
        batch: the batch in label order; read.
        loss: the `SupReMixLoss` whose parameters apply; read.
        rows_3N: ρ of `gram`, then shares and pulls of `contrast.shares`; read.
        value: the loss so far, a scalar.
        log_N: log(denominator) of each anchor so far.
        gradient: sums of derivatives; None where no gradient is needed.
    """

    batch: Batch
    loss: Any
    rows_3N: Tensor
    value: Tensor
    log_N: Tensor
    gradient: Gradient | None


def add_mix_pos(state: Pass, chunk: Chunk) -> None:
    """Add a chunk of Mix-pos to the denominators, the value and the gradient.

    The chunk must hold all Mix-pos of its anchors, and ``log_N`` all their other pairs: the derivatives need the
    complete denominators.
    """
    batch, loss, rate = state.batch, state.loss, 1 / state.loss.temperature
    n, cos, a = len(batch.cos_NN), batch.cos_NN.view(-1), chunk.widths[0]
    index_WG = on_device_of(cos, chunk.index_WG)
    has_WG, gap_WG = on_device_of(cos, np.array((chunk.has_WG, chunk.gap_WG)), cos.dtype)
    rho_WG, share_WG, pull_WG = state.rows_3N.index_select(1, index_WG.view(-1)).view(3, *index_WG.shape)
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

    # ŝ = p e_ij + q e_ik, with p and q the same for all anchors of a piece. Eq. (3): the mixture has the label of
    # the anchor, so p : q is the gap above to the gap below.
    if loss.renormalise:
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
    state.value.sub_(s_ABCG.sum((1, 2)).mul_(pull_AG).sum())

    # Anchors repeated as padding write the same value as the last anchor.
    log_AG = term_ABCG.sum((1, 2)).log_().add_(top_AG.mul_(rate))
    log_AG = torch.logaddexp(log_AG, state.log_N.take(i_AG))
    state.log_N.scatter_(0, i_AG.view(-1), log_AG.view(-1))
    if state.gradient is None:
        return

    factor_AG = top_AG.sub_(log_AG).exp_().mul_(share_AG)
    by_s_ABCG = term_ABCG.mul_(factor_AG[:, None, None]).addcmul_(pull_AG[:, None, None], has_BCG, value=-1)
    by_e_AVG = torch.cat(((by_s_ABCG * p_BCG).sum(2), (by_s_ABCG * q_BCG).sum(1)), dim=1)
    state.gradient.e_NN.view(-1).scatter_add_(0, i_jk_AVG.view(-1), by_e_AVG.view(-1))
    if loss.renormalise and not loss.detach_mixtures:
        back_BCG = by_s_ABCG.mul_(s_ABCG).sum(0)
        with_p_BCG, with_q_BCG = back_BCG * p_BCG, back_BCG.mul_(q_BCG)
        by_own_VG = torch.cat(((with_p_BCG * p_BCG).sum(1), (with_q_BCG * q_BCG).sum(0))).mul_(rho_WG[a:])
        state.gradient.own_N.index_add_(0, index_WG[a:].reshape(-1), by_own_VG.view(-1), alpha=-1)
        state.gradient.m_NN.view(-1).scatter_add_(0, jk_BCG.view(-1), with_p_BCG.mul_(q_BCG).view(-1))
