"""SupReMix with its gradient as plain loops over anchors, compiled by numba for processors.

The derivative by the embeddings is K @ rows. An anchor fills its row of X and of Y, K = X + Yᵀ: X_ik is the part of row
k in the gradient of anchor i, Y_ik that of the anchor in the gradient of row k. Anchors of one label mix the same rows,
so that the shares p and q of a Mix-pos, over its norm, are computed once for them. The inner loops are short, over
arrays that are cut out first: that is what becomes vector instructions.

All stands in one file, since numba's cache on disk knows the age of a function's own file alone: of a changed function
in another file, one that calls it would keep the old form.

Shapes: N rows in label order, D features; B rows below and C rows above an anchor, P and Q those of several anchors.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit, types
from numba.extending import overload

LOOPS: dict[str, Any] = {"fastmath": True, "nogil": True, "error_model": "numpy", "cache": True}
WITH_NAN: dict[str, Any] = {**LOOPS, "fastmath": {"reassoc", "contract"}}
"""Of sums in which NaN and infinity must show."""
INNER: dict[str, Any] = {**LOOPS, "forceinline": True}
"""Of functions that loops call. Not inlined, one is compiled on its own too, in an order of sums of its own, and which
of the two runs depends on whether this process compiled it or found it in the cache."""
EXACT: dict[str, Any] = {**LOOPS, "fastmath": False}
"""Of functions that give the same numbers compiled or not."""
NOWHERE = -1e25
"""A similarity that adds nothing to a denominator."""


class Rows(NamedTuple):
    """What the loops read, in label order.

    Attributes:
        between_NN: cosines of embeddings, or their squared distances.
        rho_N: norms of what mixtures are made of; 1 for distances.
        inverse_N: the factor from a derivative by a unit row to one by its embedding; 1 for distances.
        sigma_N: the same for what mixtures are made of; 0 where they are detached.
        label_N: labels, float64: in float32 two that differ could be one.
        bounds_4N: windows as in `Windows`; empty ones without Mix-pos.
        lam_NN: λ of anchor and negative; without rows where there are no Mix-neg.
        weights_2N: `anchor_weights`, float64.
    """

    between_NN: np.ndarray
    rho_N: np.ndarray
    inverse_N: np.ndarray
    sigma_N: np.ndarray
    label_N: np.ndarray
    bounds_4N: np.ndarray
    lam_NN: np.ndarray
    weights_2N: np.ndarray


class How(NamedTuple):
    """Settings of the loss, 1/τ, and a number that no similarity exceeds."""

    l2: bool
    renormalise: bool
    weight: bool
    rate: float
    bound: float


def exp(x):
    """Return e^x for x ≤ 0, cut off where it is nothing beside 1; for padding, where x may be anything, some number."""


def exp32(x):
    x = min(max(x, np.float32(-87)), np.float32(0))
    n = np.floor(x * np.float32(1.44269504) + np.float32(0.5))
    r = x - n * np.float32(0.693359375) + n * np.float32(2.12194440e-4)
    y = r * np.float32(1.9875691500e-4) + np.float32(1.3981999507e-3)
    y = y * r + np.float32(8.3334519073e-3)
    y = y * r + np.float32(4.1665795894e-2)
    y = y * r + np.float32(1.6666665459e-1)
    y = y * r + np.float32(5.0000001201e-1)
    y = y * r * r + r + np.float32(1)
    return y * np.int32((np.int32(n) + np.int32(127)) << np.int32(23)).view(np.float32)


def exp64(x):
    x = min(max(x, -700.0), 0.0)
    n = np.floor(x * 1.4426950408889634 + 0.5)
    r = x - n * 0.693145751953125 - n * 1.42860682030941723212e-6
    z = r * r
    p = r * ((1.26177193074810590878e-4 * z + 3.02994407707441961300e-2) * z + 1.0)
    q = ((3.00198505138664455042e-6 * z + 2.52448340349684104192e-3) * z + 2.27265548208155028766e-1) * z + 2.0
    y = 1.0 + 2.0 * p / (q - p)
    return y * np.int64((np.int64(n) + 1023) << 52).view(np.float64)


@overload(exp, inline="always")
def _exp(x):
    return exp32 if x == types.float32 else exp64


@njit(**INNER)
def padded(size):
    """Round up to what becomes whole vector instructions: of few mixtures, the rest would take most of the time."""
    return (size + 31) // 32 * 32


@njit(**INNER)
def terms(s_N, weight_N, top, rate, e_N):
    """Fill w exp((s − top)/τ) and return their sum."""
    total = s_N.dtype.type(0)
    for k in range(len(s_N)):
        e = exp((s_N[k] - top) * rate) * weight_N[k]
        e_N[k] = e
        total += e
    return total


@njit(**INNER)
def by_distance(w_N, s_N):
    """Turn derivatives by negative distances s into what a difference of embeddings is multiplied by; s becomes 1."""
    one, zero = s_N.dtype.type(1), s_N.dtype.type(0)
    for k in range(len(s_N)):
        w_N[k] = -w_N[k] / s_N[k] if s_N[k] < zero else zero
        s_N[k] = one


@njit(**INNER)
def mix_neg(rows, how, i, gap_N, s_N, t_N, p_N, q_N, weight_N):
    """Fill similarities t of an anchor's Mix-neg, their shares p and q over the norm, and weights.

    Returns how many mixtures' norms cancel so far that a float32 loses digits.
    """
    T = t_N.dtype.type
    zero, one, noise, few = T(0), T(1), T(8 * np.finfo(t_N.dtype).eps), T(1 / 64)
    lam_N, cos_N, rho_N, rho_i = rows.lam_NN[i], rows.between_NN[i], rows.rho_N, rows.rho_N[i]
    for k in range(len(t_N)):
        p_N[k] = lam_N[k]
        q_N[k] = one - lam_N[k]
        weight_N[k] = one + gap_N[k] * q_N[k]
    lost = zero
    if how.l2:
        for k in range(len(t_N)):
            t_N[k] = q_N[k] * s_N[k]
    else:
        for k in range(len(t_N)):
            own, other, r = p_N[k] * rho_i, q_N[k] * rho_N[k], one
            if how.renormalise:
                straight, product = own * own + other * other, own * other
                norm2 = straight + (product + product) * cos_N[k]
                lost += one if norm2 < few * straight else zero
                r = one / np.sqrt(norm2) if norm2 > noise * straight else zero
            t_N[k] = (own + other * cos_N[k]) * r
            p_N[k] *= r
            q_N[k] *= r
    return lost


@njit(**INNER)
def mix_pos_shares(rows, how, i, p_BC, q_BC, h_BC):
    """Fill shares p and q of the Mix-pos of an anchor's label, over their norms; h: p q times squared distances.

    Returns how many norms cancel so far that a float32 loses digits.
    """
    T = p_BC.dtype.type
    zero, one, noise, few, lost = T(0), T(1), T(8 * np.finfo(p_BC.dtype).eps), T(1 / 64), T(0)
    low, high, end, label_i = rows.bounds_4N[0, i], rows.bounds_4N[2, i], rows.bounds_4N[3, i], rows.label_N[i]
    rho_C, up_C = rows.rho_N[high:end], np.empty(end - high, p_BC.dtype)
    for k in range(len(up_C)):
        up_C[k] = rows.label_N[high + k] - label_i
    p_BC[:], q_BC[:] = zero, zero
    for j in range(len(p_BC)):
        down, rho_j, between_C = (
            T(label_i - rows.label_N[low + j]),
            rows.rho_N[low + j],
            rows.between_NN[low + j, high:end],
        )
        p_C, q_C, h_C = p_BC[j], q_BC[j], h_BC[j]
        for k in range(len(rho_C)):
            up = up_C[k]
            r = one / (up + down)
            if how.renormalise:
                own, other = up * rho_j, down * rho_C[k]
                straight, product = own * own + other * other, own * other
                norm2 = straight + (product + product) * between_C[k]
                lost += one if norm2 < few * straight else zero
                r = one / np.sqrt(norm2) if norm2 > noise * straight else zero
            p_C[k] = up * r
            q_C[k] = down * r
        if how.l2:
            h_C[:] = zero
            for k in range(len(rho_C)):
                h_C[k] = p_C[k] * q_C[k] * between_C[k]
    return lost


@njit(**INNER)
def mix_pos(how, p_BC, q_BC, h_BC, i_B, i_C, s_BC):
    """Fill the similarities of an anchor's Mix-pos, and return their sum."""
    T = s_BC.dtype.type
    total, zero, noise = T(0), T(0), T(8 * np.finfo(s_BC.dtype).eps)
    for j in range(len(s_BC)):
        p_C, q_C, h_C, s_C, i_j = p_BC[j], q_BC[j], h_BC[j], s_BC[j], i_B[j]
        if how.l2:
            for k in range(len(s_C)):
                straight = p_C[k] * i_j + q_C[k] * i_C[k]
                square = straight - h_C[k]
                s = -np.sqrt(square) if square > noise * straight else zero
                s_C[k] = s
                total += s
        else:
            for k in range(len(s_C)):
                s = p_C[k] * i_j + q_C[k] * i_C[k]
                s_C[k] = s
                total += s
    return total


