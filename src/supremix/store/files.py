"""Files of a finished run: the history of its epochs, and weights."""

import csv
import hashlib
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from supremix.errors import UserError


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
    try:
        if sha256(path) != sums.get(path.name):
            raise ValueError("its SHA-256 is not the one in its record")
        state = {key.removeprefix(prefix): value for key, value in load_file(path).items() if key.startswith(prefix)}
        if bad := [key for key, value in state.items() if not value.isfinite().all()]:
            raise ValueError(f"{bad[0]} has a number that is not finite")
        module.load_state_dict(state)
    except Exception as error:  # the libraries raise types of their own for each kind of damage
        raise UserError(f"{path}: not its weights ({error}); remove {path.parent} and run again") from None


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
