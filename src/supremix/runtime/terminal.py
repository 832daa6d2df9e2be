"""Print on any terminal. Quick to import."""

import io
import sys


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
