"""Sort a batch by label, and find the rows that each anchor mixes (paper section 3.1).

Labels are small beside embeddings, so the host computes all that depends on labels alone.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from supremix.losses.jit import compiled_where_possible
from supremix.losses.labels import Labels, LabelVectors


class Windows(NamedTuple):
    """The batch in ascending label order, with the window of each row as ranges of positions in that order.

    Attributes:
        order_N: position → row of the batch.
        label_N: labels, ascending, float64; (N, T) where they are vectors, and windows are empty.
        tolerance: distance up to which labels are the same.
        low_N, same_N, high_N, end_N: rows in the window below are [low, same), rows with the same label [same, high),
            rows in the window above [high, end).
    """

    order_N: np.ndarray
    label_N: np.ndarray
    tolerance: float
    low_N: np.ndarray
    same_N: np.ndarray
    high_N: np.ndarray
    end_N: np.ndarray

    @property
    def span(self) -> float:
        """Range of the labels, label units, of vectors the diagonal; 1 if they are all the same."""
        range_T = np.atleast_1d(np.ptp(self.label_N, axis=0))
        span = float(range_T[0]) if len(range_T) == 1 else float(np.linalg.norm(range_T))
        return span if span > self.tolerance else 1.0

    def count_mix_pos(self, mix_pos: bool) -> np.ndarray:
        """Count the Mix-pos of each row, k⁺ of eq. (4); none without ``mix_pos``."""
        return (self.same_N - self.low_N) * (self.end_N - self.high_N) * mix_pos

    def count_positives(self, mix_pos: bool) -> np.ndarray:
        """Count the positives of each row: other rows with its label and, with ``mix_pos``, its Mix-pos."""
        return self.high_N - self.same_N - 1 + self.count_mix_pos(mix_pos)

    def in_batch_order(self, value_N: np.ndarray) -> np.ndarray:
        """Return values of the sorted rows in the order in which the batch has them."""
        given_N = np.empty_like(value_N)
        given_N[self.order_N] = value_N
        return given_N


def find_windows(labels: Labels, window: float, inclusive: bool) -> Windows:
    """Find the rows near each row in label, on either side, those with the same label excluded.

    Args:
        labels: of the batch, in any order.
        window: γ, label units.
        inclusive: whether a row at exactly γ counts.
    """
    reach = window + labels.tolerance if inclusive else window - labels.tolerance
    order_N, label_N, *bounds = sorted_bounds(labels.y_N, labels.tolerance, reach)
    return Windows(order_N, label_N, labels.tolerance, *bounds)


@compiled_where_possible
def sorted_bounds(y_N: np.ndarray, tolerance: float, reach: float) -> tuple[np.ndarray, ...]:
    """Return order, sorted labels and bounds as in `Windows`."""
    order_N = np.argsort(y_N, kind="mergesort")  # stable
    label_N = y_N[order_N]
    same_N = np.searchsorted(label_N, label_N - tolerance)
    high_N = np.searchsorted(label_N, label_N + tolerance, side="right")
    low_N = np.minimum(np.searchsorted(label_N, label_N - reach), same_N)
    end_N = np.maximum(np.searchsorted(label_N, label_N + reach, side="right"), high_N)
    return order_N, label_N, low_N, same_N, high_N, end_N


def group_vectors(labels: LabelVectors) -> Windows:
    """Sort a batch by labels that are vectors, so that rows with the same label are neighbours."""
    _, place_N = labels.distinct()
    order_N = np.argsort(place_N, kind="stable")
    same_N, high_N = (np.searchsorted(place_N[order_N], place_N[order_N], side) for side in ("left", "right"))
    return Windows(order_N, labels.y_NT[order_N], labels.tolerance, same_N, same_N, high_N, high_N)


def anchor_weights(windows: Windows, loss: Any) -> np.ndarray:
    """Compute how often each anchor's log(denominator) counts, and how often each of its positives does, (2, N).

    ``reduction="mean"`` averages over an anchor's positives, then over the anchors that have one (Khosla et al. 2020,
    L_out). ``"label_sum"`` is eq. (6), Σ_i 1/k_{y_i} Σ_p, k the rows with that label. Without a positive both are 0.
    """
    return weights(windows.count_positives(loss.mix_pos), windows.high_N - windows.same_N, loss.reduction == "mean")


@compiled_where_possible
def weights(count_N: np.ndarray, same_label_N: np.ndarray, mean: bool) -> np.ndarray:
    """Return what `anchor_weights` says, of the numbers of each anchor's positives and of rows with its label."""
    if mean:
        pull_N = (count_N > 0) / (np.maximum(count_N, 1) * max(np.count_nonzero(count_N), 1))
    else:
        pull_N = (count_N > 0) / same_label_N
    return np.stack((pull_N * count_N, pull_N))


class Block(NamedTuple):
    """Anchors [start, stop), whose windows lie in [low, end); no window has more rows below or above."""

    start: int
    stop: int
    low: int
    end: int
    below: int
    above: int


def blocks(windows: Windows, mix_pos: bool, at_once: int) -> Iterator[Block]:
    """Divide the anchors so that a block has at most ``at_once`` pairs, padded to its widest window, or one anchor."""
    below_N, above_N = windows.same_N - windows.low_N, windows.end_N - windows.high_N

    def halves(start: int, stop: int) -> Iterator[Block]:
        below, above = int(below_N[start:stop].max()) * mix_pos, int(above_N[start:stop].max()) * mix_pos
        if stop - start > 1 and (stop - start) * (2 * len(below_N) + below * above) > at_once:
            middle = (start + stop) // 2
            yield from halves(start, middle)
            yield from halves(middle, stop)
        else:
            yield Block(start, stop, int(windows.low_N[start]), int(windows.end_N[stop - 1]), below, above)

    return halves(0, len(below_N))
