"""Arrays of a prepared folder: read with their type and shape checked."""

from pathlib import Path

import numpy as np

from supremix.data.prepared.folder import redo
from supremix.errors import UserError


def read_array(path: Path, dtype: str, shape: tuple[int | None, ...]) -> np.memmap:
    """Memory-map a .npy file of this type and shape, where None stands for any length.

    Raises UserError where the file is missing, truncated, of another type or shape.
    """
    try:
        # Mapped, so that a damaged header cannot ask for more memory than there is.
        mapped = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise UserError(f"{path}: missing: {redo(path.parent)}") from None
    except Exception as error:  # np.load lets TokenError and OverflowError through, besides ValueError
        raise UserError(f"{path}: truncated or not a .npy file ({error}): {redo(path.parent)}") from error
    if not (isinstance(mapped, np.memmap) and mapped.dtype == dtype and _fits(mapped.shape, shape)):
        found = f"{mapped.dtype} {mapped.shape}" if isinstance(mapped, np.ndarray) else type(mapped).__name__
        raise UserError(f"{path}: found {found}, expected {dtype} {_shown(shape)}: {redo(path.parent)}")
    return mapped


def _fits(found: tuple[int, ...], expected: tuple[int | None, ...]) -> bool:
    return len(found) == len(expected) and all(e in (None, f) for f, e in zip(found, expected, strict=True))


def _shown(shape: tuple[int | None, ...]) -> str:
    return "(" + ", ".join("any" if length is None else str(length) for length in shape) + ")"
