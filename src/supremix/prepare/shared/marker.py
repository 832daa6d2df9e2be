"""The mark that tells a twin's raw folder from real data."""

import json
from pathlib import Path

from supremix.errors import UserError

MARKER = "SYNTHETIC"
"""File in a raw folder that a twin generator wrote: a JSON object with the settings that suit the twin's size."""


def marker(source: Path) -> dict[str, int | str] | None:
    """Read the marker of a twin; None for real data.

    Args:
        source: the raw folder, or a file in it.
    """
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
