"""SupCon with the mean over positives outside the logarithm (Khosla et al. 2020, eq. 2), as loops."""

import torch
from torch import Tensor

from tests.reference.supremix import tolerance, unit


def supcon_loss(z_ND: Tensor, y_N: Tensor, *, temperature: float) -> Tensor:
    """Mean over the anchors with a positive of the mean over their positives; z_ND raw, y_N labels."""
    y = [float(label) for label in y_N]
    anchor_losses = []
    for i in range(len(y)):
        logit = {k: unit(z_ND[i]) @ unit(z_ND[k]) / temperature for k in range(len(y)) if k != i}
        positives = [k for k in logit if abs(y[k] - y[i]) <= tolerance(y)]
        if positives:
            log_denominator = torch.logsumexp(torch.stack(list(logit.values())), dim=0)
            anchor_losses.append(sum(log_denominator - logit[p] for p in positives) / len(positives))
    return torch.stack(anchor_losses).mean() if anchor_losses else (z_ND * 0.0).sum()
