"""Disks that are full and folders that may not be read or written, for a while and in this process alone."""

import ctypes
import os
import resource
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

DAC_OVERRIDE, DAC_READ_SEARCH = 1, 2  # Linux capabilities: to pass over permission bits, when writing and when reading
VERSION_3 = 0x20080522  # of the capability calls' structures


@contextmanager
def obeying_permissions() -> Iterator[None]:
    """Give up what lets root pass over permission bits; other users have nothing to give up."""
    if os.geteuid() != 0:
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header, held = (ctypes.c_uint32 * 2)(VERSION_3, 0), (ctypes.c_uint32 * 6)()
    assert libc.capget(header, held) == 0
    fewer = (ctypes.c_uint32 * 6)(*held)
    fewer[0] &= ~(1 << DAC_OVERRIDE | 1 << DAC_READ_SEARCH)  # the effective ones: permitted, they can be taken up again
    assert libc.capset(header, fewer) == 0
    try:
        yield
    finally:
        assert libc.capset(header, held) == 0


def permissions(below: str, bits: int) -> Callable[[Path], AbstractContextManager[None]]:
    """Something below the case's folder has these permission bits, and they hold."""

    @contextmanager
    def during(folder: Path) -> Iterator[None]:
        path = folder / below
        before = path.stat().st_mode
        path.chmod(bits)
        try:
            with obeying_permissions():
                yield
        finally:
            path.chmod(before)

    return during


def room_for(size: int) -> Callable[[Path], AbstractContextManager[None]]:
    """No file can become larger than ``size`` bytes: what writes beyond gets an error, as on a full disk."""

    @contextmanager
    def during(folder: Path) -> Iterator[None]:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return during
