"""The config of a run whose encoder comes from another dataset: which part belongs to which dataset."""

from typing import Any

from omegaconf import DictConfig, OmegaConf


def on_source(cfg: DictConfig) -> DictConfig:
    """Return the same config on the dataset that ``transfer`` names, with the values of that dataset's recipe."""
    source = cfg.copy()
    for group in cfg.transfer:
        source[group] = cfg.transfer[group]
    source.transfer = None
    return source


def data_configs(cfg: DictConfig) -> list[DictConfig]:
    """Return the configs whose data a run reads: its own, and after it, with transfer, the source's."""
    return [cfg] if cfg.transfer is None else [cfg, on_source(cfg)]


def resolved(cfg: DictConfig) -> dict[str, Any]:
    """Return the config as plain values; with transfer, the method and the part below ``transfer`` have the source's.

    Raises OmegaConf's errors where a value is missing or an interpolation leads nowhere.
    """
    if cfg.transfer is None:
        values: Any = OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)
        return values
    own = cfg.copy()
    own.transfer = None
    source = resolved(on_source(cfg))
    of_source = {str(group): source[str(group)] for group in cfg.transfer}
    return resolved(own) | {"method": source["method"], "transfer": of_source}
