"""Calls to a tracker, none of which may stop a run."""

from collections.abc import Callable
from typing import Any

from supremix.runtime import ranks
from supremix.tracking.mirror import warn


class UntilFailure:
    """Makes calls, on the first rank, until one fails: that is a warning, and the last.

    Args:
        what: the tracker's name in the warning.

    Attributes:
        on: whether calls are made.
    """

    def __init__(self, what: str) -> None:
        self._what, self.on = what, ranks.is_first()

    def __call__(self, call: Callable[[], object]) -> None:
        """Make a call."""
        if not self.on:
            return
        try:
            call()
        except Exception as error:
            self.on = False
            warn(f"{self._what}: {error}; the record on disk is complete without it")


def numbers_in(summary: dict[str, Any] | None) -> dict[str, int | float]:
    """Return the numbers of a summary, which may be None: none of a run that failed."""
    return {name: value for name, value in (summary or {}).items() if isinstance(value, int | float)}
