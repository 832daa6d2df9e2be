"""SupReMix with its gradient as three Triton kernels, for GPUs: each pair is computed where it is used, none is stored.

All quantities of a mixture a u_j + b u_k of unit rows u follow from the cosines of its rows, so that the kernels fill
derivatives by cosines, K, and the rest is a product of matrices. Each kernel writes what it alone is in charge of, so
that the same input gives the same bits.

Shapes: N rows in label order, D features.
"""

import math
from typing import Any

import numpy as np
import torch
import triton
import triton.language as tl
from torch import Tensor

from supremix.losses.definition import on_device_of
from supremix.losses.windows import Windows

BLOCK = 64
"""Pairs that a kernel's program computes together."""
LOWEST = tl.constexpr(-1e300)
"""A logit that adds nothing to a denominator."""
NOISE = tl.constexpr(8 * 2.0**-52)
"""A norm² that cancellation leaves below this share of its parts is rounding noise."""
NOTHING = tl.constexpr(1e-90)
"""A row of zeros has no direction: as an anchor it gets no gradient, as a source its norm counts as one below this."""
LOW, SAME, HIGH, END, FROM, UNTIL, LABEL, SHARE, PULL, RATE, LOG, LOSS = (tl.constexpr(row) for row in range(1, 13))
"""Rows of ``of_N`` (14, N): bounds as in `Windows`; the anchors [from, until) that the row is one below of; label, the
weights of `anchor_weights`, 1/τ; the anchor's log-denominator and term of the loss, which are filled. The first is the
order and the last its inverse."""


@triton.jit
def mixture(a, b, i_j, i_k, j_k, RENORMALISE: tl.constexpr):
    """Return the similarity of an anchor and a u_j + b u_k, and 1 over the mixture's norm, from cosines."""
    similarity = a * i_j + b * i_k
    inverse = similarity * 0 + 1
    if RENORMALISE:
        straight = a * a + b * b
        square = straight + 2 * a * b * j_k
        sound = (square > straight * NOISE) & (straight > NOTHING * NOTHING)
        inverse = tl.where(sound, 1 / tl.sqrt(tl.where(sound, square, 1)), 0)
    return similarity * inverse, inverse


@triton.jit
def mix_pos(cos, rho, of_N, n, i, j, k, there, RENORMALISE: tl.constexpr):
    """Return similarity, 1 over the norm, a and b of the Mix-pos of anchor i, of a row below and one above."""
    label = tl.load(of_N + n * LABEL + i)
    down = label - tl.load(of_N + n * LABEL + j)
    up = tl.load(of_N + n * LABEL + k, mask=there, other=0) - label
    whole = tl.where(there, up + down, 1)
    a, b = up / whole * tl.load(rho + j), down / whole * tl.load(rho + k, mask=there, other=0)
    i_j, i_k = tl.load(cos + i * n + j), tl.load(cos + i * n + k, mask=there, other=0)
    j_k = tl.load(cos + j * n + k, mask=there, other=0)
    similarity, inverse = mixture(a, b, i_j, i_k, j_k, RENORMALISE)
    return similarity, inverse, a, b


@triton.jit
def pairs_of(cos, rho, lam, of_N, n, i, k, MIX_NEG: tl.constexpr, WEIGHT: tl.constexpr, RENORMALISE: tl.constexpr):
    """Return similarity and weight of real pairs, the same of Mix-neg, and their 1 over the norm, a and b."""
    there = k < n
    s = tl.load(cos + i * n + k, mask=there, other=0)
    gap = tl.abs(tl.load(of_N + n * LABEL + k, mask=there, other=0) - tl.load(of_N + n * LABEL + i))
    if not WEIGHT:
        gap = gap * 0
    same = (k >= tl.load(of_N + n * SAME + i)) & (k < tl.load(of_N + n * HIGH + i))
    weight = tl.where(there & (k != i), 1 + gap, 0)
    t, weight_t, inverse, a, b = s, weight * 0, s, s, s
    if MIX_NEG:
        share = tl.load(lam + i * n + k, mask=there, other=0).to(tl.float64)
        own = tl.where(tl.load(rho + i) > NOTHING, 1.0, 0.0)  # an anchor's cosine with itself; a row of zeros has none
        a, b = share * tl.load(rho + i), (1 - share) * tl.load(rho + k, mask=there, other=0)
        t, inverse = mixture(a, b, own, s, s, RENORMALISE)
        weight_t = tl.where(there & (same == 0), 1 + gap * (1 - share), 0)
    return s, weight, same & (k != i), t, weight_t, inverse, a, b


