"""Batches of a split, whose order and views depend on seed, stage, epoch and item alone; a model applied to a split."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from supremix.data.dataset import Augment, Split, unchanged
from supremix.data.loading import ahead, pinned, to_device
from supremix.runtime.seeding import generator
from supremix.runtime.sharding import gather, shard
from supremix.training.mixing import mixed, mixture

Batch = tuple[Any, Tensor]


class Stream(NamedTuple):
    """Names the random numbers of a stage."""

    seed: int
    stage: str


@dataclass(frozen=True)
class Items:
    """The rows that a model trains on.

    Args:
        split: gives the inputs of its N rows.
        y_N: what a batch gives of its rows beside their inputs (N,): labels, targets or row numbers.
        to_input: turns what the split fetches into what the model takes, where there is no augmentation.
        augment: makes random views of fetched items; None for no augmentation.
        views: number of views of each item in a batch.
        labels_on: the device of ``y_N``, if it is not the batches'. Numbers are float64 then, since they are to be
            compared with each other; else float32, as targets of a network are.
        mixing: draws partners of rows (`mixing.Mixup`); inputs and ``y_N``, targets, are mixed with theirs.
    """

    split: Split
    y_N: np.ndarray
    to_input: Callable[[Any], Any] = unchanged
    augment: Augment | None = None
    views: int = 1
    labels_on: torch.device | None = None
    mixing: Any = None


def batches_of(items: Items, batch_size: int, stream: Stream, device: torch.device) -> Callable[..., Iterator[Batch]]:
    """Return a function that yields the shuffled batches of an epoch; it takes the epoch and the first batch's number.

    Batches before the first one are not fetched. An epoch's order depends on the stream and the epoch only, an item's
    view on the stream, epoch and item only. With augmentation a batch is the views of its B items, one after the
    other, (views · B) rows with the labels repeated. With several ranks, each gets its share of the inputs and all
    labels.
    """
    split, augment, views = items.split, items.augment, items.views
    y_N, mixing = torch.from_numpy(items.y_N), items.mixing
    if y_N.is_floating_point():
        y_N = y_N.float() if items.labels_on is None else y_N.double()

    def uniforms(epoch: int) -> list[Tensor]:
        draws = (generator(*stream, "views", epoch, view) for view in range(views))
        return [torch.rand(len(split), augment.draws, generator=draw) for draw in draws] if augment else []

    def epoch_batches(epoch: int, first: int = 0) -> Iterator[Batch]:
        uniforms_NP = uniforms(epoch)
        places = [*enumerate(order(len(split), stream, epoch).split(batch_size))][first:]
        drawn = [
            None if mixing is None else mixing.partners(whole_B.numpy(), generator(*stream, "mixing", epoch, step))
            for step, whole_B in places
        ]
        own = [
            shard(whole_B) if pair is None else torch.cat([shard(whole_B), shard(torch.as_tensor(pair[0]))])
            for (_, whole_B), pair in zip(places, drawn, strict=True)
        ]
        fetched = inputs(split, [index_B.numpy() for index_B in own], device)
        for (_, whole_B), pair, index_B, x in zip(places, drawn, own, fetched, strict=True):
            y_B = y_N[whole_B] if pair is None else mixed(torch.cat([y_N[whole_B], y_N[pair[0]]]), pair[1])
            y_B = to_device(y_B, items.labels_on or device)
            if augment is None:
                x = items.to_input(x)
            else:
                x = augment(torch.cat([x] * views), torch.cat([u_NP[index_B] for u_NP in uniforms_NP]))
                y_B = y_B.repeat(views)
            yield x if pair is None else mixture(x, to_device(shard(pair[1]), device), mixing.layer), y_B

    return epoch_batches


def order(rows: int, stream: Stream, epoch: int) -> Tensor:
    """Return the row numbers (N,) in the order in which an epoch visits them."""
    return torch.randperm(rows, generator=generator(*stream, "order", epoch))


def batch_ids(split: Split, batch_size: int, stream: Stream) -> Callable[[int, int], list[str]]:
    """Return a function from epoch and step, both from 1, to the ids of the rows that `batches_of` puts there."""

    def ids(epoch: int, step: int) -> list[str]:
        index_B = order(len(split), stream, epoch).split(batch_size)[step - 1]
        return [str(name) for name in split.ids[index_B.numpy()]]

    return ids


@torch.no_grad()
def apply(
    model: nn.Module, split: Split, batch_size: int, device: torch.device, to_input: Callable[[Any], Any] = unchanged
) -> Tensor:
    """Return the model's outputs for all rows of a split, in order, on the CPU; in evaluation mode.

    With several ranks, each computes its share of a batch, and all get all of it.
    """
    model.eval()
    places = np.split(np.arange(len(split)), range(batch_size, len(split), batch_size))
    parts = [
        gather(model(to_input(x)).float(), len(index_B)).cpu()
        for index_B, x in zip(places, inputs(split, [shard(index_B) for index_B in places], device), strict=True)
    ]
    return torch.cat(parts)


def inputs(split: Split, places: Sequence[np.ndarray], device: torch.device) -> Iterator[Any]:
    """Yield what the split's `fetch` gives for each list of rows, on the device."""
    for x in ahead(lambda index_B: pinned(split.fetch(index_B), device), places, split.workers):
        yield to_device(x, device)