@njit(**INNER)
def by_mix_pos(factor, pull, e_BC, s_BC, p_BC, q_BC, f_BC, g_B, g_C):
    """Fill the derivatives by rows below and above; add to f what norms take back."""
    g_C[:] = g_C.dtype.type(0)
    for j in range(len(s_BC)):
        e_C, s_C, p_C, q_C, f_C, g_j = e_BC[j], s_BC[j], p_BC[j], q_BC[j], f_BC[j], g_C.dtype.type(0)
        for k in range(len(s_C)):
            w = factor * e_C[k] - pull
            f_C[k] += w * s_C[k]
            g_j += w * p_C[k]
            g_C[k] += w * q_C[k]
        g_B[j] = g_j


@njit(**INNER)
def by_pairs(rows, i, e_N, u_N, t_N, p_N, q_N, x_N, y_N, diagonal_N):
    """Fill X and Y of an anchor with the derivatives e by real pairs and u by Mix-neg; return its own."""
    T = e_N.dtype.type
    one, along, own = T(1), T(0), T(0)
    cos_N, rho_N, inverse_N, sigma_N = rows.between_NN[i], rows.rho_N, rows.inverse_N, rows.sigma_N
    rho_i, inverse_i, sigma_i = rho_N[i], inverse_N[i], sigma_N[i]
    if len(rows.lam_NN) == 0:
        for k in range(len(e_N)):
            x_N[k] = inverse_i * e_N[k]
            y = inverse_N[k] * e_N[k]
            y_N[k] = y
            along += e_N[k] * cos_N[k]
            diagonal_N[k] -= y * cos_N[k]
    else:
        for k in range(len(e_N)):
            w, back = u_N[k] * q_N[k], t_N[k] * p_N[k]
            by_unit, y = e_N[k] + w * rho_N[k], inverse_N[k] * e_N[k]
            x_N[k] = inverse_i * by_unit - sigma_i * (w * back * rho_N[k])
            y_N[k] = y + sigma_N[k] * w * (one - back * rho_i)
            along += by_unit * cos_N[k]
            own += u_N[k] * p_N[k] * (one - back * rho_i)
            diagonal_N[k] -= y * cos_N[k] + sigma_N[k] * w * rho_N[k] * (t_N[k] * q_N[k])
    return sigma_i * own - inverse_i * along


