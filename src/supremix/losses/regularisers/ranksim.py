"""RankSim (Gong et al. 2022): neighbours in feature space are ranked as they are in label space."""

from typing import Any

import torch
from torch import Tensor, nn

from supremix.losses import pairs


class RankSimLoss(nn.Module):
    """Compare, for each row, the ranks of the others by cosine with those by label distance.

    One row of each distinct label is drawn, M rows. With the cosines s_i of row i, S_i = −d_i of its label distances
    and rk(a)_k = (1 + the number of entries above a_k)/M, the loss is Σ_i mean_k (rk(s_i)_k − rk(S_i)_k)².

    Ranks have no gradient of their own. For an incoming gradient g, blackbox interpolation (Vlastelica et al. 2020)
    passes −[rk(s) − rk(s + λg)]/λ on, so that a factor of the loss acts inside it too. The authors' factor is 100.
    Their code breaks ties of ranks by the order of rows, where these rows share a rank.

    Args:
        interpolation: λ > 0; the authors take 2.
    """

    registered_name = "regulariser/ranksim"

    def __init__(self, interpolation: float = 2.0) -> None:
        super().__init__()
        self.interpolation = pairs.positive_number("interpolation", interpolation)

    @pairs.without_compiling
    def forward(self, z_ND: Tensor, y_N: Any, generator: torch.Generator | None = None) -> Tensor:
        """Return the loss of a batch, a scalar.

        Args:
            z_ND: features; normalised inside.
            y_N: labels, numbers or vectors (N, T): a tensor, an array or a list. The host reads them.
            generator: source of the draws, on the device of ``z_ND``; None takes torch's global one.

        Raises:
            ValueError: the shapes are not those of one batch, or a label is not finite.
        """
        z_ND, labels = pairs.check_vectors(z_ND, y_N)
        device = z_ND.device
        with pairs.full_precision(device):
            row_M, place_on_host_N = labels.distinct()
            # The row of a label that comes first in a random order of all rows.
            order_N = torch.randperm(len(z_ND), generator=generator, device=device)
            place_N = torch.from_numpy(place_on_host_N).to(device, non_blocking=True)
            turn_N = torch.empty_like(order_N).scatter_(0, order_N, torch.arange(len(order_N), device=device))
            turn_M = turn_N.new_full((len(row_M),), len(z_ND)).scatter_reduce_(0, place_N, turn_N, "amin")
            drawn_M = order_N[turn_M]

            d_MM = labels.distances(device)[drawn_M][:, drawn_M]
            unit_MD = pairs.exact_unit_rows(z_ND[drawn_M])
            by_label_MM = descending_ranks(-d_MM, labels.tolerance)
            by_feature_MM = Ranks.apply(unit_MD @ unit_MD.T, self.interpolation)
            return (by_feature_MM - by_label_MM).square().mean(dim=1).sum().to(z_ND.dtype)

    def extra_repr(self) -> str:
        """Show all settings."""
        return pairs.settings_of(self)


class Ranks(torch.autograd.Function):
    """Descending ranks over the number of entries, row by row, with the gradient of blackbox interpolation."""

    @staticmethod
    def forward(ctx: Any, s_MM: Tensor, interpolation: float) -> Tensor:
        """Return the ranks of each row's entries."""
        rank_MM = descending_ranks(s_MM)
        ctx.save_for_backward(s_MM, rank_MM)
        ctx.interpolation = interpolation
        return rank_MM

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, upstream_MM: Tensor) -> tuple[Tensor, None]:
        """Return −[rk(s) − rk(s + λg)]/λ."""
        s_MM, rank_MM = ctx.saved_tensors
        moved_MM = descending_ranks(s_MM + ctx.interpolation * upstream_MM)
        return (moved_MM - rank_MM) / ctx.interpolation, None


def descending_ranks(a_MM: Tensor, tolerance: float = 0.0) -> Tensor:
    """Return (1 + the number of entries of the row above by more than the tolerance)/M; NaN in rows that have one."""
    ascending_MM = a_MM.sort(dim=1).values
    above_MM = a_MM.shape[1] - torch.searchsorted(ascending_MM, (a_MM + tolerance).contiguous(), right=True)
    return (1 + above_MM).to(a_MM.dtype) / a_MM.shape[1] + 0.0 * a_MM.sum(dim=1, keepdim=True)
