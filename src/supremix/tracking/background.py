"""Calls that nobody has to wait for."""

import queue
import threading
from collections.abc import Callable


class Background:
    """A thread that makes calls one after another, in the order in which they were put.

    It is a daemon: a call that never returns keeps no process alive. A call that raises ends the thread, so let it
    catch what it may raise.
    """

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def put(self, call: Callable[[], object]) -> None:
        """Have the call made, after those before it."""
        self._calls.put(call)

    def caught_up(self, seconds: float) -> bool:
        """Wait until the calls so far are made, at most so long; whether they are."""
        made = threading.Event()
        self._calls.put(made.set)
        return made.wait(seconds)

    def close(self) -> None:
        """End the thread once it has made the calls so far."""
        self._calls.put(None)

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            call()