@njit(**INNER)
def largest(s_N, top):
    """Return the largest of numbers."""
    for k in range(len(s_N)):
        top = max(top, s_N[k])
    return top


@njit(**LOOPS)
def supremix(first, last, rows, how, value_N, x_NN, y_NN):
    """Fill values, X and Y of anchors.

    Args:
        first, last: the anchors, all of each label.
        rows, how: what is read.
        value_N: the anchors' terms of the loss, but for R.
        x_NN, y_NN: see above.

    Returns:
        How many norms of mixtures cancel so far that float32 loses digits; what is to be added to the diagonal of K,
        (N,); what norms, or distances of sources, take back, (P, Q), of the rows in the anchors' windows.
    """
    n, dtype, T, bounds = len(rows.label_N), rows.between_NN.dtype, rows.between_NN.dtype.type, rows.bounds_4N
    diagonal_N = np.zeros(n, dtype)
    back_PQ = np.zeros((bounds[1, last - 1] - bounds[0, first], bounds[3, last - 1] - bounds[2, first]), dtype)
    zero, one, rate, lost = T(0), T(1), T(how.rate), T(0)
    floor = T(1e-25 if np.finfo(dtype).eps > 1e-10 else 1e-250)
    b, c = 1, 1
    for i in range(first, last):
        b, c = max(b, bounds[1, i] - bounds[0, i]), max(c, bounds[3, i] - bounds[2, i])
    shares, pairs_N, rows_M = (
        np.empty((7, padded(b * c)), dtype),
        np.zeros((9, n), dtype),
        np.empty((4, max(b, c)), dtype),
    )
    s_N, e_N, t_N, u_N, p_N, q_N = pairs_N[0], pairs_N[1], pairs_N[2], pairs_N[3], pairs_N[4], pairs_N[5]
    gap_N, weight_s_N, weight_t_N, ones_M = pairs_N[6], pairs_N[7], pairs_N[8], shares[6]
    ones_M[:] = one
    i = first
    while i < last:
        low, same, high, end = bounds[0, i], bounds[1, i], bounds[2, i], bounds[3, i]
        b, c, label = same - low, end - high, rows.label_N[i]
        if b == 0 or c == 0:
            b, c = 0, 0
        size, shape = b * c, (b, c)
        p_BC, q_BC, h_BC = (
            shares[0, :size].reshape(shape),
            shares[1, :size].reshape(shape),
            shares[2, :size].reshape(shape),
        )
        s_M, e_M = shares[3, : padded(size)], shares[4, : padded(size)]
        s_BC, e_BC, f_BC = s_M[:size].reshape(shape), e_M[:size].reshape(shape), shares[5, :size].reshape(shape)
        i_B, i_C, g_B, g_C = rows_M[0, :b], rows_M[1, :c], rows_M[2, :b], rows_M[3, :c]
        f_BC[:], s_M[size:] = zero, T(NOWHERE)
        lost += mix_pos_shares(rows, how, i, p_BC, q_BC, h_BC)
        for k in range(n):
            gap_N[k] = T(abs(rows.label_N[k] - label)) if how.weight else zero
            weight_s_N[k] = one + gap_N[k]
        while i < last and rows.label_N[i] == label:
            share, pull = rows.weights_2N[0, i], rows.weights_2N[1, i]
            x_N, y_N, cos_N = x_NN[i], y_NN[i], rows.between_NN[i]
            if share == 0:
                value_N[i], x_N[:], y_N[:] = 0.0, zero, zero
                i += 1
                continue

            # Similarities: s of real pairs, t of Mix-neg, s_BC of Mix-pos.
            for k in range(n):
                s_N[k] = -np.sqrt(cos_N[k]) if how.l2 else cos_N[k]
            if len(rows.lam_NN) > 0:
                lost += mix_neg(rows, how, i, gap_N, s_N, t_N, p_N, q_N, weight_t_N)
                t_N[same:high] = T(NOWHERE)
            positive, s_N[i] = -s_N[i], s_N[i]
            for k in range(same, high):
                positive += s_N[k]
            for k in range(c):
                i_C[k] = cos_N[high + k] * rows.rho_N[high + k]
            for j in range(b):
                i_B[j] = cos_N[low + j] * rows.rho_N[low + j]
            positive += mix_pos(how, p_BC, q_BC, h_BC, i_B, i_C, s_BC)
            s_N[i] = T(NOWHERE)

            # Terms of the denominator, of which the largest must not underflow.
            top = T(how.bound)
            for retry in range(2):
                total = np.float64(terms(s_N, weight_s_N, top, rate, e_N))
                if len(rows.lam_NN) > 0:
                    total += terms(t_N, weight_t_N, top, rate, u_N)
                total += terms(s_M, ones_M, top, rate, e_M)
                if total > floor or retry:
                    break
                top = largest(s_N, T(NOWHERE))
                if len(rows.lam_NN) > 0:
                    top = largest(t_N, top)
                for j in range(b):
                    top = largest(s_BC[j], top)
            value_N[i] = share * (np.log(total) + top * how.rate) - pull * how.rate * positive

            # Derivatives by similarities, then their places in X and Y.
            factor, pull = T(share * how.rate / total), T(pull * how.rate)
            for k in range(n):
                e_N[k] *= factor
                u_N[k] *= factor
            for k in range(same, high):
                e_N[k] -= pull
                u_N[k], t_N[k] = zero, zero
            e_N[i] = zero
            if how.l2:
                by_distance(e_N, s_N)
                by_distance(u_N, t_N)
            elif not how.renormalise:
                t_N[:] = zero  # no norm takes anything back
            own = by_pairs(rows, i, e_N, u_N, t_N, p_N, q_N, x_N, y_N, diagonal_N)
            if how.l2:
                for m in range(size):
                    e_M[m] = e_M[m] * factor - pull
                by_distance(e_M[:size], s_M[:size])
                factor, pull = one, zero
            by_mix_pos(factor, pull, e_BC, s_BC, p_BC, q_BC, f_BC, g_B, g_C)
            for j in range(b):
                own -= rows.inverse_N[i] * g_B[j] * i_B[j]
                x_N[low + j] += rows.inverse_N[i] * g_B[j] * rows.rho_N[low + j]
                y_N[low + j] += rows.sigma_N[low + j] * g_B[j]
            for k in range(c):
                own -= rows.inverse_N[i] * g_C[k] * i_C[k]
                x_N[high + k] += rows.inverse_N[i] * g_C[k] * rows.rho_N[high + k]
                y_N[high + k] += rows.sigma_N[high + k] * g_C[k]
            diagonal_N[i] += own
            i += 1

        # What norms of this label's Mix-pos take back, or distances between their sources.
        if how.renormalise or how.l2:
            take_back(
                rows, i - 1, p_BC, q_BC, f_BC, back_PQ[low - bounds[0, first] :, high - bounds[2, first] :], diagonal_N
            )
    return lost, diagonal_N, back_PQ


