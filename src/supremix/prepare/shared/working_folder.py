"""Make folders that are there completely or not at all: in one go, or resumed after an interruption."""

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from supremix.errors import Busy, UserError, writing_to
from supremix.runtime.disk import put
from supremix.runtime.locks import acquired

WAY_OUT = "check space and permissions"


@contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """Yield an empty sibling folder to fill; it becomes `folder` when the block ends, or vanishes on failure.

    Raises UserError where `folder` exists, which is never touched, or where the place cannot be written to.
    """
    _refuse_existing(folder)
    working = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        with writing_to(folder, WAY_OUT):
            working.mkdir(parents=True)
            yield working
            put(working, folder)
    finally:
        shutil.rmtree(working, ignore_errors=True)


@contextmanager
def resumable_folder(folder: Path, key: str, size: int = 0) -> Iterator[tuple[Path, Path]]:
    """Yield two folders: the working one, which becomes `folder` when the block ends, and one for finished pieces.

    An interruption leaves both, in ``.<name>.partial``, for the next call to go on with. One process at a time may
    work on them.

    Args:
        key: what the pieces depend on; leftovers of work with another key are cleared.
        size: bytes that `folder` will need; 0 where that is not known beforehand.
    """
    _refuse_existing(folder)
    partial = folder.with_name(f".{folder.name}.partial")
    need_space(folder, size - sum(path.stat().st_size for path in partial.rglob("*.npy")))
    with writing_to(folder, WAY_OUT), _locked(partial):
        noted, pieces, working = partial / "key", partial / "pieces", partial / "folder"
        if not noted.exists() or noted.read_text(encoding="utf-8") != key:
            for leftover in (pieces, working):
                shutil.rmtree(leftover, ignore_errors=True)
                leftover.mkdir()
            noted.write_text(key, encoding="utf-8")
        yield working, pieces
        put(working, folder)
        shutil.rmtree(partial, ignore_errors=True)


def need_space(folder: Path, size: int) -> None:
    """Raise UserError where the disk on which `folder` will be has not `size` bytes left."""
    parent = next((parent for parent in folder.absolute().parents if parent.is_dir()), Path("/"))
    free = shutil.disk_usage(parent).free
    if free < size:
        raise UserError(f"{parent}: {size / 1e9:.1f} GB are needed, {free / 1e9:.1f} GB are free: make space")


def _refuse_existing(folder: Path) -> None:
    if folder.exists():
        raise UserError(f"{folder}: already exists: move or delete it first")


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    try:
        lock = acquired(folder, wait=False)
    except Busy:
        raise UserError(f"{folder}: another preparation is at work on it: wait for that one") from None
    with lock:
        yield
