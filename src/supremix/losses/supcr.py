"""SupCR, published as Rank-N-Contrast (Zha et al. 2022 and 2023, eq. 1 and 2)."""

from typing import Any

import torch
from torch import Tensor, nn

from supremix.losses import pairs
from supremix.losses.labels import device_of, read_labels


class SupCRLoss(nn.Module):
    """Rank rows around each anchor by their label distance.

    For an anchor i and every other row j, the cross-entropy picks j among all k whose labels are at least as far from
    i as j's; ties count. The similarity is the negative Euclidean distance of the raw embeddings over τ. Sorting by
    label distance and running log-sum-exps take N² log N steps. There is no second derivative.

    Args:
        temperature: τ > 0.
    """

    registered_name = "loss/supcr"

    def __init__(self, temperature: float = 2.0) -> None:
        super().__init__()
        self.temperature = pairs.positive_number("temperature", temperature)

    @pairs.without_compiling
    def forward(self, z_ND: Tensor, y_N: Any) -> Tensor:
        """Return the loss of a batch: the mean over all N(N−1) ordered pairs, 0 for a single row.

        Args:
            z_ND: embeddings, not normalised.
            y_N: labels: a tensor, an array or a list. The host reads them.

        Raises:
            ValueError: the shapes are not those of one batch, or a label is not finite.
        """
        z_ND, labels = pairs.check_batch(z_ND, y_N)
        with pairs.full_precision(z_ND.device):
            if len(z_ND) < 2:
                return z_ND.sum() * 0.0
            return RankContrast.apply(z_ND, labels.on(z_ND.device), labels.tolerance, self.temperature)

    def count_positives(self, y_N: Any) -> Tensor:
        """Return the number of positives of each anchor, (N,): every other row."""
        rows = len(read_labels(y_N).y_N)
        return torch.full((rows,), rows - 1, device=device_of(y_N))


class RankContrast(torch.autograd.Function):
    """SupCR as one autograd function. M = N − 1 others of each anchor, farthest label first."""

    @staticmethod
    def forward(ctx: Any, z_ND: Tensor, y_N: Tensor, tolerance: float, temperature: float) -> Tensor:
        """Compute the mean of log Σ_k exp(s_ik) − s_ij, with s = −distance/τ; save its gradient."""
        # The matrix-product form of cdist loses the digits of small distances, which float32 can spare of float64's.
        wide_ND = z_ND.to(pairs.exact_dtype(z_ND.device))
        wide_ND = wide_ND - wide_ND.mean(dim=0)
        form = "donot_use_mm_for_euclid_dist" if wide_ND.dtype == z_ND.dtype else "use_mm_for_euclid_dist"
        distance_NN = torch.cdist(wide_ND, wide_ND, compute_mode=form).to(z_ND.dtype)
        # The anchor itself comes last, and is cut off.
        label_NN = (y_N[:, None] - y_N).abs_().fill_diagonal_(-torch.inf)
        far_NN, order_NN = label_NN.sort(dim=1, descending=True)
        order_NM = order_NN[:, :-1]
        s_NM = distance_NN.gather(1, order_NM).div_(-temperature)

        # Others at the same label distance share a denominator: the running sum up to the last of them. Sums only grow.
        gap_NM = far_NN[:, :-1] - far_NN[:, 1:]
        tied_NM = torch.le(gap_NM, tolerance, out=torch.empty_like(s_NM))
        beyond = torch.finfo(s_NM.dtype).max / 4
        lse_NM = running_logsumexp(s_NM).add_(tied_NM, alpha=beyond).flip(1).cummin(dim=1).values
        value = (lse_NM.flip(1) - s_NM).mean()
        if ctx.needs_input_grad[0]:
            # s_ik is in the denominators from the first j at its label distance on: Σ_j exp(s_ik − lse_ij), then − 1.
            inverse_NM = running_logsumexp(lse_NM.neg_()).flip(1)
            inverse_NM[:, 1:].add_(tied_NM[:, :-1], alpha=beyond)
            by_s_NM = s_NM.add_(inverse_NM.cummin(dim=1).values).exp_().sub_(1).div_(s_NM.numel())
            by_distance_NN = torch.zeros_like(distance_NN).scatter_(1, order_NM, by_s_NM.div_(-temperature))
            ctx.save_for_backward(through_distances(by_distance_NN, distance_NN, wide_ND).to(z_ND.dtype))
        return value

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        """Scale the gradient that the forward pass computed."""
        return pairs.times_saved(ctx, upstream), None, None, None


def running_logsumexp(x_NM: Tensor) -> Tensor:
    """Compute log Σ exp of each row up to each column; on CPUs by plain float64 sums where none underflows."""
    if x_NM.device.type == "cpu":
        low, high = x_NM.aminmax()
        if high - low < 600:  # far from where float64 underflows
            top_N1 = x_NM.amax(dim=1, keepdim=True)
            return (x_NM.double() - top_N1).exp_().cumsum(dim=1).log_().to(x_NM.dtype).add_(top_N1)
    return x_NM.logcumsumexp(dim=1)


def through_distances(by_distance_NN: Tensor, distance_NN: Tensor, z_ND: Tensor) -> Tensor:
    """Carry the derivative by distances (N, N) back to the embeddings (N, D); a distance of 0 passes nothing on."""
    inverse_NN = distance_NN.sign().div_(distance_NN.clamp(min=torch.finfo(distance_NN.dtype).tiny))
    pull_NN = by_distance_NN.mul_(inverse_NN).to(z_ND.dtype)
    pull_NN = pull_NN + pull_NN.T
    return pull_NN.sum(1, keepdim=True) * z_ND - pull_NN @ z_ND
