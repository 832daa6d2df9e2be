"""Load time series of varying length. Shapes: N subjects, B in a batch, P parcels, T frames, S segments."""

from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from supremix.data.check import check_trainable
from supremix.data.dataset import Data
from supremix.data.prepared.folder import check_manifest, content_sha256, redo
from supremix.data.prepared.manifest import Manifest
from supremix.data.prepared.pieces import Pieces
from supremix.data.readers import Parcels
from supremix.data.scaling import target_scale
from supremix.data.volumes import read_cohort, split_rows
from supremix.errors import UserError
from supremix.runtime.registered import registered

RAW_SEGMENTS = 8
"""Equally long parts of a series, whose means are the raw input of regressors."""


@registered("dataset/series")
def load_series(folder: Path | str, *, name: str, bin_size: float | None, scaling: str | None = None) -> Data:
    """Load prepared time series, in which each parcel is standardised over its frames.

    Args:
        folder: the prepared folder.
        name: name of the dataset.
        bin_size: width of label bins, label units, or None.
        scaling: "standard" standardises targets by the training rows; "raw" or None keeps label units.

    Returns:
        Data whose inputs are dicts: "x", (B, P, T) float32, zero beyond each row's length; "length", (B,) int64.

    Raises:
        UserError: the folder is missing, damaged or changed; names file, row and id.
    """
    folder = Path(folder)
    meta, manifest, pieces = read_cohort(folder)
    length_N = _lengths(folder / "manifest.csv", manifest, len(pieces))
    check_manifest(folder, meta)
    first_N = np.cumsum(length_N) - length_N
    train, val, test = split_rows(folder, manifest, lambda rows: partial(_fetch, pieces, first_N[rows], length_N[rows]))
    data = Data(
        name,
        train,
        val,
        test,
        bin_size=bin_size,
        target=target_scale(name, scaling, train.y),
        input_spec={"in_channels": pieces.row_shape[0]},
        sha256=content_sha256(meta),
        synthetic=meta["synthetic"],
        flatten=flatten,
        reader=Parcels(pieces.row_shape[0]),
    )
    check_trainable(data)
    return data


def flatten(batch: dict[str, Tensor]) -> Tensor:
    """Return each parcel's means over 8 equal parts of the series, (B, 8·P) float32, the raw input of regressors."""
    x_BPT, length_B = batch["x"], batch["length"]
    parts = torch.arange(RAW_SEGMENTS + 1, device=x_BPT.device)
    edge_BS = torch.div(length_B[:, None] * parts, RAW_SEGMENTS, rounding_mode="floor")
    sum_BPT = torch.nn.functional.pad(x_BPT.double().cumsum(-1), (1, 0))
    at_edge_BPS = sum_BPT.gather(-1, edge_BS[:, None, :].expand(-1, x_BPT.shape[1], -1))
    frames_B1S = edge_BS.diff(dim=-1).clamp(min=1)[:, None, :]
    return (at_edge_BPS.diff(dim=-1) / frames_B1S).float().flatten(1)


def _lengths(path: Path, manifest: Manifest, frames: int) -> np.ndarray:
    cells = manifest.extra.get("frames")
    if cells is None:
        raise UserError(f"{path}: no column frames: {redo(path.parent)}")
    for i, cell in enumerate(cells):
        if not (cell.isascii() and cell.isdigit() and int(cell) > 0):
            raise UserError(
                f"{path}: row {i + 1} (id {str(manifest.ids[i])!r}) has {cell!r} frames: {redo(path.parent)}"
            )
    length_N = np.array([int(cell) for cell in cells])
    if length_N.sum() != frames:
        raise UserError(f"{path}: {length_N.sum()} frames by its rows, {frames} in the arrays: {redo(path.parent)}")
    return length_N


def _fetch(pieces: Pieces, first_N: np.ndarray, length_N: np.ndarray, index_B: np.ndarray) -> dict[str, Tensor]:
    length_B = length_N[index_B]
    x_BPT = np.zeros((len(index_B), *pieces.row_shape, length_B.max()), np.float32)
    for row, first, length in zip(x_BPT, first_N[index_B], length_B, strict=True):
        row[:, :length] = pieces.read(int(first), int(length)).T
    return {"x": torch.from_numpy(x_BPT), "length": torch.from_numpy(length_B)}
