"""SupCon, the L_out form (Khosla et al. 2020, eq. 2), with equal labels as positives."""

import torch
from torch import Tensor, nn

from supremix.losses import pairs


class SupConLoss(nn.Module):
    """Supervised contrastive loss; anchors without a positive give no gradient (paper, appendix C.1).

    Args:
        temperature: τ > 0, divides every logit; there is no second temperature factor.
    """

    def __init__(self, temperature: float) -> None:
        super().__init__()
        self.temperature = pairs.positive_number("temperature", temperature)

    def forward(self, z_ND: Tensor, y_N: Tensor) -> Tensor:
        """Loss of a batch: embeddings (normalised inside) and labels; same label = positive."""
        z_ND, y_N = pairs.check_batch(z_ND, y_N)
        with torch.autocast(z_ND.device.type, enabled=False):
            if len(z_ND) < 2:
                return z_ND.sum() * 0.0
            unit_ND = pairs.unit_rows(z_ND)
            logits_NN = unit_ND @ unit_ND.T / self.temperature
            positive_NN, others_NN = pairs.real_masks(pairs.label_distance(y_N))
            return pairs.reduce_anchors(
                pairs.masked_logsumexp(logits_NN, others_NN),
                torch.where(positive_NN, logits_NN, 0.0).sum(1),
                positive_NN.sum(1),
                "mean",
            )

    def count_positives(self, y_N: Tensor) -> Tensor:
        """Positives of each anchor, (N,)."""
        return pairs.real_masks(pairs.label_distance(pairs.exact_labels(y_N)))[0].sum(1)
