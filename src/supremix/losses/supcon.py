"""SupCon, the L_out form (Khosla et al. 2020, eq. 2), with equal labels as positives."""

from typing import Any

from torch import Tensor

from supremix.losses.supremix import SupReMixLoss


class SupConLoss(SupReMixLoss):
    """Contrast rows of the same label with all other rows.

    Anchors without a positive give no gradient (paper, appendix C.1). SupCon is SupReMix without its three components
    (paper, table 9), and computed as such.

    Args:
        temperature: τ > 0, divides every logit. The loss is not multiplied by τ / τ_base as in the authors' code.
        on_no_positive: "raise", or "zero": what a batch without any positive gives.
    """

    registered_name = "loss/supcon"

    def __init__(self, temperature: float, on_no_positive: str = "raise") -> None:
        without: dict[str, Any] = {"mix_neg": False, "mix_pos": False, "weight": False}
        super().__init__(temperature, window=0.0, reduction="mean", on_no_positive=on_no_positive, **without)
        self.numbers_only = True  # in a run: vectors hardly repeat

    def forward(self, z_ND: Tensor, y_N: Any) -> Tensor:  # type: ignore[override]
        """Return the loss of a batch, a scalar.

        Args:
            z_ND: embeddings; normalised inside.
            y_N: labels, a tensor, an array or a list; rows of the same label are positives.

        Raises:
            ValueError: the shapes are not those of one batch, a label is not finite, or no anchor has a positive.
        """
        return super().forward(z_ND, y_N)
