"""Metrics of features over the epochs of a stage, where they are asked for."""

import math
from collections.abc import Callable

import torch
from torch import nn

from supremix.data.dataset import Data
from supremix.metrics.representation import REPRESENTATION, representation_metrics
from supremix.training.batches import apply
from supremix.training.loop import EpochRow


def representation_curve(
    backbone: nn.Module, data: Data, every: int | None, batch_size: int, device: torch.device
) -> Callable[[int], EpochRow]:
    """Return a function from an epoch to the metrics of the validation features after it, columns of its row.

    Args:
        every: epochs between readings; the others have NaN. None reads nothing, and there are no such columns.
    """
    y_N = data.val.y if data.vectors is None else data.vectors.standard(data.val.y)

    def columns(epoch: int) -> EpochRow:
        if every is None:
            return {}
        values = dict.fromkeys(REPRESENTATION, math.nan)
        if epoch % every == 0:
            features_ND = apply(backbone, data.val, batch_size, device, data.to_input)
            values = representation_metrics(features_ND.numpy(), y_N)
        return {f"representation_{name}": value for name, value in values.items()}

    return columns
