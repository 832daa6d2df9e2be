"""Checks of a composed config that are cheap enough to come first; each failure names the key and the way out."""

from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from supremix.errors import UserError
from supremix.metrics import METRICS
from supremix.transfer import on_source, resolved

CHOICES = {
    "method.labels": ("binned", "raw"),
    "method.embed": ("items", "sentences"),
    "protocol.loss": ("l1", "mse"),
    "protocol.bias_init": ("mean", "zero"),
    "protocol.select": METRICS,
}
WHOLE_NUMBERS = {
    "seed": 0,
    "dataset.permute_labels": 0,
    "dataset.subset.train_size": 2,
    "method.pretrain.epochs": 1,
    "method.pretrain.batch_size": 2,
    "method.pretrain.views": 1,
    "method.pretrain.histograms.bins": 1,
    "method.pretrain.histograms.hardest": 1,
    "protocol.epochs": 1,
    "protocol.batch_size": 1,
    "trainer.threads": 1,
    "trainer.workers": 0,
    "trainer.log_every": 1,
}


def check(cfg: DictConfig) -> None:
    """Raise UserError where a value is missing, of the wrong type or out of range."""
    try:
        resolved(cfg)
    except OmegaConfBaseException as error:
        raise UserError(f"config: {error}") from None
    for key, choices in CHOICES.items():
        value = _get(cfg, key)
        if value is not None and value not in choices:
            raise UserError(f"{key}={value}: use one of {', '.join(choices)}")
    for key, least in WHOLE_NUMBERS.items():
        value = _get(cfg, key)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < least):
            raise UserError(f"{key}={value}: give a whole number, {least} or more")
    if cfg.method.estimator is not None and balanced(cfg):
        raise UserError(
            f"{balanced(cfg)[0]} acts on the training of a network, which method={cfg.method.name} does not have: "
            "use imbalance=none"
        )
    minutes = cfg.trainer.checkpoint.minutes
    if minutes is not None and (isinstance(minutes, bool) or not isinstance(minutes, int | float) or minutes < 0):
        raise UserError(f"trainer.checkpoint.minutes={minutes}: give a number of minutes, 0 or more, or null")
    if not isinstance(cfg.trainer.deterministic, bool):
        raise UserError(f"trainer.deterministic={cfg.trainer.deterministic}: use true or false")
    histograms = _get(cfg, "method.pretrain.histograms")
    if histograms is not None and not _names_epochs(histograms):
        raise UserError(
            f"method.pretrain.histograms={histograms}: give {{bins: 50, hardest: 1000, epochs: [1, 10]}}, or null"
        )
    if cfg.method.estimator is None and cfg.protocol.name == "none":
        raise UserError(f"protocol=none trains nothing, but method={cfg.method.name} needs training: choose another")
    if cfg.method.name == "vanilla" and not cfg.protocol.get("train_backbone"):
        raise UserError("method=vanilla trains its backbone: use protocol=end_to_end, or method=random for a probe")
    if cfg.transfer is not None:
        _check_transfer(cfg, on_source(cfg))


def _check_transfer(cfg: DictConfig, source: DictConfig) -> None:
    name = source.dataset.name
    if cfg.method.loss is None and cfg.method.source is None:
        raise UserError(
            f"transfer={name}: method={cfg.method.name} takes no encoder from elsewhere: "
            "use a contrastive method, or method=vanilla_probe"
        )
    if cfg.backbone != source.backbone:
        raise UserError(
            f"transfer={name}: its backbone ({source.backbone.name}) is not that of dataset={cfg.dataset.name} "
            f"({cfg.backbone.name}), or has other settings: make backbone and backbone@transfer.backbone the same"
        )
    check(source)


def check_bins(cfg: DictConfig, bin_size: float | None) -> None:
    """Raise UserError where something needs the dataset's label bins and there are none."""
    if bin_size is None and balanced(cfg):
        raise UserError(
            f"{balanced(cfg)[0]} compares rows by label bin, and dataset={cfg.dataset.name} has none: "
            "set dataset.load.bin_size or use imbalance=none"
        )


def balanced(cfg: DictConfig) -> list[str]:
    """Keys of what is on against imbalance."""
    return [f"imbalance.{key}" for key, value in cfg.imbalance.items() if value is not None]


def _names_epochs(histograms: Any) -> bool:
    """Whether the three settings are there, and the epochs are whole numbers from 1 on."""
    if not isinstance(histograms, DictConfig) or set(histograms) != {"bins", "hardest", "epochs"}:
        return False
    epochs = histograms.epochs
    return isinstance(epochs, ListConfig) and all(type(epoch) is int and epoch >= 1 for epoch in epochs)


def _get(cfg: DictConfig, key: str) -> Any:
    return OmegaConf.select(cfg, key)