@njit(**INNER)
def take_back(rows, i, p_BC, q_BC, f_BC, back_PQ, diagonal_N):
    """Add what the Mix-pos of an anchor's label take back from their sources."""
    T = p_BC.dtype.type
    low, high = rows.bounds_4N[0, i], rows.bounds_4N[2, i]
    g_C = np.zeros(p_BC.shape[1], p_BC.dtype)
    for j in range(len(p_BC)):
        p_C, q_C, f_C, back_C, g_j = p_BC[j], q_BC[j], f_BC[j], back_PQ[j], T(0)
        for k in range(len(p_C)):
            p, q, f = p_C[k], q_C[k], f_C[k]
            p_C[k] = f * p * q
            g_j += f * p * p
            g_C[k] += f * q * q
        for k in range(len(p_C)):
            back_C[k] += p_C[k]
        diagonal_N[low + j] -= rows.sigma_N[low + j] * g_j * rows.rho_N[low + j]
    for k in range(len(g_C)):
        diagonal_N[high + k] -= rows.sigma_N[high + k] * g_C[k] * rows.rho_N[high + k]


@njit(**LOOPS)
def add_transposed(x_NN, y_NN, diagonal_N):
    """Add Yᵀ and a diagonal to X, in tiles that fit the processor's cache."""
    n, side = len(x_NN), 32
    turned_SS = np.empty((side, side), x_NN.dtype)
    for i0 in range(0, n, side):
        for k0 in range(0, n, side):
            for k in range(k0, min(k0 + side, n)):
                y_S = y_NN[k, i0 : i0 + side]
                for i in range(len(y_S)):
                    turned_SS[i, k - k0] = y_S[i]
            for i in range(i0, min(i0 + side, n)):
                x_S, turned_S = x_NN[i, k0 : k0 + side], turned_SS[i - i0]
                for k in range(len(x_S)):
                    x_S[k] += turned_S[k]
    for i in range(n):
        x_NN[i, i] += diagonal_N[i]


