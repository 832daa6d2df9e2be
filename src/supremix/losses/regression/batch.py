"""What the losses of a regression share: checks of their arguments. N rows, K outputs."""

from typing import Any

import numpy as np
from torch import Tensor

from supremix.losses.pairs import at_least_float32, number, one_of


def read_batch(output: Any, target_N: Any, outputs: int = 1) -> tuple[Tensor, Tensor]:
    """Check a batch; return outputs in float32 or wider, (N,) for one output and (N, K) for more, and its targets.

    Raises:
        ValueError: the outputs or the targets are not tensors of those shapes.
    """
    wanted, form = ("(N,)", (1,)) if outputs == 1 else (f"(N, {outputs})", (2, outputs))
    if not isinstance(output, Tensor) or (output.ndim, *output.shape[1:]) != form or len(output) == 0:
        raise ValueError(f"the output must be a tensor {wanted}, N ≥ 1, got {_described(output)}")
    if not isinstance(target_N, Tensor) or target_N.shape != output.shape[:1]:
        raise ValueError(f"target_N must be a tensor ({len(output)},), got {_described(target_N)}")
    output = at_least_float32(output)
    return output, target_N.to(output.dtype)


def reduction_of(value: Any) -> str:
    """Return "mean" or "none"; raise ValueError for any other."""
    return one_of("reduction", value, "mean", "none")


def part(name: str, value: Any) -> float:
    """Return the value as a float; raise ValueError naming the argument unless it lies between 0 and 1."""
    result = number(value)
    if not 0 < result < 1:
        raise ValueError(f"{name} must lie between 0 and 1, got {value}")
    return result


def read_targets(target_N: Any) -> np.ndarray:
    """Return the training targets as float64; raise ValueError unless they are finite and (N,), N ≥ 1."""
    given_N = np.asarray(target_N, dtype=np.float64)
    if given_N.ndim != 1 or given_N.size == 0 or not np.isfinite(given_N).all():
        raise ValueError(f"the training targets must be finite numbers (N,), N ≥ 1, got shape {given_N.shape}")
    return given_N


def _described(value: Any) -> str:
    return f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
