"""What training may assume about a dataset of any modality.

Shapes: N rows, B rows in a batch, T targets where labels are vectors. Labels in `Split` are in the dataset's own units;
`TargetScale` maps them to the units that a regression head predicts.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from typing import Any, Protocol, Self

import numpy as np

from supremix.data.geometry import Geometry, in_bins
from supremix.data.prepared.folder import SPLITS
from supremix.data.transforms import Transform
from supremix.data.vectors import Vectors
from supremix.errors import UserError

BINS_AT_MOST = 2.0**50
"""Numbers of bins below it, and their halves, are exact after rounding to six digits in float64."""


@dataclass(frozen=True, eq=False)
class Split:
    """The N rows of one split.

    Attributes:
        ids: (N,) str, unique over the dataset.
        y: labels (N,) or (N, T) float64, label units.
        fetch: maps row numbers (B,) of this split to the model's input, a tensor with first dimension B or a dict of
            such tensors.
        on_disk: whether ``fetch`` reads rows from disk, so that reading ahead pays.
        workers: threads that read ahead, which call ``fetch``.
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
    """Map from label units to the units of the regression head; mean 0, std 1 and no transform change nothing.

    Args:
        mean, std: of the training labels, transformed ones where there is a transform; of vectors (T,).
        transform: applied first.
    """

    mean: Any
    std: Any
    transform: Transform | None = None

    def encode(self, y):
        """Map label units to head units, elementwise."""
        return ((y if self.transform is None else self.transform.encode(y)) - self.mean) / self.std

    def decode(self, prediction):
        """Map head units to label units, elementwise; the inverse of `encode`."""
        scaled = prediction * self.std + self.mean
        return scaled if self.transform is None else self.transform.decode(scaled)


class Augment(Protocol):
    """Random views of a batch.

    ``draws`` uniform numbers in [0, 1) determine an item's view, independently of its batch and of the number of
    workers. A call takes what `Split.fetch` returns, on any device, and the numbers (B, draws), on the CPU. It returns
    what the backbone takes.
    """

    draws: int

    def __call__(self, x: Any, uniform_BP: Any) -> Any: ...


class RowReader(Protocol):
    """Turns new rows, as the user has them, into what the backbone takes: all that was fitted on the training rows.

    A run stores it as plain values (`supremix.data.own.stored`), never as code. Each kind is a class that is listed
    there, with a class method ``from_state(state)`` that makes it again.

    Attributes:
        kind: name of the class in a stored run.
    """

    kind: str

    def read(self, rows: Any) -> Any:
        """Return what the backbone takes, a tensor with first dimension B or a dict of such tensors.

        Args:
            rows: B rows in order: a DataFrame with the columns of the training file, whatever else it has; for a kind
                that reads one column, also a list of that column's values (paths, texts).

        Raises:
            UserError: a column is missing, or a row cannot be read; names it.
        """

    def state(self) -> dict[str, Any]:
        """Return all that `read` needs: a dict of JSON values, NumPy arrays, and dicts of these."""


class FieldsAreState:
    """A `RowReader`, a dataclass, whose fields are plain values and all that a run stores of it."""

    def state(self) -> dict[str, Any]:
        """Return the fields by name."""
        each: Any = self
        return {entry.name: getattr(self, entry.name) for entry in fields(each)}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        """Make the reader whose `state` this is."""
        return cls(**state)


def unchanged(x: Any) -> Any:
    """Return the input as it is."""
    return x


@dataclass(frozen=True, eq=False)
class Data:
    """A dataset ready to train on.

    Attributes:
        name: name in conf/dataset/.
        train, val, test: its splits.
        bin_size: width of label bins, label units; None uses labels as they are.
        target: the units that the head predicts.
        input_spec: the backbone's arguments that the data decides, e.g. ``{"in_features": 5}``.
        sha256: checksum of the content, whatever its split.
        synthetic: whether a generator made it; such data is never compared with published numbers.
        to_input: maps what ``fetch`` returns to what the backbone takes.
        contrastive_views, training_views: random views in pre-training and in adaptation; None for none.
        flatten: maps what ``fetch`` returns to (B, F), for regressors on the raw input.
        geometry: how contrastive losses see labels, found from them; None where they see bins of ``bin_size``.
        vectors: the targets, where labels are vectors; these have no bins.
        reader: makes inputs of new rows, as ``to_input`` and ``fetch`` make them of these; None where only the prepared
            rows can be read.
        extras: facts for a run's record, JSON values only.
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
    geometry: Geometry | None = None
    vectors: Vectors | None = None
    reader: RowReader | None = None
    extras: dict[str, Any] = field(default_factory=dict)

    @property
    def label_range(self) -> float:
        """Range of the unrounded training labels, label units; 1.0 where all are equal.

        Of vectors the mean over targets, each in its standard deviations.
        """
        y_N = self.train.y if self.vectors is None else self.vectors.standard(self.train.y)
        return float(np.ptp(y_N, axis=0).mean()) or 1.0

    @property
    def contrast_range(self) -> float:
        """Range of the training labels as contrastive losses see them, before they are put into bins."""
        return 100.0 if self.geometry is not None and self.geometry.ranks is not None else self.label_range

    @property
    def sizes(self) -> dict[str, int]:
        """Number of rows in each split."""
        return {split: len(getattr(self, split)) for split in SPLITS}

    def compared(self) -> "Data":
        """Return the data with labels as losses on label distances see them.

        Numbers stay; vectors are standardised, or replaced by their first principal direction, a number.
        """
        vectors = self.vectors
        if vectors is None:
            return self
        splits = {name: getattr(self, name) for name in SPLITS}
        seen: Any = {name: replace(split, y=vectors.compared(split.y)) for name, split in splits.items()}
        return replace(self, **seen, vectors=None, bin_size=None if self.geometry is None else self.geometry.bin_size)

    def contrast_labels(self, y: np.ndarray) -> np.ndarray:
        """Return labels as contrastive losses on bins see them: in bins of label units, or of percent of the ranks."""
        if self.geometry is not None and self.geometry.ranks is not None:
            return self.geometry.ranks(np.asarray(y))
        return self.label_bins(y)

    def training_labels(self, labels: str) -> np.ndarray:
        """Return the training labels as a loss sees them, "binned" or "raw", (N,) or (N, T)."""
        data = self.compared()
        return data.train.y if labels == "raw" else data.contrast_labels(data.train.y)

    def label_bins(self, y: np.ndarray) -> np.ndarray:
        """Round labels to the nearest multiple of ``bin_size``, halves upwards; keep them if it is None.

        Raises:
            UserError: a label is 2^50 or more bins from 0, a number that float64 does not hold.
        """
        if self.bin_size is None:
            return y
        label_N = np.asarray(y)
        far_N = ~(np.abs(label_N) < BINS_AT_MOST * self.bin_size)
        if far_N.any():
            raise UserError(
                f"{self.name}: bin_size={self.bin_size:g}: label {label_N[far_N][0]:g} is 2^50 or more bins from 0, "
                "more than a bin number holds: choose a larger bin_size, or another unit of the labels"
            )
        return in_bins(label_N, self.bin_size)


def read_ahead(data: Data, workers: int) -> Data:
    """Return the data with this many threads that read ahead, for splits on disk."""
    splits = {name: getattr(data, name) for name in SPLITS}
    return replace(data, **{name: replace(split, workers=workers) for name, split in splits.items() if split.on_disk})
