"""The linear probe on cached features at AgeDB-DIR's size, against the usual loop that feeds it by a DataLoader.

2048 features, 12,208 rows to train on and 2,140 each to validate and test; 100 epochs of L1 and Adam in batches of
128, and a validation after each, as the driver runs it. The DataLoader's loop validates too.
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
from torch.utils.data import DataLoader, TensorDataset

from supremix.data.dataset import Data, Split, TargetScale
from supremix.training import adapt

ROWS, WIDTH, BATCH, EPOCHS = {"train": 12208, "val": 2140, "test": 2140}, 2048, 128, 100
THREADS = 2
EPOCHS_COMPARED = 10


class Given(nn.Identity):
    """Stands for a backbone whose features are given."""

    out_dim = WIDTH


def made_up() -> tuple[Data, dict[str, TensorDataset]]:
    """Normal features and labels that depend on one of them: as the driver has them, and as tensors."""
    draw = torch.Generator().manual_seed(0)
    tensors: dict[str, TensorDataset] = {}
    splits: dict[str, Split] = {}
    for name, rows in ROWS.items():
        x_ND = torch.randn(rows, WIDTH, generator=draw)
        y_N = 40 + 10 * x_ND[:, 0] + torch.randn(rows, generator=draw)
        tensors[name] = TensorDataset(x_ND, y_N)
        splits[name] = Split(np.arange(rows).astype(str), y_N.double().numpy(), partial(torch.Tensor.__getitem__, x_ND))
    data = Data("bench", splits["train"], splits["val"], splits["test"], 1.0, TargetScale(0.0, 1.0), {}, "", True)
    return data, tensors


def driver_seconds(data: Data, accelerator: str, epochs: int) -> tuple[float, float]:
    """Seconds of the driver's fit, and of its whole stage: with the ridge probe, predictions and features."""
    settings: Any = SimpleNamespace(
        patience=None,
        train_backbone=False,
        epochs=epochs,
        batch_size=BATCH,
        loss="l1",
        clip=None,
        bias_init="mean",
        select="mae",
    )
    fabric, optimizer = Fabric(accelerator=accelerator, devices=1), partial(torch.optim.Adam, lr=1e-3, fused=True)
    started = time.perf_counter()
    fitted = adapt.adapt(fabric, data, adapt.Adaptation(Given(), optimizer), settings, seed=0)
    return fitted.seconds, time.perf_counter() - started


def dataloader_seconds(tensors: dict[str, TensorDataset], accelerator: str, epochs: int) -> float:
    """Seconds of the usual loop."""
    device = torch.device(accelerator)
    head = nn.Linear(WIDTH, 1).to(device)
    optimizer = torch.optim.Adam(head.parameters(), lr=1e-3, fused=True)
    train = DataLoader(tensors["train"], BATCH, shuffle=True, pin_memory=accelerator == "cuda")
    val = DataLoader(tensors["val"], BATCH)
    started = time.perf_counter()
    for _ in range(epochs):
        for x, y_B in train:
            optimizer.zero_grad()
            nn.functional.l1_loss(head(x.to(device)).squeeze(1), y_B.to(device)).backward()
            optimizer.step()
        with torch.no_grad():
            _ = sum((head(x.to(device)).squeeze(1) - y_B.to(device)).abs().sum() for x, y_B in val).item()
    return time.perf_counter() - started


def measure_probe(rounds: int = 5) -> dict:
    """The whole probe on each device there is, and the ratio of an epoch."""
    before = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    data, tensors = made_up()
    measured = {}
    for accelerator in ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",):
        driver_seconds(data, accelerator, 1), dataloader_seconds(tensors, accelerator, 1)  # both are warm after this
        pairs = [
            (
                dataloader_seconds(tensors, accelerator, EPOCHS_COMPARED),
                driver_seconds(data, accelerator, EPOCHS_COMPARED)[0],
            )
            for _ in range(rounds)
        ]
        busy = time.process_time()
        fit, whole = driver_seconds(data, accelerator, EPOCHS)
        measured[accelerator] = {
            "seconds": fit,
            "stage_seconds": whole,
            "cpu_seconds": time.process_time() - busy,
            "ratio": statistics.median(plain / ours for plain, ours in pairs),
            "ratio_range": [min(plain / ours for plain, ours in pairs), max(plain / ours for plain, ours in pairs)],
        }
    torch.set_num_threads(before)
    return {"rows": ROWS, "width": WIDTH, "batch": BATCH, "epochs": EPOCHS, "threads": THREADS, "by_device": measured}


def table(measured: dict) -> str:
    """The measurement as text."""
    rows, lines = measured["rows"], []
    for device, result in measured["by_device"].items():
        lines += [
            f"Linear probe, {rows['train']} × {measured['width']} features, {measured['epochs']} epochs, batch "
            f"{measured['batch']}, {device}, {measured['threads']} threads",
            f"  fit           {result['seconds']:10.1f} s",
            f"  … and ridge   {result['stage_seconds']:10.1f} s    ({result['cpu_seconds']:.1f} s of the processor)",
            "  ratio         {:10.2f} ×   ({:.2f} to {:.2f}) of a DataLoader's epoch to ours".format(
                result["ratio"], *result["ratio_range"]
            ),
        ]
    return "\n".join(lines)
