"""Feature distribution smoothing while the backbone is trained: running statistics, and the model that uses them."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from supremix.data.loading import to_device
from supremix.runtime.sharding import gather, shard
from supremix.runtime.signals import unbroken
from supremix.training.imbalance.bins import Bins
from supremix.training.imbalance.fds import FDS, Calibration, Moments, calibration, merged, moments, variance


class RunningFDS(nn.Module):
    """Calibration of features that change as the backbone is trained.

    An epoch's statistics are of its own training features, before calibration, as the epoch came across them; after it
    they are mixed into running ones with the momentum, and these calibrate the next epoch's features. So they describe
    what they calibrate (augmented views, dropout and batch norm as in training) and cost no further pass over the data.
    Features move within an epoch too, yet less than over the epochs that the momentum averages.

    Everything that outlasts an epoch is a buffer, so that a saved state goes on as if it had not been interrupted.
    """

    rows: Tensor
    mean: Tensor
    variance: Tensor
    epoch_rows: Tensor
    epoch_mean: Tensor
    epoch_squares: Tensor
    epoch: Tensor

    def __init__(self, fds: FDS, bins: Bins, channels: int) -> None:
        super().__init__()
        self.fds, self.bins = fds, bins
        for name in ("", "epoch_"):
            self.register_buffer(f"{name}rows", torch.zeros(bins.count))
            self.register_buffer(f"{name}mean", torch.zeros(bins.count, channels))
        self.register_buffer("variance", torch.zeros(bins.count, channels))
        self.register_buffer("epoch_squares", torch.zeros(bins.count, channels))
        self.register_buffer("epoch", torch.zeros((), dtype=torch.int64))  # the one in work
        self.current: Calibration | None = None

    @torch.no_grad()
    def start(self, epoch: int) -> None:
        """Take up the statistics of the epoch before this one, 1 being the first; once, even if it is resumed."""
        if epoch != int(self.epoch):
            with unbroken():
                before = Moments(self.epoch_rows, self.epoch_mean, self.epoch_squares)
                if epoch - 1 > self.fds.start_update:
                    self._update(before)
                for buffer in before:
                    buffer.zero_()
                self.epoch.fill_(epoch)
        known = bool(self.rows.any()) and epoch > self.fds.start_smooth
        self.current = (
            calibration(self.rows, self.mean, self.variance, self.fds.smoothing(self.bins)) if known else None
        )

    def _update(self, epoch: Moments) -> None:
        first_K1 = self.rows[:, None] == 0
        kept_KD = torch.where(first_K1, 0.0, self.fds.momentum)
        self.mean.lerp_(epoch.mean_KD, 1 - kept_KD)
        self.variance.lerp_(variance(epoch), 1 - kept_KD)
        self.rows.copy_(epoch.rows_K)

    def forward(self, h_BD: Tensor, bin_B: Tensor) -> Tensor:
        """Return features of training rows, calibrated; unchanged while no statistics are known.

        With several ranks, each has its share of a batch's features and the bin numbers of all rows.
        """
        z_BD = gather(h_BD.detach().float(), len(bin_B))
        epoch = Moments(self.epoch_rows, self.epoch_mean, self.epoch_squares)
        for buffer, value in zip(epoch, merged(epoch, moments(z_BD, bin_B, len(self.rows))), strict=True):
            buffer.copy_(value)
        return h_BD if self.current is None else self.current(h_BD, shard(bin_B)).to(h_BD.dtype)


class Labelled(NamedTuple):
    """A training batch's input, with several ranks this rank's share, and the bin numbers (B,) of all its rows."""

    x: Any
    bin_B: Tensor


def labelled(
    batches: Callable[[int, int], Iterator[tuple[Any, Tensor]]], fds: RunningFDS, bin_N: np.ndarray
) -> Callable[..., Iterator[tuple[Any, Tensor]]]:
    """Return the batches with bin numbers beside the inputs; each epoch first takes up the statistics of the last.

    Args:
        batches: of inputs and row numbers.
        fds: calibrates features.
        bin_N: of the training rows.
    """
    of_row_N = torch.from_numpy(bin_N)

    def epoch_batches(epoch: int, first: int = 0) -> Iterator[tuple[Any, Tensor]]:
        fds.start(epoch)
        bin_on_device_N = to_device(of_row_N, fds.rows.device)
        for x, row_B in batches(epoch, first):
            yield Labelled(x, bin_on_device_N[row_B.to(fds.rows.device, non_blocking=True)]), row_B

    return epoch_batches
