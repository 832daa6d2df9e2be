"""Stops a fit whose numbers are no longer finite, and names the first such step."""

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

from supremix.errors import UserError

STEPS_AT_ONCE = 32  # steps between two looks at the device, each of which waits for it
IDS_SHOWN = 8


class Watch:
    """Collects losses and gradient norms on the device, and looks at them once in some steps.

    Args:
        ids: row ids of the batch of an epoch and a step, both from 1.
        last_good: the newest checkpoint; `check` is called before each save, so it has finite numbers.
    """

    def __init__(self, ids: Callable[[int, int], list[str]], last_good: Callable[[], Path | None]) -> None:
        self._ids, self._last_good = ids, last_good
        self._steps: list[tuple[int, int]] = []
        self._values: list[Tensor] = []

    def note(self, epoch: int, step: int, loss: Tensor, norm: Tensor) -> None:
        """Add a step's loss and gradient norm, both ()."""
        self._steps.append((epoch, step))
        self._values += [loss.detach(), norm]
        if len(self._steps) == STEPS_AT_ONCE:
            self.check()

    def check(self) -> None:
        """Raise UserError naming the first step since the last look whose loss or gradient is not finite."""
        if not self._steps:
            return
        values_S2 = torch.stack(self._values).view(-1, 2)
        bad_S = ~values_S2.isfinite().all(dim=1)
        if bad_S.any():
            first = int(bad_S.int().argmax())
            raise UserError(self._message(*self._steps[first], *values_S2[first].tolist()))
        self._steps, self._values = [], []

    def _message(self, epoch: int, step: int, loss: float, norm: float) -> str:
        what, value = ("gradient", norm) if math.isfinite(loss) else ("loss", loss)
        ids = self._ids(epoch, step)
        more = f" and {len(ids) - IDS_SHOWN} more" if len(ids) > IDS_SHOWN else ""
        return (
            f"the {what} became {value} in epoch {epoch}, step {step}, on the rows {', '.join(ids[:IDS_SHOWN])}{more}: "
            f"{self._way_out(epoch, step, loss)}; last good checkpoint: {self._last_good() or 'none'}"
        )

    @staticmethod
    def _way_out(epoch: int, step: int, loss: float) -> str:
        if epoch == step == 1 and not math.isfinite(loss):  # no step has changed a weight yet
            return "check these inputs and the settings of the loss, or lower the learning rate and weight decay"
        return "lower the learning rate and weight decay, or check these inputs"


@contextmanager
def small_batches() -> Iterator[None]:
    """Turn PyTorch's error on batch normalisation over a single value into UserError."""
    try:
        yield
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        raise UserError(
            "the last batch of an epoch has one row, over which batch normalisation has no variance: choose another "
            f"batch_size or dataset.subset.train_size ({error})"
        ) from error


def largest_gradient(parameters: Iterable[nn.Parameter]) -> Tensor:
    """Return the largest absolute value of all gradients, (); unlike a sum of squares it overflows only with them."""
    gradients = [parameter.grad.reshape(-1) for parameter in parameters if parameter.grad is not None]
    # Of one copy: a norm of each parameter takes longer than the step of a small network, and the infinity norm of
    # torch.linalg ten times as long as this.
    copy = torch.cat(gradients)
    return (copy.abs() if copy.is_complex() else copy.abs_()).amax()
