"""The one optimisation loop, used by pre-training, by end-to-end training and by the linear probe."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from supremix.errors import Stopped
from supremix.runtime import ranks
from supremix.runtime.seeding import derive
from supremix.runtime.sharding import gather, seed_step
from supremix.runtime.signals import unbroken
from supremix.training.batches import Batch
from supremix.training.checkpoint import Checkpoints, restore, snapshot
from supremix.training.not_finite import Watch, largest_gradient, small_batches

Row = dict[str, float]
Report = Callable[[int, Row], None]


class Reader(Protocol):
    """Reads statistics off batches while they train; it changes nothing and does not wait for the device."""

    def read(self, epoch: int, output: Any, y_B: Tensor) -> None:
        """Take in what the model gave for a batch, without gradient, and the batch's labels."""

    def close(self) -> Row:
        """The epoch's statistics."""

    def state_dict(self) -> dict[str, Tensor]:
        """All that was read, for a checkpoint."""

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Go on from what was read before an interruption."""


@dataclass
class Fitted:
    """Outcome of a fit: one row an epoch, the state of the epoch with the lowest score, and what else was read.

    While the fit lasts it also says how far it has come: ``step`` batches of ``epoch`` are done, and ``total`` and
    ``rows`` are theirs.
    """

    history: list[Row] = field(default_factory=list)
    best_epoch: int = 0
    best_state: dict[str, Tensor] | None = None
    seconds: float = 0.0
    readings: dict[str, np.ndarray] = field(default_factory=dict)
    lowest: float = float("inf")
    epoch: int = 1
    step: int = 0
    total: Tensor = field(default_factory=lambda: torch.zeros(()))
    rows: int = 0


@small_batches()
@ranks.stopping_together()
def fit(
    fabric: Fabric,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    batches: Callable[[int, int], Iterator[Batch]],
    objective: Callable[[Any, Tensor], Tensor],
    epochs: int,
    report: Report,
    stream: tuple[int, str],
    score: Callable[[], float] | None = None,
    reader: Reader | None = None,
    log_every: int = 1,
    scheduler: torch.optim.lr_scheduler.LRScheduler | None = None,
    clip: float | None = None,
    generators: Sequence[torch.Generator] = (),
    checkpoints: Checkpoints | None = None,
    ids: Callable[[int, int], list[str]] = lambda epoch, step: [],
    views: int = 1,
) -> Fitted:
    """Minimise ``objective(model(x), y)`` over ``batches(epoch, first)`` for epochs 1, 2, …

    Args:
        model: as made by ``fabric.setup``.
        batches: the batches of an epoch from number ``first`` on; an epoch is the same whenever it is asked for. Of
            several ranks each has its part of the inputs, and all labels.
        stream: seed and stage; they and the epoch seed torch's global generator, which dropout draws from.
        score: validation value after an epoch, lower is better; its best epoch's state is kept on the CPU.
        reader: is given every ``log_every``-th batch of an epoch, the first one included.
        report: called with the epoch and its row: loss, val (when scored) and what was read.
        scheduler: stepped after each epoch.
        clip: largest norm of the gradient of all parameters together; None leaves it.
        generators: what ``objective`` draws from beside torch's global generator.
        checkpoints: where to go on from, and where to save now and then, and when stopped; None saves nothing.
        ids: row ids of the batch of an epoch and a step, both from 1, for messages.
        views: of each item in a batch, all first ones before the second ones.

    Raises:
        UserError: loss or gradient are not finite.
        Stopped: a signal came; the state was saved.
    """
    parts: dict[str, Any] = {"model": model, "optimizer": optimizer, "precision": fabric.strategy.precision}
    if scheduler is not None:
        parts["scheduler"] = scheduler
    if reader is not None:
        parts["reader"] = reader
    scaled = getattr(fabric.strategy.precision, "scaler", None) is not None  # and skips steps whose gradient overflows
    saved = ranks.from_first(checkpoints.load) if checkpoints else None
    at = Fitted(**restore(saved, parts, generators, fabric.device)) if saved else Fitted()
    at.total = at.total.to(fabric.device)
    watch = Watch(ids, checkpoints.newest if checkpoints else lambda: None)
    started = time.perf_counter() - at.seconds

    def save() -> None:
        watch.check()
        at.seconds = time.perf_counter() - started
        if checkpoints is not None and ranks.is_first():
            checkpoints.save(at.epoch, at.step, snapshot(parts, generators, fabric.device, vars(at)))

    try:
        for epoch, row in enumerate(at.history, 1):
            report(epoch, row)
        for epoch in range(at.epoch, epochs + 1):
            model.train()
            if at.step == 0:
                torch.manual_seed(derive(*stream, "dropout", epoch))
            for x, y_B in batches(epoch, at.step):
                with unbroken():
                    optimizer.zero_grad(set_to_none=True)
                    seed_step(stream, epoch, at.step)
                    output = gather(model(x), len(y_B), views)
                    loss = objective(output, y_B)
                    fabric.backward(loss)
                    norm = loss.detach() if scaled else largest_gradient(model.parameters())
                    if clip is not None:
                        fabric.clip_gradients(model, optimizer, max_norm=clip, error_if_nonfinite=False)
                    optimizer.step()
                    at.total += loss.detach() * len(y_B)
                    at.rows += len(y_B)
                    if reader is not None and at.step % log_every == 0:
                        reader.read(epoch, output.detach(), y_B)
                    at.step += 1
                    watch.note(epoch, at.step, loss, norm)
                    if checkpoints is not None and ranks.is_first() and checkpoints.due():
                        save()
                ranks.stop_if_asked()
            watch.check()
            row = {"loss": float(at.total) / at.rows}
            if score is not None:
                model.eval()
                row["val"] = float(score())
            with unbroken():
                row |= reader.close() if reader is not None else {}
                if scheduler is not None:
                    scheduler.step()
                if score is not None and row["val"] < at.lowest:
                    at.lowest, at.best_epoch, at.best_state = row["val"], epoch, state_on_cpu(model)
                at.history.append(row)
                at.epoch, at.step, at.total, at.rows = epoch + 1, 0, torch.zeros_like(at.total), 0
            report(epoch, row)
    except Stopped:
        with unbroken():
            save()
        raise
    at.seconds = time.perf_counter() - started
    return at


def state_on_cpu(model: nn.Module) -> dict[str, Tensor]:
    """A copy of the model's parameters and buffers."""
    return {key: value.detach().cpu().clone() for key, value in model.state_dict().items()}
