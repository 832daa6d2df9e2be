"""Run a function on many tasks, on all cores."""

import os
import signal
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import takewhile
from typing import TypeVar

from supremix.errors import UserError

Task = TypeVar("Task")
Result = TypeVar("Result")


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_parallel(work: Callable[[Task], Result], tasks: Sequence[Task], workers: int) -> Iterator[Result]:
    """Yield work(task) for each task, in the order of the tasks, from up to `workers` processes.

    Ctrl-C lets the tasks in work end before KeyboardInterrupt is raised; a second one stops them at once. Raises
    UserError where a worker process is killed.

    Args:
        work: importable, since worker processes call it; each of them has one thread for arithmetic.
        workers: 1 works in this process.
    """
    if workers < 1:
        raise UserError(f"--workers {workers}: give a whole number, 1 or more")
    from joblib import Parallel, delayed, parallel_config

    with _interrupts_deferred() as interrupted:
        with parallel_config("loky", inner_max_num_threads=1, initializer=_ignore_interrupts):
            pool = Parallel(n_jobs=min(workers, max(len(tasks), 1)), return_as="generator")
        results = pool(delayed(work)(task) for task in takewhile(lambda _: not interrupted.is_set(), tasks))
        try:
            for result in results:  # noqa: UP028  # an early end must reach the `finally` before joblib
                yield result
        except BrokenProcessPool:
            raise UserError(
                "a worker process was killed, most likely for want of memory: run again with fewer --workers; "
                "what is finished is kept"
            ) from None
        finally:
            with warnings.catch_warnings(action="ignore"):  # of results that nobody takes
                results.close()
    if interrupted.is_set():
        raise KeyboardInterrupt


def _ignore_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle


@contextmanager
def _interrupts_deferred() -> Iterator[threading.Event]:
    """Yield an event that the first Ctrl-C sets; the second raises KeyboardInterrupt, as usual."""
    interrupted = threading.Event()

    def note(signum: int, frame: object) -> None:
        if interrupted.is_set():
            raise KeyboardInterrupt
        interrupted.set()

    in_main_thread = threading.current_thread() is threading.main_thread()
    if not in_main_thread or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield interrupted
        return
    signal.signal(signal.SIGINT, note)
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
