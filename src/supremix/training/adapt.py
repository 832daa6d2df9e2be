"""Stage 2: a linear head on frozen features, or the whole network; the epoch is chosen on validation."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from sklearn.linear_model import Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler

from supremix.data.dataset import Data, Split, check_finite, unchanged
from supremix.data.loading import to_device
from supremix.metrics.regression import LOWER_IS_BETTER, regression_metrics
from supremix.models.heads import RegressionHead
from supremix.runtime import ranks
from supremix.runtime.seeding import initialising
from supremix.runtime.sharding import synchronised
from supremix.training.batches import apply, batch_ids, batches_of
from supremix.training.checkpoint import Checkpoints
from supremix.training.imbalance.bins import Bins, OfTarget, training_bins
from supremix.training.imbalance.fds import FDS, calibrated
from supremix.training.imbalance.lds import LDS, weighted
from supremix.training.imbalance.running import CalibratedRegressor, RunningFDS, labelled
from supremix.training.loop import Report, Row, fit, state_on_cpu

RIDGE_STRENGTHS = np.array([10.0**power for power in range(-4, 5)])
CACHED_AT_ONCE = 4096  # rows of cached features; raw inputs go through the network in batches of the stage's size

Predictions = dict[str, dict[str, np.ndarray]]  # "val", "test" → "best", "last", "ridge" → (N,) in label units


@dataclass(frozen=True)
class Stage2:
    """Settings of the regression stage, as in ``conf/protocol``."""

    train_backbone: bool
    epochs: int
    batch_size: int
    loss: str  # "l1" or "mse"
    bias_init: str  # "mean" of the training labels, or "zero"
    select: str  # the metric whose best validation value chooses the epoch
    seed: int
    clip: float | None = None
    lds: LDS | None = None
    fds: FDS | None = None


@dataclass
class Adapted:
    """What stage 2 leaves."""

    predictions: Predictions
    states: dict[str, dict[str, Tensor]]  # "best", "last" → weights named backbone.… and head.…
    features: np.ndarray  # (N, D) test features at the best epoch
    best_epoch: int
    history: list[Row]
    seconds: float


def adapt(
    fabric: Fabric,
    data: Data,
    backbone: Any,
    optimizer: Callable[..., torch.optim.Optimizer],
    scheduler: Callable[..., LRScheduler] | None,
    stage: Stage2,
    report: Report,
    checkpoints: Checkpoints | None = None,
) -> Adapted:
    """Fit a regression head, and the backbone with it where the stage says so; the test set is read at the end."""
    bias = float(data.target.encode(data.train.y).mean()) if stage.bias_init == "mean" else 0.0
    with initialising(stage.seed, "init", "head"):
        head = RegressionHead(backbone.out_dim, bias)
    backbone = backbone.to(fabric.device)
    target_N = data.target.encode(data.train.y)
    inputs, at_once = data, stage.batch_size
    model: nn.Module = nn.Sequential(OrderedDict(backbone=backbone, head=head))
    if not stage.train_backbone:
        inputs, at_once = on_features(data, backbone, fabric.device, stage.batch_size), CACHED_AT_ONCE
        model = nn.Sequential(OrderedDict(head=head))
        if stage.fds is not None:
            inputs = replace(inputs, train=on_calibrated(inputs.train, stage.fds, training_bins(data)))
    elif stage.fds is not None:
        model = CalibratedRegressor(backbone, RunningFDS(stage.fds, training_bins(data).count, backbone.out_dim), head)
    batches = batches_of(
        inputs.train, target_N, stage.batch_size, fabric.device, stage.seed, "adapt", inputs.to_input,
        inputs.training_views,
    )  # fmt: skip
    if isinstance(model, CalibratedRegressor):
        batches = labelled(batches, model.fds, OfTarget(target_N, training_bins(data).of_row))
    objective: Callable[[Tensor, Tensor], Tensor] = getattr(nn.functional, f"{stage.loss}_loss")
    weight_N = None
    if stage.lds is not None:
        weight_N = stage.lds.row_weights(training_bins(data))
        objective = weighted(objective, OfTarget(target_N, weight_N))

    model = synchronised(fabric, model)
    wrapped, opt = fabric.setup(model, optimizer(model.parameters()))
    predict = partial(predictions_of, inputs, wrapped, fabric.device, at_once)
    fitted = fit(
        fabric,
        wrapped,
        opt,
        batches,
        objective,
        stage.epochs,
        report,
        (stage.seed, "adapt"),
        score=lambda: validation_score(predict(inputs.val), data.val.y, stage.select),
        scheduler=scheduler(opt) if scheduler else None,
        clip=stage.clip,
        checkpoints=checkpoints,
        ids=batch_ids(data.train, stage.batch_size, stage.seed, "adapt"),
    )
    states = {"last": state_on_cpu(model), "best": fitted.best_state or state_on_cpu(model)}

    predictions: Predictions = {"val": {}, "test": {}}
    for which in ("last", "best"):  # best at the end: the features below are its
        model.load_state_dict(states[which])
        for name, by_variant in predictions.items():
            by_variant[which] = predict(getattr(inputs, name))
    if stage.train_backbone:
        features_ND = apply(backbone, data.test, at_once, fabric.device, data.to_input).numpy()
    else:
        features_ND = all_rows(inputs.test)
        inputs.train.fetch(np.arange(1))  # all ranks encode together, also where no epoch was left to train
        if ranks.is_first():
            ridge = ridge_probe(inputs.train, inputs.val, weight_N)
            for name, by_variant in predictions.items():
                by_variant["ridge"] = ridge.predict(all_rows(getattr(inputs, name)))
        states["best"] |= {f"backbone.{key}": value for key, value in state_on_cpu(backbone).items()}
    return Adapted(predictions, states, features_ND, fitted.best_epoch, fitted.history, fitted.seconds)


def on_features(data: Data, backbone: nn.Module, device: torch.device, batch_size: int) -> Data:
    """The same data with a frozen backbone's features in place of the inputs, on the device.

    The encoder runs over a split when the split is first read, and once: not once an epoch.
    """

    def encoded(split: Split) -> Split:
        return cached(split, lambda: apply(backbone, split, batch_size, device, data.to_input).to(device))

    train, val, test = encoded(data.train), encoded(data.val), encoded(data.test)
    return replace(data, train=train, val=val, test=test, to_input=unchanged, training_views=None)


def on_calibrated(train: Split, fds: FDS, bins: Bins) -> Split:
    """Training rows with their features calibrated; computed when they are first read."""

    def features_ND() -> Tensor:
        z_ND = train.fetch(np.arange(len(train)))
        return calibrated(fds, z_ND, torch.from_numpy(bins.of_row).to(z_ND.device), bins.count)

    return cached(train, features_ND)


def cached(split: Split, compute: Callable[[], Tensor]) -> Split:
    """The split with rows (N, D) that are computed when it is first read, and stay where they were computed."""
    rows_ND = cache(compute)

    def fetch(index_B: np.ndarray) -> Tensor:
        return rows_ND()[to_device(torch.as_tensor(index_B), rows_ND().device)]

    return replace(split, fetch=fetch, on_disk=False, workers=0)


def predictions_of(data: Data, model: nn.Module, device: torch.device, batch_size: int, split: Split) -> np.ndarray:
    """Predictions (N,) float64 in label units."""
    prediction_N = data.target.decode(apply(model, split, batch_size, device, data.to_input).double().numpy())
    check_finite("the predictions", prediction_N, split)
    return prediction_N


def validation_score(prediction_N: np.ndarray, y_N: np.ndarray, select: str) -> float:
    """The chosen metric with its sign set so that lower is better; an undefined correlation counts as worst."""
    value = regression_metrics(y_N, prediction_N)[select]
    if np.isnan(value):
        return float("inf")
    return value if select in LOWER_IS_BETTER else -value


def ridge_probe(train: Split, val: Split, weight_N: np.ndarray | None = None) -> Pipeline:
    """Ridge regression on standardised features, its strength chosen by validation MAE: the probe's closed form.

    ``weight_N``: weights of the training rows' squared errors.
    """
    scaler = StandardScaler()
    x_train, ridge = scaler.fit_transform(all_rows(train)), Ridge(alpha=RIDGE_STRENGTHS)
    # A column of labels for each strength, so that all share one matrix of inner products.
    ridge.fit(x_train, np.tile(train.y[:, None], len(RIDGE_STRENGTHS)), sample_weight=weight_N)
    prediction_VS = ridge.predict(scaler.transform(all_rows(val)))
    best = np.abs(prediction_VS - val.y[:, None]).mean(axis=0).argmin()
    ridge.coef_, ridge.intercept_ = ridge.coef_[best], ridge.intercept_[best]
    return make_pipeline(scaler, ridge)


def all_rows(split: Split) -> np.ndarray:
    """What the split's `fetch` gives for all of its rows, (N, D) float64."""
    return split.fetch(np.arange(len(split))).cpu().double().numpy()
