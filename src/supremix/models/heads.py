"""Heads on a backbone: projection for pre-training, linear regression for adaptation."""

from typing import Any

import torch
from torch import Tensor, nn


class ProjectionHead(nn.Sequential):
    """Two-layer perceptron for the contrastive loss, dropped after pre-training (paper table 13).

    Args:
        in_features: width of the backbone's features.
        hidden, out: widths of the hidden layer and of the embedding.
    """

    registered_name = "head/projection"

    def __init__(self, in_features: int, hidden: int, out: int) -> None:
        super().__init__(nn.Linear(in_features, hidden), nn.ReLU(), nn.Linear(hidden, out))


class FaceProjectionHead(nn.Sequential):
    """Two-layer perceptron with batch normalisation after both layers, which the review-time release uses on faces.

    Args:
        in_features: width of the backbone's features.
        hidden, out: widths of the hidden layer and of the embedding.
    """

    registered_name = "head/face_projection"

    def __init__(self, in_features: int, hidden: int, out: int) -> None:
        super().__init__(
            nn.Linear(in_features, hidden),
            nn.BatchNorm1d(hidden),
            nn.ReLU(),
            nn.Linear(hidden, out),
            nn.BatchNorm1d(out),
        )


class RegressionHead(nn.Linear):
    """Linear map of features to one prediction per row, or to as many outputs as a loss needs.

    Args:
        in_features: width of the backbone's features.
        bias: initial bias, in the target's scaled units; a number, or one for each output.
        outputs: K; 1 gives predictions.
    """

    def __init__(self, in_features: int, bias: Any, outputs: int = 1) -> None:
        super().__init__(in_features, outputs)
        with torch.no_grad():
            self.bias.copy_(torch.as_tensor(bias).expand(outputs))

    def forward(self, h_BD: Tensor) -> Tensor:
        """Return predictions (B,) of features (B, D), in the target's scaled units, or outputs (B, K)."""
        output_BK = super().forward(h_BD)
        return output_BK.squeeze(-1) if self.out_features == 1 else output_BK


class HistogramHead(RegressionHead):
    """Predictions from the histogram that a linear map of features gives: the mean of its bins' centres.

    Args:
        in_features: width of the backbone's features.
        bins: K ≥ 2; their centres are loaded with the weights, scaled units.
    """

    centre: Tensor

    def __init__(self, in_features: int, bins: int) -> None:
        super().__init__(in_features, 0.0, bins)
        self.register_buffer("centre", torch.zeros(bins))

    def forward(self, h_BD: Tensor) -> Tensor:
        """Return predictions (B,) of features (B, D), in the target's scaled units."""
        return super().forward(h_BD).softmax(dim=-1) @ self.centre
