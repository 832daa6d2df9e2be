"""Read arrays too big for memory, which lie in pieces on disk, row by row."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from supremix.data.prepared.arrays import read_array
from supremix.data.prepared.folder import redo
from supremix.errors import UserError


@dataclass(frozen=True, eq=False)
class Pieces:
    """Rows of one shape and type, numbered through over P .npy files.

    Attributes:
        files: the .npy files.
        starts: (P + 1,) the first row of each file, and the number of all rows.
        offsets: (P,) bytes before the data of each file.
        dtype: of every file.
        row_shape: of every row.
    """

    files: tuple[Path, ...]
    starts: np.ndarray
    offsets: tuple[int, ...]
    dtype: np.dtype
    row_shape: tuple[int, ...]

    def __len__(self) -> int:
        return int(self.starts[-1])

    def read(self, first: int, count: int) -> np.ndarray:
        """Read rows first, …, first + count − 1, all in one file: (count, *row_shape)."""
        rows = np.empty((count, *self.row_shape), self.dtype)
        self._read_into(rows, first)
        return rows

    def gather(self, index_B: np.ndarray) -> np.ndarray:
        """Read the rows of these numbers, (B, *row_shape)."""
        rows = np.empty((len(index_B), *self.row_shape), self.dtype)
        for row, number in zip(rows, index_B, strict=True):
            self._read_into(row, int(number))
        return rows

    def _read_into(self, rows: np.ndarray, first: int) -> None:
        piece = int(np.searchsorted(self.starts, first, side="right")) - 1
        row_bytes = int(np.prod(self.row_shape)) * self.dtype.itemsize
        # Read and not mapped: thousands of open maps would cost more than they save, and reading can run in threads.
        path = self.files[piece]
        try:
            with path.open("rb", buffering=0) as file:
                file.seek(self.offsets[piece] + (first - int(self.starts[piece])) * row_bytes)
                whole = file.readinto(rows.view(np.uint8).reshape(-1).data) == rows.nbytes
        except OSError as error:
            raise UserError(f"{path}: not to be read any more ({error.strerror}): {redo(path.parent)}") from None
        if not whole:
            raise UserError(f"{path}: rows are missing: {redo(path.parent)}")


def open_pieces(folder: Path, meta: Mapping[str, Any]) -> Pieces:
    """Open the arrays that meta.json describes; raise UserError for the first that is missing, cut or of another shape.

    Headers and sizes are checked, not the content: its SHA-256 was taken when it was written, and reading it all again
    takes long.
    """
    path = folder / "meta.json"
    try:
        array = meta["array"]
        dtype, row_shape = np.dtype(array["dtype"]), tuple(int(size) for size in array["row_shape"])
        names = [str(piece["file"]) for piece in array["pieces"]]
        rows = [int(piece["rows"]) for piece in array["pieces"]]
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path}: its description of the arrays is damaged ({error!r}): {redo(folder)}") from None
    offsets = [_check(folder / name, dtype, (count, *row_shape)) for name, count in zip(names, rows, strict=True)]
    starts = np.cumsum([0, *rows])
    return Pieces(tuple(folder / name for name in names), starts, tuple(offsets), dtype, row_shape)


def _check(path: Path, dtype: np.dtype, shape: tuple[int, ...]) -> int:
    """Return the bytes before the data of a .npy file; raise UserError unless it holds just this array."""
    mapped = read_array(path, str(dtype), shape)
    if path.stat().st_size != mapped.offset + mapped.nbytes or not mapped.flags["C_CONTIGUOUS"]:
        raise UserError(f"{path}: not as it was written: {redo(path.parent)}")
    return int(mapped.offset)
