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
        y_N: what a batch gives of its rows beside their inputs, (N,) or (N, T): labels, targets or row numbers.
        to_input: turns what the split fetches into what the model takes, where there is no augmentation.
        augment: makes random views of fetched items; None for no augmentation.
        views: number of views of each item in a batch.
        labels_on: the device of ``y_N``, if it is not the batches'. Numbers are float64 then, since they are to be
            compared with each other; else float32, as targets of a network are.
        mixing: draws partners of rows (`mixing.Mixup`); inputs and ``y_N``, targets, are mixed with theirs.
        sampler: how the batches of an epoch are drawn (`epoch_rows`); "paired" goes by ``y_N``.
    """

    split: Split
    y_N: np.ndarray
    to_input: Callable[[Any], Any] = unchanged
    augment: Augment | None = None
    views: int = 1
    labels_on: torch.device | None = None
    mixing: Any = None
    sampler: str = "shuffled"


def batches_of(items: Items, batch_size: int, stream: Stream, device: torch.device) -> Callable[..., Iterator[Batch]]:
    """Return a function that yields the batches of an epoch; it takes the epoch and the first batch's number.

    Batches (`epoch_rows`) before the first one are not fetched. An epoch's rows depend on labels, stream and epoch
    only, an item's view on stream, epoch and item only. With augmentation a batch is the views of its B items, one
    after the other, (views · B) rows with the labels repeated. With several ranks, each gets its share of the inputs
    and all labels.
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
        places = [*enumerate(epoch_rows(items.y_N, batch_size, stream, epoch, items.sampler))][first:]
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
                y_B = torch.cat([y_B] * views)
            yield x if pair is None else mixture(x, to_device(shard(pair[1]), device), mixing.layer), y_B

    return epoch_batches


def epoch_rows(
    label_N: np.ndarray, batch_size: int, stream: Stream, epoch: int, sampler: str = "shuffled"
) -> tuple[Tensor, ...]:
    """Return the row numbers of an epoch's batches, of ``batch_size`` rows but for the last.

    Args:
        label_N: labels of all rows; only "paired" reads them.
        batch_size: rows of a batch; even with "paired".
        stream: seed and stage.
        epoch: from 1.
        sampler: "shuffled" takes every row once, in random order. "paired" takes the first half of that order, each row
            followed by its partner, another row (`partners`), in as many batches; where the number of rows is odd the
            last batch has one row more. A row may stand in a batch twice: by itself and as a partner.
    """
    order_N = torch.randperm(len(label_N), generator=generator(*stream, "order", epoch))
    if sampler == "paired":
        anchor_A = order_N[: (len(order_N) + 1) // 2]
        partner_A = partners(anchor_A.numpy(), label_N, generator(*stream, "partners", epoch))
        order_N = torch.stack([anchor_A, torch.from_numpy(partner_A)], dim=1).flatten()
    return order_N.split(batch_size)


def partners(anchor_A: np.ndarray, label_N: np.ndarray, draw: torch.Generator) -> np.ndarray:
    """Draw for each anchor another row with its label; where there is none, one with the nearest label.

    Of two labels that are as near it is the lower.

    Args:
        anchor_A: row numbers of the anchors.
        label_N: labels of all rows.
        draw: gives one number an anchor.
    """
    by_label_N = label_N.argsort(kind="stable")
    place_N = np.empty(len(label_N), np.int64)
    place_N[by_label_N] = np.arange(len(label_N))
    label_U, group_N, rows_U = np.unique(label_N, return_inverse=True, return_counts=True)
    gap_U = np.diff(label_U, prepend=-np.inf, append=np.inf)
    nearest_U = np.arange(len(label_U)) + np.where(gap_U[1:] < gap_U[:-1], 1, -1)
    own_A = rows_U[group_N[anchor_A]] > 1
    group_A = np.where(own_A, group_N[anchor_A], nearest_U[group_N[anchor_A]])
    first_A, rows_A = (rows_U.cumsum() - rows_U)[group_A], rows_U[group_A]
    step_A = (torch.rand(len(anchor_A), generator=draw, dtype=torch.float64).numpy() * (rows_A - own_A)).astype(int)
    # Among its own label's rows an anchor counts on from itself: by 1 at least, and by less than their number.
    start_A = np.where(own_A, place_N[anchor_A] - first_A + 1, 0)
    return by_label_N[first_A + (start_A + step_A) % rows_A]


def batch_ids(items: Items, batch_size: int, stream: Stream) -> Callable[[int, int], list[str]]:
    """Return a function from epoch and step, both from 1, to the ids of the rows that `batches_of` puts there."""

    def ids(epoch: int, step: int) -> list[str]:
        index_B = epoch_rows(items.y_N, batch_size, stream, epoch, items.sampler)[step - 1]
        return [str(name) for name in items.split.ids[index_B.numpy()]]

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
