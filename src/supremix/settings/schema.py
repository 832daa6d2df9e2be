"""Checks of a composed config that are cheap enough to come first; each failure names the key and the way out."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from supremix.errors import UserError, one_line
from supremix.metrics.regression import METRICS
from supremix.runtime import ranks
from supremix.settings.source import on_source, resolved

ABSENT: Any = object()  # of a key; null is a value


@dataclass(frozen=True)
class Rule:
    """What a value must be, in words that end an error message, and as a test."""

    words: str
    fits: Callable[[Any], bool]


def whole(least: int) -> Rule:
    """A whole number; a truth value is none."""
    return Rule(f"give a whole number, {least} or more", lambda value: type(value) is int and value >= least)


def choice(*names: str) -> Rule:
    """One of these names."""
    return Rule(f"use one of {', '.join(names)}", lambda value: value in names)


def or_null(rule: Rule) -> Rule:
    """The same, or null."""
    return Rule(f"{rule.words}, or null", lambda value: value is None or rule.fits(value))


def names_epochs(histograms: Any) -> bool:
    """Whether the three settings are there, and the epochs are whole numbers from 1 on."""
    if not isinstance(histograms, DictConfig) or set(histograms) != {"bins", "hardest", "epochs"}:
        return False
    epochs = histograms.epochs
    return isinstance(epochs, ListConfig) and all(type(epoch) is int and epoch >= 1 for epoch in epochs)


NUMBER = Rule("give a number, 0 or more", lambda value: type(value) in (int, float) and value >= 0)  # NaN is not
FLAG = Rule("use true or false", lambda value: isinstance(value, bool))
NAME = Rule("give a name", lambda value: isinstance(value, str) and value != "")
GROUP = Rule(
    "it is a group of settings, not a value: set the keys below it", lambda value: isinstance(value, DictConfig)
)
SCHEDULER = Rule(
    "give a group with the _target_ of a scheduler that goes by the epoch alone, not ReduceLROnPlateau",
    lambda value: GROUP.fits(value) and not str(value.get("_target_")).endswith("ReduceLROnPlateau"),
)
NAMES = Rule(
    "give a list of names, as in [pilot,gpu]",
    lambda value: isinstance(value, ListConfig) and all(NAME.fits(name) for name in value),
)
SECONDS = Rule("give a number of seconds above 0", lambda value: NUMBER.fits(value) and 0 < value < float("inf"))
HISTOGRAMS = Rule("give {bins: 50, hardest: 1000, epochs: [1, 10]}", names_epochs)

RULES = {  # of keys, wherever they are there; a group stands before what lies below it
    "seed": whole(0),
    "rerun": FLAG,
    "paths.data": NAME,
    "paths.prepared": NAME,
    "paths.runs": NAME,
    "dataset.name": NAME,
    "dataset.load": GROUP,
    "dataset.load.split_seed": whole(0),
    "dataset.permute_labels": or_null(whole(0)),
    "dataset.subset": GROUP,
    "dataset.subset.train_size": or_null(whole(2)),
    "backbone.name": NAME,
    "backbone.build": GROUP,
    "method.name": NAME,
    "method.labels": choice("binned", "raw"),
    "method.embed": choice("items", "sentences"),
    "method.mix_neg": FLAG,
    "method.mix_pos": FLAG,
    "method.weight": FLAG,
    "method.fidelity.renormalise": FLAG,
    "method.fidelity.detach_mixtures": FLAG,
    "method.fidelity.window_inclusive": FLAG,
    "method.projection_head": FLAG,
    "method.projection": GROUP,
    "method.loss": or_null(GROUP),
    "method.estimator": or_null(GROUP),
    "method.source": or_null(GROUP),
    "method.pretrain": GROUP,
    "method.pretrain.epochs": whole(1),
    "method.pretrain.batch_size": whole(2),
    "method.pretrain.views": whole(1),
    "method.pretrain.clip": or_null(NUMBER),
    "method.pretrain.histograms": or_null(HISTOGRAMS),
    "method.pretrain.histograms.bins": whole(1),
    "method.pretrain.histograms.hardest": whole(1),
    "method.pretrain.optimizer": GROUP,
    "method.pretrain.optimizer.lr": NUMBER,
    "method.pretrain.optimizer.weight_decay": NUMBER,
    "method.pretrain.scheduler": or_null(SCHEDULER),
    "protocol.name": NAME,
    "protocol.train_backbone": FLAG,
    "protocol.epochs": whole(1),
    "protocol.batch_size": whole(1),
    "protocol.loss": choice("l1", "mse"),
    "protocol.clip": or_null(NUMBER),
    "protocol.bias_init": choice("mean", "zero"),
    "protocol.select": choice(*METRICS),
    "protocol.optimizer": GROUP,
    "protocol.optimizer.lr": NUMBER,
    "protocol.optimizer.weight_decay": NUMBER,
    "protocol.scheduler": or_null(SCHEDULER),
    "trainer.devices": whole(1),
    "trainer.precision": choice("32-true", "bf16-mixed", "16-mixed"),
    "trainer.threads": or_null(whole(1)),
    "trainer.workers": whole(0),
    "trainer.log_every": whole(1),
    "trainer.progress": choice("auto", "bar", "plain", "off"),
    "trainer.deterministic": FLAG,
    "trainer.channels_last": Rule("use true, false or auto", lambda value: value == "auto" or FLAG.fits(value)),
    "trainer.compile": or_null(Rule("name a backend of torch.compile, such as inductor", NAME.fits)),
    "trainer.checkpoint": GROUP,
    "trainer.checkpoint.minutes": or_null(Rule("give a number of minutes, 0 or more", NUMBER.fits)),
    "tracking.mode": choice("auto", "online", "offline", "disabled"),
    "tracking.tags": NAMES,
    "tracking.sweep": or_null(NAME),
    "tracking.finish_timeout": SECONDS,
}


def check(cfg: DictConfig) -> None:
    """Raise UserError where a value is missing, of the wrong type or out of range."""
    try:
        resolved(cfg)
    except OmegaConfBaseException as error:
        raise UserError(f"config: {one_line(error)}") from None
    for key, rule in RULES.items():
        value = OmegaConf.select(cfg, key, default=ABSENT)
        if value is not ABSENT and not rule.fits(value):
            raise UserError(f"{key}={'null' if value is None else value}: {rule.words}")
    ranks.check(cfg.trainer.devices)
    if cfg.method.estimator is not None and balanced(cfg):
        raise UserError(
            f"{balanced(cfg)[0]} acts on the training of a network, which method={cfg.method.name} does not have: "
            "use imbalance=none"
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
