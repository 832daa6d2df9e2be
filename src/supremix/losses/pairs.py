"""What the losses share: checks of their arguments, exact labels, unit rows.

Shapes: N rows in a batch (two views of B items are N = 2B rows), D features.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import wraps
from inspect import signature
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from supremix.losses.labels import Labels, LabelVectors, exact_dtype, read_label_vectors, read_labels

Forward = TypeVar("Forward", bound=Callable[..., Tensor])


TEMPERATURES = (1e-6, 1e6)
"""Within it logits, cosines divided by the temperature, and their sums have digits in float32."""


def check_batch(z_ND: Any, y_N: Any) -> tuple[Tensor, Labels]:
    """Check embeddings and labels; return the embeddings in float32 or wider, and the labels on the host.

    Args:
        z_ND: embeddings.
        y_N: labels: a tensor, an array or a list of N numbers.

    Raises:
        ValueError: the embeddings are no tensor (N, D), N ≥ 1, or the labels are not N finite numbers.
    """
    z_ND = check_rows(z_ND)
    return z_ND, read_labels(y_N, len(z_ND))


def check_vectors(z_ND: Any, y_N: Any) -> tuple[Tensor, LabelVectors]:
    """Check a batch as `check_batch` does, with labels that may be vectors, (N,) or (N, T)."""
    z_ND = check_rows(z_ND)
    return z_ND, read_label_vectors(y_N, len(z_ND))


def check_rows(z_ND: Any) -> Tensor:
    """Check embeddings; return them in float32 or wider."""
    if not isinstance(z_ND, Tensor) or z_ND.is_complex():
        got = z_ND.dtype if isinstance(z_ND, Tensor) else type(z_ND).__name__
        raise ValueError(f"z_ND must be a tensor of real numbers, got {got}")
    if z_ND.ndim != 2 or z_ND.shape[0] == 0:
        raise ValueError(f"z_ND must be a non-empty matrix (N rows, D features), got shape {tuple(z_ND.shape)}")
    return at_least_float32(z_ND)


def without_compiling(forward: Forward) -> Forward:
    """Run a loss as it is in a step that ``torch.compile`` compiles, since NumPy reads labels, which decide shapes."""

    @wraps(forward)
    def call(*args: Any, **kwargs: Any) -> Tensor:
        # Only there: it imports the compiler, which takes seconds.
        run = torch.compiler.disable(forward) if torch.compiler.is_compiling() else forward
        return run(*args, **kwargs)

    return call  # type: ignore[return-value]


def at_least_float32(x: Tensor) -> Tensor:
    """Widen half precisions, which cannot hold a log-sum-exp over thousands of pairs; keep float64."""
    return x if x.dtype in (torch.float32, torch.float64) else x.float()


def full_precision(device: torch.device) -> AbstractContextManager:
    """Switch autocast off inside: a Gram matrix and a log-sum-exp in half precision would be noise."""
    entered = torch.amp.is_autocast_available(device.type) and torch.is_autocast_enabled(device.type)
    return torch.autocast(device.type, enabled=False) if entered else nullcontext()


def unit_rows(z_ND: Tensor) -> Tensor:
    """Scale rows to norm 1; a row of norm below the smallest normal number becomes zeros, with a zero gradient."""
    return exact_unit_rows(z_ND).to(z_ND.dtype)


def exact_unit_rows(z_ND: Tensor) -> Tensor:
    """Return `unit_rows` in `exact_dtype`."""
    return unit_and_norm(z_ND.to(exact_dtype(z_ND.device)), torch.finfo(z_ND.dtype).tiny)[0]


def unit_and_norm(z_ND: Tensor, tiny: float) -> tuple[Tensor, Tensor]:
    """Return rows of norm 1, zeros where the norm is below ``tiny``, and the norms, (N, 1)."""
    norm_N1 = torch.linalg.vector_norm(z_ND, dim=1, keepdim=True)
    return z_ND / norm_N1.masked_fill(norm_N1 < tiny, torch.inf), norm_N1  # NaN is not below, and shows


def real_logits(z_ND: Tensor, y_N: Any) -> tuple[Tensor, Tensor, Tensor]:
    """Compute the cosines that figures 3 and 5 of the paper plot; no loss uses them.

    Args:
        z_ND: embeddings.
        y_N: labels, numbers or vectors (N, T).

    Returns:
        Cosines (N, N), mask of positive pairs (N, N), mask of negative pairs (N, N); the masks hold each pair once.
    """
    z_ND, labels = check_vectors(z_ND, y_N)
    unit_ND = unit_rows(z_ND)
    same_NN = labels.gaps(z_ND.device) <= labels.tolerance
    return unit_ND @ unit_ND.T, same_NN.triu(1), (~same_NN).triu(1)


def positive_number(name: str, value: Any) -> float:
    """Return the value as a float; raise ValueError naming the argument unless it is finite and above 0."""
    result = number(value)
    if not 0 < result < float("inf"):
        raise ValueError(f"{name} must be a finite number above 0, got {value}")
    return result


def in_range(name: str, value: Any, low: float, high: float) -> float:
    """Return the value as a float; raise ValueError naming the argument and its range unless it lies within."""
    result = positive_number(name, value)
    if not low <= result <= high:
        raise ValueError(f"{name} must be from {low:g} to {high:g}, beyond which float32 has no digits, got {value}")
    return result


def number(value: Any) -> float:
    """Return the value as a float; NaN where it is no number, so that every comparison fails."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return float("nan")


def one_of(name: str, value: Any, *choices: str) -> str:
    """Return the value; raise ValueError naming the argument unless it is one of the choices."""
    if value not in choices:
        raise ValueError(f"{name} must be {' or '.join(map(repr, choices))}, got {value!r}")
    return value


def settings_of(loss: nn.Module) -> str:
    """Return the arguments of a loss as text, for its ``repr``."""
    return ", ".join(f"{name}={getattr(loss, name)!r}" for name in signature(type(loss)).parameters)
