"""Adaptation: a linear head on frozen features, or the whole network; the epoch is chosen on validation."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler

from supremix.data.check import check_finite
from supremix.data.dataset import Data, Split
from supremix.data.vectors import Vectors
from supremix.metrics.regression import cost, regression_metrics
from supremix.metrics.targets import mean_over_targets
from supremix.runtime import ranks
from supremix.runtime.seeding import generator, initialising
from supremix.runtime.sharding import synchronised
from supremix.training.batches import Items, Stream, apply, batch_ids, batches_of
from supremix.training.imbalance.bins import training_bins
from supremix.training.imbalance.fds import FDS
from supremix.training.imbalance.lds import LDS
from supremix.training.imbalance.running import RunningFDS, labelled
from supremix.training.loop import NO_HOOKS, EpochRow, Hooks, Task, fit, state_on_cpu
from supremix.training.probe import all_rows, linear_map, neighbour_probe, on_calibrated, on_features, ridge_probe
from supremix.training.regression import LOSSES, Objective, Regulariser, network, new_head, point, ready, stored
from supremix.training.settings import AdaptSettings

CACHED_AT_ONCE = 4096  # rows of cached features; raw inputs go through the network in batches of the stage's size

Predictions = dict[str, dict[str, np.ndarray]]  # "val", "test" → one of `VARIANTS` → (N,) or (N, T), label units
Interval = tuple[np.ndarray, np.ndarray]  # (N,) lower and (N,) upper ends, label units


@dataclass(frozen=True)
class Adaptation:
    """The objects of the stage: what is trained, by which optimizer, and what acts against imbalance.

    Args:
        backbone: from inputs to features (B, D), with ``out_dim``, D; trained in place where the settings say so.
        optimizer: makes an optimizer of parameters.
        scheduler: makes a scheduler of an optimizer; None keeps the rate.
        lds: weights the training rows.
        fds: calibrates the training rows' features.
        loss: of outputs and targets, in head units; None takes the protocol's.
        regularisers: by name; they need a backbone that is trained.
        mixing: mixes training rows and their targets.
        views: random views of each row in a batch, where the data has any.
    """

    backbone: Any
    optimizer: Callable[..., torch.optim.Optimizer]
    scheduler: Callable[..., LRScheduler] | None = None
    lds: LDS | None = None
    fds: FDS | None = None
    loss: Any = None
    regularisers: Mapping[str, Regulariser] = field(default_factory=dict)
    mixing: Any = None
    views: int = 1


@dataclass
class Adapted:
    """Outcome of the stage."""

    predictions: Predictions
    states: dict[str, dict[str, Tensor]]  # "best", "last" → weights named backbone.… and head.…; "ridge" → a linear map
    features: np.ndarray  # (N, D) test features at the best epoch
    best_epoch: int
    history: list[EpochRow]
    seconds: float
    intervals: dict[str, Interval] = field(default_factory=dict)  # "val", "test", of the best epoch's predictions
    coverage: float | None = None  # what the intervals are meant to cover


def adapt(
    fabric: Fabric, data: Data, objects: Adaptation, settings: AdaptSettings, seed: int, hooks: Hooks = NO_HOOKS
) -> Adapted:
    """Fit a regression head, and the backbone with it where the settings say so; the test set is read at the end."""
    backbone, device, batch_size = objects.backbone.to(fabric.device), fabric.device, settings.batch_size
    target_N = data.target.encode(data.train.y)
    weight_N = objects.lds.row_weights(training_bins(data)) if objects.lds is not None else None
    loss = ready(objects.loss or LOSSES[settings.loss](), target_N, weight_N is not None)
    with initialising(seed, "init", "head"):
        head = new_head(loss, backbone.out_dim, target_N, settings.bias_init)
    inputs, running = data, None
    if not settings.train_backbone:
        inputs = frozen_features(data, objects, device, batch_size)
    elif objects.fds is not None:
        running = RunningFDS(objects.fds, training_bins(data), backbone.out_dim)
    stream, draws = Stream(seed, "adapt"), generator(seed, "regularisers", device=device)
    items = training_items(inputs, objects, target_N)
    batches = batches_of(items, batch_size, stream, device)
    if running is not None:
        batches = labelled(batches, running, training_bins(data).of_row)
    encoder = backbone if settings.train_backbone else nn.Identity()
    model = synchronised(fabric, network(encoder, head, loss, objects.regularisers, running, objects.mixing).to(device))
    wrapped, optimizer = fabric.setup(model, objects.optimizer(model.parameters()))
    at_once = batch_size if settings.train_backbone else CACHED_AT_ONCE
    predict = partial(predictions_of, inputs, wrapped, loss, device, at_once)
    task = Task(
        wrapped,
        optimizer,
        batches,
        Objective(loss, data, objects.regularisers, weight_N, draws, device),
        stream,
        objects.scheduler(optimizer) if objects.scheduler else None,
        score=lambda: validation_score(predict(inputs.val)[0], data.val.y, settings.select, data.vectors),
        patience=settings.patience,
        generators=[draws],
        ids=batch_ids(items, batch_size, stream),
        views=objects.views if inputs.training_views is not None else 1,
    )
    fitted = fit(fabric, task, settings, hooks)
    states = {"last": state_on_cpu(model), "best": fitted.best_state or state_on_cpu(model)}
    predictions, intervals = read_out(model, states, inputs, predict)  # which leaves the best weights in the model
    states = {name: stored(loss, state) for name, state in states.items()}
    if settings.train_backbone:
        features_ND = apply(backbone, data.test, at_once, device, data.to_input).numpy()
    else:
        features_ND = all_rows(inputs.test)
        add_probes(inputs, weight_N, predictions, states)
        states["best"] |= {f"backbone.{key}": value for key, value in state_on_cpu(backbone).items()}
    outcome = predictions, states, features_ND, fitted.best_epoch, fitted.history, fitted.seconds
    return Adapted(*outcome, intervals, loss.coverage if intervals else None)


def frozen_features(data: Data, objects: Adaptation, device: torch.device, batch_size: int) -> Data:
    """Return the data with the frozen backbone's features as inputs, those of training rows calibrated by FDS."""
    inputs = on_features(data, objects.backbone, device, batch_size)
    if objects.fds is None:
        return inputs
    return replace(inputs, train=on_calibrated(inputs.train, objects.fds, training_bins(data)))


