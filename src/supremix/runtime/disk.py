"""Put what was written in its place, whole and flushed to disk, so that no loss of power takes it back.

Only the standard library is imported: preparation, whose help answers at once, writes by this too.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

NOT_FOR_FOLDERS = (errno.EINVAL, errno.ENOTSUP, errno.EBADF)  # of file systems that cannot flush a folder by itself


def put(source: Path, target: Path) -> None:
    """Move a written file or folder to its place, flushed before and after; a file there is replaced at once.

    Args:
        source: on the same file system; a folder with all that is in it.
        target: its place; a folder there must be empty.
    """
    flush(source)
    os.replace(source, target)
    _flush_one(target.parent)


def flush(path: Path) -> None:
    """Flush a file, or a folder with all that is in it, to disk."""
    if path.is_dir():
        for inner in path.iterdir():
            flush(inner)
    _flush_one(path)


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """Yield an empty folder whose files, when the block ends well, replace those of the same names in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder, prefix=".") as scratch:
        yield Path(scratch)
        for path in sorted(Path(scratch).iterdir()):
            put(path, folder / path.name)


def _flush_one(path: Path) -> None:
    """Flush a file's content, or the names in a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if not (path.is_dir() and error.errno in NOT_FOR_FOLDERS):
            raise
    finally:
        os.close(descriptor)
