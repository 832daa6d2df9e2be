"""The overrides that make a run's config again, found from what the run stored of it."""

from functools import cache
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from supremix.errors import MISTAKES
from supremix.settings.compose import CONF, composed
from supremix.settings.identity import config_hash, scientific
from supremix.settings.overrides import written
from supremix.settings.source import resolved
from supremix.settings.targets import stable_name

ORDER = ("dataset.recipe.", "dataset.", "")
"""What is set first: other settings refer to it, and follow."""
OFF: tuple[tuple[Any, Any], ...] = ((None, {}), ({}, None))
"""Values that are written differently and mean the same."""
OWN = "dataset/own_"
"""Begins the stable names of the loaders of a user's own files; their groups end them."""
NO_CONFIG = (*MISTAKES, KeyError, TypeError, ValueError)
"""What a damaged config, or one that the configs at hand do not make, raises."""
ELSEWHERE = ("paths", "trainer", "tracking", "rerun", "seed")


def overrides_of(folder: Path, science: dict[str, Any]) -> list[str] | None:
    """Return the overrides of ``supremix train`` that make a run's config.

    Args:
        folder: of the run, with its config.yaml.
        science: the config in its record.

    Returns:
        None where present configs do not make it: it is of other code or of configs that are not at hand.
    """
    try:
        run: Any = OmegaConf.to_container(OmegaConf.load(folder / "config.yaml"))
        names = [run["dataset"]["name"]]
        if (loader := stable_name(run["dataset"]["load"]["_target_"])).startswith(OWN):  # the name may be the file's
            names.append(loader.removeprefix(OWN))
    except (OSError, *NO_CONFIG):
        return None
    return next(filter(None, (_overrides(run, dataset, science) for dataset in names)), None)


def _overrides(run: dict[str, Any], dataset: str, science: dict[str, Any]) -> list[str] | None:
    """Return the overrides that make a run's config with this group of its dataset; None where none do."""
    try:
        groups = _groups(run, dataset)
        cfg = _composed(groups).copy()
        cfg.seed, given = run["seed"], []
        if (precision := run["trainer"]["precision"]) != cfg.trainer.precision:
            cfg.trainer.precision = precision
            given.append(f"trainer.precision={precision}")
        wanted = {key: value for key, value in flat(run).items() if key.split(".")[0] not in ELSEWHERE}
        present = flat(resolved(cfg))
        for prefix in ORDER:
            before = len(given)
            for key, value in wanted.items():
                if (
                    key.startswith(prefix)
                    and key in present
                    and present[key] != value
                    and (present[key], value) not in OFF
                ):
                    OmegaConf.update(cfg, key, value)
                    given.append(f"{key}={written(value)}")
            if len(given) > before:
                present = flat(resolved(cfg))
        return (
            [*groups, f"seed={run['seed']}", *given] if config_hash(scientific(cfg)) == config_hash(science) else None
        )
    except NO_CONFIG:
        return None


def flat(node: Any, at: str = "") -> dict[str, Any]:
    """Return every value of nested settings by its dotted key."""
    if not isinstance(node, dict) or not node:
        return {at: node} if at else {}
    parts = [flat(value, f"{at}.{key}".lstrip(".")) for key, value in node.items()]
    return {key: value for part in parts for key, value in part.items()}


def _groups(run: dict[str, Any], dataset: str) -> tuple[str, ...]:
    """Return the overrides that choose the run's groups, its dataset's this one."""
    names = {"dataset": dataset} | {group: run[group]["name"] for group in ("backbone", "method", "protocol")}
    if run["transfer"]:
        names["transfer"] = run["transfer"]["dataset"]["name"]
    if imbalance := "_".join(part for part in ("lds", "fds") if run["imbalance"].get(part)):
        names["imbalance"] = imbalance
    return tuple(f"{group}={name}" for group, name in names.items())


@cache
def _composed(groups: tuple[str, ...]) -> DictConfig:
    return composed(CONF, [*groups])
