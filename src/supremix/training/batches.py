"""Batches of a split, whose order and views depend on seed, stage, epoch and item alone; a model applied to a split."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from supremix.data.dataset import Augment, Split, unchanged
from supremix.data.loading import ahead, pinned, to_device
from supremix.runtime.seeding import generator
from supremix.runtime.sharding import gather, shard

Batch = tuple[Any, Tensor]


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
    labels_on: torch.device | None = None,
) -> Callable[..., Iterator[Batch]]:
    """Shuffled batches of a split with the given labels; an epoch's order depends on seed, stage and epoch only.

    Called with the epoch, and with the number of batches to leave out at its beginning: those are not fetched.

    With ``augment`` a batch is ``views`` random views of its B items, one after the other, (views · B) rows with the
    labels repeated. An item's view depends on seed, stage, epoch and item only.

    Of several ranks each is given its part of a batch's items, and the labels of all.

    ``labels_on``: where the labels are given, if not on ``device``; in float64 then, since they are to be compared with
    each other, and in float32, as targets of a network are, otherwise.
    """
    labels_N = torch.from_numpy(np.asarray(y_N, dtype=np.float32 if labels_on is None else np.float64))

    def uniforms(epoch: int) -> list[Tensor]:
        draws = (generator(seed, stage, "views", epoch, view) for view in range(views))
        return [torch.rand(len(split), augment.draws, generator=draw) for draw in draws] if augment else []

    def epoch_batches(epoch: int, first: int = 0) -> Iterator[Batch]:
        uniforms_NP = uniforms(epoch)
        places = order(len(split), seed, stage, epoch).split(batch_size)[first:]
        own = [shard(index_B) for index_B in places]
        read = inputs(split, [index_B.numpy() for index_B in own], device)
        for whole_B, index_B, x in zip(places, own, read, strict=True):
            y_B = to_device(labels_N[whole_B], labels_on or device)
            if augment is None:
                yield to_input(x), y_B
            else:
                uniform_BP = torch.cat([u_NP[index_B] for u_NP in uniforms_NP])
                yield augment(torch.cat([x] * views), uniform_BP), y_B.repeat(views)

    return epoch_batches


def order(rows: int, seed: int, stage: str, epoch: int) -> Tensor:
    """Row numbers (N,) in the order in which an epoch visits them."""
    return torch.randperm(rows, generator=generator(seed, stage, "order", epoch))


def batch_ids(split: Split, batch_size: int, seed: int, stage: str) -> Callable[[int, int], list[str]]:
    """The ids of the rows that `batches_of` puts into an epoch's batch, both counted from 1."""

    def ids(epoch: int, step: int) -> list[str]:
        index_B = order(len(split), seed, stage, epoch).split(batch_size)[step - 1]
        return [str(name) for name in split.ids[index_B.numpy()]]

    return ids


@torch.no_grad()
def apply(
    model: nn.Module, split: Split, batch_size: int, device: torch.device, to_input: Callable[[Any], Any] = unchanged
) -> Tensor:
    """The model's outputs for all rows of a split, in order, on the CPU; in evaluation mode.

    Of several ranks each computes its part of a batch, and all get all of it.
    """
    model.eval()
    places = np.split(np.arange(len(split)), range(batch_size, len(split), batch_size))
    parts = [
        gather(model(to_input(x)).float(), len(index_B)).cpu()
        for index_B, x in zip(places, inputs(split, [shard(index_B) for index_B in places], device), strict=True)
    ]
    return torch.cat(parts)


def inputs(split: Split, places: Sequence[np.ndarray], device: torch.device) -> Iterator[Any]:
    """What the split's `fetch` gives for each list of rows, on the device."""
    for x in ahead(lambda index_B: pinned(split.fetch(index_B), device), places, split.workers):
        yield to_device(x, device)
