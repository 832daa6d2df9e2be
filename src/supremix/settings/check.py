"""From the composed config to typed settings; a mistake becomes one line that names the key and the way out."""

from pathlib import Path

import numpy as np
from omegaconf import DictConfig
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, InterpolationKeyError, OmegaConfBaseException
from pydantic import ValidationError

from supremix.data.check import constant_label
from supremix.errors import UserError, one_line, shortened
from supremix.metrics.regression import HIGHER_IS_BETTER, LOWER_IS_BETTER
from supremix.metrics.rounding import is_constant
from supremix.runtime import ranks
from supremix.settings.fields import sentence
from supremix.settings.schema import Contrastive, NoTraining, Regression, Settings
from supremix.settings.source import data_configs, resolved

RANDOM = "random"
"""The method that probes a backbone which nothing trained."""
NONLINEAR = "supremix.losses.RankSimLoss"


def settings_of(cfg: DictConfig) -> Settings:
    """Return the typed settings of a run. Raises UserError where a value or a combination does not fit."""
    try:
        values, *source = [resolved(config) for config in data_configs(cfg)]
        values["transfer"] = source[0] if source else None
    except OmegaConfBaseException as error:
        raise UserError(f"config: {one_line(error)}: {_way_out(error)}") from None
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        raise UserError(message(error)) from None
    ranks.check(settings.trainer.devices)
    _check_together(settings)
    if settings.transfer is not None:
        _check_transfer(settings, settings.transfer)
        _check_together(settings.transfer)
    return settings


def message(error: ValidationError) -> str:
    """Return the first mistake as ``key=value: what to do``."""
    problem = error.errors()[0]
    key = ".".join(str(part) for part in problem["loc"] if not str(part).startswith("("))  # which are kinds of a group
    value = "null" if problem["input"] is None else shortened(str(problem["input"]))
    return f"{key}: {sentence(problem)}" if problem["type"] == "missing" else f"{key}={value}: {sentence(problem)}"


def _way_out(error: OmegaConfBaseException) -> str:
    if isinstance(error, InterpolationKeyError | ConfigKeyError | ConfigAttributeError):
        return "leave out the override that removes the key, or write it into the config (`supremix train --cfg job`)"
    return "give the key a value (`supremix train --cfg job` shows all keys)"


def check_bins(settings: Settings, bin_size: float | None, y_N: np.ndarray) -> None:
    """Raise UserError where something needs the dataset's label bins and there are none.

    Args:
        settings: of the run.
        bin_size: of the dataset.
        y_N: training labels, (N,) or (N, T).
    """
    if y_N.ndim == 2 and settings.against_imbalance:
        raise UserError(
            f"{settings.against_imbalance[0]} compares rows by label bin, and labels that are vectors of "
            f"{y_N.shape[1]} have none: use imbalance=none"
        )
    if bin_size is None and settings.against_imbalance:
        raise UserError(
            f"{settings.against_imbalance[0]} compares rows by label bin, and dataset={settings.dataset.name} has "
            f"none: set {bins_key(settings)} or use imbalance=none"
        )


def bins_key(settings: Settings) -> str:
    """Return the key of the width of label bins, which stands higher for data of the user's own."""
    return "dataset.bin_size" if "bin_size" in (settings.dataset.model_extra or {}) else "dataset.load.bin_size"


def check_selection(settings: Settings, y_N: np.ndarray) -> None:
    """Raise UserError where the metric that chooses the epoch is undefined whatever the predictions.

    Args:
        settings: of the run.
        y_N: validation labels, (N,) or (N, T).
    """
    constant = is_constant(y_N).any()
    if settings.method.estimator is None and settings.adapt.select in HIGHER_IS_BETTER and constant:
        labels = f"all {len(y_N)} validation labels" if len(y_N) > 1 else "the only validation label"
        raise UserError(
            f"protocol.select={settings.adapt.select}: {labels} of dataset={settings.dataset.name} being "
            f"{constant_label(y_N)}, it is undefined: choose the epoch by one of {', '.join(LOWER_IS_BETTER)}, "
            "or validate on other rows"
        )


def _check_together(settings: Settings) -> None:
    method, protocol, tracking = settings.method, settings.protocol, settings.tracking
    if tracking.mode == "tensorboard" and Path(tracking.dir).resolve() == Path(settings.paths.runs).resolve():
        raise UserError(
            f"tracking.dir={tracking.dir}: the store's folders of runs have the names that TensorBoard's would have: "
            f"use another folder, such as {Path(tracking.dir) / 'tensorboard'}"
        )
    if isinstance(method, Contrastive) and method.pretrain.sampler == "paired" and method.pretrain.batch_size % 2:
        size = method.pretrain.batch_size
        raise UserError(
            f"method.pretrain.batch_size={size}: sampler=paired puts rows in pairs: give an even number, such as "
            f"{size + 1}"
        )
    if method.estimator is not None:
        if settings.against_imbalance:
            raise UserError(
                f"{settings.against_imbalance[0]} acts on the training of a network, which method={method.name} does "
                "not have: use imbalance=none"
            )
    elif isinstance(protocol, NoTraining):
        raise UserError(
            f"protocol={protocol.name} trains nothing, but method={method.name} needs training: choose another"
        )
    elif _is_untrained(settings):
        raise UserError(
            f"method={method.name} trains its backbone, which protocol={protocol.name} keeps as it is: use "
            "protocol=end_to_end, or method=random for a probe"
        )
    elif method.regression is not None:
        _check_regression(settings, method.regression)


def _is_untrained(settings: Settings) -> bool:
    """Return whether a backbone is probed that nothing trains, though the method's name does not say so.

    Given weights may be probed with another loss than Vanilla's, which `RANDOM` has.
    """
    method = settings.method
    if settings.adapt.train_backbone or isinstance(method, Contrastive) or method.source is not None:
        return False
    return method.name != RANDOM and (settings.backbone.weights is None or method.name == "vanilla")


def _check_regression(settings: Settings, regression: Regression) -> None:
    key, protocol = "method.regression", settings.adapt
    if regression.regularisers and not protocol.train_backbone:
        raise UserError(
            f"{key}.regularisers act on features, which protocol={protocol.name} keeps as they are: use "
            "protocol=finetune, or end_to_end without pre-training"
        )
    for name, regulariser in (regression.regularisers or {}).items():
        if regulariser.loss["_target_"] == NONLINEAR and settings.trainer.precision == "16-mixed":
            raise UserError(
                f"{key}.regularisers.{name}: the gradient of RankSim is not in proportion to the loss, so that the "
                "scaling of trainer.precision=16-mixed takes it away: use bf16-mixed or 32-true"
            )
    others = [f"{key}.regularisers"] if regression.regularisers else []
    others += [f"{key}.views"] if (regression.views or 1) > 1 else []
    if regression.mixing is not None and (others := [*others, *settings.against_imbalance]):
        raise UserError(
            f"{key}.mixing makes rows whose labels lie between those of two rows, which {others[0]} cannot use: leave "
            "out one of the two"
        )


def _check_transfer(settings: Settings, source: Settings) -> None:
    name, method = source.dataset.name, settings.method
    if not isinstance(method, Contrastive) and method.source is None:
        raise UserError(
            f"transfer={name}: method={method.name} takes no encoder from elsewhere: "
            "use a contrastive method, or method=vanilla_probe"
        )
    if settings.backbone != source.backbone:
        raise UserError(
            f"transfer={name}: its backbone ({source.backbone.name}) is not that of dataset={settings.dataset.name} "
            f"({settings.backbone.name}), or has other settings: make backbone and backbone@transfer.backbone the same"
        )