@njit(**LOOPS)
def of_differences(k_NN):
    """Set the diagonal so that each row sums to 0, as where K @ rows is of differences of rows."""
    for i in range(len(k_NN)):
        k_N, total = k_NN[i], k_NN.dtype.type(0)
        k_N[i] = total
        for k in range(len(k_N)):
            total += k_N[k]
        k_N[i] = -total


@njit(**LOOPS)
def add_back(rows, x_NN, first, last, back_PQ):
    """Add to K what the mixtures of anchors take back, of pairs that one of them mixes."""
    bounds = rows.bounds_4N
    start, until_P = bounds[0, first], np.zeros(len(back_PQ), np.int64)
    for i in range(first, last):
        high, end = bounds[2, i], bounds[3, i]
        for j in range(bounds[0, i], bounds[1, i]):
            for k in range(max(high, until_P[j - start]), end):
                back = back_PQ[j - start, k - bounds[2, first]]
                x_NN[j, k] -= rows.sigma_N[j] * back * rows.rho_N[k]
                x_NN[k, j] -= rows.sigma_N[k] * back * rows.rho_N[j]
            until_P[j - start] = max(end, until_P[j - start])


@njit(**WITH_NAN)
def unit_rows(z_ND, order_N, tiny, on_sphere, scaled, row_ND):
    """Fill unit rows in label order.

    Returns:
        ρ, 1/norm and σ of `Rows`, (3, N), the smallest ρ, and a number that no ρ exceeds: no finite one where squares
        overflow.
    """
    n, d, largest, numbers_3N = len(order_N), z_ND.shape[1], 0.0, np.empty((3, len(order_N)), row_ND.dtype)
    for i in range(n):
        z_D, square = z_ND[order_N[i]], 0.0
        for k in range(d):
            square += np.float64(z_D[k]) * np.float64(z_D[k])
        if not square < np.inf:
            return numbers_3N, 0.0, np.inf
        norm = np.sqrt(square)
        largest = max(largest, norm)
        inverse = 1 / norm if norm >= tiny else 0.0
        numbers_3N[0, i], numbers_3N[1, i] = norm, inverse
        row_D = row_ND[i]
        for k in range(d):
            row_D[k] = z_D[k] * inverse
    scale, smallest = 1 / max(largest, tiny) if scaled else 1.0, 1.0
    for i in range(n):
        if on_sphere:
            numbers_3N[0, i] = 1.0 if numbers_3N[1, i] > 0 else 0.0
            numbers_3N[2, i] = numbers_3N[1, i]
        else:
            numbers_3N[0, i] *= scale
            numbers_3N[2, i] = scale
            smallest = min(smallest, numbers_3N[0, i])
    return numbers_3N, smallest, 1.0 if on_sphere or scaled else max(1.0, largest)


