"""The one optimisation loop, used by pre-training, by end-to-end training and by the linear probe."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from supremix.data.contract import Augment, Split, unchanged
from supremix.errors import UserError
from supremix.seeding import derive, generator

Row = dict[str, float]
Batch = tuple[Any, Tensor]
Report = Callable[[int, Row], None]


class Reader(Protocol):
    """Reads statistics off batches while they train; it changes nothing and does not wait for the device."""

    def read(self, epoch: int, output: Any, y_B: Tensor) -> None:
        """Take in what the model gave for a batch, without gradient, and the batch's labels."""

    def close(self, epoch: int) -> Row:
        """The epoch's statistics."""


@dataclass
class Fitted:
    """Outcome of a fit: one row an epoch, the state of the epoch with the lowest score, and what else was read."""

    history: list[Row] = field(default_factory=list)
    best_epoch: int = 0
    best_state: dict[str, Tensor] | None = None
    seconds: float = 0.0
    readings: dict[str, np.ndarray] = field(default_factory=dict)


def fit(
    fabric: Fabric,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    batches: Callable[[int], Iterator[Batch]],
    objective: Callable[[Any, Tensor], Tensor],
    epochs: int,
    report: Report,
    stream: tuple[int, str],
    score: Callable[[], float] | None = None,
    reader: Reader | None = None,
    log_every: int = 1,
    scheduler: torch.optim.lr_scheduler.LRScheduler | None = None,
    clip: float | None = None,
) -> Fitted:
    """Minimise ``objective(model(x), y)`` over ``batches(epoch)`` for epochs 1, 2, …

    Args:
        model: as made by ``fabric.setup``.
        stream: seed and stage; they and the epoch seed torch's global generator, which dropout draws from.
        score: validation value after an epoch, lower is better; its best epoch's state is kept on the CPU.
        reader: is given every ``log_every``-th batch of an epoch, the first one included.
        report: called with the epoch and its row: loss, val (when scored) and what was read.
        scheduler: stepped after each epoch.
        clip: largest norm of the gradient of all parameters together; None leaves it.
    """
    fitted = Fitted()
    lowest = float("inf")
    started = time.perf_counter()
    for epoch in range(1, epochs + 1):
        model.train()
        torch.manual_seed(derive(*stream, "dropout", epoch))
        total, rows = torch.zeros((), device=fabric.device), 0
        for step, (x, y_B) in enumerate(batches(epoch)):
            optimizer.zero_grad(set_to_none=True)
            output = model(x)
            loss = objective(output, y_B)
            fabric.backward(loss)
            if clip is not None:
                fabric.clip_gradients(model, optimizer, max_norm=clip)
            optimizer.step()
            total += loss.detach() * len(y_B)
            rows += len(y_B)
            if reader is not None and step % log_every == 0:
                reader.read(epoch, output.detach(), y_B)
        if scheduler is not None:
            scheduler.step()
        row = {"loss": float(total) / rows} | (reader.close(epoch) if reader is not None else {})
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
    split: Split,
    y_N: np.ndarray,
    batch_size: int,
    device: torch.device,
    seed: int,
    stage: str,
    to_input: Callable[[Any], Any] = unchanged,
    augment: Augment | None = None,
    views: int = 1,
) -> Callable[[int], Iterator[Batch]]:
    """Shuffled batches of a split with the given labels; an epoch's order depends on seed, stage and epoch only.

    With ``augment`` a batch is ``views`` random views of its B items, one after the other, (views · B) rows with the
    labels repeated. An item's view depends on seed, stage, epoch and item only.
    """
    labels_N = torch.from_numpy(np.asarray(y_N, dtype=np.float32))

    def uniforms(epoch: int) -> list[Tensor]:
        draws = (generator(seed, stage, "views", epoch, view) for view in range(views))
        return [torch.rand(len(split), augment.draws, generator=draw) for draw in draws] if augment else []

    def epoch_batches(epoch: int) -> Iterator[Batch]:
        order_N = torch.randperm(len(split), generator=generator(seed, stage, "order", epoch))
        uniforms_NP = uniforms(epoch)
        for index_B in order_N.split(batch_size):
            x = to_device(split.fetch(index_B.numpy()), device)
            y_B = labels_N[index_B].to(device, non_blocking=True)
            if augment is None:
                yield to_input(x), y_B
            else:
                yield torch.cat([augment(x, u_NP[index_B].to(device)) for u_NP in uniforms_NP]), y_B.repeat(views)

    return epoch_batches


@torch.no_grad()
def apply(
    model: nn.Module, split: Split, batch_size: int, device: torch.device, to_input: Callable[[Any], Any] = unchanged
) -> Tensor:
    """The model's outputs for all rows of a split, in order, on the CPU; in evaluation mode."""
    model.eval()
    parts = [
        model(to_input(to_device(split.fetch(index_B), device))).float().cpu()
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
