"""Print on any terminal. Quick to import."""

import io
import sys


def without_unicode() -> None:
    """Let a terminal that lacks a character show ? for it, in place of an error; twice changes nothing."""
    for given in (sys.stdout, sys.stderr):
        stream = getattr(given, "stream", given)  # behind what notes its failures
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="replace")