@njit(**LOOPS)
def in_batch_order(sum_ND, row_ND, order_N, across, given_ND):
    """Fill rows of the batch with sums that are in label order, or what of each is at right angles to its row."""
    for i in range(len(order_N)):
        sum_D, row_D, given_D, along = sum_ND[i], row_ND[i], given_ND[order_N[i]], sum_ND.dtype.type(0)
        if across:
            for d in range(len(row_D)):
                along += sum_D[d] * row_D[d]
        for d in range(len(row_D)):
            given_D[d] = sum_D[d] - along * row_D[d]


@njit(**LOOPS)
def squared_distances(between_NN):
    """Turn inner products of rows into squared distances, 0 where they are rounding noise; return the largest."""
    n, largest = len(between_NN), 0.0
    own_N = np.empty(n)
    for i in range(n):
        own_N[i] = between_NN[i, i]
    for i in range(n):
        between_N, own = between_NN[i], own_N[i]
        for k in range(n):
            straight = own + own_N[k]
            square = straight - 2 * between_N[k]
            between_N[k] = square if square > 8 * np.finfo(np.float64).eps * straight else 0.0
            largest = max(largest, between_N[k])
    return largest


@njit(**INNER)
def runs_by_distance(label_N, label, tolerance, order_N, end_R):
    """Order rows by the distance of their labels from one label, the farthest first.

    Fills where each run of tied distances ends, and returns the number of runs.
    """
    low, high, runs, before = 0, len(label_N) - 1, 0, np.inf
    for m in range(len(label_N)):
        below, above = label - label_N[low], label_N[high] - label
        if below >= above:
            order_N[m] = low
            low += 1
        else:
            order_N[m] = high
            high -= 1
        far = max(below, above)
        if m > 0 and before - far > tolerance:
            end_R[runs] = m
            runs += 1
        before = far
    end_R[runs] = len(label_N)
    return runs + 1


