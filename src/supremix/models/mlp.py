"""Multilayer perceptron for tables (paper section 4, after Cheng et al. 2023)."""

from collections.abc import Sequence

from torch import Tensor, nn


class MLP(nn.Module):
    """Linear layers with ReLU after each; features are the last layer's output.

    Args:
        in_features: columns of the table.
        hidden: width of each layer, at least one.
    """

    registered_name = "backbone/mlp"

    def __init__(self, in_features: int, hidden: Sequence[int]) -> None:
        super().__init__()
        if not hidden or not all(isinstance(width, int) and width > 0 for width in hidden):
            raise ValueError(f"hidden must be widths, whole numbers of 1 or more, at least one, got {hidden}")
        widths = [in_features, *hidden]
        layers: list[nn.Module] = []
        for fan_in, fan_out in zip(widths, hidden, strict=False):
            layers += [nn.Linear(fan_in, fan_out), nn.ReLU()]
        self.layers = nn.Sequential(*layers)
        self.out_dim = widths[-1]

    def forward(self, x_BF: Tensor) -> Tensor:
        """Return features (B, out_dim) of rows (B, in_features)."""
        return self.layers(x_BF)
