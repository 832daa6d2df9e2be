"""Changes to a dataset's rows: fewer training rows (figure 4, table 15), permuted labels (figure 2). N rows."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from supremix.data.dataset import Data, Split, check_trainable
from supremix.data.splits import random_order
from supremix.errors import UserError
from supremix.runtime.seeding import generator


def training_subset(data: Data, *, train_size: int | None, missing: Any, seed: int) -> Data:
    """The same data with some of its training rows; validation and test stay whole.

    train_size: how many rows are left, drawn by `seed`; None for all. With one seed, fewer rows are always among
    more. missing: ranges [low, high] in label units; rows whose label lies in one, ends included, are left out
    before the draw. Whatever was derived from all training rows when the data was loaded, such as `target`, stays.
    Raises UserError naming the key where too few rows are there, or ranges are malformed.
    """
    if train_size is None and missing is None:
        return data
    y_N = data.train.y
    kept_N = np.full(len(y_N), True) if missing is None else ~inside(y_N, checked_ranges(missing))
    if not kept_N.any():
        raise UserError(
            f"dataset.subset.missing={missing}: no training row of {data.name} is left, "
            f"their labels run from {y_N.min():g} to {y_N.max():g}: give narrower ranges"
        )
    rows = np.flatnonzero(kept_N)
    if train_size is not None:
        if train_size > len(rows):
            raise UserError(
                f"dataset.subset.train_size={train_size}: {data.name} has {len(rows)} training rows to draw from: "
                "give that many or fewer"
            )
        order_N = random_order(len(y_N), f"{seed}/subset")
        rows = np.sort(order_N[kept_N[order_N]][:train_size])
    left = replace(data, train=rows_of(data.train, rows))
    try:
        check_trainable(left)
    except UserError as error:
        raise UserError(f"dataset.subset: {error}") from None
    return left


def rows_of(split: Split, rows: np.ndarray) -> Split:
    """The rows with these numbers, in their order."""
    return replace(
        split,
        ids=split.ids[rows],
        y=split.y[rows],
        fetch=lambda index_B: split.fetch(rows[np.asarray(index_B)]),
    )


def inside(y_N: np.ndarray, ranges: Sequence[Sequence[float]]) -> np.ndarray:
    """Whether each label lies in one of the ranges [low, high], both ends included, (N,) bool."""
    return np.any([(low <= y_N) & (y_N <= high) for low, high in ranges], axis=0)


def checked_ranges(ranges: Any) -> list[tuple[float, float]]:
    """The ranges as pairs; UserError where they are none."""
    try:
        pairs = [(float(low), float(high)) for low, high in ranges]
    except (TypeError, ValueError):
        pairs = []
    if not pairs or not all(low <= high for low, high in pairs):  # the comparison fails for NaN too
        raise UserError(
            f"dataset.subset.missing={ranges}: give ranges of labels, [[low, high], …], none with low above high"
        )
    return pairs


def permute_labels(data: Data, seed: int) -> Data:
    """Permute the label bins of the training and validation rows; the test rows keep their labels.

    Equal labels stay equal and different ones different: all rows of a bin move to one other bin, and keep their
    place in it. The permutation depends on the seed and on the bins only. Targets keep their scale.
    """
    bins = {split: data.label_bins(getattr(data, split).y) for split in ("train", "val")}
    values_V = np.unique(np.concatenate(list(bins.values())))
    moved_V = values_V[torch.randperm(len(values_V), generator=generator(seed, "labels", "permutation")).numpy()]

    def permuted(split: Split, bins_N: np.ndarray) -> Split:
        return replace(split, y=split.y - bins_N + moved_V[np.searchsorted(values_V, bins_N)])

    return replace(data, train=permuted(data.train, bins["train"]), val=permuted(data.val, bins["val"]))
