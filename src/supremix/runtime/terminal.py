"""Print on any terminal. Quick to import."""

import io
import sys
from collections.abc import Collection, Sequence


def shown(value: float | None) -> str:
    """Return a measured number as text of at most nine characters; it may be undefined, which is None."""
    if value is None:
        return "undefined"
    if 0 < abs(value) < 1e-3:
        return format(value, ".2e")
    for limit, form in ((1000, ".4f"), (1e7, ".0f")):
        if abs(value) < limit:
            return format(value, form)
    return format(value, ".2e")


def without_unicode() -> None:
    """Let a terminal that lacks a character show ? for it, in place of an error; twice changes nothing."""
    for given in (sys.stdout, sys.stderr):
        stream = getattr(given, "stream", given)  # behind what notes its failures
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="replace")


def print_table(
    header: Sequence[str], lines: Sequence[Sequence[str]], right: Collection[str], wrapped: Collection[str]
) -> None:
    """Print a table at a terminal; texts are shown as they stand.

    Args:
        header: names of the columns.
        lines: cells of the rows.
        right: columns that are aligned to the right.
        wrapped: columns whose cells may take several lines.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold")
    for name in header:
        table.add_column(Text(name), justify="right" if name in right else "left", no_wrap=name not in wrapped)
    for line in lines:
        table.add_row(*map(Text, line))
    Console().print(table)
