"""Supervised SimCSE for scored sentence pairs (Gao et al. 2021; paper appendix C.1), in both directions."""

from torch import Tensor, nn

from supremix.losses import pairs


class SimCSELoss(nn.Module):
    """For a pair scored above the threshold, its second sentence against all second ones of the batch, and back.

    Sentences of the other pairs are candidates only. The loss is the mean over pairs and directions.

    Args:
        temperature: τ > 0, divides every cosine.
        threshold: pairs with a label above it are positive; 2 in the paper, for scores from 0 to 5.
    """

    def __init__(self, temperature: float, threshold: float = 2.0) -> None:
        super().__init__()
        self.temperature = pairs.positive_number("temperature", temperature)
        self.threshold = float(threshold)

    def forward(self, z_N2D: Tensor, y_N: Tensor) -> Tensor:
        """Loss of a batch: embeddings of the first and second sentence (normalised inside) and labels."""
        if z_N2D.ndim != 3 or z_N2D.shape[1] != 2:
            raise ValueError(f"z_N2D must be N pairs of embeddings, (N, 2, D), got shape {tuple(z_N2D.shape)}")
        u_ND, v_ND = pairs.check_batch(z_N2D[:, 0], y_N), pairs.at_least_float32(z_N2D[:, 1])
        with pairs.full_precision(u_ND.device):
            logits_NN = pairs.unit_rows(u_ND) @ pairs.unit_rows(v_ND).T / self.temperature
            # Without a pair above the threshold the sum is empty: 0, with a zero gradient.
            positive_N = (pairs.exact_labels(y_N, u_ND.device) > self.threshold).to(logits_NN.dtype)
            both_N = logits_NN.logsumexp(dim=1) + logits_NN.logsumexp(dim=0) - 2 * logits_NN.diagonal()
            return (both_N * positive_N).sum() / (2 * positive_N.sum()).clamp(min=1)

    def count_positives(self, y_N: Tensor) -> Tensor:
        """1 for each pair above the threshold, 0 for the others, (N,)."""
        return (pairs.exact_labels(y_N, y_N.device) > self.threshold).long()
