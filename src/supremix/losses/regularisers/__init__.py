"""Losses that are added to a regression loss and act on the features before the last layer.

Each is a ``torch.nn.Module`` called with features, labels and what else its ``forward`` names: ``prediction_N``, the
predictions in label units; ``weight_N``, a weight for each row; ``generator``, the source of its draws.
"""

from supremix.losses.regularisers.conr import ConRLoss
from supremix.losses.regularisers.ordinal_entropy import OrdinalEntropyLoss
from supremix.losses.regularisers.ranksim import RankSimLoss
from supremix.losses.regularisers.srl import SRLLoss

__all__ = ["ConRLoss", "OrdinalEntropyLoss", "RankSimLoss", "SRLLoss"]
