"""SupReMix (Mixup Your Own Pairs, sections 3.1-3.3) as loops, every mixture built as a vector.

The equation numbers are the paper's. Nothing here is shared with the package: an error in one of the two
shows as a difference between them.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor


def tolerance(y: list[complex], digit: float = 2.0**-52) -> float:
    """Labels are floats, so that 0.1-wide bins are not exact: a billionth of their range, or their last digit.

    A vector of two is a complex number, whose absolute value is its norm.
    """
    if isinstance(y[0], complex):
        return abs(complex(tolerance([label.real for label in y]), tolerance([label.imag for label in y])))
    return max(1e-9 * (max(y) - min(y)), digit * max(map(abs, y)))


@dataclass
class Pair:
    """One term of an anchor's denominator: inner product, weight, and whether it is in the numerator too."""

    similarity: Tensor
    weight: float
    positive: bool


def unit(v_D: Tensor) -> Tensor:
    """v / ||v||; the zero vector stays zero and passes no gradient on."""
    norm = v_D.norm()
    return v_D / norm if norm > 0 else torch.zeros_like(v_D)


def in_window(distance: float, window: float, inclusive: bool, near: float) -> bool:
    return distance <= window + near if inclusive else distance < window - near


def mix(first_D: Tensor, second_D: Tensor, lam: float, *, space: str, renormalise: bool, detach: bool) -> Tensor:
    """λ·first + (1 − λ)·second, of the raw embeddings or of their unit vectors, then as the flags say."""
    if space == "sphere":
        first_D, second_D = unit(first_D), unit(second_D)
    mixture_D = lam * first_D + (1 - lam) * second_D
    if renormalise:
        mixture_D = unit(mixture_D)
    return mixture_D.detach() if detach else mixture_D


def anchor_pairs(
    z_ND: Tensor,
    y: list[complex],
    i: int,
    lam_NN: Tensor | None,
    label_range: float,
    *,
    window: float,
    mix_neg: bool = True,
    mix_pos: bool = True,
    weight: bool = True,
    mix_space: str = "embedding",
    renormalise: bool = True,
    detach_mixtures: bool = False,
    window_inclusive: bool = True,
    similarity: str = "cosine",
) -> list[Pair]:
    """Every pair of anchor i: the real ones, then its Mix-neg (eq. 1), then its Mix-pos (eq. 3)."""
    near = tolerance(y)
    if similarity == "l2":  # of embeddings as they are, whatever the other settings
        mix_space, renormalise = "embedding", False

    def compared(row_D: Tensor) -> Tensor:
        if similarity == "cosine":
            return unit(z_ND[i]) @ row_D
        distance = (z_ND[i] - row_D).norm()
        # Rounding makes a direction of what is no distance.
        return -distance if distance > 1e-14 * z_ND[i].norm() else (0 * row_D).sum()

    how = {"space": mix_space, "renormalise": renormalise, "detach": detach_mixtures}
    others = [k for k in range(len(y)) if k != i]

    def weight_of(label: complex) -> float:  # eq. 5
        return (1 + abs(y[i] - label)) / label_range if weight else 1.0

    pairs = []
    for k in others:
        same = abs(y[i] - y[k]) <= near
        pairs.append(
            Pair(compared(z_ND[k] if similarity == "l2" else unit(z_ND[k])), weight_of(y[i] if same else y[k]), same)
        )
    if mix_neg:
        for k in others:
            if abs(y[i] - y[k]) > near:
                lam = float(lam_NN[i, k])
                mixture_D = mix(z_ND[i], z_ND[k], lam, **how)
                pairs.append(Pair(compared(mixture_D), weight_of(lam * y[i] + (1 - lam) * y[k]), False))
    if mix_pos:
        for j in others:
            for k in others:
                below, above = y[i] - y[j], y[k] - y[i]
                if below <= near or above <= near:
                    continue
                if all(in_window(gap, window, window_inclusive, near) for gap in (below, above)):
                    mixture_D = mix(z_ND[j], z_ND[k], above / (y[k] - y[j]), **how)
                    pairs.append(Pair(compared(mixture_D), weight_of(y[i]), True))
    return pairs


def supremix_loss(
    z_ND: Tensor,
    y_N: Tensor,
    lam_NN: Tensor | None = None,
    *,
    temperature: float,
    label_range: float | None = None,
    reduction: str = "label_sum",
    **options,
) -> Tensor:
    """Eq. (6) for `label_sum`; for `mean`, the mean over an anchor's positives, then over anchors with one.

    z_ND raw embeddings, y_N labels, lam_NN λ of anchor i (row) and its negative k (column); the options are
    those of `anchor_pairs`. A scalar, 0 with a zero gradient where no anchor has a positive.
    """
    y = y_N.tolist()
    if label_range is None:
        label_range = max(y) - min(y) or 1.0

    anchors, total = 0, (z_ND * 0.0).sum()
    for i in range(len(y)):
        pairs = anchor_pairs(z_ND, y, i, lam_NN, label_range, **options)
        positives = [pair for pair in pairs if pair.positive]
        if not positives:
            continue
        anchors += 1
        log_denominator = torch.logsumexp(
            torch.stack([pair.similarity / temperature + math.log(pair.weight) for pair in pairs]), dim=0
        )
        terms = sum(log_denominator - pair.similarity / temperature for pair in positives)
        same_label = sum(abs(y[i] - label) <= tolerance(y) for label in y)
        total = total + terms / (same_label if reduction == "label_sum" else len(positives))
    return total / max(anchors, 1) if reduction == "mean" else total


def count_positives(y_N: Tensor, *, window: float, mix_pos: bool = True, window_inclusive: bool = True) -> list[int]:
    """Positives of every anchor: rows of the same label, and pairs around it within the window (eq. 4)."""
    y = [float(label) for label in y_N]
    least = tolerance(y, 2.0**-23 if y_N.dtype == torch.float32 else 2.0**-52)
    counts = []
    for i, label in enumerate(y):
        gaps = [other - label for k, other in enumerate(y) if k != i]
        same = sum(abs(gap) <= least for gap in gaps)
        near = [gap for gap in gaps if abs(gap) > least and in_window(abs(gap), window, window_inclusive, least)]
        below, above = sum(gap < 0 for gap in near), sum(gap > 0 for gap in near)
        counts.append(same + (below * above if mix_pos else 0))
    return counts
