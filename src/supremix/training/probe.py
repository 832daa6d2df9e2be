"""Frozen features in place of inputs, and what is fitted to them in closed form. N rows, D features."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from supremix.data.dataset import Data, Split, unchanged
from supremix.data.loading import to_device
from supremix.training.batches import apply
from supremix.training.imbalance.bins import Bins
from supremix.training.imbalance.fds import FDS

if TYPE_CHECKING:
    from sklearn.neighbors import KNeighborsRegressor
    from sklearn.pipeline import Pipeline

RIDGE_STRENGTHS = np.array([10.0**power for power in range(-4, 5)])
NEIGHBOURS = 5  # as on inputs, in `conf/method/knn.yaml`
SEARCHED = 20_000  # training rows at most, which bounds the time: 22,000 rows of 2,048 features take 40 s


def on_features(data: Data, backbone: nn.Module, device: torch.device, batch_size: int) -> Data:
    """Return the same data with a frozen backbone's features in place of the inputs, on the device.

    The encoder runs over a split when the split is first read, and once: not once an epoch.
    """

    def encoded(split: Split) -> Split:
        return cached(split, lambda: apply(backbone, split, batch_size, device, data.to_input).to(device))

    train, val, test = encoded(data.train), encoded(data.val), encoded(data.test)
    return replace(data, train=train, val=val, test=test, to_input=unchanged, training_views=None)


def on_calibrated(train: Split, fds: FDS, bins: Bins) -> Split:
    """Return training rows with their features calibrated; computed when they are first read."""

    def features_ND() -> Tensor:
        z_ND = train.fetch(np.arange(len(train)))
        return fds.calibrated(z_ND, bins)

    return cached(train, features_ND)


def cached(split: Split, compute: Callable[[], Tensor]) -> Split:
    """Return the split with rows (N, D) that are computed when it is first read, and stay where they were computed."""
    rows_ND = cache(compute)

    def fetch(index_B: np.ndarray) -> Tensor:
        return rows_ND()[to_device(torch.as_tensor(index_B), rows_ND().device)]

    return replace(split, fetch=fetch, on_disk=False, workers=0)


def ridge_probe(train: Split, val: Split, weight_N: np.ndarray | None = None) -> "Pipeline":
    """Fit ridge regression on standardised features, its strength for each of T targets chosen by validation MAE.

    Args:
        train: rows whose `fetch` gives features, like ``val``.
        val: chooses the strength.
        weight_N: weights (N,) of the training rows' squared errors.
    """
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler()
    x_train, ridge = scaler.fit_transform(all_rows(train)), Ridge(alpha=RIDGE_STRENGTHS)
    # Columns of labels for each strength, so that all share one matrix of inner products.
    y_NT, y_VT = (split.y.reshape(len(split), -1) for split in (train, val))
    strengths, targets = len(RIDGE_STRENGTHS), y_NT.shape[1]
    ridge.set_params(alpha=RIDGE_STRENGTHS.repeat(targets))
    ridge.fit(x_train, np.tile(y_NT, strengths), sample_weight=weight_N)
    prediction_VST = ridge.predict(scaler.transform(all_rows(val))).reshape(len(val), strengths, targets)
    best_T = np.abs(prediction_VST - y_VT[:, None]).mean(axis=0).argmin(axis=0)
    chosen = best_T * targets + np.arange(targets) if train.y.ndim == 2 else best_T[0]
    ridge.coef_, ridge.intercept_ = ridge.coef_[chosen], ridge.intercept_[chosen]
    return make_pipeline(scaler, ridge)


def neighbour_probe(train: Split) -> "KNeighborsRegressor":
    """Fit the mean label of the five nearest rows, weighted by 1/distance, on features as they are.

    Of more than 20,000 training rows 20,000 are drawn, the same ones in every call with as many rows.

    Args:
        train: rows whose `fetch` gives features.
    """
    from sklearn.neighbors import KNeighborsRegressor

    rows = np.arange(len(train))
    if len(rows) > SEARCHED:
        rows = np.sort(np.random.default_rng(0).choice(len(rows), SEARCHED, replace=False))
    nearest = KNeighborsRegressor(min(NEIGHBOURS, len(rows)), weights="distance")
    return nearest.fit(train.fetch(rows).cpu().double().numpy(), train.y[rows])


def linear_map(ridge: "Pipeline") -> dict[str, Tensor]:
    """Return the probe as weight (1, D) and bias (1,), of T targets (T, D) and (T,), from features to label units."""
    scaler, regression = ridge[0], ridge[-1]
    weight = regression.coef_ / scaler.scale_
    bias = regression.intercept_ - weight @ scaler.mean_
    return {"weight": torch.from_numpy(np.atleast_2d(weight)), "bias": torch.from_numpy(np.atleast_1d(bias))}


def all_rows(split: Split) -> np.ndarray:
    """Return what the split's `fetch` gives for all of its rows, (N, D) float64."""
    return split.fetch(np.arange(len(split))).cpu().double().numpy()
