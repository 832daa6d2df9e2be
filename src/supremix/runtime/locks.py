"""Let one process at a time use a folder, by a lock of the operating system that ends with its process."""

import fcntl
import logging
import os
import socket
from pathlib import Path
from typing import TextIO

from supremix.errors import Busy

log = logging.getLogger(__name__)


def acquired(folder: Path, wait: bool) -> TextIO:
    """Lock a folder; make it where it is missing.

    Args:
        folder: the folder to lock.
        wait: whether to wait for another process that holds the lock.

    Returns:
        The open file ``folder/lock``, which names its process and machine; closing it unlocks.

    Raises:
        Busy: another process holds the lock, and ``wait`` is false.
        OSError: the file system cannot write or lock.
    """
    announced = False
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock = (folder / "lock").open("a+")
        except FileNotFoundError:  # the last holder just removed the folder
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _holder(lock)
            if not wait:
                lock.close()
                raise Busy(f"{folder.stem} is in work in {holder}") from None
            if not announced:
                log.info("%s is in work in %s: waiting for it", folder.stem, holder)
            announced = True
            fcntl.flock(lock, fcntl.LOCK_EX)
        if is_at(lock, folder / "lock"):
            lock.truncate(0)
            lock.write(f"process {os.getpid()} on {socket.gethostname()}")
            lock.flush()
            return lock
        lock.close()  # the holder removed it: a new one may be in its place


def _holder(lock: TextIO) -> str:
    lock.seek(0)
    return lock.read() or "another process"


def is_at(lock: TextIO, path: Path) -> bool:
    """Return whether the open lock is the file at its path, and not one that was removed or replaced."""
    try:
        return os.path.samestat(os.fstat(lock.fileno()), path.stat())
    except FileNotFoundError:
        return False
