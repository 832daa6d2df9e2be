"""Stop signals: they end a run between two steps, never inside one, so that it can save itself on its way out."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from supremix.errors import Stopped

# What schedulers send: SIGTERM before a kill; SIGUSR2 is submitit's, before a time limit. SIGINT is Ctrl-C.
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR2)

_received: int | None = None  # the signal that came
_inside = False  # a block that is not to be broken


@contextmanager
def stoppable() -> Iterator[None]:
    """Turn stop signals into Stopped, raised at once or at the end of an `unbroken` block.

    On the way out the signal is handed on to whoever handled it before: submitit's handler puts the job back into the
    queue. A signal that was ignored stays so. An error after a signal is taken for its consequence: a library that was
    broken off may raise one of its own, as zipfile does where a file in it is still open. Does nothing outside the
    main thread, which gets all signals.
    """
    global _received
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before: dict[int, Any] = {number: signal.getsignal(number) for number in SIGNALS}
    before = {number: handler for number, handler in before.items() if handler not in (signal.SIG_IGN, None)}
    for number in before:
        signal.signal(number, _stop)
    try:
        yield
    except (Stopped, Exception) as error:
        signum = error.signum if isinstance(error, Stopped) else _received
        if signum is None:
            raise
        handler = before[signum]
        if callable(handler) and handler not in (_stop, signal.default_int_handler):
            handler(signum, None)
        if isinstance(error, Stopped):
            raise
        raise Stopped(signum) from error
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if _stop not in before.values():  # the outermost
            _received = None


@contextmanager
def unbroken() -> Iterator[None]:
    """A block that a stop signal does not break: Stopped is raised at its end. Blocks may lie in one another."""
    global _inside
    outer = _inside
    _inside = True
    try:
        yield
    finally:
        _inside = outer
    if _received is not None and not outer:
        raise Stopped(_received)


def received() -> int | None:
    """The stop signal that came, if one did."""
    return _received


def _stop(signum: int, frame: FrameType | None) -> None:
    global _received
    _received = signum
    if not _inside:
        raise Stopped(signum)
