"""What the command lines share: where the configs are, and how a user's mistake is told. Quick to import."""

import hashlib
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra.conf import HydraConf
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from supremix import ranks
from supremix.errors import Stopped, UserError
from supremix.stopping import stoppable

PACKAGE = Path(__file__).parent
CONF = PACKAGE / "conf" if (PACKAGE / "conf").is_dir() else PACKAGE.parents[1] / "conf"
"""The config folder: inside an installed wheel, or at the top of the source tree."""

MISTAKES = (UserError, HydraException, OmegaConfBaseException)
"""What a wrong setting raises: told in one line, by `one_line`, with exit code 1."""

INTERNALS = ("object_type", "Config search", "provider=", "^")
NOT_SWEPT = ("-", "hydra", "paths.", "trainer.", "tracking")

_began = False  # whether a job of the driver did


@contextmanager
def ending_on_signals() -> Iterator[None]:
    """A stop signal ends the process with one line on stderr and 128 + its number, 143 for SIGTERM.

    Of several ranks one says why they end, the first; the others have only lost it.
    """
    try:
        with stoppable():
            yield
        ranks.leave()
    except Stopped as stop:
        if ranks.tells():
            if isinstance(stop.__cause__, UserError):  # which kept it from saving
                print(f"error: {stop.__cause__}", file=sys.stderr)
            print(stop, file=sys.stderr)
        sys.exit(stop.code)
    except (Exception, SystemExit) as error:
        if not getattr(error, "code", 1) or ranks.tells():
            raise
        sys.exit(1)


@contextmanager
def driving() -> Iterator[None]:
    """What is around the driver's jobs: a mistake of the user ends them with one line on stderr and exit code 1."""
    global _began
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # makes Hydra raise, instead of printing its own report
    _began = False
    sys.argv[1:] = with_sweep_tag(sys.argv[1:])
    try:
        with ending_on_signals():
            yield
    except MISTAKES as error:
        sys.exit(f"error: {one_line(error)}")
    except (ValueError, OSError) as error:
        if _began:
            raise  # of a run, and no mistake that is known; before one, of Hydra: dataset=5, a folder it cannot make
        sys.exit(f"error: {error}: choose options by name, as in dataset=uci_airfoil, and paths.runs to be a folder")


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


def one_line(error: BaseException) -> str:
    """A library's error of several lines, and what caused it, as one line without hints on internals."""
    text = str(error) + (f"\n{error.__cause__}" if isinstance(error.__cause__, OmegaConfBaseException) else "")
    return " ".join(filter(None, (_plain(line.strip()) for line in text.splitlines())))


def _plain(line: str) -> str:
    if line.startswith("To append to your config"):
        return "(`python -m supremix.train --cfg job` shows all keys)"
    if line.startswith("full_key: "):
        return f"({line.removeprefix('full_key: ')})"
    return "" if line.startswith(INTERNALS) else line


def seeds_of(text: str | None) -> list[int] | None:
    """The seeds of an option ``--seeds 0,1,2``; None where it is not given."""
    parts = [part.strip() for part in text.split(",")] if text is not None else []
    if not all(part.isdecimal() for part in parts) or len({*map(int, parts)}) < len(parts):
        raise UserError(f"--seeds {text}: give whole numbers, 0 or more, each once, with commas between them")
    return [int(part) for part in parts] or None


def quoted(text: str) -> str:
    """Text as a value in a Hydra override, whatever signs are in it."""
    text = re.sub(r"(\\+)(?='|$)", r"\1\1", text)  # backslashes are doubled before a quote, and only there
    return "'" + text.replace("'", "\\'") + "'"


def key_of(override: str) -> str:
    """The key that a Hydra override sets, adds or removes."""
    return override.lstrip("+~").partition("=")[0]


def check_job(cfg: DictConfig, job: HydraConf) -> None:
    """Refuse what Hydra lets through: keys that nothing reads, and a sweep on the ranks of one run."""
    global _began
    _began = True
    if job.mode == RunMode.MULTIRUN:
        try:
            ranks.check_alone()
        except UserError as error:
            sys.exit(f"error: {error}")  # and no other job of the sweep is tried
    check_added_keys(cfg, job.overrides.task)


def check_added_keys(cfg: DictConfig, overrides: Any) -> None:
    """Raise UserError for ``+key=value`` where ``key`` is not a new argument of a ``_target_``.

    Hydra adds such keys without a check, so a mistyped one would be ignored without a word.
    """
    given: Any = OmegaConf.to_container(overrides)  # as they stand: a ${…} in them belongs to another config
    for override in given:
        if not override.startswith("+"):
            continue
        key = key_of(override)
        parent = cfg
        for part in key.split(".")[:-1]:
            parent = parent[part]
        if "_target_" not in parent:
            raise UserError(f"{override}: nothing reads the key {key!r}: leave out the '+' and check the spelling")


def hydra_overrides(leftovers: list[str]) -> list[str]:
    """What a script's parser left, all of it overrides; UserError for an option that the script does not have."""
    for argument in leftovers:
        if argument.startswith("--"):
            raise UserError(f"unknown option {argument}: see --help")
    return leftovers
