"""Contrast with a kernel of the labels (y-aware: Dufumier et al. 2021; threshold and exp: Barbano et al. 2023)."""

from typing import Any

import torch
from torch import Tensor, nn

from supremix.losses import pairs
from supremix.losses.labels import LabelVectors, device_of, read_label_vectors


class KernelContrastLoss(nn.Module):
    """Contrast rows with weights that fall with label distance, so that no label has to repeat.

    With cosines over τ, s_ik, and the kernel w_ik = exp(−d_ik²/2σ²) of label distances d_ik, t and k other than i:

    - "y_aware": −Σ_k (w_ik/Σ_t w_it) [s_ik − log Σ_t exp s_it]. Its limit for σ → 0 is SupCon, where labels repeat.
    - "threshold": −Σ_k (w_ik/Σ_t w_it) [s_ik − log Σ_t exp s_it], both sums over t with w_it < w_ik alone; a k without
      such a t is left out. Rows are repelled by those that are farther in label. A weight grows as
      exp((d_it² − d_ik²)/2σ²), so that σ should not be small against the gaps between labels of a batch.
    - "exp": −Σ_k (w_ik/Σ_t w_it) [s_ik − log Σ_t exp(s_it (1 − w_it))]. A row repels less, the nearer its label.

    The loss is the mean over anchors. The code of Barbano et al. divides the weights of all three forms by the sum over
    all t, has one denominator for all k in "threshold", with a factor that counts comparisons of w, and in "exp"
    subtracts the largest s of an anchor before s is weighted, which changes the value.

    Args:
        temperature: τ > 0.
        bandwidth: σ > 0 of the kernel, in label units.
        form: "y_aware", "threshold" or "exp".
    """

    registered_name = "loss/kernel_contrast"

    def __init__(self, temperature: float, bandwidth: float, form: str = "y_aware") -> None:
        super().__init__()
        self.temperature = pairs.in_range("temperature", temperature, *pairs.TEMPERATURES)
        self.bandwidth = pairs.in_range("bandwidth", bandwidth, 1e-30, 1e30)
        self.form = pairs.one_of("form", form, *FORMS)

    @pairs.without_compiling
    def forward(self, z_ND: Tensor, y_N: Any) -> Tensor:
        """Return the loss of a batch, a scalar; 0 for a single row.

        Args:
            z_ND: embeddings; normalised inside.
            y_N: labels, numbers or vectors (N, T), in the units of ``bandwidth``: a tensor, an array or a list. The
                host reads them.

        Raises:
            ValueError: the shapes are not those of one batch, or a label is not finite.
        """
        z_ND, labels = pairs.check_vectors(z_ND, y_N)
        with pairs.full_precision(z_ND.device):
            if len(z_ND) < 2:
                return z_ND.sum() * 0.0
            unit_ND = pairs.exact_unit_rows(z_ND)
            s_NN = unit_ND @ unit_ND.T / self.temperature
            return FORMS[self.form](s_NN, labels, self.bandwidth).mean().to(z_ND.dtype)

    def count_positives(self, y_N: Any) -> Tensor:
        """Return the number of positives of each anchor, (N,): every other row, in "threshold" all but the farthest."""
        labels = read_label_vectors(y_N)
        rows = len(labels.y_NT)
        if self.form == "threshold" and rows:
            d_NN = labels.distances(torch.device("cpu"))
            count_N = (d_NN < d_NN.amax(dim=1, keepdim=True) - labels.tolerance).sum(dim=1) - 1
            return count_N.clamp(min=0).to(device_of(y_N))
        return torch.full((rows,), max(rows - 1, 0), device=device_of(y_N))

    def extra_repr(self) -> str:
        """Show all settings."""
        return pairs.settings_of(self)


def y_aware(s_NN: Tensor, labels: LabelVectors, bandwidth: float) -> Tensor:
    """Return the losses of anchors, (N,), from their logits."""
    share_NN = _without_self(_log_kernel(labels.distances(s_NN.device), bandwidth)).softmax(dim=1)
    return _without_self(s_NN).logsumexp(dim=1) - (share_NN * s_NN).sum(dim=1)


def exp(s_NN: Tensor, labels: LabelVectors, bandwidth: float) -> Tensor:
    """Return the losses of anchors, (N,), from their logits."""
    log_w_NN = _log_kernel(labels.distances(s_NN.device), bandwidth)
    share_NN = _without_self(log_w_NN).softmax(dim=1)
    repelled_NN = _without_self(-s_NN * log_w_NN.expm1())
    return repelled_NN.logsumexp(dim=1) - (share_NN * s_NN).sum(dim=1)


def threshold(s_NN: Tensor, labels: LabelVectors, bandwidth: float) -> Tensor:
    """Return the losses of anchors, (N,), from their logits. M = N − 1 others of each anchor, farthest label first."""
    d_NN = labels.distances(s_NN.device).fill_diagonal_(-torch.inf)  # the anchor itself comes last, and is cut off
    d_NM, order_NM = (sorted_NN[:, :-1] for sorted_NN in d_NN.sort(dim=1, descending=True, stable=True))
    s_NM, log_w_NM = s_NN.gather(1, order_NM), _log_kernel(d_NM, bandwidth)
    # Of others at the same label distance the first has its place, and what is before it is farther than all of them.
    place_M = torch.arange(d_NM.shape[1], device=d_NM.device)
    nearer_NM = torch.nn.functional.pad(d_NM[:, :-1] - d_NM[:, 1:] > labels.tolerance, (1, 0))
    first_NM = torch.where(nearer_NM, place_M, 0).cummax(dim=1).values
    last_farther_NM = (first_NM - 1).clamp(min=0)
    log_share_NM = log_w_NM - log_w_NM.logcumsumexp(dim=1).gather(1, last_farther_NM)
    share_NM = log_share_NM.masked_fill(first_NM == 0, -torch.inf).exp()
    return (share_NM * (s_NM.logcumsumexp(dim=1).gather(1, last_farther_NM) - s_NM)).sum(dim=1)


FORMS = {"y_aware": y_aware, "threshold": threshold, "exp": exp}


def _log_kernel(d_NM: Tensor, bandwidth: float) -> Tensor:
    return -0.5 * (d_NM / bandwidth).square()


def _without_self(x_NN: Tensor) -> Tensor:
    return x_NN.masked_fill(torch.eye(len(x_NN), dtype=torch.bool, device=x_NN.device), -torch.inf)
