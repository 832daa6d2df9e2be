"""What the losses share: checks of a batch, labels, unit rows.

Shapes: N rows in a batch (two views of B items are N = 2B rows), D features.
"""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor

LABEL_TOLERANCE = 1e-6
"""Labels closer than this are the same label: binned labels such as 4.3 carry float noise."""


def check_batch(z_ND: Tensor, y_N: Tensor) -> Tensor:
    """Return embeddings in float32 or wider. Raises ValueError where the shapes do not describe one batch."""
    if z_ND.ndim != 2 or z_ND.shape[0] == 0:
        raise ValueError(f"z_ND must be a non-empty matrix (N rows, D features), got shape {tuple(z_ND.shape)}")
    if y_N.shape != z_ND.shape[:1]:
        raise ValueError(f"y_N must hold one label for each of the {z_ND.shape[0]} rows, got shape {tuple(y_N.shape)}")
    return at_least_float32(z_ND)


def exact_labels(y_N: Tensor, device: torch.device) -> Tensor:
    """Labels in float64, where a label plus the tolerance is still another number (float32 on Apple's GPUs)."""
    return y_N.to(device, exact_dtype(device), non_blocking=device.type != "cpu")  # the host would read too early


def exact_dtype(device: torch.device) -> torch.dtype:
    """float64; the widest there is on a device without."""
    return torch.float32 if device.type == "mps" else torch.float64


def at_least_float32(x: Tensor) -> Tensor:
    """Half precisions cannot hold a log-sum-exp over thousands of pairs; float64 stays as it is."""
    return x if x.dtype in (torch.float32, torch.float64) else x.float()


def full_precision(device: torch.device) -> AbstractContextManager:
    """Keeps autocast off inside: a Gram matrix and a log-sum-exp in half precision would be noise."""
    entered = torch.amp.is_autocast_available(device.type) and torch.is_autocast_enabled(device.type)
    return torch.autocast(device.type, enabled=False) if entered else nullcontext()


def unit_rows(z_ND: Tensor) -> Tensor:
    """Rows scaled to norm 1; one below the smallest normal number becomes zeros, with a zero gradient."""
    norm_N1 = norms(z_ND)[:, None]
    zero_N1 = norm_N1 < torch.finfo(z_ND.dtype).tiny  # not so where it is not a number, which must show
    return torch.where(zero_N1, 0.0, z_ND / torch.where(zero_N1, 1.0, norm_N1))


def norms(z_ND: Tensor) -> Tensor:
    """Norms of rows, (N,); the squares of what float32 holds, large or small, need the range of float64."""
    return torch.linalg.vector_norm(z_ND, dim=1, dtype=exact_dtype(z_ND.device)).to(z_ND.dtype)


def times_saved(ctx: Any, upstream: Tensor) -> Tensor:
    """Backward pass of a loss that saved its gradient (N, D): that, times the derivative of the rest by the loss.

    Raises RuntimeError where a graph of it is asked for: as a constant it would spoil a second derivative silently.
    """
    if torch.is_grad_enabled():
        raise RuntimeError("this loss has no second derivative: leave out create_graph=True")
    (gradient_ND,) = ctx.saved_tensors
    return upstream * gradient_ND


def label_span(label_N: np.ndarray, label_range: float | None) -> float:
    """R of eq. (5): the given range of the training labels, else that of a batch's in ascending order; 1 if it is 0."""
    if label_range is not None:
        return label_range
    span = float(label_N[-1] - label_N[0])
    return span if span > LABEL_TOLERANCE else 1.0


def real_logits(z_ND: Tensor, y_N: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Inner products of unit embeddings, (N, N), and masks of positive and of negative pairs, each pair once.

    For reading how training goes (the paper's figures 3 and 5 plot them); no loss is computed from these.
    """
    unit_ND = unit_rows(check_batch(z_ND, y_N))
    y_N = exact_labels(y_N, z_ND.device)
    same_NN = (y_N[:, None] - y_N).abs() <= LABEL_TOLERANCE
    return unit_ND @ unit_ND.T, same_NN.triu(1), (~same_NN).triu(1)


def positive_number(name: str, value: Any) -> float:
    """Return ``value``; ValueError naming the argument unless it is a finite number above 0."""
    found = number(value)
    if not 0 < found < float("inf"):
        raise ValueError(f"{name} must be a finite number above 0, got {value}")
    return found


def number(value: Any) -> float:
    """The value as a float; NaN where it is none, so that it fails every comparison."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return float("nan")
