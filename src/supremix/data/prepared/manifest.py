"""Read manifest.csv and check every id, label and split before anything else is loaded."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from supremix.data.prepared.cells import length_fault, number, read_table, shown
from supremix.data.prepared.folder import SPLITS, redo
from supremix.errors import UserError

HIDDEN = -1.0  # stands for the label where a benchmark keeps its test labels to itself
FLOAT32_MAX = float(np.finfo(np.float32).max)


@dataclass(frozen=True, eq=False)
class Manifest:
    """A checked manifest of N rows.

    Attributes:
        ids: (N,) str, unique.
        y: (N,) float64, finite, label units.
        rows: split → its row numbers, ascending; None without a split column.
        extra: the other columns, N strings each, as they stand in the file.
    """

    ids: np.ndarray
    y: np.ndarray
    rows: dict[str, np.ndarray] | None
    extra: dict[str, list[str]]


def read_manifest(path: Path, rows: int) -> Manifest:
    """Read a manifest; raise UserError that names the file and the row, row 1 being the first under the header.

    Args:
        path: manifest.csv.
        rows: how many it must have.
    """
    columns = _read_columns(path)
    ids = columns["id"]
    if len(ids) != rows:
        raise UserError(f"{path}: {len(ids)} rows, but meta.json says {rows}: {redo(path.parent)}")
    _check_ids(path, ids)
    y_N = np.array([_label(path, i, ids[i], text) for i, text in enumerate(columns["label"])])
    split_rows = _split_rows(path, ids, columns["split"]) if "split" in columns else None
    if split_rows is not None:
        _refuse_hidden(path, y_N, split_rows)
    extra = {column: texts for column, texts in columns.items() if column not in ("id", "label", "split")}
    return Manifest(np.array(ids, dtype=np.str_), y_N, split_rows, extra)


def _read_columns(path: Path) -> dict[str, list[str]]:
    try:
        table = read_table(path.read_bytes())
    except FileNotFoundError:
        raise UserError(f"{path}: missing: {redo(path.parent)}") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not readable as CSV ({error}): {redo(path.parent)}") from error
    header = table.header
    missing = [column for column in ("id", "label") if column not in header]
    if missing:
        raise UserError(
            f"{path}: no column {' and no column '.join(missing)} in the header ({','.join(header)}), which must have "
            f"id,label[,split]: {redo(path.parent)}"
        )
    for row, line in table.rows:
        if fault := length_fault(line, header):
            raise UserError(f"{path}: row {row} has {fault}: {redo(path.parent)}")
    return {column: [line[j] for _, line in table.rows] for j, column in enumerate(header)}


def _check_ids(path: Path, ids: Sequence[str]) -> None:
    first: dict[str, int] = {}
    for i, row_id in enumerate(ids):
        if not row_id.strip():
            raise UserError(f"{path}: row {i + 1} has no id: {redo(path.parent)}")
        if row_id in first:
            raise UserError(
                f"{path}: id {row_id!r} stands in row {first[row_id] + 1} and again in row {i + 1}: "
                f"give each row its own, then {redo(path.parent)}"
            )
        first[row_id] = i


def _label(path: Path, i: int, row_id: str, text: str) -> float:
    label = number(text)
    # Models train in float32, where a larger label would turn infinite. The comparison fails for NaN too.
    if not abs(label) <= FLOAT32_MAX:
        raise UserError(
            f"{path}: row {i + 1} (id {row_id!r}) has the label {shown(text)}: not a finite number: "
            f"correct it at the source, then {redo(path.parent)}"
        )
    return label


def _split_rows(path: Path, ids: Sequence[str], split_N: Sequence[str]) -> dict[str, np.ndarray]:
    for i, split in enumerate(split_N):
        if split not in SPLITS:
            raise UserError(
                f"{path}: row {i + 1} (id {ids[i]!r}) has the split {split!r}, "
                f"not train, val or test: {redo(path.parent)}"
            )
    count = Counter(split_N)
    for split in SPLITS:
        if count[split] == 0:
            raise UserError(f"{path}: no row has the split {split}: give each at least one, then {redo(path.parent)}")
    return {split: np.flatnonzero(np.array(split_N) == split) for split in SPLITS}


def _refuse_hidden(path: Path, y_N: np.ndarray, rows: dict[str, np.ndarray]) -> None:
    for split in ("val", "test"):
        if (y_N[rows[split]] == HIDDEN).all() and y_N[rows["train"]].min() > HIDDEN:
            raise UserError(
                f"{path}: every {split} label is -1, below all in train: these labels are hidden; get those of this "
                f"split, or divide the other rows, then {redo(path.parent)}"
            )
