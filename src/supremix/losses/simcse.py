"""Supervised SimCSE for scored sentence pairs (Gao et al. 2021; paper appendix C.1), in both directions."""

from typing import Any

import torch
from torch import Tensor, nn

from supremix.losses import pairs
from supremix.losses.labels import device_of, read_labels


class SimCSELoss(nn.Module):
    """Contrast the two sentences of each similar pair with the sentences of all pairs, in both directions.

    Pairs with a label above the threshold are positives. For each, the cross-entropy picks its second sentence among
    all second sentences of the batch, and its first among all first ones. The loss is the mean over positives and
    directions; it is 0 for a batch without positives.

    Args:
        temperature: τ > 0, divides every cosine.
        threshold: label units; 2 in the paper, for scores from 0 to 5.
    """

    registered_name = "loss/simcse"
    numbers_only = True

    def __init__(self, temperature: float, threshold: float = 2.0) -> None:
        super().__init__()
        self.temperature = pairs.in_range("temperature", temperature, *pairs.TEMPERATURES)
        self.threshold = float(threshold)

    def extra_repr(self) -> str:
        """Show all settings."""
        return pairs.settings_of(self)

    @pairs.without_compiling
    def forward(self, z_N2D: Tensor, y_N: Any) -> Tensor:
        """Return the loss of a batch, a scalar.

        Args:
            z_N2D: embeddings of each pair's first and second sentence; normalised inside.
            y_N: labels of the pairs: a tensor, an array or a list. The host reads them.

        Raises:
            ValueError: the shapes are not those of one batch, or a label is not finite.
        """
        if not isinstance(z_N2D, Tensor) or z_N2D.ndim != 3 or z_N2D.shape[1] != 2:
            got = f"shape {tuple(z_N2D.shape)}" if isinstance(z_N2D, Tensor) else type(z_N2D).__name__
            raise ValueError(f"z_N2D must be a tensor of N pairs of embeddings, (N, 2, D), got {got}")
        u_ND, labels = pairs.check_batch(z_N2D[:, 0], y_N)
        v_ND = pairs.at_least_float32(z_N2D[:, 1])
        with pairs.full_precision(u_ND.device):
            logits_NN = pairs.unit_rows(u_ND) @ pairs.unit_rows(v_ND).T / self.temperature
            # Without a pair above the threshold the sum is empty: 0, with a zero gradient.
            positive_N = (labels.on(u_ND.device) > self.threshold).to(logits_NN.dtype)
            directions_N = logits_NN.logsumexp(dim=1) + logits_NN.logsumexp(dim=0) - 2 * logits_NN.diagonal()
            return (directions_N * positive_N).sum() / (2 * positive_N.sum()).clamp(min=1)

    def count_positives(self, y_N: Any) -> Tensor:
        """Return 1 for each pair above the threshold and 0 for the others, (N,)."""
        return torch.from_numpy(read_labels(y_N).y_N > self.threshold).long().to(device_of(y_N))
