"""What makes two runs the same run: a hash of every setting that can change a result, and of nothing else.

Code of the project is not in it: a record says which code made it (`provenance`), and a run of other code is the same
run, shown as such. Code of the user's is, since nothing else tells one version of it from the next.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from supremix.errors import UserError
from supremix.settings.source import resolved
from supremix.settings.targets import with_stable_names
from supremix.store.files import sha256

SCHEMA = 2
"""Version of the config schema; raised when the meaning of a key changes, or the way to identify code."""

CAME_LATER = {"similarity": "cosine", "sampler": "shuffled"}
"""Keys of the project that came later, and what earlier code had fixed there. With that value a key is left out: older
ids stay. Arguments of other code, which may have another default, count."""

OWN_TEXTS = "supremix.data.own.texts.load_texts"
"""The one loader whose ``vectors`` is a file."""

ADAPT = ("protocol", "imbalance")
"""Parts of the scientific config that pre-training does not see."""


def scientific(cfg: DictConfig) -> dict[str, Any]:
    """Take from the resolved config what identifies a run.

    Paths, devices and logging are left out; so are the recipe and what else a backbone's file holds, whose values stand
    where they are used. A ``_target_`` is replaced by its stable name.
    """
    whole = resolved(cfg)
    science = {key: whole[key] for key in ("backbone", "method", *ADAPT, "seed")}
    science["backbone"] = _with_checksum({key: whole["backbone"].get(key) for key in ("name", "build", "weights")})
    science |= {"dataset": _content(whole["dataset"]), "precision": whole["trainer"]["precision"], "schema": SCHEMA}
    if whole["transfer"] is not None:
        science["transfer"] = {"dataset": _content(whole["transfer"]["dataset"])}
    return with_stable_names(science)


def config_hash(*parts: Any) -> str:
    """Hash plain values to 16 hexadecimal digits.

    Configs that differ only in the order of keys, in 7 against 7.0 or in empty keys have the same hash. A key that is
    null or an empty mapping is off, and left out: a feature that comes later leaves older ids alone.
    """
    text = json.dumps([_canonical(part) for part in parts], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def run_id(science: dict[str, Any], *data_sha256: str) -> str:
    """Return the id of a run: hash of its config and of its data's content, and with transfer the source's content."""
    return config_hash("run", science, *data_sha256)


def pretrain_id(science: dict[str, Any], data_sha256: str) -> str:
    """Return the id of a pre-trained encoder: hash as of a run, without the settings of adaptation."""
    return config_hash("encoder", of_pretraining(science), data_sha256)


def of_pretraining(science: dict[str, Any]) -> dict[str, Any]:
    """Return the scientific config without the settings of adaptation."""
    kept = {key: value for key, value in science.items() if key not in ADAPT}
    return kept | {"method": {key: value for key, value in science["method"].items() if key != "regression"}}


def _with_checksum(backbone: dict[str, Any]) -> dict[str, Any]:
    """Let weights to start from count by their content, wherever the file lies."""
    if (weights := backbone.get("weights")) is None:
        return backbone
    if not Path(str(weights)).is_file():
        raise UserError(f"backbone.weights={weights}: no such file")
    return backbone | {"weights": sha256(Path(weights))}


def _content(dataset: dict[str, Any]) -> dict[str, Any]:
    """Leave out the recipe, and where files lie: their content counts, by the data's checksum."""
    load = dataset["load"]
    files = {"path", "vectors"} if load.get("_target_") == OWN_TEXTS else {"path"}
    kept = {key: value for key, value in dataset.items() if key not in {"recipe", *files}}
    return kept | {"load": {key: value for key, value in load.items() if key not in {"folder", *files}}}


def _canonical(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {str(key): _canonical(item) for key, item in value.items()}
        fixed = CAME_LATER if "/" in str(value.get("_target_", "/")) else {}  # the project's targets go by such names
        return {k: item for k, item in kept.items() if item not in (None, {}) and fixed.get(k, ...) != item}
    if isinstance(value, list | tuple):
        return [_canonical(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
