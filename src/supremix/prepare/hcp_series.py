"""Read a subject's series from a table of numbers, as NumPy, pandas, R and others write them; T frames, P parcels."""

import csv
import io
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from supremix.data.prepared.cells import WITH_COMMA, decode, is_number
from supremix.errors import UserError
from supremix.metrics.rounding import SINGLE, is_constant
from supremix.prepare.shared.report import Finding, kept

PARCELS = 400
SHORTEST = 32
HALF_NUMBER = re.compile(r"-0|[+-]?0[0-9]+")  # of -0,5 or 1,05, parted at the comma; no whole number is written so
LOWEST, HIGHEST = float(np.finfo(np.float32).tiny), float(np.finfo(np.float32).max)
ATLASES = {90, 116, 148, 160, 164, 246, 264, 268, 333, 360, 379, *range(100, 1001, 100)}
"""Numbers of parcels of common atlases: a table with one of these numbers of frames may have its sides exchanged."""


class Series(NamedTuple):
    """A table that was read. frames_TP: float64, finite; parcels_in: rows or columns; doubts: "reason (detail)"."""

    frames_TP: np.ndarray
    parcels_in: str
    doubts: list[str]


@np.errstate(all="ignore")  # of values that are no numbers, which are refused
def read_series(raw: bytes, suffix: str, parcels_in: str | None) -> Series:
    """Read a file's content; raise ValueError that names its fault.

    Args:
        suffix: of the file's name.
        parcels_in: rows or columns; None takes whichever has the right number.
    """
    if not raw:
        raise ValueError("the file is empty")
    try:
        table, doubts = _read_array(raw) if suffix == ".npy" else _read_text(raw, "," if suffix == ".csv" else None)
        table = np.asarray(table).astype(np.float64, casting="same_kind")
    except Exception as error:  # np.load and np.loadtxt raise many kinds on damaged files
        raise ValueError(f"not readable as a table of numbers ({str(error)[:120]})") from None
    if table.ndim == 2:
        table, labels = _without_labels(table)
        doubts += labels
    axis = _axis(table.shape, parcels_in)
    frames_TP = table.T if axis == "rows" else table
    if len(frames_TP) < SHORTEST:
        raise ValueError(f"fewer than {SHORTEST} frames ({len(frames_TP)})")
    if not np.isfinite(frames_TP).all():
        frame, parcel = np.argwhere(~np.isfinite(frames_TP))[0]
        raise ValueError(f"values that are NaN or infinite (the first: parcel {parcel + 1}, frame {frame + 1})")
    return Series(frames_TP, axis, doubts)


def _read_array(raw: bytes) -> tuple[np.ndarray, list[str]]:
    return np.load(io.BytesIO(raw), allow_pickle=False), []


def _read_text(raw: bytes, delimiter: str | None) -> tuple[np.ndarray, list[str]]:
    """Read text without its line and its column of names, where it has them; return them as doubts."""
    lines = [line for line in decode(raw).splitlines() if line.strip() and not line.startswith("#")]
    if not lines:
        raise ValueError("no line of numbers")
    delimiter = _delimiter(lines[0], delimiter)
    cells = _cells(lines[-1], delimiter)
    halves = sum(HALF_NUMBER.fullmatch(cell) is not None for cell in cells[1:]) if delimiter == "," else 0
    if any(map(WITH_COMMA.fullmatch, cells)) or halves > len(cells) / 10:
        raise ValueError("commas where numbers have a point")
    first, second = (_cells(line, delimiter) for line in (lines[0], lines[min(1, len(lines) - 1)]))
    no_corner = len(first) == len(second) - 1  # R writes no name above the names of rows
    has_names = not is_number(second[0]) or no_corner
    has_header = no_corner or any(not is_number(cell) for cell in first[1:])
    has_header = has_header or (not is_number(first[0]) and is_number(second[0]))
    doubts = [f"header line left out ({', '.join(first[:4])}, …)"] if has_header else []
    doubts += [f"column of names left out ({second[0]}, …)"] if has_names else []
    columns = range(1, len(second)) if has_names else None
    rows = lines[1:] if has_header else lines
    if not rows:
        raise ValueError("no line of numbers")
    table = np.loadtxt(rows, delimiter=delimiter, ndmin=2, usecols=columns, quotechar='"', dtype=np.float64)
    if columns is not None and any(len(_cells(line, delimiter)) != len(second) for line in rows):
        raise ValueError(f"rows of other lengths than {len(second)}")  # loadtxt passes over what it does not use
    return table, doubts


