"""Keep a rendered table or figure that holds more, or holds other settings, than the one to be written."""

import logging
import shlex
from collections.abc import Iterable
from pathlib import Path

from supremix.settings.overrides import is_science

log = logging.getLogger(__name__)

SETTINGS = "**Settings**: "


def settings_of(overrides: Iterable[str]) -> list[str]:
    """Return the user's overrides that can change a result, sorted by key; those of one key keep their order."""
    return sorted(filter(is_science, overrides), key=lambda override: override.partition("=")[0])


def stated(settings: list[str]) -> list[str]:
    """Return the line that states the settings; none for the specification's own."""
    return [f"{SETTINGS}`{shlex.join(settings)}`"] if settings else []


def place(out: Path | None, default: Path, why: str | None) -> Path | None:
    """Return the folder to write to, or None after logging why nothing is written.

    Args:
        out: folder of the user's choice, which is written to in any case.
        default: folder to write to otherwise.
        why: why the default folder is kept as it is; None where it may be replaced.
    """
    if out is None and why:
        log.info("%s", why)
        return None
    return out or default


def kept(page: Path, standing: int, count: int, settings: list[str], what: str = "run") -> str | None:
    """Return why a rendered table or figure is kept, in one line; None where the new one may replace it.

    Args:
        page: Markdown of the rendered one, which states its settings.
        standing: number of runs, or other values, in the rendered one.
        count: number of them in the new one.
        settings: the user's overrides for the new one.
        what: name of the things counted, in the singular.
    """
    if not standing:
        return None
    lines = page.read_text(encoding="utf-8", errors="replace").splitlines() if page.is_file() else []
    old, new = [line.removeprefix("- ") for line in lines if SETTINGS in line], stated(settings)
    if standing <= count and old == new:
        return None
    held, here = (
        f"{number} {what}{'s' * (number != 1)} {'with ' + lines[0].removeprefix(SETTINGS) if lines else 'as specified'}"
        for number, lines in ((standing, old), (count, new))
    )
    return (
        f"{page.parent} is left as it is: it holds {held}; this has {here}; --out FOLDER writes this one somewhere else"
    )
