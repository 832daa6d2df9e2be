"""Losses for regression, usable on their own: tensors in, one scalar out.

    >>> from supremix.losses import SupReMixLoss
    >>> loss = SupReMixLoss(temperature=0.1, window=7.0)(z_ND, y_N)  # N embeddings of D features, N labels

Every contrastive loss is a ``torch.nn.Module``: called with embeddings and labels it returns a scalar that
back-propagates, and ``count_positives(y_N)`` says how many positives each anchor has. Losses of predictions, with or
without an interval, are in `supremix.losses.regression`; losses that are added to those, as contrastive ones may be
too, in `supremix.losses.regularisers`. Nothing else of the package is imported.
"""

from supremix.losses.kernel import KernelContrastLoss
from supremix.losses.regression import BalancedMSELoss, GaussianNLL, HLGaussLoss, QuantileLoss
from supremix.losses.regularisers import ConRLoss, OrdinalEntropyLoss, RankSimLoss, SRLLoss
from supremix.losses.simcse import SimCSELoss
from supremix.losses.supcon import SupConLoss
from supremix.losses.supcr import SupCRLoss
from supremix.losses.supremix import SupReMixLoss

__all__ = [
    "BalancedMSELoss",
    "ConRLoss",
    "GaussianNLL",
    "HLGaussLoss",
    "KernelContrastLoss",
    "OrdinalEntropyLoss",
    "QuantileLoss",
    "RankSimLoss",
    "SRLLoss",
    "SimCSELoss",
    "SupCRLoss",
    "SupConLoss",
    "SupReMixLoss",
]