@njit(**LOOPS)
def supcr(square_NN, label_N, tolerance, rate, value_N, x_NN):
    """Fill SupCR's terms, and X: of the gradient by an anchor, the part of each row. Nothing is above a logit of 0.

    Args:
        square_NN: squared distances, rows in label order, float64; logits are above −600. X takes their place too.
        label_N: labels, ascending.
        tolerance: distance up to which label distances are tied.
        rate: 1/τ.
        value_N, x_NN: are filled.
    """
    n, runs = len(label_N), 0
    order_N, end_R, share_R = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n)
    s_N, e_N, share_N, ones_N = np.empty(n), np.empty(n), np.empty(n), np.ones(n)
    for i in range(n):
        if i == 0 or label_N[i] != label_N[i - 1]:
            runs = runs_by_distance(label_N, label_N[i], tolerance, order_N, end_R)
        square_N, x_N, value = square_NN[i], x_NN[i], 0.0
        for k in range(n):
            s_N[k] = -np.sqrt(square_N[k]) * rate
            value -= s_N[k]
        terms(s_N, ones_N, 0.0, 1.0, e_N)
        e_N[i] = 0.0  # the anchor is in the last run, and counts for nothing there
        first, denominator = 0, 0.0
        for r in range(runs):
            for m in range(first, end_R[r]):
                denominator += e_N[order_N[m]]
            rows = end_R[r] - first - (r == runs - 1)
            if rows > 0:
                value += rows * np.log(denominator)
            share_R[r] = rows / denominator if rows > 0 else 0.0
            first = end_R[r]
        value_N[i] = value
        share = 0.0
        for r in range(runs - 1, -1, -1):
            share += share_R[r]
            for m in range(end_R[r - 1] if r else 0, end_R[r]):
                share_N[order_N[m]] = share
        for k in range(n):
            by_s = e_N[k] * share_N[k] - 1.0
            x = -by_s * rate * rate / s_N[k] if s_N[k] < 0 else 0.0
            x_N[k] = x
            square_N[k] = x
