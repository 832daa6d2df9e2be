"""What the preparation scripts share: their options, progress, reports, and a folder that survives interruption.

Only the standard library is imported at the top, so that `--help` answers at once.
"""

import argparse
import contextlib
import csv
import json
import os
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from supremix.errors import UserError

SECONDS_BETWEEN_LINES = 5.0
MARKER = "SYNTHETIC"
"""File in a raw folder that a twin generator wrote: a JSON object; its ``pixels`` is the twin's own resolution."""


class Finding(NamedTuple):
    """One line of report.csv: an input that was left out, or kept in spite of a doubt."""

    file: str
    action: str  # "dropped" or "kept"
    reason: str  # the same words for the same fault, so that they can be counted
    detail: str = ""


def write_report(folder: Path, findings: Sequence[Finding]) -> None:
    """Write report.csv: every input that was dropped or doubted, by name."""
    with (folder / "report.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(Finding._fields)
        writer.writerows(findings)


def summarise(findings: Sequence[Finding]) -> list[str]:
    """Lines that count the findings by action and reason, the most frequent first."""
    counts = Counter((finding.action, finding.reason) for finding in findings)
    return [f"  {count:7d} {action}: {reason}" for (action, reason), count in counts.most_common()]


def compare_counts(found: Mapping[str, int], paper: Mapping[str, int]) -> str:
    """One line: the sizes of the splits beside those of the paper's table 12."""
    match = all(found[split] == count for split, count in paper.items())
    mine, theirs = ("/".join(str(counts[split]) for split in paper) for counts in (found, paper))
    return f"{'/'.join(paper)}: {mine}; the paper's table 12: {theirs}: {'match' if match else 'differ'}"


def add_folders(parser: argparse.ArgumentParser) -> None:
    """Add --data and --out, which default to $SUPREMIX_DATA and $SUPREMIX_PREPARED."""
    for flag, variable, default, what in (
        ("--data", "SUPREMIX_DATA", "data", "raw data"),
        ("--out", "SUPREMIX_PREPARED", "prepared", "prepared data"),
    ):
        parser.add_argument(
            flag,
            type=Path,
            metavar="DIR",
            default=Path(os.environ.get(variable) or default),
            help=f"directory of {what} (default: ${variable}, else {default}; now %(default)s)",
        )


def command(body: Callable[[], None]) -> int:
    """Run a script's body; a mistake of the user is one line on stderr. Returns the exit status."""
    try:
        body()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted: run the same command again to go on", file=sys.stderr)
        return 130
    return 0


def marker(source: Path) -> dict[str, int | str] | None:
    """What a twin's marker file says, None for real data; `source` is its raw folder or a file in it."""
    path = (source if source.is_dir() else source.parent) / MARKER
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not readable as JSON ({error}): make the twin again") from error
    if not isinstance(content, dict):
        raise UserError(f"{path}: not a JSON object: make the twin again")
    return content


@contextmanager
def resumable_folder(folder: Path, key: str) -> Iterator[tuple[Path, Path]]:
    """Yield a working folder, which becomes `folder` when the block ends, and a folder for notes on what is done.

    An interruption leaves both for the next call to go on with, in ``.<name>.partial``. key: what the work depends
    on; leftovers of work with another key are cleared. A second process at the same folder is refused, as is an
    existing `folder`.
    """
    if folder.exists():
        raise UserError(f"{folder}: already exists: move or delete it first")
    partial = folder.with_name(f".{folder.name}.partial")
    try:
        partial.mkdir(parents=True, exist_ok=True)
        with _lock(partial):
            notes, working = partial / "notes", partial / "folder"
            if not (notes / "key").exists() or (notes / "key").read_text(encoding="utf-8") != key:
                for leftover in (notes, working):
                    shutil.rmtree(leftover, ignore_errors=True)
                    leftover.mkdir()
                (notes / "key").write_text(key, encoding="utf-8")
            yield working, notes
            working.rename(folder)
            shutil.rmtree(partial, ignore_errors=True)
    except OSError as error:
        raise UserError(f"{folder}: cannot be written ({error}): check space and permissions") from error


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    try:
        import fcntl
    except ImportError:  # Windows: two preparations at once are not noticed there
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise UserError(f"{folder}: another preparation is at work on it: wait for that one") from None
    finally:
        os.close(handle)


def need_space(folder: Path, size: int) -> None:
    """Raise UserError where the disk of `folder` has not `size` bytes left."""
    free = shutil.disk_usage(folder).free
    if free < size:
        raise UserError(f"{folder}: {size / 1e9:.1f} GB are needed, {free / 1e9:.1f} GB are free: make space")


@contextmanager
def meter(what: str, total: int, clock: Callable[[], float] = time.monotonic) -> Iterator[Callable[[int], None]]:
    """Yield a function that is told how much was done since the last call: a bar on a terminal, else plain lines."""
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
            print(f"{what}: {done} of {total} ({done / total:.0%})", file=sys.stderr, flush=True)

    return advance
