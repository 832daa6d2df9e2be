"""Read the labels of a batch as callers give them: tensors, arrays or lists; refuse what is no label.

Shapes: N rows, T numbers of a label that is a vector.
"""

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

LABEL_TOLERANCE = 1e-9
"""Labels closer than this part of their range are the same label: binned labels such as 4.3 carry float noise."""

LARGEST, EPS32 = float(np.finfo(np.float32).max), float(np.finfo(np.float32).eps)
EPS64 = float(np.finfo(np.float64).eps)


class Labels(NamedTuple):
    """A batch's labels on the host, checked.

    Attributes:
        y_N: labels, float64.
        tolerance: distance up to which labels are the same, label units: `LABEL_TOLERANCE` of their range, and no less
            than what a difference of two labels is rounded by.
    """

    y_N: np.ndarray
    tolerance: float

    def on(self, device: torch.device) -> Tensor:
        """Return the labels on a device in float64, in which label + tolerance ≠ label (float32 on Apple's GPUs)."""
        return _on(self.y_N, device)


class LabelVectors(NamedTuple):
    """A batch's labels on the host, each a number or a vector, checked.

    Attributes:
        y_NT: labels, float64; one column where they are numbers.
        tolerances: for each column, the distance up to which its labels are the same.
    """

    y_NT: np.ndarray
    tolerances: tuple[float, ...]

    @property
    def tolerance(self) -> float:
        """Distance of two labels up to which they are the same, label units."""
        return self.tolerances[0] if len(self.tolerances) == 1 else float(np.linalg.norm(self.tolerances))

    @property
    def numbers(self) -> Labels | None:
        """The labels where they are numbers; None where they are vectors."""
        return Labels(self.y_NT[:, 0], self.tolerances[0]) if len(self.tolerances) == 1 else None

    def gaps(self, device: torch.device) -> Tensor:
        """Return ‖y_i − y_k‖ on a device, (N, N), as computed."""
        y_NT = _on(self.y_NT, device)
        if len(self.tolerances) == 1:
            return (y_NT - y_NT.T).abs()
        return torch.cdist(y_NT, y_NT, compute_mode="donot_use_mm_for_euclid_dist")

    def distances(self, device: torch.device) -> Tensor:
        """Return d_NN = ‖y_i − y_k‖ on a device; 0 where the labels are the same."""
        d_NN = self.gaps(device)
        return d_NN.masked_fill(d_NN <= self.tolerance, 0.0)

    def distinct(self) -> tuple[np.ndarray, np.ndarray]:
        """Return a row of each distinct label, (U,), in label order, and the place of each row's label there, (N,)."""
        steps_NT = np.stack([_steps(*column) for column in zip(self.y_NT.T, self.tolerances, strict=True)], axis=1)
        _, row_U, place_N = np.unique(steps_NT, axis=0, return_index=True, return_inverse=True)
        return row_U, place_N.reshape(-1)


def read_labels(y_N: Any, rows: int | None = None) -> Labels:
    """Return labels on the host; the one place where losses read them.

    Args:
        y_N: labels: a tensor, which may be on another device, an array or a list of N numbers.
        rows: N; None takes any.

    Raises:
        ValueError: the labels are not N finite numbers. The message names the first row whose label is not.
    """
    if isinstance(y_N, Tensor):
        y_N = y_N.detach().cpu()
        # NumPy lacks bfloat16.
        y_N = (y_N.float() if y_N.is_floating_point() and y_N.itemsize < 4 else y_N).numpy()
    try:
        given_N = np.asarray(y_N)
        if given_N.dtype.kind not in "biufO":
            raise TypeError(f"got {given_N.dtype}")
        label_N = given_N.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"y_N must hold real numbers, one for each row: {error}") from None
    if label_N.ndim != 1 or rows not in (None, len(label_N)):
        column = "; squeeze(1) makes a column of labels (N,)" if label_N.shape[1:] == (1,) else ""
        each = "each row" if rows is None else f"each of the {rows} rows"
        raise ValueError(f"y_N must hold one label for {each}, got shape {label_N.shape}{column}")
    low, high = (float(label_N.min()), float(label_N.max())) if len(label_N) else (0.0, 0.0)
    if not (math.isfinite(low) and math.isfinite(high)):
        bad_N = ~np.isfinite(label_N)
        row = int(bad_N.argmax())
        others = f", and those of {bad_N.sum() - 1} other rows are not finite" if bad_N.sum() > 1 else ""
        raise ValueError(f"y_N[{row}] is {label_N[row]}{others}: leave out rows without a label")
    if not high - low < LARGEST:
        raise ValueError(f"y_N spans {low:g} to {high:g}, more than float32 holds: use another unit")
    narrow = given_N.dtype.kind == "f" and given_N.itemsize < 8
    return Labels(label_N, max(LABEL_TOLERANCE * (high - low), (EPS32 if narrow else EPS64) * max(-low, high)))


def read_label_vectors(y_N: Any, rows: int | None = None) -> LabelVectors:
    """Return labels, N numbers or N vectors (N, T), on the host, for losses that know them by their distances alone.

    Raises:
        ValueError: a column of the labels is not N finite numbers.
    """
    shape = y_N.shape if isinstance(y_N, Tensor) else _shape(y_N)
    if len(shape) != 2 or shape[1] == 0:
        labels = read_labels(y_N, rows)
        return LabelVectors(labels.y_N[:, None], (labels.tolerance,))
    columns = [read_labels(column, rows) for column in (y_N if isinstance(y_N, Tensor) else np.asarray(y_N)).T]
    return LabelVectors(np.stack([column.y_N for column in columns], 1), tuple(each.tolerance for each in columns))


def _shape(y_N: Any) -> tuple[int, ...]:
    try:
        return np.shape(y_N)
    except ValueError:  # rows of several lengths
        return ()


def _on(host: np.ndarray, device: torch.device) -> Tensor:
    host_N = torch.from_numpy(host)
    return (host_N.pin_memory() if device.type == "cuda" else host_N).to(device, exact_dtype(device), non_blocking=True)


def _steps(y_N: np.ndarray, tolerance: float) -> np.ndarray:
    """Return the place of each label among the distinct ones, (N,)."""
    order_N = y_N.argsort(kind="stable")
    place_N = np.empty(len(y_N), np.int64)
    place_N[order_N] = np.append(0, np.diff(y_N[order_N]) > tolerance).cumsum()
    return place_N


def exact_dtype(device: torch.device) -> torch.dtype:
    """Return float64, or the widest type of a device that lacks it."""
    return torch.float32 if device.type == "mps" else torch.float64


def device_of(y_N: Any) -> torch.device:
    """Return the device of labels; an array or a list is on the CPU."""
    return y_N.device if isinstance(y_N, Tensor) else torch.device("cpu")
