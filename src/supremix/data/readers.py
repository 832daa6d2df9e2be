"""Read new rows of the paper's datasets as arrays, as training read the prepared ones.

Shapes: B rows, F features, S pixels or voxels a side, P parcels, T frames.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from supremix.data.dataset import FieldsAreState
from supremix.data.views.images import normalised
from supremix.errors import UserError
from supremix.metrics.rounding import SINGLE, is_constant

State = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Features:
    """Rows of numbers: a DataFrame with these columns, or an array (B, F) in their order.

    Args:
        columns: names of the features.
        mean_F, std_F: what a feature is standardised by; 0 and 1 leave it.
    """

    columns: Sequence[str]
    mean_F: np.ndarray
    std_F: np.ndarray
    kind = "features"

    def read(self, rows: Any) -> Tensor:
        """Return scaled rows (B, F) float32."""
        if hasattr(rows, "columns"):
            missing = [name for name in self.columns if name not in rows.columns]
            if missing:
                raise UserError(f"the rows have no column {missing[0]!r}; needed: {', '.join(self.columns)}")
            rows = rows[[*self.columns]]
        try:
            x_BF = np.asarray(rows, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise UserError(f"the rows are not numbers alone ({error}): correct them") from None
        if x_BF.ndim != 2 or x_BF.shape[1] != len(self.columns):
            raise UserError(
                f"rows of shape {x_BF.shape}: give (rows, {len(self.columns)}), the columns {', '.join(self.columns)}"
            )
        for row, column in np.argwhere(~np.isfinite(x_BF))[:1]:
            raise UserError(f"row {row + 1}, column {self.columns[column]!r} is {x_BF[row, column]}: give a number")
        return torch.from_numpy(((x_BF - self.mean_F) / self.std_F).astype(np.float32))

    def state(self) -> State:
        """Return columns and scales."""
        return {"columns": [*self.columns], "mean": self.mean_F, "std": self.std_F}

    @classmethod
    def from_state(cls, state: State) -> "Features":
        """Return the reader of a state."""
        return cls(state["columns"], state["mean"], state["std"])


@dataclass(frozen=True)
class Pixels(FieldsAreState):
    """Colour images as prepared: (B, S, S, 3) uint8, or a list of such images.

    Args:
        side: S.
    """

    side: int
    kind = "pixels"

    def read(self, rows: Any) -> Tensor:
        """Return images (B, 3, S, S) in [-1, 1], float32."""
        x_BHWC = _stacked(rows, (self.side, self.side, 3), "images", np.uint8)
        return normalised(torch.from_numpy(x_BHWC).permute(0, 3, 1, 2))


@dataclass(frozen=True)
class Voxels(FieldsAreState):
    """Volumes as prepared: (B, S, S, S) with values in [0, 1], or a list of such volumes.

    Args:
        side: S.
    """

    side: int
    kind = "voxels"

    def read(self, rows: Any) -> Tensor:
        """Return volumes (B, 1, S, S, S) float32."""
        x_BDHW = _stacked(rows, (self.side,) * 3, "volumes", np.float32)
        if x_BDHW.min() < 0 or x_BDHW.max() > 1:
            raise UserError("the volumes have values outside [0, 1]: scale them as `supremix prepare` does")
        return torch.from_numpy(x_BDHW).unsqueeze(1)


@dataclass(frozen=True)
class Parcels(FieldsAreState):
    """Time series: a list of arrays (T, P), frames by parcels; each parcel is standardised over its frames.

    Args:
        parcels: P.
    """

    parcels: int
    kind = "parcels"

    def read(self, rows: Any) -> dict[str, Tensor]:
        """Return series "x" (B, P, T) float32, zero beyond each row's "length" (B,)."""
        series = [np.asarray(row, dtype=np.float64) for row in rows]
        for number, row_TP in enumerate(series, 1):
            if row_TP.ndim != 2 or row_TP.shape[1] != self.parcels or not len(row_TP):
                raise UserError(f"series {number} has the shape {row_TP.shape}: give (frames, {self.parcels})")
            constant_P = is_constant(row_TP, SINGLE)
            if not np.isfinite(row_TP).all() or constant_P.any():
                parcel = f"parcel {constant_P.argmax() + 1} is constant but for rounding"
                what = parcel if constant_P.any() else "it is not finite"
                raise UserError(f"series {number}: {what}: leave it out, or correct it")
        length_B = torch.tensor([len(row_TP) for row_TP in series])
        x_BPT = torch.zeros(len(series), self.parcels, int(length_B.max()))
        for x_PT, row_TP in zip(x_BPT, series, strict=True):
            x_PT[:, : len(row_TP)] = torch.from_numpy((row_TP - row_TP.mean(0)) / row_TP.std(0)).T
        return {"x": x_BPT, "length": length_B}


def _stacked(rows: Any, shape: tuple[int, ...], what: str, dtype: Any) -> np.ndarray:
    """Return rows of one shape as an array of this type; UserError where they have another one."""
    shapes = {np.shape(row) for row in rows}
    kinds = {np.asarray(row).dtype for row in rows} if dtype is np.uint8 else {np.dtype(dtype)}
    if shapes != {shape} or kinds != {np.dtype(dtype)}:
        given = ", ".join(map(str, sorted(shapes)[:2])) or "none"
        raise UserError(
            f"{what} of shape {given}, {', '.join(map(str, kinds))}: give arrays of {shape}, {np.dtype(dtype)}, as "
            "`supremix prepare` writes them"
        )
    return np.stack([np.asarray(row, dtype=dtype) for row in rows])
