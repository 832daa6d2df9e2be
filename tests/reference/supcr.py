"""SupCR or Rank-N-Contrast (Zha et al. 2022, eq. 2) as loops: raw embeddings, negative distances."""

import torch
from torch import Tensor

from tests.reference.supremix import tolerance


def supcr_loss(z_ND: Tensor, y_N: Tensor, *, temperature: float = 2.0) -> Tensor:
    """Mean over all N(N − 1) pairs; (i, j) competes with every (i, k) at least as far apart in label."""
    y = [float(label) for label in y_N]
    terms = []
    for i in range(len(y)):
        others = [k for k in range(len(y)) if k != i]
        logit = {k: -torch.linalg.vector_norm(z_ND[i] - z_ND[k]) / temperature for k in others}
        for j in others:
            distance = abs(y[i] - y[j])
            ranked = [logit[k] for k in others if abs(y[i] - y[k]) >= distance - tolerance(y)]
            terms.append(torch.logsumexp(torch.stack(ranked), dim=0) - logit[j])
    return torch.stack(terms).mean() if terms else (z_ND * 0.0).sum()
