"""Stage 2: a linear head on frozen features, or the whole network; the epoch is chosen on validation."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from sklearn.linear_model import Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from supremix.data.contract import Data, Split, TargetScale
from supremix.engine import Report, Row, apply, batches_of, fit, state_on_cpu
from supremix.heads import RegressionHead
from supremix.metrics import LOWER_IS_BETTER, regression_metrics
from supremix.seeding import initialising

RIDGE_STRENGTHS = tuple(10.0**power for power in range(-4, 5))
EVALUATION_BATCH = 512

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
    stage: Stage2,
    report: Report,
) -> Adapted:
    """Fit a regression head, and the backbone with it where the stage says so; the test set is read at the end."""
    bias = float(data.target.encode(data.train.y).mean()) if stage.bias_init == "mean" else 0.0
    with initialising(stage.seed, "init", "head"):
        head = RegressionHead(backbone.out_dim, bias)
    backbone = backbone.to(fabric.device)
    if stage.train_backbone:
        model = nn.Sequential(OrderedDict(backbone=backbone, head=head))
        train, val = data.train, data.val
    else:  # the encoder runs once over each split, not once an epoch
        model = nn.Sequential(OrderedDict(head=head))
        train, val = (frozen_features(split, backbone, fabric.device) for split in (data.train, data.val))

    wrapped, opt = fabric.setup(model, optimizer(model.parameters()))
    fitted = fit(
        fabric,
        wrapped,
        opt,
        batches_of(train, data.target.encode(data.train.y), stage.batch_size, fabric.device, stage.seed, "adapt"),
        getattr(nn.functional, f"{stage.loss}_loss"),
        stage.epochs,
        report,
        score=lambda: validation_score(predict(data.target, wrapped, val, fabric.device), val.y, stage.select),
    )
    states = {"last": state_on_cpu(model), "best": fitted.best_state or {}}

    test = data.test if stage.train_backbone else frozen_features(data.test, backbone, fabric.device)
    predictions: Predictions = {"val": {}, "test": {}}
    for which in ("last", "best"):  # best at the end: the features below are its
        model.load_state_dict(states[which])
        for name, split in (("val", val), ("test", test)):
            predictions[name][which] = predict(data.target, wrapped, split, fabric.device)
    if not stage.train_backbone:
        ridge = ridge_probe(train, val)
        for name, split in (("val", val), ("test", test)):
            predictions[name]["ridge"] = ridge.predict(_all_rows(split))
        states["best"] |= {f"backbone.{key}": value for key, value in state_on_cpu(backbone).items()}
    features = apply(backbone, data.test, EVALUATION_BATCH, fabric.device).numpy()
    return Adapted(predictions, states, features, fitted.best_epoch, fitted.history, fitted.seconds)


def frozen_features(split: Split, backbone: nn.Module, device: torch.device) -> Split:
    """The same rows with the backbone's features, computed once, in place of the inputs."""
    features_ND = apply(backbone, split, EVALUATION_BATCH, device)
    return Split(split.ids, split.y, lambda index_B: features_ND[torch.as_tensor(index_B)])


def predict(target: TargetScale, model: nn.Module, split: Split, device: torch.device) -> np.ndarray:
    """Predictions (N,) float64 in label units."""
    return target.decode(apply(model, split, EVALUATION_BATCH, device).double().numpy())


def validation_score(prediction_N: np.ndarray, y_N: np.ndarray, select: str) -> float:
    """The chosen metric with its sign set so that lower is better; an undefined correlation counts as worst."""
    value = regression_metrics(y_N, prediction_N)[select]
    if np.isnan(value):
        return float("inf")
    return value if select in LOWER_IS_BETTER else -value


def ridge_probe(train: Split, val: Split) -> Pipeline:
    """Ridge regression on standardised features, its strength chosen by validation MAE: the probe's closed form."""
    x_train, x_val = _all_rows(train), _all_rows(val)

    def fitted(strength: float) -> Pipeline:
        return make_pipeline(StandardScaler(), Ridge(alpha=strength)).fit(x_train, train.y)

    return min(map(fitted, RIDGE_STRENGTHS), key=lambda ridge: np.abs(ridge.predict(x_val) - val.y).mean())


def _all_rows(split: Split) -> np.ndarray:
    return split.fetch(np.arange(len(split))).double().numpy()
