"""Load tables of features. Shapes: N rows, F features, B rows in a batch."""

import hashlib
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from supremix.data.check import check_trainable
from supremix.data.dataset import Data, Split
from supremix.data.prepared.arrays import read_array
from supremix.data.prepared.folder import SPLITS, check_sums, content_sha256, read_meta, redo
from supremix.data.prepared.manifest import FLOAT32_MAX, read_manifest
from supremix.data.readers import Features
from supremix.data.scaling import mean_std, target_scale
from supremix.data.splits import draw_split
from supremix.errors import UserError
from supremix.runtime.registered import registered


@registered("dataset/table")
def load_table(
    folder: Path | str,
    *,
    name: str,
    sizes: Mapping[str, int] | None,
    split_seed: int,
    scaling: str,
    bin_size: float | None,
) -> Data:
    """Load a prepared table.

    Args:
        folder: the prepared folder.
        name: name of the dataset.
        sizes: rows of train, val and test, to be drawn; None if the manifest has a split column, which then holds.
        split_seed: seed of the draw.
        scaling: "raw" keeps features and targets, "standard" standardises both by the training rows.
        bin_size: width of label bins, label units, or None.

    Raises:
        UserError: the folder is missing, damaged or changed; names file, row and id.
    """
    folder = Path(folder)
    meta = read_meta(folder)
    manifest = read_manifest(folder / "manifest.csv", meta["rows"])
    x_NF = _read_features(folder / "features.npy", meta["rows"], meta.get("features"))
    # Checksums last: a message that names a row says more.
    check_sums(folder, meta, ["manifest.csv", "features.npy"])
    rows = manifest.rows
    if rows is None:
        if sizes is None:
            raise UserError(f"{folder / 'manifest.csv'}: no split column: set dataset.load.sizes to draw a split")
        rows = draw_split(len(manifest.y), sizes, split_seed)
    elif sizes is not None and sizes != {split: len(rows[split]) for split in SPLITS}:
        raise UserError(
            f"{folder / 'manifest.csv'}: its split column disagrees with dataset.load.sizes={sizes}: "
            "set dataset.load.sizes=null to use the column"
        )
    table = Table(manifest.ids, x_NF, manifest.y, meta["features"], content_sha256(meta), meta["synthetic"])
    return _assemble(name, table, rows, scaling, bin_size)


@registered("dataset/diabetes")
def diabetes(*, name: str, sizes: Mapping[str, int], split_seed: int, scaling: str, bin_size: float | None) -> Data:
    """Diabetes progression (Efron et al., 2004) from scikit-learn: 442 rows, 10 features, labels 25 to 346.

    Takes the arguments of `load_table` except the folder, and reads no file.
    """
    from sklearn.datasets import load_diabetes

    bunch = load_diabetes(scaled=False)
    x_NF, y_N = (np.ascontiguousarray(a, dtype="<f8") for a in (bunch["data"], bunch["target"]))
    sha256 = hashlib.sha256(x_NF.tobytes() + y_N.tobytes()).hexdigest()
    ids = np.array([f"diabetes-{i + 1:03d}" for i in range(len(y_N))])
    rows = draw_split(len(y_N), sizes, split_seed)
    return _assemble(name, Table(ids, x_NF, y_N, bunch["feature_names"], sha256, False), rows, scaling, bin_size)


class Table(NamedTuple):
    """Rows of features as they were read: ids (N,), features (N, F), labels (N,), and what they are."""

    ids: np.ndarray
    x_NF: np.ndarray
    y_N: np.ndarray
    columns: Sequence[str]
    sha256: str
    synthetic: bool


def _assemble(name: str, table: Table, rows: Mapping[str, np.ndarray], scaling: str, bin_size: float | None) -> Data:
    ids, x_NF, y_N, columns, sha256, synthetic = table
    target = target_scale(name, scaling, y_N[rows["train"]])
    reader = Features(columns, np.zeros(len(columns)), np.ones(len(columns)))
    if scaling == "standard":
        reader = Features(columns, *mean_std(x_NF[rows["train"]]))
    x = reader.read(x_NF)
    train, val, test = (Split(ids[r], y_N[r], partial(_take, x[r])) for r in (rows[split] for split in SPLITS))
    spec = {"in_features": x.shape[1]}
    data = Data(name, train, val, test, bin_size, target, spec, sha256, synthetic, reader=reader)
    check_trainable(data)
    return data


def _take(x_NF: torch.Tensor, index_B: np.ndarray) -> torch.Tensor:
    return x_NF[torch.as_tensor(index_B, dtype=torch.long)]


def _read_features(path: Path, rows: int, columns: Sequence[str] | None) -> np.ndarray:
    """Read features.npy, (N, F) float64, and check that float32 holds every value."""
    if not isinstance(columns, list) or not columns:
        raise UserError(f"{path.with_name('meta.json')}: no list of features: {redo(path.parent)}")
    x_NF = np.array(read_array(path, "float64", (rows, len(columns))))
    for i, j in np.argwhere(~(np.abs(x_NF) <= FLOAT32_MAX))[:1]:
        raise UserError(
            f"{path}: row {i + 1}, column {columns[j]!r} is {x_NF[i, j]}, which is not a finite number: "
            f"correct it at the source, then {redo(path.parent)}"
        )
    return x_NF
