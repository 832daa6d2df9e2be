"""Files of a finished run: the history of its epochs, arrays, and weights."""

import csv
import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from supremix.errors import UserError, means_damage


def write_history(folder: Path, history: list[dict[str, float]]) -> None:
    """Write ``history.csv``, one line an epoch."""
    with (folder / "history.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["epoch", *history[0]])
        writer.writeheader()
        writer.writerows({"epoch": epoch, **row} for epoch, row in enumerate(history, 1))


def read_history(folder: Path) -> list[dict[str, float]]:
    """Read the rows of ``history.csv``, epoch included."""
    path = folder / "history.csv"
    try:
        with path.open(newline="") as file:
            rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
        if [row["epoch"] for row in rows] != [*range(1, len(rows) + 1)]:
            raise ValueError("its epochs do not follow one another")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: not a readable history ({error}); remove {folder} and run again") from None
    return rows


@contextmanager
def reading(path: Path, what: str, also: Path | None = None) -> Iterator[None]:
    """Turn whatever a damaged file raises, while it is read and used, into UserError with the way out.

    Args:
        path: a file in the directory of a run or encoder.
        what: the file should be, in words.
        also: a directory to be made anew with that of the file.
    """
    try:
        yield
    except Exception as error:  # the libraries raise types of their own for each kind of damage
        if not means_damage(error):
            raise
        place = f"{path.parent} and run" if also is None else f"{path.parent} and {also}, and run"
        raise UserError(f"{path}: not {what} ({error}); remove {place} again") from None


def load_arrays(path: Path, wanted: Callable[[str], bool] = lambda name: True) -> dict[str, np.ndarray]:
    """Read arrays of an ``.npz`` file, none of which may hold objects; to be called inside `reading`."""
    with np.load(path) as file:
        return {name: file[name] for name in file.files if wanted(name)}


def save_weights(states: dict[str, dict[str, Tensor]], folder: Path) -> dict[str, str]:
    """Write states as safetensors, a format that holds no code.

    Args:
        states: the name of each file, without its ending → its tensors.

    Returns:
        The name of each file → its SHA-256, for the record.
    """
    sums = {}
    for name, state in states.items():
        path = folder / f"{name}.safetensors"
        try:
            save_file({key: value.contiguous() for key, value in state.items()}, path)
        except SafetensorError as error:  # its own type, where the system would not write
            raise OSError(str(error)) from error
        sums[path.name] = sha256(path)
    return sums


def load_weights(module: nn.Module, path: Path, sums: dict[str, str], prefix: str = "") -> None:
    """Give a module stored weights; UserError naming a file that is damaged, changed, or another module's.

    Args:
        sums: the SHA-256 of each file, from the record beside it.
        prefix: begins the names of the weights that are the module's.
    """
    with reading(path, "its weights"):
        if sha256(path) != sums.get(path.name):
            raise ValueError("its SHA-256 is not the one in its record")
        state = {key.removeprefix(prefix): value for key, value in load_file(path).items() if key.startswith(prefix)}
        if bad := [key for key, value in state.items() if not value.isfinite().all()]:
            raise ValueError(f"{bad[0]} has a number that is not finite")
        module.load_state_dict(state)


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
