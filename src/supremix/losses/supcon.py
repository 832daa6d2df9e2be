"""SupCon, the L_out form (Khosla et al. 2020, eq. 2), with equal labels as positives."""

from torch import Tensor, nn

from supremix.losses.supremix import SupReMixLoss


class SupConLoss(nn.Module):
    """Supervised contrastive loss; anchors without a positive give no gradient (paper, appendix C.1).

    It is SupReMix without its three components (paper, table 9), and computed as such.

    Args:
        temperature: τ > 0, divides every logit; there is no second temperature factor.
    """

    def __init__(self, temperature: float) -> None:
        super().__init__()
        self._bare = SupReMixLoss(temperature, window=0.0, mix_neg=False, mix_pos=False, weight=False)
        self.temperature = self._bare.temperature

    def forward(self, z_ND: Tensor, y_N: Tensor) -> Tensor:
        """Loss of a batch: embeddings (normalised inside) and labels; same label = positive."""
        return self._bare(z_ND, y_N)

    def count_positives(self, y_N: Tensor) -> Tensor:
        """Positives of each anchor, (N,)."""
        return self._bare.count_positives(y_N)