@triton.jit
def added(top, total, logit, weight):
    """Add terms to a sum of exponentials, kept as its largest logit and the sum over that."""
    logit = tl.where(weight > 0, logit, LOWEST)
    new = tl.maximum(top, tl.max(logit))
    return new, total * tl.exp(top - new) + tl.sum(weight * tl.exp(logit - new))


@triton.jit(do_not_specialize=["n"])
def anchors(cos, rho, lam, of_N, k_NN, other_NN, n,
            MIX_NEG: tl.constexpr, MIX_POS: tl.constexpr, WEIGHT: tl.constexpr, RENORMALISE: tl.constexpr,
            DETACHED: tl.constexpr, BLOCK: tl.constexpr):  # fmt: skip
    """Fill an anchor's term of the loss and its log-denominator, and its row of K with real pairs and Mix-neg."""
    i, lane = tl.program_id(0), tl.arange(0, BLOCK)
    low, same = tl.load(of_N + n * LOW + i).to(tl.int32), tl.load(of_N + n * SAME + i).to(tl.int32)
    high, end = tl.load(of_N + n * HIGH + i).to(tl.int32), tl.load(of_N + n * END + i).to(tl.int32)
    rate = tl.load(of_N + n * RATE + i)
    share, pull = tl.load(of_N + n * SHARE + i), tl.load(of_N + n * PULL + i) * rate
    top, total, positive = rate * 0 + LOWEST, rate * 0, rate * 0
    for first in range(0, n, BLOCK):
        k = first + lane
        s, weight, equal, t, weight_t, inverse, a, b = pairs_of(
            cos, rho, lam, of_N, n, i, k, MIX_NEG, WEIGHT, RENORMALISE
        )
        positive += tl.sum(tl.where(equal, s, 0))
        top, total = added(top, total, s * rate, weight)
        if MIX_NEG:
            top, total = added(top, total, t * rate, weight_t)
    if MIX_POS:
        for j in range(low, same):
            for first in range(high, end, BLOCK):
                k = first + lane
                s, inverse, a, b = mix_pos(cos, rho, of_N, n, i, j, k, k < end, RENORMALISE)
                positive += tl.sum(tl.where(k < end, s, 0))
                top, total = added(top, total, s * rate, tl.where(k < end, rate * 0 + 1, 0))
    log = top + tl.log(total)
    tl.store(of_N + n * LOG + i, log)
    tl.store(of_N + n * LOSS + i, share * log - pull * positive)

    for first in range(0, n, BLOCK):
        k = first + lane
        s, weight, equal, t, weight_t, inverse, a, b = pairs_of(
            cos, rho, lam, of_N, n, i, k, MIX_NEG, WEIGHT, RENORMALISE
        )
        by_real = share * rate * weight * tl.exp(tl.where(weight > 0, s * rate, LOWEST) - log)
        own = tl.where(tl.load(rho + i) > NOTHING, 1.0, 0.0)
        other = tl.where(tl.load(rho + k, mask=k < n, other=0) > NOTHING, 1.0, 0.0)
        by_real = (by_real - tl.where(equal, pull, 0)) * own * other
        row, turned = by_real, by_real * 0
        if MIX_NEG:
            e = share * rate * weight_t * tl.exp(tl.where(weight_t > 0, t * rate, LOWEST) - log)
            row += e * inverse * b * own
            if RENORMALISE and not DETACHED:
                back = e * t * inverse * inverse * a
                row -= back * b
                turned = e * inverse * a * own - back * (a + b * s)
        tl.store(k_NN + i * n + k, row, mask=k < n)
        tl.store(other_NN + i * n + k, by_real if DETACHED else turned, mask=k < n)


