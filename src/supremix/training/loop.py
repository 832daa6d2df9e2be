"""The one optimisation loop, used by pre-training, by end-to-end training and by the linear probe."""

import math
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
from supremix.runtime.seeding import seed_global
from supremix.runtime.sharding import gather, seed_loss, seed_step
from supremix.runtime.signals import unbroken
from supremix.training.batches import Batch, Stream
from supremix.training.checkpoint import Checkpoints, resumed, snapshot
from supremix.training.microbatch import backward_in_parts
from supremix.training.not_finite import Watch, largest_gradient, small_batches
from supremix.training.settings import FitSettings

EpochRow = dict[str, float]
"""An epoch's values by name: a row of the history."""

Report = Callable[[int, EpochRow], None]
"""Called with an epoch and its row: loss, val (when scored) and the values that the reader returned."""


class Reader(Protocol):
    """Reads statistics off batches while they train; it changes nothing and does not wait for the device."""

    def read(self, epoch: int, output: Any, y_B: Tensor, loss: Tensor) -> None:
        """Take in what the model gave for a batch, without gradient, the batch's labels, and its loss, ()."""

    def close(self) -> EpochRow:
        """Return the epoch's statistics, and start anew."""

    def state_dict(self) -> dict[str, Tensor]:
        """Return all that was read, for a checkpoint."""

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Go on from what was read before an interruption."""


@dataclass(frozen=True)
class Task:
    """What is minimised: ``objective(model(x), y)`` over ``batches(epoch, first)``.

    Args:
        model: as made by ``fabric.setup``, like the optimizer.
        optimizer: of the model's parameters.
        batches: the batches of an epoch from number ``first`` on; each call gives the same batches. With several
            ranks, each gets its share of the inputs and all labels.
        objective: from outputs and labels to the loss, ().
        stream: with the epoch it seeds torch's global generator, which dropout draws from.
        scheduler: stepped after each epoch.
        score: validation value after an epoch, lower is better, infinity where it is undefined; its best epoch's state
            is kept on the CPU.
        patience: epochs without a lower score, after which training ends; None trains for all epochs.
        generators: what ``objective`` draws from beside torch's global generator.
        ids: row ids of the batch of an epoch and a step, both from 1, for messages.
        views: of each item in a batch, all first ones before the second ones.
        microbatch: rows that the model takes at a time; None takes the batch as a whole.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    batches: Callable[[int, int], Iterator[Batch]]
    objective: Callable[[Any, Tensor], Tensor]
    stream: Stream
    scheduler: torch.optim.lr_scheduler.LRScheduler | None = None
    score: Callable[[], float] | None = None
    patience: int | None = None
    generators: Sequence[torch.Generator] = ()
    ids: Callable[[int, int], list[str]] = lambda epoch, step: []
    views: int = 1
    microbatch: int | None = None


@dataclass(frozen=True)
class Hooks:
    """What goes along with a fit and does not change its result.

    Args:
        report: called after each epoch.
        checkpoints: where to go on from, and where to save now and then, and when stopped; None saves nothing.
        reader: is given every ``log_every``-th batch of an epoch, the first one included.
        log_every: in steps.
        measure: called with an epoch, between its score and its report; gives more columns of its row.
    """

    report: Report = lambda epoch, row: None
    checkpoints: Checkpoints | None = None
    reader: Reader | None = None
    log_every: int = 1
    measure: Callable[[int], EpochRow] = lambda epoch: {}


NO_HOOKS = Hooks()


@dataclass
class Fitted:
    """Outcome of a fit: one row an epoch, the state of the epoch with the lowest score, and histograms of logits.

    While the fit lasts it also is its state: ``step`` batches of ``epoch`` are done, with ``rows`` rows and the sum
    ``total`` of their losses. A checkpoint holds these fields beside the states of model and optimizer.
    """

    history: list[EpochRow] = field(default_factory=list)
    best_epoch: int = 0
    best_state: dict[str, Tensor] | None = None
    seconds: float = 0.0
    histograms: dict[str, np.ndarray] = field(default_factory=dict)
    lowest: float = float("inf")
    epoch: int = 1
    step: int = 0
    total: Tensor = field(default_factory=lambda: torch.zeros(()))
    rows: int = 0

    @classmethod
    def of(cls, values: dict[str, Any]) -> "Fitted":
        """Return the state with these values, of a checkpoint; ValueError or TypeError where they are none."""
        state, fresh = cls(**values), cls()
        wrong = [
            name
            for name, value in vars(fresh).items()
            if name != "best_state" and not isinstance(getattr(state, name), type(value))
        ]
        wrong += ["history"] * (len(state.history) != state.epoch - 1)
        if wrong or state.total.shape != ():
            raise ValueError(f"its {(wrong or ['total'])[0]} is of another kind")
        return state


@small_batches()
@ranks.stopping_together()
def fit(fabric: Fabric, task: Task, settings: FitSettings, hooks: Hooks = NO_HOOKS) -> Fitted:
    """Train for epochs 1, 2, … of ``settings.epochs``, from the newest checkpoint on where there is one.

    Raises:
        UserError: loss or gradient are not finite.
        Stopped: a signal came; the state was saved.
    """
    run = _Fit(fabric, task, settings, hooks)
    state = run.state
    try:
        for epoch, row in enumerate(state.history, 1):
            hooks.report(epoch, row)
        while state.epoch <= settings.epochs and not patience_is_over(state, task.patience):
            run.epoch()
            hooks.report(len(state.history), state.history[-1])
    except Stopped:
        with unbroken():
            run.save()
        raise
    state.seconds = run.seconds()
    return state


