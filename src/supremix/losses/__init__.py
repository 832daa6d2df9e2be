"""Contrastive losses for regression, usable on their own: tensors in, one scalar out."""

from supremix.losses.simcse import SimCSELoss
from supremix.losses.supcon import SupConLoss
from supremix.losses.supcr import SupCRLoss
from supremix.losses.supremix import SupReMixLoss

__all__ = ["SimCSELoss", "SupCRLoss", "SupConLoss", "SupReMixLoss"]