@triton.jit(do_not_specialize=["n"])
def anchors_of_mix_pos(cos, rho, of_N, k_NN, n, RENORMALISE: tl.constexpr, BLOCK: tl.constexpr):
    """Add to an anchor's row of K its derivatives by Mix-pos."""
    i, lane = tl.program_id(0), tl.arange(0, BLOCK)
    low, same = tl.load(of_N + n * LOW + i).to(tl.int32), tl.load(of_N + n * SAME + i).to(tl.int32)
    high, end = tl.load(of_N + n * HIGH + i).to(tl.int32), tl.load(of_N + n * END + i).to(tl.int32)
    rate, log = tl.load(of_N + n * RATE + i), tl.load(of_N + n * LOG + i)
    share, pull = tl.load(of_N + n * SHARE + i) * rate, tl.load(of_N + n * PULL + i) * rate
    own = tl.where(tl.load(rho + i) > NOTHING, 1.0, 0.0)
    for j in range(low, same):
        below = rate * 0
        for first in range(high, end, BLOCK):
            k = first + lane
            s, inverse, a, b = mix_pos(cos, rho, of_N, n, i, j, k, k < end, RENORMALISE)
            below += tl.sum(tl.where(k < end, (share * tl.exp(s * rate - log) - pull) * inverse * a, 0))
        tl.store(k_NN + i * n + j, tl.load(k_NN + i * n + j) + below * own)
    for first in range(high, end, BLOCK):
        k = first + lane
        above = tl.zeros([BLOCK], tl.float64)
        for j in range(low, same):
            s, inverse, a, b = mix_pos(cos, rho, of_N, n, i, j, k, k < end, RENORMALISE)
            above += (share * tl.exp(s * rate - log) - pull) * inverse * b
        at = k_NN + i * n + k
        tl.store(at, tl.load(at, mask=k < end, other=0) + above * own, mask=k < end)


@triton.jit(do_not_specialize=["n"])
def sources_of_mix_pos(cos, rho, of_N, k_NN, t_NN, n, BLOCK: tl.constexpr):
    """Add to K and T what the norms of the Mix-pos of a row below and rows above take back, for all their anchors."""
    j = tl.program_id(0)
    start, until = tl.load(of_N + n * FROM + j).to(tl.int32), tl.load(of_N + n * UNTIL + j).to(tl.int32)
    if start < until:
        k = tl.load(of_N + n * HIGH + start).to(tl.int32) + tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
        by_cosine, turned = tl.zeros([BLOCK], tl.float64), tl.zeros([BLOCK], tl.float64)
        there = k < tl.load(of_N + n * END + until - 1)
        for i in range(start, until):
            rate, log = tl.load(of_N + n * RATE + i), tl.load(of_N + n * LOG + i)
            share, pull = tl.load(of_N + n * SHARE + i) * rate, tl.load(of_N + n * PULL + i) * rate
            inside = (k >= tl.load(of_N + n * HIGH + i)) & (k < tl.load(of_N + n * END + i))
            s, inverse, a, b = mix_pos(cos, rho, of_N, n, i, j, k, inside, True)
            e = tl.where(inside, share * tl.exp(tl.where(inside, s * rate, LOWEST) - log) - pull, 0)
            back = e * s * inverse * inverse * a
            by_cosine -= back * b
            j_k = tl.load(cos + j * n + k, mask=inside, other=0)
            turned += e * inverse * a * tl.load(cos + i * n + j) - back * (a + b * j_k)
        k_at, t_at = k_NN + j * n + k, t_NN + j * n + k
        tl.store(k_at, tl.load(k_at, mask=there, other=0) + by_cosine, mask=there)
        tl.store(t_at, tl.load(t_at, mask=there, other=0) + turned, mask=there)


