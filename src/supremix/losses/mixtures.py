"""Which mixtures a batch has: Beta draws for Mix-neg, triplets inside the window for Mix-pos (paper section 3.1)."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from supremix.losses.pairs import LABEL_TOLERANCE


def sample_beta(alpha: float, beta: float, like_NN: Tensor, generator: torch.Generator | None) -> Tensor:
    """Independent Beta(α, β) draws in the shape, dtype and device of ``like_NN``."""
    # torch.distributions.Beta takes no generator, so the draw is its textbook form: two gamma variates.
    a_NN = torch._standard_gamma(torch.full_like(like_NN, alpha), generator=generator)
    b_NN = torch._standard_gamma(torch.full_like(like_NN, beta), generator=generator)
    return a_NN / (a_NN + b_NN)


@dataclass(frozen=True)
class Windows:
    """For each anchor, in ascending label order, the contiguous ranges of rows below and above it.

    ``order_N`` maps positions in that order to rows of the batch; the ranges [low, low + below) and
    [high, high + above) are positions too.
    """

    order_N: Tensor
    label_N: Tensor
    low_N: Tensor
    below_N: Tensor
    high_N: Tensor
    above_N: Tensor

    @property
    def triplets_N(self) -> Tensor:
        """Mix-pos of each anchor, k⁺ of eq. (4)."""
        return self.below_N * self.above_N


def windows(y_N: Tensor, window: float, inclusive: bool) -> Windows:
    """Rows within ``window`` (label units) on either side of each anchor, same label excluded."""
    label_N, order_N = torch.sort(y_N, stable=True)
    reach = window + LABEL_TOLERANCE if inclusive else window - LABEL_TOLERANCE
    low_N = torch.searchsorted(label_N, label_N - reach)
    low_end_N = torch.searchsorted(label_N, label_N - LABEL_TOLERANCE)
    high_N = torch.searchsorted(label_N, label_N + LABEL_TOLERANCE, right=True)
    high_end_N = torch.searchsorted(label_N, label_N + reach, right=True)
    return Windows(
        order_N, label_N, low_N, (low_end_N - low_N).clamp(min=0), high_N, (high_end_N - high_N).clamp(min=0)
    )


@dataclass(frozen=True)
class Triplets:
    """Mix-pos λ v_j + (1−λ) v_k of anchor i: rows of the batch, and the anchor's position ``segment_T``."""

    segment_T: Tensor
    i_T: Tensor
    j_T: Tensor
    k_T: Tensor
    lam_T: Tensor


def chunk_bounds(triplets_N: Tensor, limit: int) -> Iterator[tuple[int, int]]:
    """Cut the anchors into runs of at most ``limit`` triplets each (a single anchor may exceed it)."""
    ends = triplets_N.cumsum(0).tolist()
    start, done = 0, 0
    for position, end in enumerate(ends):
        if end - done > limit and position > start:
            yield start, position
            start, done = position, ends[position - 1]
    if ends and ends[-1] > done:
        yield start, len(ends)


def triplets(found: Windows, start: int, stop: int) -> Triplets:
    """Enumerate the Mix-pos of the anchors at positions [start, stop)."""
    counts_A = found.triplets_N[start:stop]
    segment_T = torch.repeat_interleave(torch.arange(start, stop, device=counts_A.device), counts_A)
    first_A = counts_A.cumsum(0) - counts_A
    offset_T = torch.arange(len(segment_T), device=counts_A.device) - first_A[segment_T - start]
    above_T = found.above_N[segment_T]
    j_T = found.low_N[segment_T] + offset_T.div(above_T, rounding_mode="floor")
    k_T = found.high_N[segment_T] + offset_T.remainder(above_T)
    y_i, y_j, y_k = found.label_N[segment_T], found.label_N[j_T], found.label_N[k_T]
    lam_T = (y_k - y_i) / (y_k - y_j)  # eq. (3): the mixture's label is the anchor's
    return Triplets(segment_T, found.order_N[segment_T], found.order_N[j_T], found.order_N[k_T], lam_T)
