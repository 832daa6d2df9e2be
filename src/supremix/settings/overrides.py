"""Hydra overrides as text: their keys, their quoting, and those that nothing would read."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Override, RangeSweep
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from supremix.errors import UserError, one_line, shortened

RUNS_AT_MOST = 100_000
"""Of a sweep, which Hydra expands as a whole."""

DIGITS_AT_MOST = 400
DEPTH_AT_MOST = 50

NOT_TEXTS = ("null", "true", "false", "nan", "inf")
"""Words that are values of other kinds."""

NOT_SCIENCE = ("-", "hydra", "paths.", "rerun", "trainer.", "tracking")
"""Prefixes of overrides that cannot change a result, but for the precision."""


def quoted(text: str) -> str:
    """Quote any text as a value in a Hydra override."""
    text = re.sub(r"(\\+)(?='|$)", r"\1\1", text)  # backslashes are doubled before a quote, and only there
    return "'" + text.replace("'", "\\'") + "'"


def written(value: Any) -> str:
    """Return a value as Hydra reads it in an override; of NumPy, the plain value that it stands for."""
    if isinstance(value, np.generic | np.ndarray):
        return written(value.tolist())
    if isinstance(value, Mapping):
        return f"{{{','.join(f'{key}:{written(item)}' for key, item in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{','.join(map(written, value))}]"
    if isinstance(value, str):
        plain = re.fullmatch(r"[A-Za-z_][\w./-]*", value) and value.lower() not in NOT_TEXTS
        return value if plain else quoted(value)
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else repr(value)


def spelt(argument: str) -> str:
    """Quote an override's value with letters beyond ASCII, which Hydra reads in quotes alone; leave other arguments."""
    key, equals, value = argument.partition("=")
    grammar = set(value) & set("'\"\\,()[]{}$")
    return argument if value.isascii() or grammar or argument.startswith("-") else f"{key}{equals}{quoted(value)}"


def key_of(override: str) -> str:
    """Return the key that a Hydra override sets, adds or removes."""
    return override.lstrip("+~").partition("=")[0]


def is_science(override: str) -> bool:
    """Return whether an override can change a result."""
    key = key_of(override)
    return key == "trainer.precision" or not key.startswith(NOT_SCIENCE)


def check_overrides(overrides: Sequence[str]) -> None:
    """Raise UserError for what is no override, and for a sweep that is too large, before it is expanded."""
    runs = 1
    for override in overrides:
        if "=" not in override and not override.startswith("~"):
            raise UserError(
                f"{override}: neither an option nor key=value: name one thing at a time (--help shows what), and after "
                "it overrides such as method.window=5"
            )
        _check_size(override)
        try:
            (parsed,) = OverridesParser.create().parse_overrides([override])
        except (HydraException, ValueError, RecursionError) as error:
            # The last line of Hydra's links to its grammar.
            text = one_line(error).partition(" See https://hydra.cc")[0].removeprefix("LexerNoViableAltException: ")
            cause = "" if text == override else f" ({shortened(text)})"
            raise UserError(
                f"{shortened(override)}: not readable as key=value{cause}: check brackets, commas and "
                "quotes, and quote it for the shell, as in 'method.beta=[2,8]'"
            ) from None
        runs *= _values(override, parsed)
        if runs > RUNS_AT_MOST:
            raise UserError(f"{override}: a sweep of more than {RUNS_AT_MOST:,} runs: give fewer values")


def _check_size(override: str) -> None:
    """Raise UserError for a number of too many digits and for brackets in too many brackets."""
    if re.search(rf"\d{{{DIGITS_AT_MOST}}}", override):
        raise UserError(f"{shortened(override)}: a number of more than {DIGITS_AT_MOST} digits: give a shorter one")
    depth = 0
    for character in override:
        depth += (character in "[{(") - (character in "]})")
        if depth > DEPTH_AT_MOST:
            raise UserError(f"{shortened(override)}: more than {DEPTH_AT_MOST} brackets in each other: leave some out")


def count_of_runs(overrides: Sequence[str]) -> int:
    """Return how many runs checked overrides make as a sweep."""
    parsed = OverridesParser.create().parse_overrides(list(overrides))
    return math.prod(_values(text, each) for text, each in zip(overrides, parsed, strict=True))


def _values(override: str, parsed: Override) -> int:
    """Return how many values an override gives; 1 for an interval and for a pattern. UserError for none."""
    sweep: Any = parsed.value()
    if isinstance(sweep, ChoiceSweep):
        return len(sweep.list)
    if not isinstance(sweep, RangeSweep):
        return 1
    first, last = float(sweep.start or 0), float(sweep.stop or 0)
    count = math.ceil((last - first) / sweep.step) if sweep.step else 0
    if count < 1:
        raise UserError(f"{override}: the range has no value: give range(start,stop) with start below stop")
    return count


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
