"""Tell before a training, from the labels alone, whether a contrastive loss finds positives in its batches."""

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import torch

from supremix.data.dataset import BINS_AT_MOST, Data
from supremix.errors import UserError
from supremix.runtime import ranks
from supremix.runtime.log import FILE_ONLY
from supremix.training.batches import Stream, epoch_rows
from supremix.training.settings import AdaptSettings, MethodSettings

log = logging.getLogger(__name__)

BATCHES = 32
"""Batches that are looked at: the first of the training."""

FEW = 0.2
"""Share of anchors with a positive below which a warning is given."""

ENOUGH = 0.5
"""Share of anchors with a positive that a suggested width of bins gives."""

BINS_PER_WINDOW = 5
"""Width of a suggested window, in bins: that of the paper for ages."""


class Words(NamedTuple):
    """How messages speak of a loss: who it is, what comes of no positives, and the keys of its window and the rest."""

    who: str
    nothing: str
    window: str
    others: str


class Seen(NamedTuple):
    """Which batches a loss sees: the training's stream, labels ("binned" or "raw"), sizes, and views of each row."""

    stream: Stream
    labels: str
    batch_size: int
    epochs: int
    sampler: str
    views: int
    words: Words


def in_pretraining(data: Data, method: MethodSettings, seed: int) -> Seen:
    """Return which batches the loss of pre-training sees."""
    stage = method.pretrain
    views = stage.views if data.contrastive_views is not None else 1
    others = "method.loss or method.pretrain.batch_size"
    words = Words("", "pre-training would learn nothing", "method.window", others)
    return Seen(Stream(seed, "pretrain"), method.labels, stage.batch_size, stage.epochs, stage.sampler, views, words)


def in_adaptation(data: Data, settings: AdaptSettings, name: str, labels: str, views: int, seed: int) -> Seen:
    """Return which batches the loss of the regulariser of that name sees."""
    views = views if data.training_views is not None else 1
    others = f"method.regression.regularisers.{name} or protocol.batch_size"
    words = Words(f"the regulariser {name}: ", "it would add nothing", "dataset.recipe.window", others)
    return Seen(Stream(seed, "adapt"), labels, settings.batch_size, settings.epochs, "shuffled", views, words)


@dataclass(frozen=True)
class Positives:
    """What a loss finds in some batches.

    Attributes:
        share: part of the anchors that have a positive.
        mix_pos: mean number of an anchor's Mix-pos; None for a loss without.
    """

    share: float
    mix_pos: float | None


def check_positives(criterion: Any, data: Data, seen: Seen, bins_key: str) -> None:
    """Raise UserError where no anchor has a positive, so that nothing would be learnt; warn where few have one.

    A loss without ``count_positives`` is passed over. Nothing is drawn from a generator that training uses.

    Args:
        criterion: the loss.
        data: the dataset of the training.
        seen: its batches.
        bins_key: of the width of bins, in messages.
    """
    if not hasattr(criterion, "count_positives"):
        return
    data = data.compared()

    def batches(data: Data) -> list[np.ndarray]:
        label_N = data.training_labels(seen.labels)
        return [np.concatenate([label_N[index_B]] * seen.views) for index_B in first_batches(label_N, seen)]

    first, words = batches(data), seen.words
    positives = count(criterion, first)
    anchors = f"the anchors of {len(first)} batches of {seen.batch_size} rows"
    mixed = "" if positives.mix_pos is None else f"; {positives.mix_pos:.3g} Mix-pos an anchor"
    log.info("%s", f"{words.who}{positives.share:.3g} of {anchors} have a positive{mixed}", extra=FILE_ONLY)
    if positives.share >= FEW and positives.mix_pos != 0:
        return
    vectors = data.train.y.ndim == 2  # which have no bins
    narrow = positives.share < FEW and seen.labels == "binned" and not vectors
    wider = wider_bins(criterion, data, batches) if narrow else None
    values = ["dataset.label_unit=pca"] * vectors if wider is None else [f"{bins_key}={wider.bin_size:g}"]
    if positives.mix_pos is not None:
        values.append(f"{words.window}={window_of(batches(wider or data), (wider or data).bin_size or 0.0):g}")
    way_out = f"set {' and '.join(values)}" if values else f"change the labels, {words.others}"
    bins = "without bins" if data.bin_size is None or seen.labels == "raw" else f"in bins of {data.bin_size:g}"
    labels = f"labels from {data.train.y.min():g} to {data.train.y.max():g} {bins}"
    if positives.share == 0:
        raise UserError(f"{words.who}none of {anchors} has a positive, so {words.nothing} ({labels}): {way_out}")
    few = (
        f"only {positives.share:.2g} of {anchors} have a positive"
        if positives.share < FEW
        else f"none of {anchors} has a Mix-pos"
    )
    if ranks.is_first():
        log.warning("%s%s (%s): %s", words.who, few, labels, way_out)


def first_batches(label_N: np.ndarray, seen: Seen) -> list[np.ndarray]:
    """Return the row numbers of the first batches on labels (N,), as `batches_of` has them."""
    stream, size = seen.stream, seen.batch_size
    epochs = range(1, min(seen.epochs, -(-BATCHES * size // len(label_N))) + 1)
    drawn = (index_B for epoch in epochs for index_B in epoch_rows(label_N, size, stream, epoch, seen.sampler))
    return [index_B.numpy() for index_B in drawn][:BATCHES]


def count(criterion: Any, batches: list[np.ndarray]) -> Positives:
    """Count what the loss finds in batches of labels (B,)."""
    labels = [torch.from_numpy(label_B) for label_B in batches]
    has = torch.cat([torch.as_tensor(criterion.count_positives(label_B)) > 0 for label_B in labels])
    if not getattr(criterion, "mix_pos", False) or not hasattr(criterion, "count_mix_pos"):
        return Positives(has.double().mean().item(), None)
    mix_pos = torch.cat([criterion.count_mix_pos(label_B) for label_B in labels])
    return Positives(has.double().mean().item(), mix_pos.double().mean().item())


def wider_bins(criterion: Any, data: Data, batches: Callable[[Data], list[np.ndarray]]) -> Data | None:
    """Return the data in the narrowest bins of a round width, wider than its own, that give enough anchors a positive.

    Args:
        criterion: the loss.
        data: the dataset.
        batches: from data to its batches of labels, as the loss sees them.
    """
    least = max(1e-6 * data.label_range, data.bin_size or 0.0, float(np.abs(data.train.y).max()) / BINS_AT_MOST)
    first = math.floor(math.log10(least))
    for width in (step * 10.0**power for power in range(first, first + 8) for step in (1, 2, 5)):
        wider = replace(data, bin_size=width)
        if least < width < data.label_range and count(criterion, batches(wider)).share >= ENOUGH:
            return wider
    return None


def window_of(batches: list[np.ndarray], bin_size: float) -> float:
    """Return a round window within which half of the labels of a batch have neighbours on both sides, 5 bins at least.

    Args:
        batches: of labels (B,).
        bin_size: label units.
    """
    gaps = [np.diff(np.unique(label_B)) for label_B in batches]
    reach = [np.maximum(gap_U[1:], gap_U[:-1]) for gap_U in gaps if len(gap_U) > 1]
    needed = max(BINS_PER_WINDOW * bin_size, float(np.median(np.concatenate(reach))) if reach else 0.0) or 1.0
    power = 10.0 ** math.floor(math.log10(needed))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= needed * (1 - 1e-9))
