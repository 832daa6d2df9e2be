"""Heads on a backbone: projection for pre-training, linear regression for adaptation."""

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
    """Linear map of features to one prediction per row.

    Args:
        in_features: width of the backbone's features.
        bias: initial bias, in the target's scaled units.
    """

    def __init__(self, in_features: int, bias: float) -> None:
        super().__init__(in_features, 1)
        with torch.no_grad():
            self.bias.fill_(bias)

    def forward(self, h_BD: Tensor) -> Tensor:
        """Return predictions (B,) of features (B, D), in the target's scaled units."""
        return super().forward(h_BD).squeeze(-1)
