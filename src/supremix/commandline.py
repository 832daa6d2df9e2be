"""What the command lines share: where the configs are, and how a user's mistake is told. Quick to import."""

import hashlib
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from supremix.errors import Stopped, UserError
from supremix.stopping import stoppable

PACKAGE = Path(__file__).parent
CONF = PACKAGE / "conf" if (PACKAGE / "conf").is_dir() else PACKAGE.parents[1] / "conf"
"""The config folder: inside an installed wheel, or at the top of the source tree."""

NOT_SWEPT = ("-", "hydra", "paths.", "trainer.", "tracking")
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


def with_sweep_tag(arguments: Sequence[str]) -> list[str]:
    """The driver's arguments; those of a sweep (-m) with a W&B tag for its runs, which the same sweep has again.

    The tag does not depend on how and where the sweep runs. One that the user chose, ``tracking.sweep=…``, is left.
    """
    chosen = any(argument.startswith(("tracking=none", "tracking.sweep=")) for argument in arguments)
    if chosen or not {"-m", "--multirun"} & {*arguments}:
        return [*arguments]
    science = [argument for argument in arguments if not argument.startswith(NOT_SWEPT)]
    tag = f"sweep-{hashlib.sha256(' '.join(sorted(science)).encode()).hexdigest()[:8]}"
    print(f"W&B tag of this sweep's runs: {tag}", file=sys.stderr)
    return [*arguments, f"tracking.sweep={tag}"]


def one_line(error: Exception) -> str:
    """A library's error of several lines, and what caused it, as one line without hints on internals."""
    text = str(error) + (f"\n{error.__cause__}" if isinstance(error.__cause__, OmegaConfBaseException) else "")
    lines = (line.strip() for line in text.splitlines())
    return " ".join(line for line in lines if line and not line.startswith(INTERNALS))


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
