"""Progress of a stage: a bar at a terminal, plain lines elsewhere, and lines in ``run.log`` in any case."""

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO, cast

from supremix.runtime import ranks
from supremix.runtime.log import FILE_ONLY
from supremix.runtime.output import Unheard
from supremix.runtime.terminal import shown
from supremix.training.loop import EpochRow, Report

log = logging.getLogger(__name__)

SECONDS_BETWEEN_LINES = 2.0
SHOWN = ("loss", "val")
"""What of an epoch's row is shown; all of it is in history.csv."""


@contextmanager
def stage_progress(mode: str, stage: str, epochs: int, also: Report) -> Iterator[Report]:
    """Yield a function that shows each epoch's row of a stage and hands it on to ``also``.

    Args:
        mode: "auto", "bar", "plain" or "off".
        stage: the name shown.
        epochs: their number.
        also: called with each row too.
    """
    bar = mode == "bar" or (mode == "auto" and Unheard(sys.stderr).isatty())
    if not ranks.is_first():
        yield also
    elif bar:
        with _bar(stage, epochs) as show:
            yield _both(show, _both(_lines(stage, epochs, to_stderr=False), also))
    else:
        yield _both(_lines(stage, epochs, to_stderr=mode != "off"), also)


def _both(first: Report, second: Report) -> Report:
    def report(epoch: int, row: EpochRow) -> None:
        first(epoch, row)
        second(epoch, row)

    return report


def _describe(row: EpochRow) -> str:
    return "  ".join(f"{name} {shown(row[name])}" for name in SHOWN if name in row)


@contextmanager
def _bar(stage: str, epochs: int) -> Iterator[Report]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
    from rich.table import Column

    columns = (
        TextColumn(f"{stage} epoch"),
        MofNCompleteColumn(),
        BarColumn(bar_width=12),
        TimeRemainingColumn(compact=True),
        TextColumn("{task.fields[row]}", table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1)),
    )
    console = Console(file=cast(TextIO, Unheard(sys.stderr)))
    with Progress(*columns, console=console, expand=True) as progress:
        task = progress.add_task(stage, total=epochs, row="")
        yield lambda epoch, row: progress.update(task, completed=epoch, row=_describe(row))


def _lines(stage: str, epochs: int, to_stderr: bool) -> Report:
    before = last = time.monotonic()

    def show(epoch: int, row: EpochRow) -> None:
        nonlocal before, last
        now = time.monotonic()
        took, before = now - before, now
        if epoch == epochs or now - last >= SECONDS_BETWEEN_LINES:
            last = now
            # By the last epoch alone: the first one loads and compiles, and those before an interruption take no time.
            left = f"  {took * (epochs - epoch):.0f} s left" if 1 < epoch < epochs else ""
            line = f"{stage} epoch {epoch}/{epochs}  {_describe(row)}{left}"
            log.info("%s", line, extra=None if to_stderr else FILE_ONLY)

    return show
