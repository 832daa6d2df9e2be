"""Show progress and warnings on stderr, and keep those of a run in its ``run.log``.

Modules log to ``logging.getLogger(__name__)``, below the logger "supremix". Nothing is shown until an entry point calls
`show`: whoever imports the package as a library decides about its handlers.
"""

import logging
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from supremix.errors import MISTAKES, Busy, Stopped, one_line
from supremix.runtime import ranks
from supremix.runtime.output import Unheard
from supremix.runtime.terminal import without_unicode

PACKAGE = logging.getLogger("supremix")
RUN_LOG = "run.log"

FILE_ONLY = {"file_only": True}
"""``extra`` of a line that goes to ``run.log`` and not to stderr."""
_shown: set[str] = set()  # lines on stderr


def show() -> None:
    """Show the package's lines on this process's stderr, with several ranks those of the first and all warnings.

    A line that was shown is not shown again, so that what many runs say alike is said once, until the next `begin`.
    Entry points call it, in each process that they start; a second call does nothing.
    """
    without_unicode()
    if not any(isinstance(handler, _Stderr) for handler in PACKAGE.handlers):
        PACKAGE.addHandler(_Stderr())
        PACKAGE.setLevel(logging.INFO)
        PACKAGE.propagate = False


def begin() -> None:
    """Show the lines of a command, which has shown none."""
    show()
    _shown.clear()


@contextmanager
def warnings_alone(package: str) -> Iterator[None]:
    """Show of a package's lines only the warnings on stderr while the block runs; ``run.log`` keeps them all."""

    def shown(line: logging.LogRecord) -> bool:
        return line.levelno > logging.INFO or not line.name.startswith(package)

    handlers = [handler for handler in PACKAGE.handlers if isinstance(handler, _Stderr)]
    for handler in handlers:
        handler.addFilter(shown)
    try:
        yield
    finally:
        for handler in handlers:
            handler.removeFilter(shown)


@contextmanager
def kept(folder: Path | None) -> Iterator[None]:
    """Append the package's lines to ``run.log`` while the block runs, and why the block failed.

    With several ranks the first writes the lines, and each writes why it failed.

    Args:
        folder: where ``run.log`` is; None keeps nothing.
    """
    if folder is None:
        yield
        return
    again = (folder / RUN_LOG).exists()
    handler, level = _RunLog(folder / RUN_LOG), PACKAGE.level
    PACKAGE.addHandler(handler)
    PACKAGE.setLevel(logging.INFO)
    try:
        PACKAGE.info("%s %s", folder.stem, "goes on" if again else "begins", extra=FILE_ONLY)
        yield
        PACKAGE.info("%s finished", folder.stem, extra=FILE_ONLY)
    except BaseException as error:
        PACKAGE.error("%s", _reason(error), extra=FILE_ONLY)
        raise
    finally:
        PACKAGE.removeHandler(handler)
        PACKAGE.setLevel(level)
        with suppress(OSError):
            handler.close()


def _reason(error: BaseException) -> str:
    """Return what the log says of an error: one line for an expected one, the traceback of any other."""
    where = f"rank {ranks.rank()}: " if ranks.world_size() > 1 else ""
    expected = isinstance(error, (*MISTAKES, Busy, Stopped))
    return where + (one_line(error) if expected else "".join(traceback.format_exception(error)).rstrip())


class _Lines(logging.Formatter):
    """The message alone; warnings on one line with a prefix, errors with a prefix."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        if record.levelno == logging.WARNING:
            record.message = f"warning: {' '.join(record.message.split())}"
        elif record.levelno > logging.WARNING:
            record.message = f"error: {record.message}"
        return super().formatMessage(record)


class _Stderr(logging.Handler):
    """Writes to what ``sys.stderr`` is at the time, so that lines appear above a progress bar; drops what it cannot."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(_Lines())
        self.addFilter(lambda record: not getattr(record, "file_only", False))
        self.addFilter(lambda record: ranks.is_first() or record.levelno >= logging.WARNING)

    def emit(self, record: logging.LogRecord) -> None:
        line = self.format(record)
        if line not in _shown:
            _shown.add(line)
            Unheard(sys.stderr).write(f"{line}\n")


class _RunLog(logging.FileHandler):
    """Appends to a file; a file that cannot be written stops no run, since the results tell of a full disk."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, encoding="utf-8", delay=True)
        self.setFormatter(_Lines("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S"))
        self.addFilter(lambda record: ranks.is_first() or record.levelno > logging.WARNING)

    def emit(self, record: logging.LogRecord) -> None:
        with suppress(OSError):
            super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:
        pass
