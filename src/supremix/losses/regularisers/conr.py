"""ConR (Keramati et al. 2024): push apart rows whose predictions are near although their labels are far."""

from typing import Any

import torch
from torch import Tensor, nn

from supremix.losses import pairs


class ConRLoss(nn.Module):
    """Contrast each row with those of near labels, against those that are predicted near but labelled far.

    Of row i, with cosines over τ, s_ik, and label distances d_ik, k ≠ i: positives P_i = {k: d_ik ≤ ω} and negatives
    Q_i = {k: d_ik > ω, |ŷ_i − ŷ_k| ≤ ω}. Where both have a row, its loss is
    −(1/|P_i|) Σ_{p ∈ P_i} log[exp s_ip / (Σ_{k ∈ P_i} exp s_ik + Σ_{q ∈ Q_i} η_i exp(ε d_iq) exp s_iq)], else 0. The
    loss is the mean over all rows. The authors' β = 4 is its weight beside the regression loss.

    In their code the logits of pairs outside P_i enter the first sum as exp 0, a row's loss is multiplied by η_i once
    more, and τ is 0.07 whatever is asked for on AgeDB-DIR, where the paper has 0.2.

    Args:
        omega: ω > 0, label units; the authors take 1.
        eps: ε ≥ 0, per label unit; the authors take 0.01.
        temperature: τ > 0; the authors take 0.2.
    """

    registered_name = "regulariser/conr"

    def __init__(self, omega: float = 1.0, eps: float = 0.01, temperature: float = 0.2) -> None:
        super().__init__()
        self.omega = pairs.positive_number("omega", omega)
        self.eps = pairs.number(eps)
        if not 0 <= self.eps < float("inf"):
            raise ValueError(f"eps must be a finite number, 0 or more, got {eps}")
        self.temperature = pairs.in_range("temperature", temperature, *pairs.TEMPERATURES)

    @pairs.without_compiling
    def forward(self, z_ND: Tensor, y_N: Any, prediction_N: Tensor, weight_N: Tensor | None = None) -> Tensor:
        """Return the loss of a batch, a scalar.

        Args:
            z_ND: features; normalised inside.
            y_N: labels, numbers or vectors (N, T): a tensor, an array or a list. The host reads them.
            prediction_N: predictions ŷ in the shape and units of the labels. No gradient passes through them.
            weight_N: η ≥ 0, such as the weights of LDS; None is 1 for each row.

        Raises:
            ValueError: the shapes are not those of one batch, or a label is not finite.
        """
        z_ND, labels = pairs.check_vectors(z_ND, y_N)
        n, exact = len(z_ND), pairs.exact_dtype(z_ND.device)
        if prediction_N.numel() != labels.y_NT.size or len(prediction_N) != n:
            shape = tuple(prediction_N.shape)
            raise ValueError(f"prediction_N must have the shape of the labels, {labels.y_NT.shape}, got {shape}")
        if weight_N is not None and weight_N.shape != (n,):
            raise ValueError(f"weight_N must have shape ({n},), got {tuple(weight_N.shape)}")
        with pairs.full_precision(z_ND.device):
            prediction_NT = prediction_N.detach().to(z_ND.device, exact).reshape(n, -1)
            apart_NN = torch.cdist(prediction_NT, prediction_NT, compute_mode="donot_use_mm_for_euclid_dist")
            d_NN = labels.distances(z_ND.device)
            near_NN = d_NN <= self.omega + labels.tolerance
            positive_NN = near_NN & ~torch.eye(n, dtype=torch.bool, device=z_ND.device)
            negative_NN = ~near_NN & (apart_NN <= self.omega)

            unit_ND = pairs.exact_unit_rows(z_ND)
            s_NN = unit_ND @ unit_ND.T / self.temperature
            pushed_NN = s_NN + self.eps * d_NN
            if weight_N is not None:
                pushed_NN = pushed_NN + weight_N.to(z_ND.device, exact).log()[:, None]
            logits_NN = torch.where(positive_NN, s_NN, pushed_NN.masked_fill(~negative_NN, -torch.inf))
            counts_N = positive_NN.any(dim=1) & negative_NN.any(dim=1)
            # Rows that do not count have a sum of their own, so that none is empty.
            denominator_N = torch.where(counts_N[:, None], logits_NN, s_NN).logsumexp(dim=1)
            mean_N = (s_NN * positive_NN).sum(dim=1) / positive_NN.sum(dim=1).clamp(min=1)
            return torch.where(counts_N, denominator_N - mean_N, 0 * s_NN.sum(dim=1)).mean().to(z_ND.dtype)

    def extra_repr(self) -> str:
        """Show all settings."""
        return pairs.settings_of(self)
