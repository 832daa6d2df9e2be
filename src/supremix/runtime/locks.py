"""One process at a time on a folder: a lock of the operating system's, which dies with the process that holds it."""

import fcntl
import os
import socket
import sys
from pathlib import Path
from typing import TextIO

from supremix.errors import Busy


def acquired(folder: Path, wait: bool) -> TextIO:
    """The open file ``folder/lock``, locked until it is closed; folder and file are made where they are missing.

    It holds the name of the machine and the process that has it. Raises Busy where another process has it and
    ``wait`` is false, OSError where the file system cannot write or lock.
    """
    told = False
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock = (folder / "lock").open("a+")
        except FileNotFoundError:  # its last holder has just removed the folder
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _holder(lock)
            if not wait:
                lock.close()
                raise Busy(f"{folder.stem} is in work in {holder}") from None
            if not told:
                print(f"{folder.stem} is in work in {holder}: waiting for it", file=sys.stderr, flush=True)
            told = True
            fcntl.flock(lock, fcntl.LOCK_EX)
        if _is_at(lock, folder / "lock"):
            lock.truncate(0)
            lock.write(f"process {os.getpid()} on {socket.gethostname()}")
            lock.flush()
            return lock
        lock.close()  # removed by its holder: there may be a new one at this place


def _holder(lock: TextIO) -> str:
    lock.seek(0)
    return lock.read() or "another process"


def _is_at(lock: TextIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(lock.fileno()), path.stat())
    except FileNotFoundError:
        return False
