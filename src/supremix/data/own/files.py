"""Inputs in files of their own, one a row: found beside the table, decoded once and kept by their content.

A folder of the cache holds pieces (see `supremix.data.prepared.making`), named by paths, contents and settings, so that
an interrupted run goes on, and a changed file is decoded again.
"""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from supremix.data.own.layout import Rows
from supremix.data.own.problems import Problem
from supremix.data.own.sheet import FOLDER
from supremix.data.prepared.arrays import read_array
from supremix.data.prepared.folder import sha256_file
from supremix.data.prepared.making import cut, fingerprint, make_pieces
from supremix.data.prepared.pieces import Pieces
from supremix.errors import UserError, writing_to
from supremix.runtime.parallel import cores
from supremix.runtime.progress import meter
from supremix.runtime.stamps import let_settle, stamp

AT_ONCE = 32
"""Files in a piece."""
FEW = 200
"""Files that one process decodes before several would have started."""
COLUMN_NAMES = ("path", "file", "filename", "file_name", "filepath", "file_path", "image", "volume", "signal")


@dataclass(frozen=True, eq=False)
class Decoded:
    """Files that were decoded.

    Attributes:
        pieces: their arrays.
        results: what the decoder said of each file besides: a dict with "failed", the reason or None.
        sha256: of all contents together.
    """

    pieces: Pieces
    results: list[dict[str, Any]]
    sha256: str


def path_column(rows: Rows, given: str | None, endings: Sequence[str]) -> str | None:
    """Return the column of paths: the given one, else the first whose texts end so, or that is called so."""
    if given is not None:
        if given not in rows.frame.columns:
            raise UserError(f"dataset.input={given}: {rows.sheet.path} has no such column")
        return given
    called = (name for name in rows.texts if name.lower() in COLUMN_NAMES)
    return ending_so(rows, endings) or next(called, None)


def needed_path_column(rows: Rows, given: str | None, kind: str, endings: Sequence[str]) -> str:
    """Return the column of paths of a kind of data; raise UserError where there is none."""
    if (column := path_column(rows, given, endings)) is not None:
        return column
    such = ", ".join([*endings[:3], *(["…"] if endings[3:] else [])])
    raise UserError(f"{rows.sheet.path}: no column holds paths of {kind} ({such}): name it by dataset.input")


def ending_so(rows: Rows, endings: Sequence[str]) -> str | None:
    """Return the first column of which most texts have one of these endings."""
    for name in rows.texts:
        cells = rows.frame[name].dropna().astype("str").str.strip().str.lower()
        if len(cells) and cells.str.endswith(tuple(endings)).mean() > 0.5:
            return name
    return None


def located(cells: Sequence[Any], folder: Path) -> list[Path | None]:
    """Return where each file is; None where the cell is empty or there is no such file."""
    paths: list[Path | None] = []
    for cell in cells:
        path = None if cell is None or cell != cell or not str(cell).strip() else folder / str(cell).strip()
        paths.append(path if path is not None and path.is_file() else None)
    return paths


def with_files(rows: Rows, column: str) -> tuple[Rows, list[Path]]:
    """Return the rows whose file is there, and the files; raise UserError where none is."""
    folder = rows.sheet.path.parent
    paths = located(rows.frame[column].tolist(), folder)
    there_N = np.array([path is not None for path in paths])
    if not there_N.any():
        cell = str(rows.frame[column].iloc[0])
        raise UserError(
            f"{rows.sheet.path}: none of the files in {column!r} is there, such as {folder / cell}: paths count from "
            "the table's folder"
        )
    problems = [
        Problem(str(rows.frame.index[at]), f"no file at the path in {column!r}", str(rows.frame[column].iloc[at]), True)
        for at in np.flatnonzero(~there_N)
    ]
    return rows.keep(there_N, problems), [path for path in paths if path is not None]


