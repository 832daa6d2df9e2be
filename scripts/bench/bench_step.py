"""What the driver's loop costs over a bare PyTorch loop, as a ratio of times a step.

Shapes of the airfoil run: 1203 rows of 5 features, batch 32, an MLP and a projection head, SupReMix as configured.
"""

import statistics
import time
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import nn

from supremix.data.dataset import Data, Split, TargetScale
from supremix.losses import SupReMixLoss
from supremix.models.heads import ProjectionHead
from supremix.models.mlp import MLP
from supremix.runtime.seeding import generator
from supremix.training.loop import Hooks
from supremix.training.pretrain import Pretraining, pretrain

ROWS, BATCH, EPOCHS = 1203, 32, 4


def airfoil_shaped(seed: int) -> tuple[torch.Tensor, np.ndarray]:
    """Random features and labels from 103 to 141 dB."""
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(ROWS, 5, generator=draw), (103 + 38 * torch.rand(ROWS, generator=draw).double()).numpy()


def network() -> tuple[MLP, ProjectionHead]:
    """The airfoil run's backbone and head, the same weights every time."""
    torch.manual_seed(0)
    return MLP(5, [20, 30, 10]), ProjectionHead(10, 128, 128)


def loss() -> SupReMixLoss:
    """The airfoil run's loss."""
    return SupReMixLoss(temperature=1.0, window=7.0, label_range=38.0, reduction="label_sum")


def driver_seconds(x_NF: torch.Tensor, y_N: np.ndarray) -> float:
    """Seconds of EPOCHS epochs through the driver's pre-training."""
    split = Split(np.arange(ROWS).astype(str), y_N, lambda index_B: x_NF[torch.as_tensor(index_B)])
    data = Data("bench", split, split, split, 1.0, TargetScale(0.0, 1.0), {}, "", True)
    stage = SimpleNamespace(
        views=1, epochs=EPOCHS, batch_size=BATCH, sampler="shuffled", clip=None, histograms=None, microbatch=None
    )
    method: Any = SimpleNamespace(labels="binned", embed="items", pretrain=stage)
    optimizer = partial(torch.optim.Adam, lr=1e-3, fused=True)
    fabric = Fabric(accelerator="cpu", devices=1)
    objects = Pretraining(*network(), loss(), optimizer)
    return pretrain(fabric, data, objects, method, seed=0, hooks=Hooks(log_every=10)).seconds


def bare_seconds(x_NF: torch.Tensor, y_N: np.ndarray) -> float:
    """Seconds of the same epochs in the shortest loop that does the same."""
    labels_N = torch.from_numpy(np.floor(y_N + 0.5)).float()
    model, criterion, draws = nn.Sequential(*network()), loss(), generator(0, "mixtures")
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    started = time.perf_counter()
    for _ in range(EPOCHS):
        for index_B in torch.randperm(ROWS).split(BATCH):
            optimizer.zero_grad()
            criterion(model(x_NF[index_B]), labels_N[index_B], generator=draws).backward()
            optimizer.step()
    return time.perf_counter() - started


def measure_step(rounds: int = 5) -> dict:
    """Median seconds a step of both loops in turn, and their ratio."""
    x_NF, y_N = airfoil_shaped(0)
    driver_seconds(x_NF, y_N), bare_seconds(x_NF, y_N)  # both are warm after this
    steps = EPOCHS * -(-ROWS // BATCH)
    pairs = [(driver_seconds(x_NF, y_N) / steps, bare_seconds(x_NF, y_N) / steps) for _ in range(rounds)]
    return {
        "batch": BATCH,
        "threads": torch.get_num_threads(),
        "driver_seconds": statistics.median(driver for driver, _ in pairs),
        "bare_seconds": statistics.median(bare for _, bare in pairs),
        "ratio": statistics.median(driver / bare for driver, bare in pairs),
        "ratio_range": [min(d / b for d, b in pairs), max(d / b for d, b in pairs)],
        "repeats": rounds,
        "torch": torch.__version__,
    }


def table(measured: dict) -> str:
    """The measurement as text."""
    return "\n".join(
        [
            f"Training step of the airfoil run, batch {measured['batch']}, {measured['threads']} thread, median",
            f"  driver        {measured['driver_seconds'] * 1e3:10.2f} ms",
            f"  bare loop     {measured['bare_seconds'] * 1e3:10.2f} ms",
            "  ratio         {:10.2f} ×   ({:.2f} to {:.2f})".format(measured["ratio"], *measured["ratio_range"]),
        ]
    )
