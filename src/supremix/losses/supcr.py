"""SupCR, published as Rank-N-Contrast (Zha et al. 2022 and 2023, eq. 1 and 2)."""

import torch
from torch import Tensor, nn

from supremix.losses import pairs


class SupCRLoss(nn.Module):
    """For anchor i and every other j: j against all k at least as far from i in label as j is.

    Similarity is the negative Euclidean distance of the raw embeddings over the temperature; ties are in the
    denominator. Sorting by label distance and a running log-sum-exp make it N² log N.

    Args:
        temperature: τ > 0.
    """

    def __init__(self, temperature: float = 2.0) -> None:
        super().__init__()
        self.temperature = pairs.positive_number("temperature", temperature)

    def forward(self, z_ND: Tensor, y_N: Tensor) -> Tensor:
        """Loss of a batch: raw embeddings and labels; the mean over all N(N−1) ordered pairs."""
        z_ND, y_N = pairs.check_batch(z_ND, y_N)
        n = len(z_ND)
        with torch.autocast(z_ND.device.type, enabled=False):
            if n < 2:
                return z_ND.sum() * 0.0
            # The matrix-product form of cdist loses the digits of small distances.
            distance_NN = torch.cdist(z_ND, z_ND, compute_mode="donot_use_mm_for_euclid_dist")
            others_NN = ~torch.eye(n, dtype=torch.bool, device=z_ND.device)
            logits_NM = (-distance_NN / self.temperature)[others_NN].view(n, n - 1)
            label_NM = pairs.label_distance(y_N)[others_NN].view(n, n - 1)

            far_NM, order_NM = label_NM.sort(dim=1, descending=True)
            running_NM = logits_NM.gather(1, order_NM).logcumsumexp(dim=1)
            # Ties share one denominator: the running sum up to the last k with d_ik ≥ d_ij − tolerance.
            last_NM = torch.searchsorted(-far_NM, -label_NM + pairs.LABEL_TOLERANCE, right=True) - 1
            return (running_NM.gather(1, last_NM) - logits_NM).mean()

    def count_positives(self, y_N: Tensor) -> Tensor:
        """Every other row is a positive of each anchor, (N,)."""
        return torch.full(y_N.shape, len(y_N) - 1, device=y_N.device)
