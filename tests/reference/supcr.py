"""SupCR or Rank-N-Contrast (Zha et al. 2022, eq. 2) as loops: raw embeddings, negative distances."""

import torch
from torch import Tensor

from tests.reference.kernel import label_distances


def supcr_loss(z_ND: Tensor, y_N: Tensor, *, temperature: float = 2.0) -> Tensor:
    """Mean over all N(N − 1) pairs; (i, j) competes with every (i, k) at least as far apart in label."""
    d, near = label_distances(y_N)
    terms = []
    for i in range(len(d)):
        others = [k for k in range(len(d)) if k != i]
        logit = {k: -torch.linalg.vector_norm(z_ND[i] - z_ND[k]) / temperature for k in others}
        for j in others:
            ranked = [logit[k] for k in others if d[i][k] >= d[i][j] - near]
            terms.append(torch.logsumexp(torch.stack(ranked), dim=0) - logit[j])
    return torch.stack(terms).mean() if terms else (z_ND * 0.0).sum()
