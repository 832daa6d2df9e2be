"""Hydra overrides as text: their keys, their quoting, and those that nothing would read."""

import re
from typing import Any

from omegaconf import DictConfig, OmegaConf

from supremix.errors import UserError

NOT_SCIENCE = ("-", "hydra", "paths.", "rerun", "trainer.", "tracking")
"""Prefixes of overrides that cannot change a result."""


def quoted(text: str) -> str:
    """Quote any text as a value in a Hydra override."""
    text = re.sub(r"(\\+)(?='|$)", r"\1\1", text)  # backslashes are doubled before a quote, and only there
    return "'" + text.replace("'", "\\'") + "'"


def key_of(override: str) -> str:
    """Return the key that a Hydra override sets, adds or removes."""
    return override.lstrip("+~").partition("=")[0]


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