def read_out(
    model: nn.Module, states: dict[str, dict[str, Tensor]], inputs: Data, predict: Callable[[Split], Any]
) -> tuple[Predictions, dict[str, Interval]]:
    """Return the predictions of validation and test rows by each state, and the intervals of the best one's."""
    predictions: Predictions = {"val": {}, "test": {}}
    intervals: dict[str, Interval] = {}
    for which in ("last", "best"):
        model.load_state_dict(states[which])
        for name, by_variant in predictions.items():
            by_variant[which], interval = predict(getattr(inputs, name))
            intervals |= {} if interval is None else {name: interval}
    return predictions, intervals


def add_probes(
    inputs: Data, weight_N: np.ndarray | None, predictions: Predictions, states: dict[str, dict[str, Tensor]]
) -> None:
    """Add what a ridge regression on frozen features and their nearest neighbours predict, and the ridge's weights."""
    inputs.train.fetch(np.arange(1))  # all ranks encode together, also where no epoch was left to train
    if not ranks.is_first():
        return
    ridge, nearest = ridge_probe(inputs.train, inputs.val, weight_N), neighbour_probe(inputs.train)
    for name, by_variant in predictions.items():
        rows_ND = all_rows(getattr(inputs, name))
        by_variant |= {"ridge": ridge.predict(rows_ND), "knn": nearest.predict(rows_ND)}
    states["ridge"] = linear_map(ridge)


def training_items(inputs: Data, objects: Adaptation, target_N: np.ndarray) -> Items:
    """Return the rows to train on, by number; with mixing, by their targets, which are mixed as the inputs are."""
    split, to_input, augment, mixing = inputs.train, inputs.to_input, inputs.training_views, objects.mixing
    if mixing is not None:
        mixing.fit(inputs.compared().train.y)
        return Items(split, target_N, to_input, augment, mixing=mixing)
    # Regularisers read labels on the host, and would wait for a GPU.
    labels_on = torch.device("cpu") if objects.regularisers else None
    return Items(split, np.arange(len(split)), to_input, augment, objects.views, labels_on)


def predictions_of(
    data: Data, model: nn.Module, loss: Any, device: torch.device, batch_size: int, split: Split
) -> tuple[np.ndarray, Interval | None]:
    """Return predictions (N,) or (N, T) float64 in label units, and their intervals where the loss gives them."""
    output = apply(model, split, batch_size, device, data.to_input).to(device)

    def decoded(value_N: Tensor) -> np.ndarray:
        label_N = data.target.decode(value_N.double().cpu().numpy())
        check_finite("the predictions", label_N, split)
        return label_N

    interval = loss.interval(output) if hasattr(loss, "interval") else None
    return decoded(point(loss, output)), interval and (decoded(interval[0]), decoded(interval[1]))


def validation_score(prediction_N: np.ndarray, y_N: np.ndarray, select: str, vectors: Vectors | None = None) -> float:
    """Return the chosen metric, its sign set so that lower is better; an undefined correlation counts as worst.

    Of vectors it is the mean over targets, each in its standard deviations.
    """
    if vectors is None:
        value = regression_metrics(y_N, prediction_N)[select]
    else:
        value = mean_over_targets(regression_metrics, vectors.standard(y_N), vectors.standard(prediction_N))[select]
    return cost(select, value)
