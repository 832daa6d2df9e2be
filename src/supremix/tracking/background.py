"""Make calls in a thread, so that nobody waits for them."""

import queue
import threading
from collections.abc import Callable


class Background:
    """A thread that makes calls one after another, in the order in which they were put.

    It is a daemon: a call that never returns keeps no process alive. A call must catch its own errors, since one that
    raises ends the thread.
    """

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def put(self, call: Callable[[], object]) -> None:
        """Queue a call."""
        self._calls.put(call)

    def caught_up(self, seconds: float) -> bool:
        """Wait until all queued calls are made, at most this many seconds. Returns whether they are."""
        made = threading.Event()
        self._calls.put(made.set)
        return made.wait(seconds)

    def close(self) -> None:
        """End the thread after the queued calls."""
        self._calls.put(None)

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            call()
