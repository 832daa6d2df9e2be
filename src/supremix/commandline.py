"""What the command lines share: where the configs are, and how a user's mistake is told. Quick to import."""

import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from supremix.errors import Stopped, UserError
from supremix.stopping import stoppable

PACKAGE = Path(__file__).parent
CONF = PACKAGE / "conf" if (PACKAGE / "conf").is_dir() else PACKAGE.parents[1] / "conf"
"""The config folder: inside an installed wheel, or at the top of the source tree."""

MISTAKES = (HydraException, OmegaConfBaseException, UserError)
"""What a mistake of the user's raises."""

INTERNALS = ("full_key", "object_type", "Config search", "provider=", "To append to your config")


@contextmanager
def ending_on_signals() -> Iterator[None]:
    """A stop signal ends the process with one line on stderr and 128 + its number, 143 for SIGTERM."""
    try:
        with stoppable():
            yield
    except Stopped as stop:
        print(stop, file=sys.stderr)
        sys.exit(stop.code)


def one_line(error: Exception) -> str:
    """A library's error of several lines, and what caused it, as one line without hints on internals."""
    text = str(error) + (f"\n{error.__cause__}" if isinstance(error.__cause__, OmegaConfBaseException) else "")
    lines = (line.strip() for line in text.splitlines())
    return " ".join(line for line in lines if line and not line.startswith(INTERNALS))


def quoted(text: str) -> str:
    """Text as a value in a Hydra override, whatever signs are in it."""
    text = re.sub(r"(\\+)(?='|$)", r"\1\1", text)  # backslashes are doubled before a quote, and only there
    return "'" + text.replace("'", "\\'") + "'"


def check_added_keys(cfg: DictConfig, overrides: Sequence[str]) -> None:
    """Raise UserError for ``+key=value`` where ``key`` is not a new argument of a ``_target_``.

    Hydra adds such keys without a check, so a mistyped one would be ignored without a word.
    """
    for override in overrides:
        key = override.lstrip("+").partition("=")[0]
        parent = cfg
        for part in key.split(".")[:-1]:
            parent = parent[part]
        if override.startswith("+") and "_target_" not in parent:
            raise UserError(f"{override}: nothing reads the key {key!r}: leave out the '+' and check the spelling")
