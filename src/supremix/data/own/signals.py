"""A user's signals as data: a file each, or one channel in many columns. B rows, C channels, T time steps."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from supremix.data.dataset import Data
from supremix.data.own import files
from supremix.data.own.assemble import Inputs, Plan, assembled, divided
from supremix.data.own.kinds import check_columns, check_range, kinds_of, listed
from supremix.data.own.layout import Layout, Rows, read_rows
from supremix.data.own.values import NumberFormat, numbers_of
from supremix.data.prepared.manifest import FLOAT32_MAX
from supremix.data.prepared.pieces import Pieces
from supremix.data.timeseries import flatten
from supremix.errors import UserError
from supremix.metrics.rounding import SINGLE, is_constant
from supremix.runtime.registered import registered

if TYPE_CHECKING:
    import pandas as pd

ENDINGS = (".npy", ".csv", ".tsv", ".txt")
STEPS_AT_LEAST = 8


@dataclass(frozen=True, eq=False)
class ColumnSignalReader:
    """Reads signals of one channel whose steps are columns.

    Args:
        columns: T names, in their order.
        forms: how each writes numbers.
        mean_T, std_T: by which each step is scaled; a missing value counts as the mean.
    """

    columns: Sequence[str]
    forms: Sequence[NumberFormat]
    mean_T: np.ndarray
    std_T: np.ndarray

    kind = "column_signals"

    def read(self, rows: Any) -> dict[str, Tensor]:
        """Return "x" (B, 1, T) and "length" (B,); see `supremix.data.dataset.RowReader`."""
        check_columns(rows, self.columns)
        x_BT = (steps(rows, self.columns, self.forms) - self.mean_T) / self.std_T
        x_BT = np.where(np.isfinite(x_BT), x_BT, 0)
        check_range(x_BT, self.columns)
        return {
            "x": torch.from_numpy(x_BT.astype(np.float32))[:, None],
            "length": torch.full((len(x_BT),), x_BT.shape[1]),
        }

    def parsed(self, rows: Any) -> "tuple[pd.DataFrame, list[str]]":
        """Return the columns of new rows as numbers, which `read` takes too, and doubts, as `TableReader.parsed`."""
        import pandas as pd

        check_columns(rows, self.columns)
        x_NT = steps(rows, self.columns, self.forms)
        bad_NT = np.isnan(x_NT) & rows[[*self.columns]].notna().to_numpy()
        if not np.isfinite(x_NT).any():
            raise UserError(f"no step of any row is a number as in training, such as {rows[self.columns[0]].iloc[0]!r}")
        doubts = []
        if bad_NT.any():
            row, step = np.argwhere(bad_NT)[0]
            cell = rows[self.columns[step]].iloc[row]
            doubts = [f"{bad_NT.sum()} steps, such as {cell!r}: no number as in training, and count as the mean"]
        return pd.DataFrame(x_NT, columns=[*self.columns]), doubts

    def state(self) -> dict[str, Any]:
        """Return everything as plain values."""
        forms = [form.state() for form in self.forms]
        return {"columns": [*self.columns], "forms": forms, "mean": self.mean_T, "std": self.std_T}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> "ColumnSignalReader":
        """Make the reader whose `state` this is."""
        return cls(state["columns"], [NumberFormat(**form) for form in state["forms"]], state["mean"], state["std"])


@dataclass(frozen=True, eq=False)
class FileSignalReader:
    """Reads signals by their paths.

    Args:
        column: of the paths.
        mean_C, std_C: by which each channel is scaled.
    """

    column: str
    mean_C: np.ndarray
    std_C: np.ndarray

    kind = "file_signals"

    def read(self, rows: Any) -> dict[str, Tensor]:
        """Return "x" (B, C, T), zero beyond each row's "length" (B,); see `supremix.data.dataset.RowReader`."""
        signals = []
        for path in files.new_files(rows, self.column):
            try:
                signals.append(read_signal(path, len(self.mean_C)))
            except (OSError, ValueError) as error:
                raise UserError(f"{path}: {error}: leave it out, or correct it") from None
        return self.batch(signals)

    def batch(self, signals: Sequence[np.ndarray]) -> dict[str, Tensor]:
        """Return a batch of signals (T, C) float32."""
        length_B = np.array([len(signal) for signal in signals])
        x_BCT = np.zeros((len(signals), len(self.mean_C), length_B.max()), np.float32)
        for x_CT, signal in zip(x_BCT, signals, strict=True):
            x_CT[:, : len(signal)] = ((signal - self.mean_C) / self.std_C).T
        return {"x": torch.from_numpy(x_BCT), "length": torch.from_numpy(length_B)}

    def state(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return {"column": self.column, "mean": self.mean_C, "std": self.std_C}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> "FileSignalReader":
        """Make the reader whose `state` this is."""
        return cls(state["column"], state["mean"], state["std"])


@registered("dataset/own_signals")
def load_signals(*, name: str, path: str, folder: str, layout: Layout, plan: Plan, input: str | None) -> Data:
    """Load signals: files by a column of paths, else the columns of numbers as the steps of one channel.

    Args:
        name: of the dataset.
        path: of the table.
        folder: where read files are kept.
        layout, plan: as for a table.
        input: column of paths, which count from the table's folder; None finds it.
    """
    rows = read_rows(path, layout)
    column = files.path_column(rows, input, ENDINGS)
    if column is None:
        return _from_columns(name, rows, plan)
    rows, paths = files.with_files(rows, column)
    channels = _channels(paths)
    make = partial(make_signals, channels=channels)
    decoded = files.decoded(Path(folder), paths, make, {"signals": channels}, "float32", "reading signals")
    steps_N = np.array([result["steps"] for result in decoded.results])
    first_N = np.cumsum(steps_N) - steps_N
    rows, at_N = files.without_failures(rows, decoded.results, "signal")
    split = divided(rows, plan)
    mean_C, std_C = np.zeros(channels), np.ones(channels)
    if plan.scaling == "standard":
        mean_C, std_C = _mean_std(decoded.pieces, [(first_N[at], steps_N[at]) for at in at_N[split["train"]]], channels)
    reader = FileSignalReader(column, mean_C, std_C)

    def fetch(index_B: np.ndarray) -> dict[str, Tensor]:
        return reader.batch([decoded.pieces.read(int(first_N[at]), int(steps_N[at])) for at in at_N[index_B]])

    lengths = steps_N[at_N]
    inputs = Inputs(
        fetch=fetch,
        reader=reader,
        input_spec={"in_channels": channels},
        facts=[
            f"signals by the paths in {column!r}: {channels} channels of {lengths.min():,} to {lengths.max():,} steps"
        ],
        others={"flatten": flatten},
        sha256=decoded.sha256,
        on_disk=True,
    )
    return assembled(name, rows, split, inputs, plan)


def _from_columns(name: str, rows: Rows, plan: Plan) -> Data:
    kinds = kinds_of(rows)
    if len(kinds.numbers) < STEPS_AT_LEAST:
        raise UserError(
            f"{rows.sheet.path}: no column holds paths of signals ({', '.join(ENDINGS)}), and {len(kinds.numbers)} "
            f"columns of numbers are too few steps of one, {STEPS_AT_LEAST} or more: name the paths by dataset.input"
        )
    rows.problems.extend(kinds.problems)
    columns, forms = [*kinds.numbers], [*kinds.numbers.values()]
    split = divided(rows, plan)
    mean_T, std_T = np.zeros(len(columns)), np.ones(len(columns))
    if plan.scaling == "standard":
        mean_T, std_T = known_mean_std(steps(rows.frame, columns, forms)[split["train"]])
    reader = ColumnSignalReader(columns, forms, mean_T, std_T)
    batch = reader.read(rows.frame)
    unused = {**kinds.unused, **({"no numbers": [*kinds.categories, *kinds.dates]} if kinds.categories else {})}
    inputs = Inputs(
        fetch=lambda index_B: {key: value[torch.as_tensor(index_B, dtype=torch.long)] for key, value in batch.items()},
        reader=reader,
        input_spec={"in_channels": 1},
        facts=[
            f"signals of {len(columns):,} steps, a column each, from {columns[0]!r} to {columns[-1]!r}",
            *(f"no inputs, {why}: {listed(names)}" for why, names in unused.items()),
        ],
        others={"flatten": lambda x: x["x"].flatten(1)},
    )
    return assembled(name, rows, split, inputs, plan)


def steps(frame: Any, columns: Sequence[str], forms: Sequence[NumberFormat]) -> np.ndarray:
    """Return the columns as (N, T) float64, NaN where a cell is no number."""
    x_NT = np.stack([numbers_of(frame[name], form) for name, form in zip(columns, forms, strict=True)], axis=1)
    return np.where(np.isfinite(x_NT), x_NT, np.nan)


def known_mean_std(x_NT: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and deviation of each step's values that are there; of a constant 1, as `scaling.mean_std` has it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of a step without any value
        low_T, high_T = np.nanmin(x_NT, axis=0), np.nanmax(x_NT, axis=0)
        mean_T, std_T = np.nanmean(x_NT, axis=0), np.nanstd(x_NT, axis=0)
    constant_T = is_constant(np.stack([low_T, high_T]))
    mean_T, std_T = np.where(constant_T, low_T, mean_T), np.where(constant_T, 1.0, std_T)
    return np.nan_to_num(mean_T), np.nan_to_num(std_T, nan=1.0)


def make_signals(items: Sequence[Sequence[str]], channels: int) -> tuple[np.ndarray, list[dict[str, Any]]]:
    """Read signal files one after the other into (steps of all, C) float32; of one that cannot be read, no steps."""
    parts, results = [np.zeros((0, channels), np.float32)], list[dict[str, Any]]()
    for path, _ in items:
        try:
            parts.append(read_signal(Path(path), channels))
            results.append({"failed": None, "steps": len(parts[-1])})
        except (OSError, ValueError) as error:
            results.append({"failed": " ".join(str(error).split()), "steps": 0})
    return np.concatenate(parts), results


def read_signal(path: Path, channels: int | None) -> np.ndarray:
    """Read a signal (T, C) float32 from .npy or a text of numbers; raise ValueError that names the fault.

    Args:
        path: of the file; a line, or an entry of the first axis, is a time step.
        channels: C that it must have; None takes any.
    """
    signal = files.read_npy(path) if path.suffix == ".npy" else _text_signal(path)
    signal = signal[:, None] if signal.ndim == 1 else signal
    if signal.ndim != 2 or signal.dtype.kind not in "iuf" or len(signal) < STEPS_AT_LEAST:
        raise ValueError(f"not one signal of {STEPS_AT_LEAST} steps or more ({'×'.join(map(str, signal.shape))})")
    if channels is not None and signal.shape[1] != channels:
        raise ValueError(f"{signal.shape[1]} channels, where the first file has {channels}")
    usable_T = (np.abs(signal) <= FLOAT32_MAX).all(axis=1)  # False for NaN too
    if not usable_T.all():
        raise ValueError(f"step {usable_T.argmin() + 1} has a value that is no finite number, or beyond float32")
    return signal.astype(np.float32)


def _text_signal(path: Path) -> np.ndarray:
    """Read lines of numbers, with or without a line of names."""
    lines = [line for line in path.read_text(encoding="utf-8-sig", errors="replace").splitlines() if line.strip()]
    for delimiter in (",", ";", "\t", None):
        for first in (0, 1):
            try:
                cells = [[float(cell) for cell in line.split(delimiter)] for line in lines[first:]]
            except ValueError:
                continue
            if cells and len({len(row) for row in cells}) == 1:
                if delimiter == "," and first == 0 and len(cells[0]) == 2 and not any("." in line for line in lines):
                    raise ValueError(
                        f"lines such as {lines[0]!r} are one number or two: write decimal points, or names"
                    )
                return np.array(cells)
    raise ValueError("lines that are no equally many numbers")


def _channels(paths: Sequence[Path]) -> int:
    for path in paths:
        try:
            return read_signal(path, None).shape[1]
        except (OSError, ValueError):
            continue
    return 1


def _mean_std(pieces: Pieces, places: Sequence[tuple[int, int]], channels: int) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of each channel over all steps of these signals."""
    count, sum_C, square_C = 0, np.zeros(channels), np.zeros(channels)
    shift_C = pieces.read(int(places[0][0]), 1)[0].astype(np.float64)  # keeps the squares' digits
    low_C, high_C = shift_C, shift_C
    for first, steps in places:
        x_TC = pieces.read(int(first), int(steps)).astype(np.float64)
        low_C, high_C = np.minimum(low_C, x_TC.min(0)), np.maximum(high_C, x_TC.max(0))
        part = x_TC - shift_C
        count, sum_C, square_C = count + len(part), sum_C + part.sum(0), square_C + (part * part).sum(0)
    var_C = np.maximum(square_C / count - (sum_C / count) ** 2, 0)
    constant_C = is_constant(np.stack([low_C, high_C]), SINGLE) | (var_C == 0)
    return sum_C / count + shift_C, np.where(constant_C, 1.0, np.sqrt(var_C))
