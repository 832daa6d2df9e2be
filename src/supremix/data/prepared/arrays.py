"""Read arrays of a prepared folder, their type and shape checked."""

from pathlib import Path

import numpy as np

from supremix.data.prepared.folder import redo
from supremix.errors import UserError


def read_array(path: Path, dtype: str, shape: tuple[int | None, ...]) -> np.memmap:
    """Memory-map a .npy file; raise UserError where it is missing, truncated, of another type or shape.

    Args:
        path: the file.
        dtype: the type it must have.
        shape: the shape it must have; None stands for any length.
    """
    try:
        # Mapped, so that a damaged header cannot ask for more memory than there is.
        mapped = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise UserError(f"{path}: missing: {redo(path.parent)}") from None
    except Exception as error:  # np.load lets TokenError and OverflowError through, besides ValueError
        raise UserError(f"{path}: truncated or not a .npy file ({error}): {redo(path.parent)}") from error
    if not (isinstance(mapped, np.memmap) and mapped.dtype == dtype and _fits(mapped.shape, shape)):
        actual = f"{mapped.dtype} {mapped.shape}" if isinstance(mapped, np.ndarray) else type(mapped).__name__
        raise UserError(f"{path}: found {actual}, expected {dtype} {_shown(shape)}: {redo(path.parent)}")
    return mapped


def _fits(shape: tuple[int, ...], expected: tuple[int | None, ...]) -> bool:
    return len(shape) == len(expected) and all(e in (None, n) for n, e in zip(shape, expected, strict=True))


def _shown(shape: tuple[int | None, ...]) -> str:
    return "(" + ", ".join("any" if length is None else str(length) for length in shape) + ")"