def value_and_gradient(
    z_ND: Tensor, lam_NN: Tensor | None, windows: Windows, weights_2N: np.ndarray, loss: Any
) -> tuple[Tensor, Tensor]:
    """Compute the loss and its gradient; arguments as of `definition.supremix`."""
    host_N, span = numbers(windows, weights_2N, loss)
    of_N = on_device_of(z_ND, host_N)
    order_N, place_N = of_N[:: len(of_N) - 1].long()
    row_ND = z_ND.index_select(0, order_N).double()
    norm_N1 = torch.linalg.vector_norm(row_ND, dim=1, keepdim=True)
    nothing_N1 = norm_N1 < torch.finfo(z_ND.dtype).tiny  # NaN is not below, and shows
    unit_ND = row_ND / norm_N1.masked_fill(nothing_N1, torch.inf)
    if loss.mix_space == "sphere":
        rho_N1, norm_N1 = (~nothing_N1).double(), norm_N1.masked_fill(nothing_N1, torch.inf)
    else:
        largest = norm_N1.amax().clamp(min=1e-150)
        norm_N1 = torch.where(nothing_N1, 1e-100 * largest, norm_N1)
        rho_N1 = norm_N1 / largest
    cos_NN = unit_ND @ unit_ND.T
    k_NN, other_NN = derivatives(cos_NN, rho_N1, lam_NN, of_N, loss, span)
    value_N = of_N[LOSS.value]

    by_unit_ND = (k_NN + (other_NN if loss.detach_mixtures else k_NN).T) @ unit_ND
    along_N1 = (by_unit_ND * unit_ND).sum(1, keepdim=True)
    if loss.mix_space == "embedding" and not loss.detach_mixtures:
        along_N1 = along_N1 - (other_NN.sum(1) - other_NN.sum(0))[:, None]
    gradient_ND = torch.addcmul(by_unit_ND, along_N1, unit_ND, value=-1) / norm_N1
    value = value_N.sum()
    if loss.weight:  # R of eq. (5) divides every weight
        value = value - float(weights_2N[0].sum()) * math.log(loss.label_range or windows.span)
    return value.to(z_ND.dtype), gradient_ND.to(z_ND.dtype).index_select(0, place_N)


def derivatives(
    cos_NN: Tensor, rho_N1: Tensor, lam_NN: Tensor | None, of_N: Tensor, loss: Any, span: int
) -> tuple[Tensor, Tensor]:
    """Run the kernels; they fill the row of losses of ``of_N`` too.

    Args:
        cos_NN: cosines of rows.
        rho_N1: norms of what mixtures are made of.
        lam_NN: λ of each anchor and negative; None without Mix-neg.
        of_N, span: as `numbers` gives them.
        loss: the `SupReMixLoss` whose settings apply.

    Returns:
        K: derivatives by the cosines of anchors (rows) and others, and what belongs to it: where mixtures are detached
        K for real pairs alone, which is that of the columns' side; else T, by which Σ of a row less Σ of a column is
        the derivative by log ρ.
    """
    n, detached, renormalise = len(cos_NN), loss.detach_mixtures, loss.renormalise
    k_NN, other_NN = torch.empty_like(cos_NN), torch.empty_like(cos_NN)
    given_NN = cos_NN if lam_NN is None else lam_NN.contiguous()
    with torch.cuda.device_of(cos_NN):
        flags = (lam_NN is not None, span > 0, loss.weight, renormalise, detached)
        anchors[(n,)](cos_NN, rho_N1, given_NN, of_N, k_NN, other_NN, n, *flags, BLOCK, num_warps=2)
        if span > 0:
            anchors_of_mix_pos[(n,)](cos_NN, rho_N1, of_N, k_NN, n, renormalise, BLOCK, num_warps=2)
        if span > 0 and renormalise and not detached:
            grid = (n, triton.cdiv(span, BLOCK))
            sources_of_mix_pos[grid](cos_NN, rho_N1, of_N, k_NN, other_NN, n, BLOCK, num_warps=2)
    return k_NN, other_NN


def numbers(windows: Windows, weights_2N: np.ndarray, loss: Any) -> tuple[np.ndarray, int]:
    """Return ``of_N``, and the most rows above that are mixed with one row below; 0 where nothing is."""
    order_N, label_N, _, low_N, same_N, high_N, end_N = windows
    # Row j is one below the anchors i for which low_i ≤ j < same_i.
    at_N = np.arange(len(label_N))
    from_N, until_N = np.searchsorted(same_N, at_N, side="right"), np.searchsorted(low_N, at_N, side="right")
    mixed_N, span = from_N < until_N, 0
    if windows.count_mix_pos(loss.mix_pos).any():
        span = int((end_N[until_N[mixed_N] - 1] - high_N[from_N[mixed_N]]).max())
    place_N = windows.in_batch_order(at_N)
    rows = [order_N, low_N, same_N, high_N, end_N, from_N, until_N, label_N - label_N[0], *weights_2N]
    others = [np.full(len(label_N), 1 / loss.temperature), 0 * label_N, 0 * label_N, place_N]
    return np.array(rows + others, dtype=np.float64), span
