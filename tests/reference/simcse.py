"""Supervised SimCSE with pairs above a threshold as positives (Gao et al. 2021), in both directions, as loops."""

import torch
from torch import Tensor

from tests.reference.supremix import unit


def simcse_loss(z_N2D: Tensor, y_N: Tensor, *, temperature: float, threshold: float = 2.0) -> Tensor:
    """Mean over the positive pairs and both directions of the cross-entropy against all candidates of the batch."""
    n = len(z_N2D)
    terms = []
    for i in range(n):
        if float(y_N[i]) <= threshold:
            continue
        for one, other in ((0, 1), (1, 0)):
            logits = [unit(z_N2D[i, one]) @ unit(z_N2D[k, other]) / temperature for k in range(n)]
            terms.append(torch.logsumexp(torch.stack(logits), dim=0) - logits[i])
    return torch.stack(terms).mean() if terms else (z_N2D * 0.0).sum()
