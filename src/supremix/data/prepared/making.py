"""Make long preparations in pieces that survive an interruption.

A piece is a few items that are worked on together: a JSON record of what became of each and, where the work returns
one, an array file beside it. Both are written under other names and then renamed, the record last, so a piece is there
completely or not at all, and a run that was interrupted goes on with the pieces that are missing. What an item becomes
must depend on the item alone: then the pieces are the same for any number of workers.
"""

import hashlib
import json
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from supremix.data.prepared.folder import sha256_file
from supremix.runtime.disk import put
from supremix.runtime.parallel import in_parallel
from supremix.runtime.progress import meter

log = logging.getLogger(__name__)

Make = Callable[[tuple[Any, ...]], tuple[Any, Any]]


@dataclass(frozen=True)
class Piece:
    """Items that are worked on together; the key names the files and changes with whatever may change them."""

    key: str
    items: tuple[Any, ...]


def cut(items: Sequence[Any], size: int, settings: Any) -> list[Piece]:
    """Cut items into consecutive pieces of up to `size`; JSON must be able to hold `items` and `settings`."""
    parts = [tuple(items[start : start + size]) for start in range(0, len(items), size)]
    return [Piece(fingerprint(settings, part)[:16], part) for part in parts]


def fingerprint(*values: Any) -> str:
    """Hexadecimal SHA-256 of values that JSON can hold."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def make_pieces(folder: Path, pieces: Sequence[Piece], make: Make, workers: int, what: str) -> list[dict[str, Any]]:
    """Make the pieces that `folder` does not hold yet; return the record of each, in order.

    A record is {"result", "sha256", "bytes"}, the latter two of ``folder / f"{key}.npy"``, None without an array.

    Args:
        make: items → (array or None, result that JSON can hold); importable, since worker processes call it.
        what: the items' name for the progress meter.
    """
    whole = _whole(folder, pieces)
    todo = [piece for piece in pieces if piece.key not in whole]
    total = sum(len(piece.items) for piece in pieces)
    done = total - sum(len(piece.items) for piece in todo)
    if done:
        log.info("%s: %s of %s done by an interrupted run, which goes on", folder, done, total)
    with meter(what, total) as advance:
        advance(done)
        for items in in_parallel(partial(_make_piece, folder, make), todo, workers):
            advance(items)
    records = [read_record(folder, piece) for piece in pieces]
    assert all(record is not None for record in records)
    return [record for record in records if record is not None]


def read_record(folder: Path, piece: Piece) -> dict[str, Any] | None:
    """Read the record of a finished piece; None where it is missing, or the array has not the recorded size."""
    array = folder / f"{piece.key}.npy"
    try:
        record = json.loads((folder / f"{piece.key}.json").read_text(encoding="utf-8"))
        size = array.stat().st_size if record["bytes"] is not None else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return record if size == record["bytes"] else None


def _whole(folder: Path, pieces: Sequence[Piece]) -> set[str]:
    """Keys of the pieces that an earlier run left with the content it recorded: a machine may have lost power."""
    recorded = [(piece, record) for piece in pieces if (record := read_record(folder, piece)) is not None]
    whole: set[str] = set()
    if not recorded:
        return whole
    with meter("checking what is done", len(recorded)) as advance:
        for piece, record in recorded:
            if record["sha256"] is None or sha256_file(folder / f"{piece.key}.npy") == record["sha256"]:
                whole.add(piece.key)
            advance(1)
    return whole


def _make_piece(folder: Path, make: Make, piece: Piece) -> int:
    """Make and store one piece; return how many items it has."""
    import numpy as np

    array, result = make(piece.items)
    record: dict[str, Any] = {"result": result, "sha256": None, "bytes": None}
    scratch = folder / f"{piece.key}.{os.getpid()}.tmp"
    if array is not None:
        with scratch.open("wb") as file:
            np.save(file, np.ascontiguousarray(array))  # readers count on C order
        record |= {"sha256": sha256_file(scratch), "bytes": scratch.stat().st_size}
        put(scratch, folder / f"{piece.key}.npy")
    scratch.write_text(json.dumps(record), encoding="utf-8")
    put(scratch, folder / f"{piece.key}.json")
    return len(piece.items)
