"""What becomes of a process whose output nobody takes: a pipe's reader that has enough, a full disk, a terminal gone.

Work goes on and is saved: its lines are dropped. Where the output was the point, the process ends as others do, by the
code of SIGPIPE without a word, or with one line and code 1.
"""

import atexit
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, NoReturn, TextIO, cast


class Unheard:
    """A text stream for what nobody needs to take: it drops everything once a write has failed.

    Args:
        stream: what it writes to; None where that was closed before the process began.
    """

    def __init__(self, stream: TextIO | None) -> None:
        stream = stream.stream if isinstance(stream, _Noted) else stream  # no failure that counts
        self._stream = None if stream is None or stream.closed else stream

    def write(self, text: str) -> int:
        """Write a text, or drop it."""
        if self._stream is not None:
            try:
                self._stream.write(text)
                self._stream.flush()
            except OSError:
                silence(self._stream)
        return len(text)

    def flush(self) -> None:
        """Do nothing: each write is flushed."""

    def isatty(self) -> bool:
        """Return whether the stream is a terminal."""
        return self._stream is not None and self._stream.isatty()

    def fileno(self) -> int:
        """Return the stream's file."""
        if self._stream is None:
            raise OSError("closed")
        return self._stream.fileno()

    @property
    def encoding(self) -> str:
        """The stream's encoding."""
        return getattr(self._stream, "encoding", None) or "utf-8"


class _Noted:
    """A text stream that notes the first failure to write to it, which an unbuffered one forgets."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.failure: OSError | None = None

    def write(self, text: str) -> int:
        """Write a text."""
        with self._noting():
            return self.stream.write(text)

    def flush(self) -> None:
        """Write what is left."""
        with self._noting():
            self.stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    @contextmanager
    def _noting(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.failure = self.failure or error
            raise


def say(text: str) -> None:
    """Print a line on stdout, or drop it where it cannot be written."""
    Unheard(sys.stdout).write(f"{text}\n")


def trouble(stream: TextIO | None) -> OSError | None:
    """Return what kept a stream's text from being written, or keeps the rest of it; None where nothing does."""
    if isinstance(stream, _Noted) and stream.failure:
        return stream.failure
    try:
        if stream is not None and not stream.closed:
            stream.flush()
    except OSError as error:
        return error
    return None


def silence(stream: TextIO) -> None:
    """Send what else is written to a stream nowhere, the text that is left in it included."""
    with suppress(OSError):  # it is no file
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


@contextmanager
def ending() -> Iterator[None]:
    """Frame a whole process, so that it ends with a code of its own whatever became of its output.

    Raises SystemExit with that code: of the block, or, where it ended well and its output was cut, 128 + SIGPIPE for
    a pipe and 1 for anything else.
    """
    logging.raiseExceptions = False  # no traceback of each line that cannot be written
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed; the files that are opened next must not get its number
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115
    stdout = sys.stdout
    sys.stdout = cast(TextIO, _Noted(stdout))
    code: object = 0
    try:
        yield
    except SystemExit as stop:
        code = stop.code or 0
    except OSError:
        if trouble(sys.stdout) is None:
            raise
    finally:
        cut = trouble(sys.stdout)
        sys.stdout = stdout
    if isinstance(code, str):  # a message, with which the interpreter would end
        Unheard(sys.stderr).write(f"{code}\n")
        code = 1
    if isinstance(cut, BrokenPipeError):
        code = code or 128 + signal.SIGPIPE
    elif cut and not code:
        Unheard(sys.stderr).write(f"error: stdout: cannot be written ({cut.strerror}): send it somewhere else\n")
        code = 1
    for stream in (sys.stdout, sys.stderr):
        if trouble(stream):
            silence(stream)
    raise SystemExit(code)


def leave(stop: SystemExit) -> NoReturn:
    """End the process as the interpreter does, but leave PyTorch's libraries as they are.

    To take them down takes up to two seconds and 150 MB, and nobody waits for it.

    Args:
        stop: with the code that `ending` found.
    """
    if "torch" not in sys.modules:
        raise stop
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    os._exit(int(stop.code or 0))
