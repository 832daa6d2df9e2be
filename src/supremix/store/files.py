"""Files of a finished run: the history of its epochs, and weights."""

import csv
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from supremix.errors import UserError

Row = dict[str, float]


def write_history(folder: Path, history: list[Row]) -> None:
    """One line an epoch, ``history.csv``."""
    with (folder / "history.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["epoch", *history[0]])
        writer.writeheader()
        writer.writerows({"epoch": epoch, **row} for epoch, row in enumerate(history, 1))


def read_history(folder: Path) -> list[Row]:
    """The rows of ``history.csv``, epoch included."""
    path = folder / "history.csv"
    try:
        with path.open(newline="") as file:
            rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
        if [row["epoch"] for row in rows] != [*range(1, len(rows) + 1)]:
            raise ValueError("its epochs do not follow one another")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: not a readable history ({error}); remove {folder} and run again") from None
    return rows


def save_weights(state: dict[str, Tensor], path: Path) -> None:
    """Write tensors as safetensors, a format that holds no code."""
    try:
        save_file({key: value.contiguous() for key, value in state.items()}, path)
    except SafetensorError as error:  # its own type, where the system would not write
        raise OSError(str(error)) from error


def load_weights(module: nn.Module, path: Path, prefix: str = "") -> None:
    """Give a module the stored weights whose names begin so; UserError naming a file that is damaged or another's."""
    try:
        state = {key.removeprefix(prefix): value for key, value in load_file(path).items() if key.startswith(prefix)}
        if bad := [key for key, value in state.items() if not value.isfinite().all()]:
            raise ValueError(f"{bad[0]} has a number that is not finite")
        module.load_state_dict(state)
    except Exception as error:  # the libraries raise types of their own for each kind of damage
        raise UserError(f"{path}: not its weights ({error}); remove {path.parent} and run again") from None
