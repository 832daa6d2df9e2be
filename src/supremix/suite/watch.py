"""Show how far the runs of a table are, by looking at the store: launchers report nothing until the end."""

import contextlib
import logging
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TextIO, cast

from supremix.runtime.log import RUN_LOG
from supremix.runtime.output import Unheard
from supremix.store.folders import Store, work_folder
from supremix.suite.plan import Cell

log = logging.getLogger(__name__)

SECONDS_BETWEEN_LOOKS, SECONDS_BETWEEN_LINES = 1.0, 30.0
EPOCH = re.compile(r"(\S+ epoch (\d+)/(\d+))  ")
IN_WORK = 3600.0  # seconds since a log was written; a run interrupted before may have left one
OF_PRETRAINING = 0.8  # of the time of a run that has both stages, roughly

Show = Callable[["Table"], None]


@dataclass(frozen=True)
class Table:
    """How far a table is.

    Attributes:
        finished, total: numbers of runs.
        at_work: label of a run in work → its stage and epoch.
        share: of all work that is done.
        elapsed: seconds.
    """

    finished: int
    total: int
    at_work: dict[str, str]
    share: float
    elapsed: float

    @property
    def left(self) -> str:
        """The time left, as 0:12:05; an empty text while nothing tells."""
        if self.share == 0:
            return ""
        return f"{timedelta(seconds=round(self.elapsed / self.share * (1 - self.share)))} left"

    @property
    def first_at_work(self) -> str:
        """What one of the runs in work does, and the number of the others."""
        (label, epoch), *others = self.at_work.items() or [("", "")]
        return f"{epoch} of {label}{f', and {len(others)} more' if others else ''}" if label else ""


@contextlib.contextmanager
def watched(cells: list[Cell], done: Callable[[Cell], bool], store: Store) -> Iterator[None]:
    """Show runs as they finish, what those in work do, and the time left: a bar at a terminal, else lines.

    Args:
        cells: the runs.
        done: returns whether a cell's run is finished.
        store: of the runs.
    """
    with contextlib.ExitStack() as stack:
        show = stack.enter_context(_bar()) if Unheard(sys.stderr).isatty() else _lines()
        ended = threading.Event()
        thread = threading.Thread(target=_watch, args=(cells, done, store, ended, show), daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


def _watch(cells: list[Cell], done: Callable[[Cell], bool], store: Store, ended: threading.Event, show: Show) -> None:
    started, waiting = time.monotonic(), list(cells)
    while waiting:
        last_look = ended.wait(SECONDS_BETWEEN_LOOKS)
        for cell in [cell for cell in waiting if done(cell)]:
            waiting.remove(cell)
            table = _table(len(cells), waiting, store, time.monotonic() - started)
            times = f"{timedelta(seconds=round(table.elapsed))}, {table.left}"
            log.info("[%s/%s] %s  %s", table.finished, table.total, cell.label, times)
        if last_look:
            return
        show(_table(len(cells), waiting, store, time.monotonic() - started))


def _table(total: int, waiting: list[Cell], store: Store, elapsed: float) -> Table:
    seen = {cell.label: read_progress(work_folder(store.run(str(cell.run_id))) / RUN_LOG) for cell in waiting}
    at_work = {label: progress for label, progress in seen.items() if progress is not None}
    done = total - len(waiting) + sum(share for _, share in at_work.values())
    return Table(
        total - len(waiting), total, {label: text for label, (text, _) in at_work.items()}, done / total, elapsed
    )


def read_progress(path: Path) -> tuple[str, float] | None:
    """Read from the log of a run in work its last stage and epoch, and the share of it that is done; else None."""
    try:
        if time.time() - path.stat().st_mtime > IN_WORK:
            return None
        lines = EPOCH.findall(path.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return None
    if not lines:
        return None
    text, epoch, epochs = lines[-1]
    share, both = int(epoch) / int(epochs), any(stage.startswith("pretrain") for stage, *_ in lines)
    if text.startswith("pretrain"):
        return text, OF_PRETRAINING * share
    return text, OF_PRETRAINING + (1 - OF_PRETRAINING) * share if both else share


@contextlib.contextmanager
def _bar() -> Iterator[Show]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn
    from rich.table import Column

    columns = (
        TextColumn("{task.fields[runs]} runs"),
        BarColumn(bar_width=12),
        TextColumn("{task.fields[left]}"),
        TextColumn("{task.fields[at_work]}", table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1)),
    )
    with Progress(*columns, console=Console(file=cast(TextIO, Unheard(sys.stderr))), expand=True) as progress:
        task = progress.add_task("table", total=1.0, runs="", left="", at_work="")

        def show(table: Table) -> None:
            runs = f"{table.finished}/{table.total}"
            progress.update(task, completed=table.share, runs=runs, left=table.left, at_work=table.first_at_work)

        yield show


def _lines() -> Show:
    shown = time.monotonic()

    def show(table: Table) -> None:
        nonlocal shown
        if table.at_work and time.monotonic() - shown >= SECONDS_BETWEEN_LINES:
            shown = time.monotonic()
            log.info("[%s/%s] at work: %s  %s", table.finished, table.total, table.first_at_work, table.left)

    return show
