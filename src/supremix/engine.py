"""The one optimisation loop, used by pre-training, by end-to-end training and by the linear probe."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from supremix.data.contract import Split
from supremix.errors import UserError
from supremix.seeding import generator

Row = dict[str, float]
Batch = tuple[Any, Tensor]
Report = Callable[[int, Row], None]


@dataclass
class Fitted:
    """Outcome of a fit: one row an epoch, and the state of the epoch with the lowest score."""

    history: list[Row] = field(default_factory=list)
    best_epoch: int = 0
    best_state: dict[str, Tensor] | None = None
    seconds: float = 0.0


def fit(
    fabric: Fabric,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    batches: Callable[[int], Iterator[Batch]],
    objective: Callable[[Any, Tensor], Tensor],
    epochs: int,
    report: Report,
    score: Callable[[], float] | None = None,
    read_batch: Callable[[Tensor], Row] | None = None,
    log_every: int = 1,
) -> Fitted:
    """Minimise ``objective(model(x), y)`` over ``batches(epoch)`` for epochs 1, 2, …

    Args:
        model: as made by ``fabric.setup``.
        score: validation value after an epoch, lower is better; its best epoch's state is kept on the CPU.
        read_batch: statistics of a batch from its labels, read every ``log_every`` steps, averaged an epoch.
        report: called with the epoch and its row: loss, val (when scored) and the statistics.
    """
    fitted = Fitted()
    lowest = float("inf")
    started = time.perf_counter()
    for epoch in range(1, epochs + 1):
        model.train()
        total, rows = torch.zeros((), device=fabric.device), 0
        readings: list[Row] = []
        for step, (x, y_B) in enumerate(batches(epoch)):
            optimizer.zero_grad(set_to_none=True)
            loss = objective(model(x), y_B)
            fabric.backward(loss)
            optimizer.step()
            total += loss.detach() * len(y_B)
            rows += len(y_B)
            if read_batch is not None and step % log_every == 0:
                readings.append(read_batch(y_B))
        row = {"loss": float(total) / rows} | _means(readings)
        if not np.isfinite(row["loss"]):
            raise UserError(f"the loss became {row['loss']} in epoch {epoch}: lower the learning rate or check inputs")
        if score is not None:
            model.eval()
            row["val"] = score()
            if row["val"] < lowest:
                lowest, fitted.best_epoch, fitted.best_state = row["val"], epoch, state_on_cpu(model)
        fitted.history.append(row)
        report(epoch, row)
    fitted.seconds = time.perf_counter() - started
    return fitted


def batches_of(
    split: Split, y_N: np.ndarray, batch_size: int, device: torch.device, seed: int, stage: str
) -> Callable[[int], Iterator[Batch]]:
    """Shuffled batches of a split with the given labels; an epoch's order depends on seed, stage and epoch only."""
    labels_N = torch.from_numpy(np.asarray(y_N, dtype=np.float32))

    def epoch_batches(epoch: int) -> Iterator[Batch]:
        order_N = torch.randperm(len(split), generator=generator(seed, stage, "order", epoch))
        for index_B in order_N.split(batch_size):
            yield to_device(split.fetch(index_B.numpy()), device), labels_N[index_B].to(device)

    return epoch_batches


@torch.no_grad()
def apply(model: nn.Module, split: Split, batch_size: int, device: torch.device) -> Tensor:
    """The model's outputs for all rows of a split, in order, on the CPU; in evaluation mode."""
    model.eval()
    parts = [
        model(to_device(split.fetch(index_B), device)).float().cpu()
        for index_B in np.split(np.arange(len(split)), range(batch_size, len(split), batch_size))
    ]
    return torch.cat(parts)


def to_device(x: Any, device: torch.device) -> Any:
    """Move a tensor, or the tensors of a dict, to a device."""
    if isinstance(x, dict):
        return {key: value.to(device, non_blocking=True) for key, value in x.items()}
    return x.to(device, non_blocking=True)


def state_on_cpu(model: nn.Module) -> dict[str, Tensor]:
    """A copy of the model's parameters and buffers."""
    return {key: value.detach().cpu().clone() for key, value in model.state_dict().items()}


def _means(readings: list[Row]) -> Row:
    return {key: sum(row[key] for row in readings) / len(readings) for key in (readings[0] if readings else {})}
