"""What training code may assume about a dataset, whatever its modality.

N rows, B of them in a batch. Labels stay in the dataset's own units everywhere in `Split`; only `TargetScale`
knows the units that a regression head is trained in.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from supremix.data.prepared.folder import SPLITS
from supremix.errors import UserError


@dataclass(frozen=True, eq=False)
class Split:
    """N rows of one split.

    ids: (N,) str, unique over the dataset. y: (N,) float64, label units. fetch: (B,) integer row numbers of
    this split → the model's input, a tensor with first dimension B or a dict of such tensors. on_disk: rows are read
    when they are fetched, so that reading ahead pays. workers: threads that read ahead; `fetch` is called in them.
    """

    ids: np.ndarray
    y: np.ndarray
    fetch: Callable[[np.ndarray], Any]
    on_disk: bool = False
    workers: int = 0

    def __len__(self) -> int:
        return len(self.y)


@dataclass(frozen=True)
class TargetScale:
    """Affine map between label units and those that the head predicts; (0, 1) leaves labels as they are."""

    mean: float
    std: float

    def encode(self, y):
        """Label units → head units, elementwise."""
        return (y - self.mean) / self.std

    def decode(self, prediction):
        """Head units → label units, elementwise: the inverse of `encode`."""
        return prediction * self.std + self.mean


class Augment(Protocol):
    """Random views of a batch, on whatever device it is; the numbers are on the CPU.

    ``draws`` uniform numbers in [0, 1) decide an item's view, so that the same numbers give the same view whatever
    the batch and the number of workers. Called with what `Split.fetch` gave and the numbers, (B, draws), it returns
    what the backbone takes.
    """

    draws: int

    def __call__(self, x: Any, uniform_BP: Any) -> Any: ...


def unchanged(x: Any) -> Any:
    """The input as it is."""
    return x


@dataclass(frozen=True, eq=False)
class Data:
    """A dataset ready to train on.

    bin_size: label units, None where labels are used as they stand. input_spec: the backbone's keyword
    arguments that the data decides, e.g. ``{"in_features": 5}``. sha256: of the content that was loaded,
    whatever its split. synthetic: made by a generator, so never to be compared with published numbers.
    extras: facts about the content that belong into a run's record, JSON values only.
    """

    name: str
    train: Split
    val: Split
    test: Split
    bin_size: float | None
    target: TargetScale
    input_spec: dict[str, Any]
    sha256: str
    synthetic: bool
    to_input: Callable[[Any], Any] = unchanged
    contrastive_views: Augment | None = None
    training_views: Augment | None = None
    flatten: Callable[[Any], Any] = unchanged
    extras: dict[str, Any] = field(default_factory=dict)

    @property
    def label_range(self) -> float:
        """max − min of the unrounded training labels, label units; 1.0 where that is 0."""
        return float(np.ptp(self.train.y)) or 1.0

    @property
    def sizes(self) -> dict[str, int]:
        """Rows of each split."""
        return {split: len(getattr(self, split)) for split in SPLITS}

    def label_bins(self, y: np.ndarray) -> np.ndarray:
        """Labels rounded to the nearest multiple of `bin_size`, halves upwards; unchanged if it is None."""
        if self.bin_size is None:
            return y
        # Rounded to 6 digits first: 0.15 / 0.1 is 1.4999999999999998 in float64 and belongs in the upper bin.
        return np.floor(np.round(np.asarray(y) / self.bin_size, 6) + 0.5) * self.bin_size


def read_ahead(data: Data, workers: int) -> Data:
    """The same data, its rows on disk read ahead by so many threads."""
    splits = {name: getattr(data, name) for name in SPLITS}
    return replace(data, **{name: replace(split, workers=workers) for name, split in splits.items() if split.on_disk})


def check_finite(what: str, values: np.ndarray, split: Split) -> None:
    """Raise UserError naming the first row of a split whose values, (N,) or (N, D), are not all finite."""
    bad_N = ~np.isfinite(values).reshape(len(values), -1).all(axis=1)
    if bad_N.any():
        raise UserError(
            f"{what} of the row {split.ids[bad_N.argmax()]} and {bad_N.sum() - 1} more are not finite: "
            "check these rows at the source and prepare the data again; where they are sound, lower the learning rate"
        )


def check_trainable(data: Data) -> None:
    """Raise UserError where nothing could be learnt from `data` or measured on it."""
    width: Any = data.bin_size
    if width is not None and not (isinstance(width, int | float) and width > 0 and math.isfinite(width)):
        raise UserError(f"{data.name}: bin_size={data.bin_size}: use a positive width in label units, or null")
    for split, rows in data.sizes.items():
        if rows == 0:
            raise UserError(f"{data.name}: the {split} split is empty: give every split at least one row")
    if np.ptp(data.train.y) == 0:
        raise UserError(
            f"{data.name}: all {len(data.train)} training rows have the label {data.train.y[0]:g}: "
            "regression needs at least two different labels in the training split"
        )
    if np.ptp(data.label_bins(data.train.y)) == 0:
        raise UserError(
            f"{data.name}: bin_size={data.bin_size:g} puts all training labels into one bin "
            f"(they span {data.label_range:g}): choose a smaller bin_size"
        )
