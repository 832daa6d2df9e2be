"""What stands on a backbone: the projection head of stage 1, the linear regression head of stage 2."""

import torch
from torch import Tensor, nn


class ProjectionHead(nn.Sequential):
    """Two-layer perceptron, used by the contrastive loss only and dropped after it (paper table 13).

    Args:
        in_features: width of the backbone's features.
        hidden, out: widths of the hidden layer and of the embedding.
    """

    def __init__(self, in_features: int, hidden: int, out: int) -> None:
        super().__init__(nn.Linear(in_features, hidden), nn.ReLU(), nn.Linear(hidden, out))


class FaceProjectionHead(nn.Sequential):
    """Two-layer perceptron with batch normalisation after both layers, as the review-time release has it for faces.

    Args:
        in_features: width of the backbone's features.
        hidden, out: widths of the hidden layer and of the embedding.
    """

    def __init__(self, in_features: int, hidden: int, out: int) -> None:
        super().__init__(
            nn.Linear(in_features, hidden),
            nn.BatchNorm1d(hidden),
            nn.ReLU(),
            nn.Linear(hidden, out),
            nn.BatchNorm1d(out),
        )


class RegressionHead(nn.Linear):
    """Features → one number per row, (B,); the bias starts at ``bias``, in the target's scaled units."""

    def __init__(self, in_features: int, bias: float) -> None:
        super().__init__(in_features, 1)
        with torch.no_grad():
            self.bias.fill_(bias)

    def forward(self, h_BD: Tensor) -> Tensor:
        """Predictions (B,), in the target's scaled units."""
        return super().forward(h_BD).squeeze(-1)
