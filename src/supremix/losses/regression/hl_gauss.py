"""HL-Gauss: regression as classification with a Gaussian histogram as target.

Imani and White 2018, "Improving regression performance with distributional losses"; the width of the Gaussian in bins
and the renormalised histogram are those of Farebrother et al. 2024, "Stop regressing". N rows, K bins.
"""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from supremix.losses.pairs import full_precision, positive_number, settings_of
from supremix.losses.regression.batch import part, read_batch, read_targets, reduction_of

MARGIN = 3.0  # standard deviations of the Gaussian between the extreme training targets and the outer edges


class HLGaussLoss(nn.Module):
    """Take the head's outputs as logits of a histogram over the targets' range.

    The target's histogram holds in bin k what a Gaussian around the target has between the edges, Φ((e_{k+1} − y)/σ) −
    Φ((e_k − y)/σ), over what it has between the outer edges. The loss is the cross-entropy to it, and the prediction
    the mean of the bins' centres under the softmax of the outputs. ``fit`` sets K equal bins over the range of the
    training targets and 3σ more on either side: a Gaussian cut off at the range would have its mean inside it, and
    pull the predictions of extreme targets inwards. A target beyond the outer edges counts as on the edge.

    Args:
        bins: K.
        smoothing: σ in bins; 0.75 spreads a target over about six of them (Farebrother et al. 2024).
        coverage: of the interval, from the cumulative histogram, linear inside a bin. The histogram is smoothed by σ,
            so that intervals of labels known well are wider than they need to be.
        reduction: "mean", or "none" for the loss of each row, (N,).

    Attributes:
        edge_L: the L = K + 1 edges, ascending; None before ``fit``.
        centre_K: centres of the bins: predictions are softmax(outputs) @ centre_K; None before ``fit``.
    """

    registered_name = "loss/hl_gauss"
    numbers_only = True
    edge_L: Tensor | None
    centre_K: Tensor | None

    def __init__(self, bins: int = 50, smoothing: float = 0.75, coverage: float = 0.9, reduction: str = "mean") -> None:
        super().__init__()
        self.smoothing = positive_number("smoothing", smoothing)
        margins = 2 * MARGIN * self.smoothing
        if type(bins) is not int or bins < 2 or bins <= margins:
            raise ValueError(f"bins must be a whole number above {max(1.0, margins):g}, 6 × smoothing, got {bins!r}")
        self.bins = bins
        self.coverage, self.reduction = part("coverage", coverage), reduction_of(reduction)
        self.register_buffer("edge_L", None)
        self.register_buffer("centre_K", None)

    @property
    def outputs(self) -> int:
        """Number of bins."""
        return self.bins

    def fit(self, target_N: np.ndarray) -> None:
        """Set the bins by the training targets; targets that are all equal get the bins of a range of 1."""
        given_N = read_targets(target_N)
        low, span = given_N.min(), np.ptp(given_N) or 1.0
        width = span / (self.bins - 2 * MARGIN * self.smoothing)  # so that the margins are MARGIN σ wide
        edge_L = low + width * (np.arange(self.bins + 1) - MARGIN * self.smoothing)
        self.edge_L = torch.from_numpy(edge_L).to(torch.get_default_dtype())
        self.centre_K = torch.from_numpy((edge_L[1:] + edge_L[:-1]) / 2).to(torch.get_default_dtype())

    def start(self, target_N: np.ndarray) -> np.ndarray:
        """Return zeros, (K,): every bin is as likely."""
        return np.zeros(self.bins)

    def forward(self, output_NK: Any, target_N: Any) -> Tensor:
        """Return the loss of a batch.

        Args:
            output_NK: logits of the bins.
            target_N: targets.

        Raises:
            ValueError: the shapes are not those of one batch, or the bins are not set.
        """
        output_NK, target_N = read_batch(output_NK, target_N, self.bins)
        with full_precision(output_NK.device):
            return F.cross_entropy(output_NK, self.histogram(target_N), reduction=self.reduction)

    def histogram(self, target_N: Tensor) -> Tensor:
        """Return the histogram of each target, (N, K), whose rows sum to 1."""
        edge_L = self._edges(target_N)
        target_N = target_N.clamp(edge_L[0], edge_L[-1])
        deviation = self.smoothing * (edge_L[-1] - edge_L[0]) / self.bins
        below_NL = torch.special.ndtr((edge_L - target_N[:, None]) / deviation)
        return below_NL.diff(dim=1) / (below_NL[:, -1:] - below_NL[:, :1])

    def point(self, output_NK: Tensor) -> Tensor:
        """Return the means of the histograms, (N,)."""
        self._edges(output_NK)
        return output_NK.softmax(dim=1) @ self.centre_K.to(output_NK)  # type: ignore[union-attr]

    def interval(self, output_NK: Tensor) -> tuple[Tensor, Tensor]:
        """Return both ends of the central interval of each histogram, (N,) each."""
        edge_L, part_NK = self._edges(output_NK), output_NK.softmax(dim=1)
        upto_NL = F.pad(part_NK.cumsum(dim=1), (1, 0))
        quantile_N2 = upto_NL.new_tensor([1 - self.coverage, 1 + self.coverage]).div(2).expand(len(upto_NL), 2)
        bin_N2 = torch.searchsorted(upto_NL[:, 1:].contiguous(), quantile_N2.contiguous()).clamp(max=self.bins - 1)
        # Rounding may leave the sum of all parts below the upper quantile, which is then the outer edge.
        inside_N2 = ((quantile_N2 - upto_NL.gather(1, bin_N2)) / part_NK.gather(1, bin_N2)).clamp(max=1)
        end_N2 = edge_L[bin_N2] + inside_N2 * (edge_L[bin_N2 + 1] - edge_L[bin_N2])
        return end_N2[:, 0], end_N2[:, 1]

    def extra_repr(self) -> str:
        """Show all settings."""
        return settings_of(self)

    def _edges(self, like: Tensor) -> Tensor:
        if self.edge_L is None:
            raise ValueError("the bins are not set: call fit with the training targets first")
        return self.edge_L.to(like)
