"""Prepared volumes: N cubes of S³ voxels with one label each, read from disk when asked for. B rows in a batch."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from supremix.data.check import check_trainable
from supremix.data.dataset import Augment, Data, Split
from supremix.data.prepared.folder import SPLITS, check_manifest, content_sha256, read_meta, redo
from supremix.data.prepared.manifest import Manifest, read_manifest
from supremix.data.prepared.pieces import Pieces, open_pieces
from supremix.data.readers import Voxels
from supremix.data.scaling import target_scale
from supremix.errors import UserError
from supremix.runtime.registered import registered

RAW_GRID = 10
"""Side of the grid of block means that regressors on the raw input see."""


@registered("dataset/volumes")
def load_volumes(
    folder: Path | str, *, name: str, bin_size: float | None, views: Augment | None, scaling: str | None = None
) -> Data:
    """Load the prepared volumes in `folder`: values in [0, 1], labels as they are.

    Args:
        folder: a prepared folder.
        name: of the dataset, for messages and records.
        bin_size: label units, or None.
        views: random views in pre-training, for methods that take more than one of each item.
        scaling: "standard" standardises targets by the training rows; "raw" or None keeps label units.

    Raises UserError where the folder is missing, damaged or changed, naming file, row and id.
    """
    folder = Path(folder)
    meta, manifest, pieces = read_cohort(folder)
    if len(manifest.y) != len(pieces):
        raise UserError(f"{folder}: {len(manifest.y)} rows in manifest.csv, {len(pieces)} volumes: {redo(folder)}")
    if len(set(pieces.row_shape)) != 1 or len(pieces.row_shape) != 3:
        raise UserError(f"{folder}: volumes of {pieces.row_shape} voxels, expected cubes: {redo(folder)}")
    check_manifest(folder, meta)
    train, val, test = split_rows(folder, manifest, lambda rows: partial(_fetch, pieces, rows))
    data = Data(
        name,
        train,
        val,
        test,
        bin_size=bin_size,
        target=target_scale(name, scaling, train.y),
        input_spec={"in_channels": 1},
        sha256=content_sha256(meta),
        synthetic=meta["synthetic"],
        to_input=to_input,
        contrastive_views=views,
        flatten=flatten,
        reader=Voxels(pieces.row_shape[0]),
    )
    check_trainable(data)
    return data


def read_cohort(folder: Path) -> tuple[dict[str, Any], Manifest, Pieces]:
    """Return description, manifest and arrays of a prepared folder; no sum is checked yet."""
    meta = read_meta(folder)
    return meta, read_manifest(folder / "manifest.csv", meta["rows"]), open_pieces(folder, meta)


def split_rows(
    folder: Path, manifest: Manifest, fetch: Callable[[np.ndarray], Callable[[np.ndarray], Any]]
) -> list[Split]:
    """Return train, val and test by the manifest's column; `fetch` makes a split's fetch from its row numbers."""
    if manifest.rows is None:
        raise UserError(f"{folder / 'manifest.csv'}: no split column: {redo(folder)}")
    rows = [manifest.rows[split] for split in SPLITS]
    return [Split(manifest.ids[r], manifest.y[r], fetch(r), on_disk=True) for r in rows]


def to_input(x_BDHW: Tensor) -> Tensor:
    """Return what a 3D backbone takes: (B, 1, S, S, S) float32."""
    return x_BDHW.unsqueeze(1).float()


def flatten(x_BDHW: Tensor) -> Tensor:
    """Average over a grid of 10³ blocks, (B, 1000) float32: the raw input of linear regression."""
    return torch.nn.functional.adaptive_avg_pool3d(to_input(x_BDHW), RAW_GRID).flatten(1)


def _fetch(pieces: Pieces, rows: np.ndarray, index_B: np.ndarray) -> Tensor:
    return torch.from_numpy(pieces.gather(rows[index_B]))
