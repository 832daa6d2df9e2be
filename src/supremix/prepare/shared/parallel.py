"""Long preparations: items worked on by all cores, in pieces that survive an interruption.

A piece is an array file with the results of a few items, and a JSON file beside it that says what became of each.
Both are written under other names and then renamed, the JSON file last, so a piece is there completely or not at
all, and a run that was interrupted goes on with the pieces that are missing. What an item becomes must depend on
the item alone: then the pieces are the same whatever the number of workers.
"""

import hashlib
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from supremix.data.prepared.folder import sha256_file
from supremix.errors import UserError
from supremix.prepare.shared.command import meter

Make = Callable[[tuple[Any, ...]], tuple[Any, Any]]
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class Piece:
    """Items that are worked on together; the key names the files and changes with whatever may change them."""

    key: str
    items: tuple[Any, ...]


def cut(items: Sequence[Any], size: int, settings: Any) -> list[Piece]:
    """Consecutive pieces of up to `size` items; `settings` and items are what JSON can hold."""
    parts = [tuple(items[start : start + size]) for start in range(0, len(items), size)]
    return [Piece(digest(settings, part)[:16], part) for part in parts]


def digest(*parts: Any) -> str:
    """SHA-256 of values that JSON can hold."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def run_pieces(folder: Path, pieces: Sequence[Piece], make: Make, workers: int, what: str) -> list[dict[str, Any]]:
    """Make the pieces that `folder` does not hold yet; return a record of each, in order.

    make: items → (array or None, result that JSON can hold); importable, since worker processes call it. A
    record is {"result", "sha256", "bytes"}, the latter two of ``folder / f"{key}.npy"``, None without an array.
    Raises UserError where the folder cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return _run_pieces(folder, pieces, make, workers, what)
    except OSError as error:
        raise UserError(f"{folder}: cannot be written ({error}): check space and permissions") from error


def _run_pieces(folder: Path, pieces: Sequence[Piece], make: Make, workers: int, what: str) -> list[dict[str, Any]]:
    whole = _whole(folder, pieces)
    todo = [piece for piece in pieces if piece.key not in whole]
    total = sum(len(piece.items) for piece in pieces)
    done = total - sum(len(piece.items) for piece in todo)
    if done:
        print(f"{folder}: {done} of {total} done by an interrupted run, which goes on", file=sys.stderr)
    with meter(what, total) as advance:
        advance(done)
        for index, _ in parallel(partial(_make_piece, folder, make), todo, workers):
            advance(len(todo[index].items))
    records = [read_piece(folder, piece) for piece in pieces]
    assert all(record is not None for record in records)
    return [record for record in records if record is not None]


def read_piece(folder: Path, piece: Piece) -> dict[str, Any] | None:
    """The record of a finished piece; None where it is missing, or is not the size that was recorded."""
    array = folder / f"{piece.key}.npy"
    try:
        record = json.loads((folder / f"{piece.key}.json").read_text(encoding="utf-8"))
        found = array.stat().st_size if record["bytes"] is not None else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return record if found == record["bytes"] else None


def _whole(folder: Path, pieces: Sequence[Piece]) -> set[str]:
    """Keys of the pieces that an earlier run left with the content it recorded: a machine may have lost power."""
    there = [(piece, record) for piece in pieces if (record := read_piece(folder, piece)) is not None]
    whole: set[str] = set()
    if not there:
        return whole
    with meter("checking what is done", len(there)) as advance:
        for piece, record in there:
            if record["sha256"] is None or sha256_file(folder / f"{piece.key}.npy") == record["sha256"]:
                whole.add(piece.key)
            advance(1)
    return whole


def _make_piece(folder: Path, make: Make, piece: Piece) -> None:
    import numpy as np

    array, result = make(piece.items)
    record: dict[str, Any] = {"result": result, "sha256": None, "bytes": None}
    scratch = folder / f"{piece.key}.{os.getpid()}.tmp"
    if array is not None:
        with scratch.open("wb") as file:
            np.save(file, np.ascontiguousarray(array))  # readers count on C order
        record |= {"sha256": sha256_file(scratch), "bytes": scratch.stat().st_size}
        scratch.replace(folder / f"{piece.key}.npy")
    scratch.write_text(json.dumps(record), encoding="utf-8")
    scratch.replace(folder / f"{piece.key}.json")


def parallel(work: Callable[[Any], Any], tasks: Sequence[Any], workers: int) -> Iterator[tuple[int, Any]]:
    """Yield (index, work(task)) as tasks finish, from up to `workers` processes; in this one for a single worker.

    Interrupted, it waits for the tasks in work. Raises UserError where a worker process dies, out of memory.
    """
    if workers < 1:
        raise UserError(f"--workers {workers}: give 1 or more")
    if min(workers, len(tasks)) <= 1:
        yield from ((index, work(task)) for index, task in enumerate(tasks))
        return
    with _single_threaded(), ProcessPoolExecutor(workers, get_context("spawn"), _ignore_interrupt) as pool:
        # Two tasks a worker in flight: none idles, and an interruption has little to wait for.
        waiting = iter(enumerate(tasks))
        running: dict[Future[Any], int] = {}
        try:
            while True:
                for index, task in islice(waiting, 2 * workers - len(running)):
                    running[pool.submit(work, task)] = index
                if not running:
                    return
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    yield running.pop(future), future.result()
        except BrokenProcessPool:
            raise UserError(
                "a worker process was killed, most likely for want of memory: run again with fewer --workers; "
                "what is finished is kept"
            ) from None
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _ignore_interrupt() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle


@contextmanager
def _single_threaded() -> Iterator[None]:
    """Worker processes started inside run one thread each."""
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
