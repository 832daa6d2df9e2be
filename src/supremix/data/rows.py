"""Change a dataset's rows: fewer training rows (figure 4, table 15), other labels (figure 2). Shape: N rows."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from supremix.data.check import check_trainable
from supremix.data.dataset import Data, Split
from supremix.data.splits import random_order, random_uniforms
from supremix.errors import UserError
from supremix.metrics.rounding import DOUBLE
from supremix.runtime.seeding import generator


def training_subset(data: Data, *, train_size: int | None, missing: Any, skew: float | None, seed: int) -> Data:
    """Keep some of the training rows; validation and test rows stay.

    What loading derived from all training rows, such as ``target``, stays too.

    Args:
        data: the whole dataset.
        train_size: rows to keep, drawn from what the others leave; None keeps all. A smaller draw of a seed is a part
            of its larger draws.
        missing: label ranges [low, high], ends included, whose rows are left out; None for none.
        skew: rows stay with a chance that falls with their label, from 1 at the lowest to exp(−skew) at the highest;
            None keeps all.
        seed: seed of the draws.

    Raises:
        UserError: too few rows remain, or the ranges are malformed; names the key.
    """
    if train_size is None and missing is None and skew is None:
        return data
    y_N = data.train.y
    for key, value in {"missing": missing, "skew": skew}.items():
        if value is not None and data.vectors is not None:
            raise UserError(f"dataset.subset.{key} chooses rows by one label, and these are vectors: set it to null")
    eligible_N = np.full(len(y_N), True) if missing is None else ~inside(y_N, checked_ranges(missing))
    if not eligible_N.any():
        raise UserError(
            f"dataset.subset.missing={missing}: no training row of {data.name} is left, "
            f"their labels run from {y_N.min():g} to {y_N.max():g}: give narrower ranges"
        )
    if skew is not None:
        height_N = (y_N - y_N.min()) / (np.ptp(y_N) or 1.0)
        eligible_N &= random_uniforms(len(y_N), f"{seed}/skew") < np.exp(-skew * height_N)
    rows = np.flatnonzero(eligible_N)
    if train_size is not None:
        if train_size > len(rows):
            raise UserError(
                f"dataset.subset.train_size={train_size}: {data.name} has {len(rows)} training rows to draw from: "
                "give that many or fewer"
            )
        order_N = random_order(len(y_N), f"{seed}/subset")
        rows = np.sort(order_N[eligible_N[order_N]][:train_size])
    left = replace(data, train=rows_of(data.train, rows))
    try:
        check_trainable(left)
    except UserError as error:
        raise UserError(f"dataset.subset: {error}") from None
    return left


def rows_of(split: Split, rows: np.ndarray) -> Split:
    """Return the rows with these numbers, in their order."""
    return replace(
        split,
        ids=split.ids[rows],
        y=split.y[rows],
        fetch=lambda index_B: split.fetch(rows[np.asarray(index_B)]),
    )


def inside(y_N: np.ndarray, ranges: Sequence[Sequence[float]]) -> np.ndarray:
    """Return for each label whether one of the ranges [low, high] contains it, (N,) bool; the ends up to rounding."""
    slack = DOUBLE * np.abs(y_N).max(initial=0)
    return np.any([(low - slack <= y_N) & (y_N <= high + slack) for low, high in ranges], axis=0)


def checked_ranges(ranges: Any) -> list[tuple[float, float]]:
    """Return the ranges as pairs; raise UserError if they are malformed."""
    try:
        pairs = [(float(low), float(high)) for low, high in ranges]
    except (TypeError, ValueError):
        pairs = []
    if not pairs or not all(low <= high for low, high in pairs):  # the comparison fails for NaN too
        raise UserError(
            f"dataset.subset.missing={ranges}: give ranges of labels, [[low, high], …], none with low above high"
        )
    return pairs


def with_label_noise(data: Data, noise: float, seed: int) -> Data:
    """Add normal noise to the training labels, ``noise`` times their standard deviation; the other rows keep theirs.

    It is added in the units that the head predicts, so that a price whose logarithm is predicted stays above 0. Smaller
    noise of a seed is larger noise scaled down. Targets keep their scale.
    """
    from scipy.special import ndtri

    t_N = data.target.encode(data.train.y)
    uniform_N = random_uniforms(t_N.size, f"{seed}/label noise")
    normal_N = ndtri(np.clip(uniform_N, 1e-9, None)).reshape(t_N.shape)  # 0 would be minus infinity
    y_N = data.target.decode(t_N + noise * t_N.std(axis=0) * normal_N)
    return replace(data, train=replace(data.train, y=y_N))


def permute_labels(data: Data, seed: int) -> Data:
    """Permute the label bins of the training and validation rows; the test rows keep their labels.

    All rows of a bin move to the same other bin and keep their place within it, so that equal labels stay equal and
    different labels different. The permutation depends on the seed and the bins only. Targets keep their scale.
    """
    if data.vectors is not None:
        raise UserError("dataset.permute_labels moves bins of one label, and these are vectors: set it to null")
    bins = {split: data.label_bins(getattr(data, split).y) for split in ("train", "val")}
    values_V = np.unique(np.concatenate(list(bins.values())))
    moved_V = values_V[torch.randperm(len(values_V), generator=generator(seed, "labels", "permutation")).numpy()]

    def permuted(split: Split, bins_N: np.ndarray) -> Split:
        return replace(split, y=split.y - bins_N + moved_V[np.searchsorted(values_V, bins_N)])

    return replace(data, train=permuted(data.train, bins["train"]), val=permuted(data.val, bins["val"]))