class _Fit:
    """A fit that goes on: its state, a step, an epoch, a checkpoint."""

    def __init__(self, fabric: Fabric, task: Task, settings: FitSettings, hooks: Hooks) -> None:
        self.fabric, self.task, self.clip, self.hooks = fabric, task, settings.clip, hooks
        self.scaler = getattr(fabric.strategy.precision, "scaler", None)
        self.parameters = list(task.model.parameters())
        self.parts: dict[str, Any] = {
            "model": task.model,
            "optimizer": task.optimizer,
            "precision": fabric.strategy.precision,
        }
        self.parts |= {"scheduler": task.scheduler} if task.scheduler is not None else {}
        self.parts |= {"reader": hooks.reader} if hooks.reader is not None else {}
        checkpoints = hooks.checkpoints
        saved = checkpoints and resumed(checkpoints, self.parts, task.generators, fabric.device, self._read)
        self.state = saved or Fitted()
        self.state.total = self.state.total.to(fabric.device)
        self.watch = Watch(task.ids, checkpoints.newest if checkpoints else lambda: None)
        self.started = time.perf_counter() - self.state.seconds

    def seconds(self) -> float:
        """Return how long the fit has taken, those before an interruption included."""
        return time.perf_counter() - self.started

    def save(self) -> None:
        """Save the state, unless its numbers are not finite."""
        self.watch.check()
        state, checkpoints = self.state, self.hooks.checkpoints
        state.seconds = self.seconds()
        if checkpoints is not None and ranks.is_first():
            values = snapshot(self.parts, self.task.generators, self.fabric.device, vars(state))
            checkpoints.save(state.epoch, state.step, values)

    def epoch(self) -> None:
        """Train for what is left of an epoch, and score it."""
        state, task, checkpoints = self.state, self.task, self.hooks.checkpoints
        task.model.train()
        if state.step == 0:
            seed_global(self.fabric.device, *task.stream, "dropout", state.epoch)
        for x, y_B in task.batches(state.epoch, state.step):
            with unbroken():
                self._step(x, y_B)
                if checkpoints is not None and ranks.is_first() and checkpoints.due():
                    self.save()
            ranks.stop_if_asked()
        self.watch.check()
        row = {"loss": float(state.total) / state.rows}
        if task.score is not None:
            task.model.eval()
            row["val"] = float(task.score())
        row |= self.hooks.measure(state.epoch)
        with unbroken():
            self._close(row)

    def _step(self, x: Any, y_B: Tensor) -> None:
        task, state, fabric = self.task, self.state, self.fabric
        model, optimizer, reader = task.model, task.optimizer, self.hooks.reader

        def loss_of(part: Any) -> tuple[Any, Tensor]:
            output = gather(part, len(y_B), task.views)
            seed_loss(fabric.device, task.stream, state.epoch, state.step)
            return output, task.objective(output, y_B)

        optimizer.zero_grad(set_to_none=True)
        seed_step(fabric.device, task.stream, state.epoch, state.step)
        if task.microbatch is None:
            output, loss = loss_of(model(x))
            fabric.backward(loss)
        else:
            output, loss = backward_in_parts(fabric, model, x, task.microbatch, loss_of)
        # A scaled gradient may overflow: its step is skipped and the scale lowered, so that only the loss is watched.
        norm = loss.detach() if self.scaler is not None else largest_gradient(self.parameters)
        if self.clip is not None:
            if self.scaler is not None:  # Fabric's own clipping refuses fused optimizers, which need not unscale then
                self.scaler.unscale_(getattr(optimizer, "optimizer", optimizer))
            nn.utils.clip_grad_norm_(self.parameters, self.clip)
        optimizer.step()
        state.total += loss.detach() * len(y_B)
        state.rows += len(y_B)
        if reader is not None and state.step % self.hooks.log_every == 0:
            reader.read(state.epoch, output.detach(), y_B, loss.detach())
        state.step += 1
        self.watch.note(state.epoch, state.step, loss, norm)

    def _close(self, row: EpochRow) -> None:
        state, task, reader = self.state, self.task, self.hooks.reader
        row |= reader.close() if reader is not None else {}
        if task.scheduler is not None:
            task.scheduler.step()
        # While the score is undefined, which is infinity, the last epoch stands in for the best.
        if task.score is not None and (row["val"] < state.lowest or math.isinf(state.lowest)):
            state.lowest, state.best_epoch, state.best_state = row["val"], state.epoch, state_on_cpu(task.model)
        state.history.append(row)
        state.epoch, state.step, state.total, state.rows = state.epoch + 1, 0, torch.zeros_like(state.total), 0

    def _read(self, values: dict[str, Any]) -> Fitted:
        if not all(bool(parameter.isfinite().all()) for parameter in self.parameters):
            raise ValueError("a weight is not finite")
        return Fitted.of(values)


def patience_is_over(state: Fitted, patience: int | None) -> bool:
    """Return whether the score has not become lower for ``patience`` epochs; while it is undefined it waits."""
    return patience is not None and len(state.history) - state.best_epoch >= patience


def state_on_cpu(model: nn.Module) -> dict[str, Tensor]:
    """Return a copy of the model's parameters and buffers."""
    return {key: value.detach().cpu().clone() for key, value in model.state_dict().items()}
