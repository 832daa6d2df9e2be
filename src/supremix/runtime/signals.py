"""Stop a run on signals, between two steps and never inside one, so that it can save before it ends."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from supremix.errors import Stopped

# What schedulers send: SIGTERM before a kill; SIGUSR2 is submitit's, before a time limit. SIGINT is Ctrl-C, and SIGHUP
# comes from a terminal that closes; nohup has it ignored.
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR2, signal.SIGHUP)

_received: int | None = None  # the last stop signal
_inside = False  # whether the process is in an `unbroken` block


@contextmanager
def stoppable() -> Iterator[None]:
    """Turn stop signals into Stopped, raised at once or at the end of an `unbroken` block.

    At the end the signal goes on to its previous handler: submitit's puts the job back into the queue. An ignored
    signal stays ignored. An error after a signal counts as its consequence, since an interrupted library may raise its
    own, as zipfile does with a file still open. Outside the main thread, which gets all signals, this does nothing.
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
        handler = before.get(signum)  # none where another rank got it, and it is ignored here
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
    """Keep stop signals from interrupting this block; raise Stopped at the end of the outermost one."""
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
    """Return the stop signal that arrived, or None."""
    return _received


def _stop(signum: int, frame: FrameType | None) -> None:
    global _received
    _received = signum
    if not _inside:
        raise Stopped(signum)
