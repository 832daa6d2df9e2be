"""Adaptation: a linear head on frozen features, or the whole network; the epoch is chosen on validation."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler

from supremix.data.dataset import Data, Split, check_finite
from supremix.metrics.regression import LOWER_IS_BETTER, regression_metrics
from supremix.models.heads import RegressionHead
from supremix.runtime import ranks
from supremix.runtime.seeding import initialising
from supremix.runtime.sharding import synchronised
from supremix.training.batches import Items, Stream, apply, batch_ids, batches_of
from supremix.training.imbalance.bins import OfTarget, training_bins
from supremix.training.imbalance.fds import FDS
from supremix.training.imbalance.lds import LDS, weighted
from supremix.training.imbalance.running import CalibratedRegressor, RunningFDS, labelled
from supremix.training.loop import NO_HOOKS, EpochRow, Hooks, Task, fit, state_on_cpu
from supremix.training.probe import all_rows, linear_map, on_calibrated, on_features, ridge_probe
from supremix.training.settings import AdaptSettings

CACHED_AT_ONCE = 4096  # rows of cached features; raw inputs go through the network in batches of the stage's size

Predictions = dict[str, dict[str, np.ndarray]]  # "val", "test" → "best", "last", "ridge" → (N,) in label units


@dataclass(frozen=True)
class Adaptation:
    """The objects of the stage: what is trained, by which optimizer, and what acts against imbalance.

    Args:
        backbone: from inputs to features (B, D), with ``out_dim``, D; trained in place where the settings say so.
        optimizer: makes an optimizer of parameters.
        scheduler: makes a scheduler of an optimizer; None keeps the rate.
        lds: weights the training rows.
        fds: calibrates the training rows' features.
    """

    backbone: Any
    optimizer: Callable[..., torch.optim.Optimizer]
    scheduler: Callable[..., LRScheduler] | None = None
    lds: LDS | None = None
    fds: FDS | None = None


@dataclass
class Adapted:
    """Outcome of the stage."""

    predictions: Predictions
    states: dict[str, dict[str, Tensor]]  # "best", "last" → weights named backbone.… and head.…; "ridge" → a linear map
    features: np.ndarray  # (N, D) test features at the best epoch
    best_epoch: int
    history: list[EpochRow]
    seconds: float


def adapt(
    fabric: Fabric, data: Data, objects: Adaptation, settings: AdaptSettings, seed: int, hooks: Hooks = NO_HOOKS
) -> Adapted:
    """Fit a regression head, and the backbone with it where the settings say so; the test set is read at the end."""
    backbone, device, batch_size = objects.backbone.to(fabric.device), fabric.device, settings.batch_size
    target_N = data.target.encode(data.train.y)
    with initialising(seed, "init", "head"):
        head = RegressionHead(backbone.out_dim, float(target_N.mean()) if settings.bias_init == "mean" else 0.0)
    head.to(device)
    inputs, at_once, running = data, batch_size, None
    model: nn.Module = nn.Sequential(OrderedDict(backbone=backbone, head=head))
    if not settings.train_backbone:
        inputs, at_once = on_features(data, backbone, device, batch_size), CACHED_AT_ONCE
        model = nn.Sequential(OrderedDict(head=head))
        if objects.fds is not None:
            inputs = replace(inputs, train=on_calibrated(inputs.train, objects.fds, training_bins(data)))
    elif objects.fds is not None:
        running = RunningFDS(objects.fds, training_bins(data), backbone.out_dim)
        model = CalibratedRegressor(backbone, running, head)
    stream = Stream(seed, "adapt")
    items = Items(inputs.train, target_N, inputs.to_input, inputs.training_views)
    batches = batches_of(items, batch_size, stream, device)
    if running is not None:
        batches = labelled(batches, running, OfTarget(target_N, training_bins(data).of_row))
    objective: Callable[[Tensor, Tensor], Tensor] = getattr(nn.functional, f"{settings.loss}_loss")
    weight_N = objects.lds.row_weights(training_bins(data)) if objects.lds is not None else None
    if weight_N is not None:
        objective = weighted(objective, OfTarget(target_N, weight_N))

    model = synchronised(fabric, model)
    wrapped, optimizer = fabric.setup(model, objects.optimizer(model.parameters()))
    predict = partial(predictions_of, inputs, wrapped, device, at_once)
    task = Task(
        wrapped,
        optimizer,
        batches,
        objective,
        stream,
        objects.scheduler(optimizer) if objects.scheduler else None,
        score=lambda: validation_score(predict(inputs.val), data.val.y, settings.select),
        patience=settings.patience,
        ids=batch_ids(data.train, batch_size, stream),
    )
    fitted = fit(fabric, task, settings, hooks)
    states = {"last": state_on_cpu(model), "best": fitted.best_state or state_on_cpu(model)}

    predictions: Predictions = {"val": {}, "test": {}}
    for which in ("last", "best"):  # best at the end: the features below are its
        model.load_state_dict(states[which])
        for name, by_variant in predictions.items():
            by_variant[which] = predict(getattr(inputs, name))
    if settings.train_backbone:
        features_ND = apply(backbone, data.test, at_once, device, data.to_input).numpy()
    else:
        features_ND = all_rows(inputs.test)
        inputs.train.fetch(np.arange(1))  # all ranks encode together, also where no epoch was left to train
        if ranks.is_first():
            ridge = ridge_probe(inputs.train, inputs.val, weight_N)
            for name, by_variant in predictions.items():
                by_variant["ridge"] = ridge.predict(all_rows(getattr(inputs, name)))
            states["ridge"] = linear_map(ridge)
        states["best"] |= {f"backbone.{key}": value for key, value in state_on_cpu(backbone).items()}
    return Adapted(predictions, states, features_ND, fitted.best_epoch, fitted.history, fitted.seconds)


def predictions_of(data: Data, model: nn.Module, device: torch.device, batch_size: int, split: Split) -> np.ndarray:
    """Return predictions (N,) float64 in label units."""
    prediction_N = data.target.decode(apply(model, split, batch_size, device, data.to_input).double().numpy())
    check_finite("the predictions", prediction_N, split)
    return prediction_N


def validation_score(prediction_N: np.ndarray, y_N: np.ndarray, select: str) -> float:
    """Return the chosen metric, its sign set so that lower is better; an undefined correlation counts as worst."""
    value = regression_metrics(y_N, prediction_N)[select]
    if np.isnan(value):
        return float("inf")
    return value if select in LOWER_IS_BETTER else -value
