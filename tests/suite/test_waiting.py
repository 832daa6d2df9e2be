"""A step must not wait for the device: it runs here on one whose values cannot be read, PyTorch's meta device.

Whatever needs a value on the host (item, a branch on a tensor, nonzero, a copy back) raises there. Blocking copies to
the device, which wait on a GPU too, are looked for besides.
"""

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from supremix.data.dataset import Data, Split, TargetScale
from supremix.data.views.images import ShiftedViews
from supremix.data.views.volumes import Exemplar3D
from supremix.losses import SimCSELoss, SupConLoss, SupCRLoss, SupReMixLoss
from supremix.training.batches import Items, Stream, batches_of
from supremix.training.imbalance.bins import Bins
from supremix.training.imbalance.fds import FDS
from supremix.training.imbalance.running import RunningFDS, labelled
from supremix.training.loop import Task, fit
from supremix.training.probe import cached
from supremix.training.regression import Objective, Regressor
from tests.face_views import colour_views
from tests.stages import fit_settings

DEVICE = torch.device("meta")
STEPS, BATCH = 5, 6
LABELS = np.arange(STEPS * BATCH) % 7.0


class Enough(Exception):
    """Ends a fit before it looks at its losses at the end of the epoch."""


class NoBlockingCopy(TorchDispatchMode):
    """Refuses copies from the host that wait."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func is torch.ops.aten._to_copy.default and kwargs.get("device", args[0].device) != args[0].device:
            assert kwargs.get("non_blocking"), "a blocking copy between devices"
        return func(*args, **kwargs)


def rows(*shape, dtype=torch.float32):
    x = torch.zeros(len(LABELS), *shape, dtype=dtype)
    return Split(np.arange(len(LABELS)).astype(str), LABELS, lambda index_B: x[torch.as_tensor(index_B)])


def train(monkeypatch, model, batches, objective, clip=None):
    """One epoch but its end; returns the number of steps."""
    monkeypatch.setattr(Fabric, "device", DEVICE)
    fabric = Fabric(accelerator="cpu", devices=1)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1, foreach=True)
    wrapped, optimizer = fabric.setup(model, optimizer, move_to_device=False)
    steps = 0

    def counted(epoch, first):
        nonlocal steps
        with NoBlockingCopy():
            for batch in batches(epoch, first):
                steps += 1
                yield batch
        raise Enough

    with pytest.raises(Enough):
        fit(fabric, Task(wrapped, optimizer, counted, objective, Stream(0, "t")), fit_settings(epochs=1, clip=clip))
    return steps


def on_device(build):
    with DEVICE:
        return build()


def regressor(width=4):
    return nn.Sequential(nn.Linear(width, 1), nn.Flatten(0))


@pytest.mark.parametrize("clip", [None, 1.0])
def test_a_regression_step_reads_nothing_back(monkeypatch, clip):
    batches = batches_of(Items(rows(4), LABELS), BATCH, Stream(0, "t"), DEVICE)
    assert train(monkeypatch, on_device(regressor), batches, nn.functional.l1_loss, clip) == STEPS


def test_a_probe_step_reads_nothing_back(monkeypatch):
    features = cached(rows(4), lambda: torch.zeros(len(LABELS), 4, device=DEVICE))
    batches = batches_of(Items(features, LABELS), BATCH, Stream(0, "t"), DEVICE)
    assert train(monkeypatch, on_device(regressor), batches, nn.functional.l1_loss) == STEPS


def test_weights_and_calibration_against_imbalance_read_nothing_back(monkeypatch):
    bins = Bins(LABELS, 1.0)
    fds = FDS("gaussian", 3, 1.0, 0.9, 0, 0)
    model = on_device(lambda: Regressor(nn.Linear(4, 3), regressor(3), nn.L1Loss(), {}, RunningFDS(fds, bins, 3), None))
    monkeypatch.setattr(model.fds, "start", lambda epoch: None)  # once an epoch, so it may wait
    items = Items(rows(4), np.arange(len(LABELS)))
    batches = labelled(batches_of(items, BATCH, Stream(0, "t"), DEVICE), model.fds, bins.of_row)
    toy = Data("toy", *[rows(4)] * 3, 1.0, TargetScale(0.0, 1.0), {}, "", True)
    weight_N = LABELS.astype(np.float32)
    objective = Objective(nn.L1Loss(reduction="none"), toy, {}, weight_N, torch.Generator(), DEVICE)
    assert train(monkeypatch, model, batches, objective) == STEPS


@pytest.mark.parametrize(
    ("loss", "shape"),
    [(SupReMixLoss(1.0, 2.0), (4,)), (SupConLoss(1.0), (4,)), (SupCRLoss(2.0), (4,)), (SimCSELoss(0.1), (2, 4))],
)
def test_a_contrastive_step_reads_nothing_back(monkeypatch, loss, shape):
    batches = batches_of(Items(rows(*shape), LABELS, labels_on=torch.device("cpu")), BATCH, Stream(0, "t"), DEVICE)
    assert train(monkeypatch, on_device(lambda: nn.Linear(4, 4)), batches, loss) == STEPS


@pytest.mark.parametrize(
    ("augment", "shape"),
    [
        (colour_views(flip=0.5, grey=0.2), (3, 8, 8)),
        (ShiftedViews(2, flip=0.5), (3, 8, 8)),
        (Exemplar3D(0.5, 0.5, 0.5, 0.5, 0.1, 0.5, 0.2, 0.2), (4, 4, 4)),
    ],
)
def test_views_read_nothing_back(augment, shape):
    batches = batches_of(
        Items(rows(*shape, dtype=torch.uint8), LABELS, augment=augment, views=2), BATCH, Stream(0, "t"), DEVICE
    )
    with NoBlockingCopy():
        assert sum(len(y_B) for _, y_B in batches(1, 0)) == 2 * len(LABELS)
