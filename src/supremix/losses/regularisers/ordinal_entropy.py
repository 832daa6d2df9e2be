"""Ordinal entropy (Zhang et al. 2023): spread the labels' centres by label distance, gather rows around theirs."""

from typing import Any

import torch
from torch import Tensor, nn

from supremix.losses import pairs
from supremix.losses.definition import NegativeDistance


class OrdinalEntropyLoss(nn.Module):
    """Spread the centres of distinct labels, and draw rows to the centre of their label.

    With the mean c_u of the unit features of each distinct label u, and label distances d_uv, the loss is
    −mean_{u<v} (d_uv/max d) ‖c_u − c_v‖ + mean_i ‖z_i − c_{y_i}‖, where the first mean is 0 for a single label.

    Where no label repeats, as in the authors' synthetic tasks, rows are their own centres. Their code subtracts the
    smallest d before it divides by the largest, normalises the centres, and squares the distances to them.
    """

    registered_name = "regulariser/ordinal_entropy"

    @pairs.without_compiling
    def forward(self, z_ND: Tensor, y_N: Any) -> Tensor:
        """Return the loss of a batch, a scalar.

        Args:
            z_ND: features; normalised inside.
            y_N: labels, numbers or vectors (N, T): a tensor, an array or a list. The host reads them.

        Raises:
            ValueError: the shapes are not those of one batch, or a label is not finite.
        """
        z_ND, labels = pairs.check_vectors(z_ND, y_N)
        device = z_ND.device
        with pairs.full_precision(device):
            row_U, place_N = (torch.from_numpy(array).to(device, non_blocking=True) for array in labels.distinct())
            unit_ND = pairs.exact_unit_rows(z_ND)
            rows_U = unit_ND.new_zeros(len(row_U)).index_add(0, place_N, unit_ND.new_ones(len(place_N)))
            sum_UD = unit_ND.new_zeros(len(row_U), unit_ND.shape[1]).index_add(0, place_N, unit_ND)
            center_UD = sum_UD / rows_U[:, None]
            loss = torch.linalg.vector_norm(unit_ND - center_UD[place_N], dim=1).mean()
            similarity = NegativeDistance()
            labels_apart_UU = labels.distances(device)[row_U][:, row_U]
            nearness_UU = similarity.real(similarity.between(center_UD, center_UD))
            # The diagonal is 0; the sum has each pair twice.
            pairs_twice = max(len(row_U) * (len(row_U) - 1), 1)
            largest = labels_apart_UU.amax().clamp(min=torch.finfo(nearness_UU.dtype).tiny)
            loss = loss + (labels_apart_UU / largest * nearness_UU).sum() / pairs_twice
            return loss.to(z_ND.dtype)
