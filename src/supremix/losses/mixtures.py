"""Choose the mixtures of a batch: Beta draws for Mix-neg, rows in the window for Mix-pos (paper section 3.1).

Labels are small beside embeddings, so the host computes all that depends on labels alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from supremix.losses.labels import Labels

UNIFORMS_AT_MOST = 16
"""A Beta draw of more uniform numbers than this costs more than two gamma variates."""

PIECES_AT_LEAST = 16
"""The fewest pieces for which computing side by side pays."""


def sample_beta(alpha: float, beta: float, like_NN: Tensor, generator: torch.Generator | None) -> Tensor:
    """Draw independent Beta(α, β) numbers in the shape, dtype and device of ``like_NN``.

    For a whole α, 1 − X has the distribution of Π_m U_m^(1/(β+m)), m = 0 … α − 1, with uniform U_m; for a whole β, X
    has it with α and β exchanged. That takes a tenth of the time of gamma variates, which serve other parameters.

    Args:
        alpha, beta: parameters > 0.
        like_NN: gives shape, dtype and device.
        generator: source of the draws; None takes torch's global one.
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
    """Draw Σ_m log(U_m) / (first + m) over m = 0 … factors − 1."""
    total_NN = torch.zeros_like(like_NN)
    for m in range(factors):
        # uniform_ draws from [0, 1): 1 − U is in (0, 1], so that its logarithm is finite.
        uniform_NN = torch.empty_like(like_NN).uniform_(generator=generator)
        total_NN.add_(uniform_NN.neg_().log1p_(), alpha=1 / (first + m))
    return total_NN


@dataclass(frozen=True)
class Windows:
    """The batch in ascending label order, with the window of each row as ranges of positions in that order.

    Attributes:
        order_N: position → row of the batch.
        label_N: labels, ascending.
        tolerance: distance up to which labels are the same.
        low_N, below_N: rows in the window below are [low, low + below).
        same_N, high_N: rows with the same label are [same, high).
        above_N: rows in the window above are [high, high + above).
    """

    order_N: np.ndarray
    label_N: np.ndarray
    tolerance: float
    low_N: np.ndarray
    same_N: np.ndarray
    high_N: np.ndarray
    below_N: np.ndarray
    above_N: np.ndarray

    @property
    def span(self) -> float:
        """Range of the labels, label units; 1 if they are all the same."""
        span = float(self.label_N[-1] - self.label_N[0])
        return span if span > self.tolerance else 1.0

    @cached_property
    def triplets_N(self) -> np.ndarray:
        """Number of Mix-pos of each row: k⁺ of eq. (4)."""
        return self.below_N * self.above_N

    @cached_property
    def same_label_N(self) -> np.ndarray:
        """Number of rows with the label of each row, itself included: k of eq. (6)."""
        return self.high_N - self.same_N

    def count_positives(self, mix_pos: bool) -> np.ndarray:
        """Count the positives of each row: other rows with its label and, with ``mix_pos``, its Mix-pos."""
        return self.same_label_N - 1 + (self.triplets_N if mix_pos else 0)


def find_windows(labels: Labels, window: float, inclusive: bool) -> Windows:
    """Find the rows near each row in label, on either side, those with the same label excluded.

    Args:
        labels: of the batch, in any order.
        window: γ, label units.
        inclusive: whether a row at exactly γ counts.
    """
    order_N = np.argsort(labels.y_N, kind="stable")
    label_N = labels.y_N[order_N]
    reach = window + labels.tolerance if inclusive else window - labels.tolerance
    gap_21 = np.array([[labels.tolerance], [reach]])
    same_N, low_N = np.searchsorted(label_N, label_N - gap_21)
    high_N, end_N = np.searchsorted(label_N, label_N + gap_21, side="right")
    below_N, above_N = np.maximum(same_N - low_N, 0), np.maximum(end_N - high_N, 0)
    return Windows(order_N, label_N, labels.tolerance, low_N, same_N, high_N, below_N, above_N)


@dataclass(frozen=True)
class Chunk:
    """Mix-pos that are computed together: A anchors × B rows below × C rows above × G pieces, padded.

    A piece is a run of anchors with the same label, hence the same window. W = A + B + C.

    Attributes:
        widths: A, B and C.
        index_WG: positions in label order; padding repeats the last of a range.
        has_WG: false at padding.
        gap_WG: distance of a row's label from the piece's.
    """

    widths: tuple[int, int, int]
    index_WG: np.ndarray
    has_WG: np.ndarray
    gap_WG: np.ndarray


def chunks(windows: Windows, start: int, stop: int, at_once: int) -> Iterator[Chunk]:
    """Divide the Mix-pos of a block of anchors into chunks.

    Args:
        windows: the batch's windows.
        start, stop: the block's positions in label order.
        at_once: the most Mix-pos in a chunk, padding included; an anchor with more gets a chunk of its own.
    """
    label_R, triplets_R = windows.label_N[start:stop], windows.triplets_N[start:stop]
    inside_R = np.arange(stop - start) - np.searchsorted(label_R, label_R)  # place in a run of equal labels
    # No piece is longer than the mean run, so that padding to the longest costs little.
    longest = -(-len(inside_R) // np.count_nonzero(inside_R == 0))
    rows_R = np.maximum(np.minimum(at_once // np.maximum(triplets_R, 1), longest), 1)
    first_P = np.flatnonzero(inside_R % rows_R == 0)
    size_P = np.concatenate((first_P[1:], [len(inside_R)])) - first_P
    has_P = triplets_R[first_P] > 0
    first_P = first_P[has_P] + start
    first_3P = np.array((first_P, windows.low_N[first_P], windows.high_N[first_P]))
    size_3P = np.array((size_P[has_P], windows.below_N[first_P], windows.above_N[first_P]))

    def halves(first: int, last: int) -> Iterator[Chunk]:
        a, b, c = size_3P[:, first:last].max(axis=1, initial=0).tolist()
        # Few pieces side by side make short runs in memory: then each piece is a chunk.
        limit = at_once if PIECES_AT_LEAST * a * b * c <= at_once else 0
        if last - first > 1 and (last - first) * a * b * c > limit:
            middle = (first + last) // 2
            yield from halves(first, middle)
            yield from halves(middle, last)
        elif last > first:
            at_W1 = np.concatenate((np.arange(a), np.arange(b), np.arange(c)))[:, None]
            size_WG = size_3P[:, first:last].repeat((a, b, c), axis=0)
            index_WG = first_3P[:, first:last].repeat((a, b, c), axis=0) + np.minimum(at_W1, size_WG - 1)
            gap_WG = np.abs(windows.label_N[index_WG] - windows.label_N[first_P[first:last]])
            yield Chunk((a, b, c), index_WG, at_W1 < size_WG, gap_WG)

    return halves(0, len(first_P))