def _delimiter(line: str, usual: str | None) -> str | None:
    """Return what parts the cells of a line: tabs, or semicolons as spreadsheets write them, if it is not the usual."""
    if usual is not None and usual in line:
        return ";" if ";" in line else usual
    return next((character for character in ("\t", ";") if character in line), usual)


def _cells(line: str, delimiter: str | None) -> list[str]:
    if delimiter is None:
        return [cell.strip('"') for cell in line.split()]
    return [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter))]


def _without_labels(table: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Leave out a first row and a first column that count or name the others, by their pattern."""
    if min(table.shape) < 3:
        return table, []
    inner = table[1:, 1:]
    whole = float((inner == np.round(inner)).mean()) > 0.5  # as all large values of floating point are
    row = _is_label(table[0], whole) or _is_label(table[0, 1:], whole)
    column = _is_label(table[:, 0], whole) or _is_label(table[1:, 0], whole)
    doubts = [f"header line left out ({_shown(table[0])})"] if row else []
    doubts += [f"column of an index left out ({_shown(table[int(row) :, 0])})"] if column else []
    return table[int(row) :, int(column) :], doubts


def _is_label(values: np.ndarray, others_whole: bool) -> bool:
    """Say whether these are numbers that name or count: in equal steps, or whole where most others are not."""
    if len(values) < 3 or not np.isfinite(values).all():
        return False
    steps = np.diff(values)
    if steps.min() > 0 and np.ptp(steps) <= 1e-3 * steps.mean():
        return True
    whole = (values == np.round(values)).all() and np.ptp(values) > 0
    return bool(whole and (not others_whole or steps.min() > 0))


def _axis(shape: tuple[int, ...], parcels_in: str | None) -> str:
    """Return the axis of the parcels, rows or columns; raise ValueError where it is none, or might be either."""
    values = f"{'×'.join(map(str, shape))} values"
    if len(shape) != 2 or PARCELS not in shape:
        raise ValueError(f"no {PARCELS} parcels ({values})")
    if parcels_in is None and shape == (PARCELS, PARCELS):
        raise ValueError(f"parcels and frames cannot be told apart ({values}; --parcels-in states the axis)")
    axis = parcels_in or ("rows" if shape[0] == PARCELS else "columns")
    if shape[0 if axis == "rows" else 1] != PARCELS:
        raise ValueError(f"no {PARCELS} parcels in {axis} ({values})")
    return axis


def check_axes(usable: Sequence[tuple[str, str, Mapping[str, Any]]], findings: list[Finding]) -> None:
    """Refuse files whose frames may be the parcels of another atlas; add files that lie another way to `findings`.

    Time runs along the axis in which files differ in length. Raises UserError where no difference shows that, and the
    number of frames is that of an atlas.

    Args:
        usable: (subject, file, result) with "frames" and "parcels_in", read without a stated axis.
    """
    count = Counter(result["parcels_in"] for _, _, result in usable)
    usual = max(count, key=lambda axis: count[axis], default="")
    varying = len({result["frames"] for _, _, result in usable if result["parcels_in"] == usual}) > 1
    for subject, file, result in usable:
        frames, axis = result["frames"], result["parcels_in"]
        if frames in ATLASES and not (varying and axis == usual):
            other = "columns" if axis == "rows" else "rows"
            raise UserError(
                f"{file}: {PARCELS} parcels in {axis} and {frames} frames, or another atlas with {frames} parcels in "
                f"{other}: state the axis with --parcels-in rows or --parcels-in columns"
            )
        if axis != usual:
            findings.append(kept(f"parcels in {axis}, in most files in {usual}", file, subject))


def standardised(series_TP: np.ndarray) -> np.ndarray:
    """Scale each parcel to mean 0 and standard deviation 1 over its frames, float32.

    Raises ValueError for parcels that are constant but for rounding, or beyond what float32 holds.
    """
    largest_P = np.abs(series_TP).max(axis=0)
    beyond = np.flatnonzero((largest_P > HIGHEST) | ((largest_P > 0) & (largest_P < LOWEST)))
    if beyond.size:
        raise ValueError(f"values beyond single precision (the first: parcel {beyond[0] + 1})")
    constant = np.flatnonzero(is_constant(series_TP, SINGLE))
    if constant.size:
        shown = ", ".join(str(parcel + 1) for parcel in constant[:5])
        raise ValueError(
            f"constant parcels ({constant.size} of {PARCELS}: {shown}{', …' if constant.size > 5 else ''})"
        )
    return ((series_TP - series_TP.mean(axis=0)) / series_TP.std(axis=0)).astype(np.float32)


def _shown(values: np.ndarray) -> str:
    return ", ".join(f"{value:g}" for value in values[:3]) + ", …"