def decoded(
    folder: Path, paths: Sequence[Path], make: Callable[..., Any], settings: dict[str, Any], dtype: str, what: str
) -> Decoded:
    """Decode files, or take what an earlier run decoded.

    Args:
        folder: of all caches.
        paths: of the files.
        make: importable; [path, sha256] of some files → (array, [result of each]).
        settings: what the arrays depend on besides the files.
        dtype: of the arrays.
        what: the files' name for the progress meter.
    """
    with writing_to(folder, "set paths.prepared to a folder with space"):
        folder.mkdir(parents=True, exist_ok=True)
        sums = content_sums(folder / "sums.json", paths)
        items = [[str(path), total] for path, total in zip(paths, sums, strict=True)]
        cache = folder / fingerprint(settings, sums)[:16]
        cache.mkdir(exist_ok=True)
        pieces = cut(items, AT_ONCE, settings)
        records = make_pieces(cache, pieces, make, 1 if len(paths) <= FEW else cores(), what)
    files = [cache / f"{piece.key}.npy" for piece in pieces]
    results = [result for record in records for result in record["result"]]
    return Decoded(_opened(files, dtype), results, fingerprint(sums))


def without_failures(rows: Rows, results: Sequence[dict[str, Any]], what: str) -> tuple[Rows, np.ndarray]:
    """Return the rows whose file could be decoded, and their numbers among the files."""
    failed_N = np.array([result["failed"] is not None for result in results])
    problems = [
        Problem(str(place), f"no usable {what}", str(result["failed"]), True)
        for place, result in zip(rows.frame.index, results, strict=True)
        if result["failed"] is not None
    ]
    if failed_N.all():
        raise UserError(f"{rows.sheet.path}: no {what} can be read, such as {problems[0].place}: {problems[0].value}")
    return rows.keep(~failed_N, problems), np.flatnonzero(~failed_N)


def content_sums(memo: Path, paths: Sequence[Path]) -> list[str]:
    """Return the SHA-256 of each file; those that did not change since the memo was written are not read again."""
    try:
        known = json.loads(memo.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        known = {}
    stamps = {str(path): list(stamp(path)) for path in paths}
    new = [path for path, now in stamps.items() if known.get(path, [None])[0] != now]
    if new:
        let_settle([tuple(stamps[path]) for path in new])  # type: ignore[misc]
        with meter("reading files", len(new)) as advance:
            for path in new:
                known[path] = [stamps[path], sha256_file(Path(path))]
                advance(1)
        scratch = memo.with_suffix(f".{os.getpid()}.tmp")
        scratch.write_text(json.dumps(known), encoding="utf-8")
        scratch.replace(memo)
    return [known[str(path)][1] for path in paths]


def new_files(rows: Any, column: str) -> list[Path]:
    """Return the files of new rows: of a table's column, or a list of paths; raise UserError where one is not there."""
    cells, folder = list(rows), Path()
    if hasattr(rows, "columns"):
        if column not in rows.columns:
            raise UserError(f"the rows have no column {column!r}, which holds the paths")
        cells, folder = rows[column].tolist(), Path(rows.attrs.get(FOLDER, "."))
    paths = located(cells, folder)
    for number, (path, cell) in enumerate(zip(paths, cells, strict=True), 1):
        if path is None:
            raise UserError(f"row {number}: no file {folder / str(cell)}: correct the path")
    return [path for path in paths if path is not None]


def one_by_one(paths: Sequence[Path], make: Callable[..., Any]) -> np.ndarray:
    """Decode new files into one array; raise UserError for the first that cannot be."""
    array, results = make([[str(path), ""] for path in paths])
    for path, result in zip(paths, results, strict=True):
        if result["failed"] is not None:
            raise UserError(f"{path}: {result['failed']}: leave it out, or correct it")
    return array


def read_npy(path: Path) -> np.ndarray:
    """Read an array that numpy.save wrote; ValueError that names the fault."""
    try:
        array = np.load(path, allow_pickle=False)
    except EOFError:
        raise ValueError("the file is empty") from None
    if not isinstance(array, np.ndarray):
        raise ValueError("several arrays in one file: save the one by numpy.save")
    return array


def _opened(files: Sequence[Path], dtype: str) -> Pieces:
    arrays = [np.load(file, mmap_mode="r", allow_pickle=False) for file in files]
    row_shape = arrays[0].shape[1:]
    mapped = [read_array(file, dtype, (None, *row_shape)) for file in files]
    starts = np.cumsum([0, *(len(array) for array in mapped)])
    return Pieces(tuple(files), starts, tuple(int(array.offset) for array in mapped), np.dtype(dtype), row_shape)
