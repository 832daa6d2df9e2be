"""Under which settings a table or figure was made, and that a fuller one in its folder, or one of others, is kept."""

import logging
import shlex
from collections.abc import Iterable
from pathlib import Path

from supremix.settings.overrides import NOT_SWEPT, key_of

log = logging.getLogger(__name__)

SETTINGS = "**Settings**: "


def settings_of(overrides: Iterable[str]) -> list[str]:
    """Return the user's overrides that can change a result, sorted by key; those of the same key keep their order."""
    own = (override for override in overrides if not key_of(override).startswith(NOT_SWEPT))
    return sorted(own, key=lambda override: override.partition("=")[0])


def stated(settings: list[str]) -> list[str]:
    """Return the line that states the user's settings; no line without them."""
    return [f"{SETTINGS}`{shlex.join(settings)}`"] if settings else []


def place(out: Path | None, default: Path, why: str | None) -> Path | None:
    """Return where to write: ``out``, or the default folder; None, after logging why, if that one is to be kept."""
    if out is None and why:
        log.info("%s", why)
        return None
    return out or default


def kept(page: Path, standing: int, count: int, settings: list[str], what: str = "run") -> str | None:
    """Return in one line why a rendered table or figure is to be kept; None if the new one may replace it.

    Args:
        page: its Markdown, which states its settings.
        standing: how many finished runs, or other values, it holds.
        count, settings: how many the new one has, and under which settings.
    """
    if not standing:
        return None
    lines = page.read_text().splitlines() if page.is_file() else []
    theirs, ours = [line.removeprefix("- ") for line in lines if SETTINGS in line], stated(settings)
    if standing <= count and theirs == ours:
        return None
    held, here = (
        f"{number} {what}{'s' * (number != 1)} {'with ' + lines[0].removeprefix(SETTINGS) if lines else 'as specified'}"
        for number, lines in ((standing, theirs), (count, ours))
    )
    return (
        f"{page.parent} is left as it is: it holds {held}; this has {here}; --out FOLDER writes this one somewhere else"
    )
