"""What makes two runs the same run: a hash of everything that can change a result, and of nothing else."""

import hashlib
import json
from typing import Any

from omegaconf import DictConfig

from supremix.settings.source import resolved

SCHEMA = 1
"""Version of the config schema; raised when the meaning of a key changes."""

STAGE_2 = ("protocol", "imbalance")
"""Parts of the scientific config that the contrastive stage does not see."""


def scientific(cfg: DictConfig) -> dict[str, Any]:
    """The resolved config without paths, devices, logging, and the recipe (its values stand where they are used)."""
    whole = resolved(cfg)
    science = {key: whole[key] for key in ("backbone", "method", *STAGE_2, "seed")}
    science |= {"dataset": _content(whole["dataset"]), "precision": whole["trainer"]["precision"], "schema": SCHEMA}
    if whole["transfer"] is not None:
        science["transfer"] = {"dataset": _content(whole["transfer"]["dataset"])}
    return science


def digest(*parts: Any) -> str:
    """16 hexadecimal digits; equal for configs that differ only in key order, in 7 against 7.0 or in empty keys.

    What is null or an empty mapping is off, and off is left out: a feature that comes later leaves older ids alone.
    """
    text = json.dumps([_canonical(part) for part in parts], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def run_id(science: dict[str, Any], *data_sha256: str) -> str:
    """Identity of a run: config and content of the prepared data, with transfer that of the source after its own."""
    return digest("run", science, *data_sha256)


def encoder_id(science: dict[str, Any], data_sha256: str) -> str:
    """Identity of a pre-trained encoder: a run's without its stage-2 settings, so that what differs there shares it."""
    return digest("encoder", stage_1(science), data_sha256)


def stage_1(science: dict[str, Any]) -> dict[str, Any]:
    """The scientific config without what only the second stage sees."""
    return {key: value for key, value in science.items() if key not in STAGE_2}


def _content(dataset: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in dataset.items() if key != "recipe"}
    return kept | {"load": {key: value for key, value in dataset["load"].items() if key != "folder"}}


def _canonical(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {str(key): _canonical(item) for key, item in value.items()}
        return {key: item for key, item in kept.items() if item is not None and item != {}}
    if isinstance(value, list | tuple):
        return [_canonical(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
