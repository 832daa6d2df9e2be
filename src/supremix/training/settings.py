"""What training reads of the settings. Objects with these attributes will do; `supremix.settings` checks a run's."""

from typing import Protocol


class FitSettings(Protocol):
    """Settings of the loop. ``clip``: largest norm of the gradient of all parameters together; None leaves it."""

    epochs: int
    clip: float | None


class HistogramSettings(Protocol):
    """``method.pretrain.histograms``, which figure 3 needs.

    ``bins``: number of equal bins from −1 to 1. ``hardest``: number of an epoch's negative pairs, those with the
    largest logits. ``epochs``: in which; those that are never reached are left out.
    """

    bins: int
    hardest: int
    epochs: list[int]


class PretrainSettings(FitSettings, Protocol):
    """``method.pretrain``.

    ``sampler``: "shuffled", every row once an epoch; "paired", rows followed by another of their label.
    ``views``: augmented views of each item; 1 with no augmentation where the data has none. ``microbatch``: rows that
    are embedded at a time; None embeds the batch as a whole.
    """

    batch_size: int
    sampler: str
    views: int
    microbatch: int | None

    @property
    def histograms(self) -> HistogramSettings | None:
        """The histograms of logits to keep."""


class MethodSettings(Protocol):
    """``method``, where it pre-trains.

    ``labels``: "binned" or "raw". ``embed``: what the loss sees of a row: "items", its features; "sentences", its two
    sentence vectors.
    """

    labels: str
    embed: str

    @property
    def pretrain(self) -> PretrainSettings:
        """The settings of the stage."""


class AdaptSettings(FitSettings, Protocol):
    """``protocol``.

    ``loss``: "l1" or "mse". ``bias_init``: the head's bias starts at the "mean" of the training labels, or at "zero".
    ``select``: the metric whose best validation value chooses the epoch. ``patience``: epochs without a better one,
    after which training ends; None trains for all epochs.
    """

    train_backbone: bool
    batch_size: int
    loss: str
    bias_init: str
    select: str
    patience: int | None
