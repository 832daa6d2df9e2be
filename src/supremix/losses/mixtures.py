"""Which mixtures a batch has: Beta draws for Mix-neg, rows inside the window for Mix-pos (paper section 3.1).

Labels are few and small beside embeddings: all that depends on them alone is worked out on the host.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from supremix.losses.pairs import LABEL_TOLERANCE

UNIFORMS_AT_MOST = 16
"""Beta draws from more uniform numbers than this cost more than two gamma variates."""

PIECES_AT_LEAST = 16
"""Pieces that make it worth to compute them side by side."""


def sample_beta(alpha: float, beta: float, like_NN: Tensor, generator: torch.Generator | None) -> Tensor:
    """Independent Beta(α, β) draws in the shape, dtype and device of ``like_NN``.

    Where α is a whole number, 1 − X is distributed as the product of U_m^(1/(β+m)), m = 0 … α − 1, with uniform
    U_m: factors that are Beta(β + m, 1), of which neighbours multiply to a Beta law. Where β is one, X is, with α and
    β exchanged. That costs a tenth of the gamma variates that remain for other parameters.
    """
    if alpha.is_integer() and alpha <= UNIFORMS_AT_MOST:
        return _log_product(int(alpha), beta, like_NN, generator).expm1_().neg_()
    if beta.is_integer() and beta <= UNIFORMS_AT_MOST:
        return _log_product(int(beta), alpha, like_NN, generator).exp_()
    # torch.distributions.Beta takes no generator, so the draw is its textbook form: two gamma variates.
    a_NN = torch._standard_gamma(torch.full_like(like_NN, alpha), generator=generator)
    b_NN = torch._standard_gamma(torch.full_like(like_NN, beta), generator=generator)
    return a_NN / (a_NN + b_NN)


def _log_product(factors: int, first: float, like_NN: Tensor, generator: torch.Generator | None) -> Tensor:
    """Σ_m log(U_m) / (first + m) over m = 0 … factors − 1."""
    total_NN = torch.zeros_like(like_NN)
    for m in range(factors):
        # uniform_ draws from [0, 1): 1 − U is in (0, 1], so that its logarithm is finite.
        uniform_NN = torch.empty_like(like_NN).uniform_(generator=generator)
        total_NN.add_(uniform_NN.neg_().log1p_(), alpha=1 / (first + m))
    return total_NN


@dataclass(frozen=True)
class Windows:
    """The batch in ascending label order, as arrays: for each row the contiguous ranges of rows below and above it.

    ``order_N`` maps positions in that order to rows of the batch; the ranges [low, low + below) and
    [high, high + above) are positions too, and [same, high) are the rows with the same label.
    """

    order_N: np.ndarray
    label_N: np.ndarray
    low_N: np.ndarray
    same_N: np.ndarray
    high_N: np.ndarray
    below_N: np.ndarray
    above_N: np.ndarray

    @cached_property
    def triplets_N(self) -> np.ndarray:
        """Mix-pos of each row, k⁺ of eq. (4)."""
        return self.below_N * self.above_N

    @cached_property
    def same_label_N(self) -> np.ndarray:
        """Rows with the label of each row, itself included: k of eq. (6)."""
        return self.high_N - self.same_N

    def count_positives(self, mix_pos: bool) -> np.ndarray:
        """Other rows with the label of each row, and its Mix-pos."""
        return self.same_label_N - 1 + (self.triplets_N if mix_pos else 0)


def windows(y_N: Tensor, window: float, inclusive: bool) -> Windows:
    """Rows within ``window`` (label units) on either side of each row, same label excluded."""
    y = y_N.detach().cpu().double().numpy()
    order_N = np.argsort(y, kind="stable")
    label_N = y[order_N]
    reach = window + LABEL_TOLERANCE if inclusive else window - LABEL_TOLERANCE
    gap_21 = np.array([[LABEL_TOLERANCE], [reach]])
    same_N, low_N = np.searchsorted(label_N, label_N - gap_21)
    high_N, end_N = np.searchsorted(label_N, label_N + gap_21, side="right")
    below_N, above_N = np.maximum(same_N - low_N, 0), np.maximum(end_N - high_N, 0)
    return Windows(order_N, label_N, low_N, same_N, high_N, below_N, above_N)


@dataclass(frozen=True)
class Chunk:
    """Mix-pos that are computed at once: A anchors × B rows below × C rows above × G pieces, padded.

    A piece is a run of anchors with one label, hence one window; ``widths`` are A, B and C, and W is their sum.
    ``index_WG`` holds positions in label order, with the last of a range repeated as padding where ``has_WG`` is 0;
    ``gap_WG`` how far labels are from that of the piece.
    """

    widths: tuple[int, int, int]
    index_WG: np.ndarray
    has_WG: np.ndarray
    gap_WG: np.ndarray


def chunks(found: Windows, start: int, stop: int, at_once: int) -> Iterator[Chunk]:
    """The Mix-pos of anchors [start, stop), at most ``at_once`` in a chunk, padding included, or one anchor's."""
    label_R, triplets_R = found.label_N[start:stop], found.triplets_N[start:stop]
    inside_R = np.arange(stop - start) - np.searchsorted(label_R, label_R)  # its place in a run of one label
    # No piece is longer than the mean run, so that padding to the longest costs little.
    longest = -(-len(inside_R) // np.count_nonzero(inside_R == 0))
    rows_R = np.maximum(np.minimum(at_once // np.maximum(triplets_R, 1), longest), 1)
    first_P = np.flatnonzero(inside_R % rows_R == 0)
    size_P = np.concatenate((first_P[1:], [len(inside_R)])) - first_P
    has_P = triplets_R[first_P] > 0
    first_P = first_P[has_P] + start
    first_3P = np.array((first_P, found.low_N[first_P], found.high_N[first_P]))
    size_3P = np.array((size_P[has_P], found.below_N[first_P], found.above_N[first_P]))

    def halves(first: int, last: int) -> Iterator[Chunk]:
        a, b, c = size_3P[:, first:last].max(axis=1, initial=0).tolist()
        # Few pieces beside each other would make short runs: long ones go alone.
        limit = at_once if PIECES_AT_LEAST * a * b * c <= at_once else 0
        if last - first > 1 and (last - first) * a * b * c > limit:
            middle = (first + last) // 2
            yield from halves(first, middle)
            yield from halves(middle, last)
        elif last > first:
            at_W1 = np.concatenate((np.arange(a), np.arange(b), np.arange(c)))[:, None]
            size_WG = size_3P[:, first:last].repeat((a, b, c), axis=0)
            index_WG = first_3P[:, first:last].repeat((a, b, c), axis=0) + np.minimum(at_W1, size_WG - 1)
            gap_WG = np.abs(found.label_N[index_WG] - found.label_N[first_P[first:last]])
            yield Chunk((a, b, c), index_WG, at_W1 < size_WG, gap_WG)

    return halves(0, len(first_P))
