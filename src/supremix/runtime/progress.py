"""Show the progress of long work: a bar on a terminal, else plain lines."""

import contextlib
import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

log = logging.getLogger(__name__)

SECONDS_BETWEEN_LINES = 5.0


@contextmanager
def meter(what: str, total: int, clock: Callable[[], float] = time.monotonic) -> Iterator[Callable[[int], None]]:
    """Show how far the work has come; yield the function to call with what was done since the last call."""
    with contextlib.ExitStack() as stack:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

            columns = (TextColumn(what), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
            bar = stack.enter_context(Progress(*columns, console=Console(stderr=True)))
            task = bar.add_task(what, total=total)
            yield lambda count: bar.advance(task, count)
        else:
            yield _lines(what, total, clock)


def _lines(what: str, total: int, clock: Callable[[], float]) -> Callable[[int], None]:
    done, shown = 0, clock()

    def advance(count: int) -> None:
        nonlocal done, shown
        done += count
        if clock() - shown >= SECONDS_BETWEEN_LINES:
            shown = clock()
            log.info("%s: %s of %s (%.0f%%)", what, done, total, 100 * done / total)

    return advance
