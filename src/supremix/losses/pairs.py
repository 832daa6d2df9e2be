"""What the losses share: checks of a batch, labels, unit rows.

Shapes: N rows in a batch (two views of B items are N = 2B rows), D features.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

LABEL_TOLERANCE = 1e-6
"""Labels closer than this are the same label: binned labels such as 4.3 carry float noise."""


def check_batch(z_ND: Tensor, y_N: Tensor) -> tuple[Tensor, Tensor]:
    """Return embeddings in float32 or wider, and labels as `exact_labels` on their device.

    Raises ValueError where the shapes do not describe one batch.
    """
    if z_ND.ndim != 2 or z_ND.shape[0] == 0:
        raise ValueError(f"z_ND must be a non-empty matrix (N rows, D features), got shape {tuple(z_ND.shape)}")
    if y_N.shape != z_ND.shape[:1]:
        raise ValueError(f"y_N must hold one label for each of the {z_ND.shape[0]} rows, got shape {tuple(y_N.shape)}")
    return at_least_float32(z_ND), exact_labels(y_N.to(z_ND.device))


def exact_labels(y_N: Tensor) -> Tensor:
    """Labels in float64, where a label plus the tolerance is still another number (float32 on Apple's GPUs)."""
    return y_N.to(exact_dtype(y_N.device))


def exact_dtype(device: torch.device) -> torch.dtype:
    """float64; the widest there is on a device without."""
    return torch.float32 if device.type == "mps" else torch.float64


def at_least_float32(x: Tensor) -> Tensor:
    """Half precisions cannot hold a log-sum-exp over thousands of pairs; float64 stays as it is."""
    return x if x.dtype in (torch.float32, torch.float64) else x.float()


def unit_rows(z_ND: Tensor) -> Tensor:
    """Rows scaled to norm 1; a row of zeros stays zero, with a zero gradient."""
    norm_N1 = z_ND.norm(dim=1, keepdim=True)
    usable_N1 = norm_N1 > 0
    return torch.where(usable_N1, z_ND / torch.where(usable_N1, norm_N1, 1.0), 0.0)


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
    z_ND, y_N = check_batch(z_ND, y_N)
    unit_ND = unit_rows(z_ND)
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
