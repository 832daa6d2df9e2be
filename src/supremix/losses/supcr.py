"""SupCR, published as Rank-N-Contrast (Zha et al. 2022 and 2023, eq. 1 and 2)."""

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from supremix.losses import compiled, pairs
from supremix.losses.definition import NegativeDistance
from supremix.losses.labels import LabelVectors, device_of, read_label_vectors


class SupCRLoss(nn.Module):
    """Rank rows around each anchor by their label distance.

    For an anchor i and every other row j, the cross-entropy picks j among all k whose labels are at least as far from
    i as j's; ties count. The distance of labels that are vectors is the Euclidean one. The similarity is the negative
    Euclidean distance of the raw embeddings over τ. Sorting by label distance and running log-sum-exps take N² log N
    steps.

    Args:
        temperature: τ > 0.
    """

    registered_name = "loss/supcr"

    def __init__(self, temperature: float = 2.0) -> None:
        super().__init__()
        self.temperature = pairs.in_range("temperature", temperature, *pairs.TEMPERATURES)

    @pairs.without_compiling
    def forward(self, z_ND: Tensor, y_N: Any) -> Tensor:
        """Return the loss of a batch: the mean over all N(N−1) ordered pairs, 0 for a single row.

        Args:
            z_ND: embeddings, not normalised.
            y_N: labels, numbers or vectors (N, T): a tensor, an array or a list. The host reads them.

        Raises:
            ValueError: the shapes are not those of one batch, or a label is not finite.
        """
        z_ND, labels = pairs.check_vectors(z_ND, y_N)
        numbers = labels.numbers
        with pairs.full_precision(z_ND.device):
            if len(z_ND) < 2:
                return z_ND.sum() * 0.0
            defined = partial(rank_contrast, labels=labels, temperature=self.temperature)
            if numbers is not None and compiled.usable(z_ND):
                return compiled.Loops.apply(
                    z_ND, partial(compiled.supcr, labels=numbers, temperature=self.temperature), defined
                )
            return defined(z_ND)

    def count_positives(self, y_N: Any) -> Tensor:
        """Return the number of positives of each anchor, (N,): every other row."""
        rows = len(read_label_vectors(y_N).y_NT)
        return torch.full((rows,), rows - 1, device=device_of(y_N))

    def extra_repr(self) -> str:
        """Show all settings."""
        return pairs.settings_of(self)


def rank_contrast(z_ND: Tensor, labels: LabelVectors, temperature: float) -> Tensor:
    """Compute SupCR as it is defined, with autograd. M = N − 1 others of each anchor, farthest label first."""
    similarity = NegativeDistance()
    row_ND, _ = similarity.rows(z_ND.to(pairs.exact_dtype(z_ND.device)))
    # The anchor itself comes last, and is cut off.
    far_NN, order_NN = labels.gaps(z_ND.device).fill_diagonal_(-torch.inf).sort(dim=1, descending=True)
    s_NM = similarity.real(similarity.between(row_ND, row_ND)).gather(1, order_NN[:, :-1]) / temperature
    # Others at the same label distance share a denominator: the running sum up to the last of them.
    place_M = torch.arange(s_NM.shape[1], device=s_NM.device)
    tied_NM = far_NN[:, :-1] - far_NN[:, 1:] <= labels.tolerance
    last_NM = torch.where(tied_NM, s_NM.shape[1], place_M).flip(1).cummin(dim=1).values.flip(1)
    return (s_NM.logcumsumexp(dim=1).gather(1, last_NM) - s_NM).mean().to(z_ND.dtype)
