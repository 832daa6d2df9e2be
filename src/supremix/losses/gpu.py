"""Compute SupReMix on a GPU by `kernels`, where Triton works here and they cover the loss."""

import logging
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from supremix.losses.labels import Labels
from supremix.losses.windows import anchor_weights, find_windows

log = logging.getLogger(__name__)

PLACES = 1 << 31
"""Entries of a matrix that kernels count in 32 bits."""
TRIED = SimpleNamespace(
    temperature=1.0, label_range=None, mix_pos=True, weight=True, mix_space="embedding", renormalise=True,
    detach_mixtures=False, reduction="label_sum",
)  # fmt: skip
"""Settings of the loss that is tried."""


def usable(z_ND: Tensor, loss: Any) -> bool:
    """Return whether kernels compute the loss of these embeddings: cosines, with mixtures of norm 1 or of unit rows."""
    covered = loss.similarity == "cosine" and (loss.renormalise or loss.mix_space == "sphere")
    return z_ND.is_cuda and covered and len(z_ND) ** 2 < PLACES and works(z_ND.device)


@cache
def works(device: torch.device) -> bool:
    """Return whether Triton compiles and runs here, by a trial: a missing compiler shows only at the first call."""
    windows = find_windows(Labels(np.arange(3.0), 0.0), window=1.0, inclusive=True)
    try:
        by_kernels(torch.eye(3, device=device), None, windows, anchor_weights(windows, TRIED), TRIED)
    except Exception as error:  # each compiler has its own errors
        cause = (str(error).strip() or type(error).__name__).splitlines()[0]
        log.warning("Triton does not work here (%s): SupReMix runs as defined, several times slower", cause)
        return False
    return True


def by_kernels(*given: Any) -> tuple[Tensor, Tensor]:
    """Return SupReMix and its gradient (N, D); arguments as of `definition.supremix`."""
    from supremix.losses import kernels

    return kernels.value_and_gradient(*given)
