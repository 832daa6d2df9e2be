"""SupCon, the L_out form (Khosla et al. 2020, eq. 2), with equal labels as positives."""

from typing import Any

from torch import Tensor, nn

from supremix.losses import pairs
from supremix.losses.supremix import SupReMixLoss


class SupConLoss(nn.Module):
    """Contrast rows of the same label with all other rows.

    Anchors without a positive give no gradient (paper, appendix C.1). SupCon is SupReMix without its three components
    (paper, table 9), and computed as such. There is no second derivative.

    Args:
        temperature: τ > 0, divides every logit. The loss is not multiplied by τ / τ_base as in the authors' code.
    """

    registered_name = "loss/supcon"

    def __init__(self, temperature: float) -> None:
        super().__init__()
        self._bare = SupReMixLoss(temperature, window=0.0, mix_neg=False, mix_pos=False, weight=False)
        self.temperature = self._bare.temperature

    @pairs.without_compiling
    def forward(self, z_ND: Tensor, y_N: Any) -> Tensor:
        """Return the loss of a batch, a scalar.

        Args:
            z_ND: embeddings; normalised inside.
            y_N: labels, a tensor, an array or a list; rows of the same label are positives.

        Raises:
            ValueError: the shapes are not those of one batch, or a label is not finite.
        """
        return self._bare(z_ND, y_N)

    def count_positives(self, y_N: Any) -> Tensor:
        """Return the number of positives of each anchor, (N,)."""
        return self._bare.count_positives(y_N)
