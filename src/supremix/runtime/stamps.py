"""Show without reading a file that it did not change.

Names and sizes say nothing about content, and a time of modification can be set to anything. What no program can set is
ctime, the time at which the system last changed anything of a file: where it, size, time of modification and inode are
as before, the content is as before. Where one differs, the content may be the same all the same.
"""

import time
from collections.abc import Iterable
from pathlib import Path

TICK, COARSE_TICK = 50_000_000, 2_000_000_000  # ns; two changes within one tick of a file system have the same time

Stamp = tuple[int, int, int, int]


def stamp(path: Path | str) -> Stamp:
    """Return what changes with a file: size in bytes, mtime and ctime in ns, inode; zeros where it is not there."""
    try:
        stat = Path(path).stat()
    except OSError:
        return 0, 0, 0, 0
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino


def let_settle(stamps: Iterable[Stamp]) -> None:
    """Wait, where a file was changed a moment ago, until a further change would show in its stamp.

    To be called after the stamps are taken and before the files are read.
    """
    youngest = max((time_ns for stamp in stamps for time_ns in stamp[1:3]), default=0)
    tick = TICK if youngest % 1_000_000_000 else COARSE_TICK  # some file systems count whole seconds
    if youngest > time.time_ns() - tick:
        time.sleep(tick / 1e9)
