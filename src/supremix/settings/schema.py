"""The settings of a run, typed: a model for each group of the config. Defaults stand in ``conf/`` alone.

Datasets, methods and backbones, for which users write files, may hold keys of their own; only interpolations read
those, and Hydra refuses a key that the files do not have. The other groups hold what is listed here.
"""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

from supremix.metrics.regression import METRICS
from supremix.settings.fields import (
    OR_NULL,
    HardestPairs,
    HistogramBins,
    LoadNode,
    Minutes,
    Name,
    Names,
    Node,
    Norm,
    Number,
    OptimizerNode,
    Part,
    Readers,
    SchedulerNode,
    Seconds,
    Threads,
    Views,
    Whole,
    Whole1,
    Whole2,
    choice,
    give,
    only,
)  # fmt: skip

MAY_BE_ABSENT: Any = Field(default=None)
"""For a key that is checked where it is there; only interpolations read it."""


class Group(BaseModel):
    """A group that holds the listed keys, all of them and no others."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class OpenGroup(Group):
    """A group that holds the listed keys, and may hold others."""

    model_config = ConfigDict(extra="allow")


class Paths(Group):
    """``paths``."""

    data: Name
    prepared: Name
    runs: Name


class Subset(Group):
    """``dataset.subset``."""

    train_size: Annotated[Whole2 | None, OR_NULL]
    part: Annotated[Part | None, OR_NULL] = MAY_BE_ABSENT
    missing: Any  # ranges of labels; the data checks them
    skew: Annotated[Number | None, OR_NULL] = MAY_BE_ABSENT


class Dataset(OpenGroup):
    """``dataset``; of its recipe each value is checked where it is used."""

    name: Name
    load: LoadNode
    permute_labels: Annotated[Whole | None, OR_NULL]
    label_noise: Annotated[Number | None, OR_NULL] = MAY_BE_ABSENT
    label_unit: Annotated[Annotated[str, choice("auto", "label", "rank", "pca")] | None, OR_NULL] = MAY_BE_ABSENT
    stress: Annotated[Annotated[str, choice("extrapolation", "interpolation", "blind_spot")] | None, OR_NULL] = (
        MAY_BE_ABSENT
    )
    subset: Subset
    recipe: Any = MAY_BE_ABSENT


class Backbone(OpenGroup):
    """``backbone``."""

    name: Name
    build: Node
    weights: Annotated[Annotated[Name, give("name a file")] | None, OR_NULL]


class Histograms(Group):
    """``method.pretrain.histograms``."""

    bins: HistogramBins
    hardest: HardestPairs
    epochs: list[int]


def _whole_histograms(value: Any) -> bool:
    if not isinstance(value, dict) or set(value) != {"bins", "hardest", "epochs"}:
        return value is None
    epochs = value["epochs"]
    return isinstance(epochs, list) and all(type(epoch) is int and epoch >= 1 for epoch in epochs)


class Pretrain(Group):
    """``method.pretrain``."""

    epochs: Whole1
    batch_size: Whole2
    sampler: Annotated[str, choice("shuffled", "paired")]
    views: Views
    microbatch: Annotated[Whole1 | None, OR_NULL]
    clip: Annotated[Norm | None, OR_NULL]
    histograms: Annotated[
        Histograms | None, only(_whole_histograms, "give {bins: 50, hardest: 1000, epochs: [1, 10]}, or null")
    ]
    optimizer: OptimizerNode
    scheduler: Annotated[SchedulerNode | None, OR_NULL]


class Fidelity(OpenGroup):
    """``method.fidelity``."""

    renormalise: bool = MAY_BE_ABSENT
    detach_mixtures: bool = MAY_BE_ABSENT
    window_inclusive: bool = MAY_BE_ABSENT


class Source(Group):
    """``method.source``: method and protocol of the run whose backbone is taken; that run checks them."""

    method: dict[str, Any]
    protocol: dict[str, Any]


class Regulariser(Group):
    """``method.regression.regularisers.NAME``."""

    weight: Number
    labels: Annotated[str, choice("binned", "raw")]
    projection: Annotated[Node | None, OR_NULL]
    loss: Node


class Regression(Group):
    """``method.regression``."""

    loss: Annotated[Node | None, OR_NULL]
    regularisers: Annotated[dict[Name, Regulariser] | None, OR_NULL]
    mixing: Annotated[Node | None, OR_NULL]
    views: Annotated[Views | None, OR_NULL]


class AnyMethod(OpenGroup):
    """What every ``method`` has. Reference regressors have no ``regression``."""

    name: Name
    regression: Regression = MAY_BE_ABSENT
    estimator: Annotated[Node | None, OR_NULL]
    source: Annotated[Source | None, OR_NULL]


class Plain(AnyMethod):
    """A ``method`` without a contrastive stage."""

    loss: None


class Contrastive(AnyMethod):
    """A ``method`` with a contrastive stage."""

    labels: Annotated[str, choice("binned", "raw")]
    embed: Annotated[str, choice("items", "sentences")]
    mix_neg: bool = MAY_BE_ABSENT
    mix_pos: bool = MAY_BE_ABSENT
    weight: bool = MAY_BE_ABSENT
    fidelity: Fidelity = MAY_BE_ABSENT
    projection_head: bool
    projection: Node
    loss: Annotated[Node, OR_NULL]
    pretrain: Pretrain


class Adapt(Group):
    """``protocol``."""

    name: Name
    block: Name  # of the dataset's recipe; only interpolations read it
    train_backbone: bool
    epochs: Whole1
    batch_size: Whole1
    loss: Annotated[str, choice("l1", "mse")]
    clip: Annotated[Norm | None, OR_NULL]
    patience: Annotated[Whole1 | None, OR_NULL]
    bias_init: Annotated[str, choice("mean", "zero")]
    select: Annotated[str, choice(*METRICS)]
    optimizer: OptimizerNode
    scheduler: Annotated[SchedulerNode | None, OR_NULL]


class NoTraining(Group):
    """``protocol=none``."""

    name: Name


class Imbalance(Group):
    """``imbalance``."""

    lds: Annotated[Node | None, OR_NULL]
    fds: Annotated[Node | None, OR_NULL]


class Checkpoint(Group):
    """``trainer.checkpoint``."""

    minutes: Annotated[Minutes | None, OR_NULL]


class Trainer(Group):
    """``trainer``."""

    accelerator: Name
    devices: Whole1
    precision: Annotated[str, choice("32-true", "bf16-mixed", "16-mixed")]
    threads: Annotated[Threads | None, OR_NULL]
    workers: Readers
    log_every: Whole1
    representation_every: Annotated[Whole1 | None, OR_NULL]
    progress: Annotated[str, choice("auto", "bar", "plain", "off")]
    deterministic: bool
    checkpoint: Checkpoint
    channels_last: Annotated[
        bool | str, only(lambda value: value == "auto" or isinstance(value, bool), "use true, false or auto")
    ]
    compile: Annotated[Annotated[Name, give("name a backend of torch.compile, such as inductor")] | None, OR_NULL]


class Tracking(Group):
    """``tracking``."""

    mode: Annotated[str, choice("auto", "online", "offline", "disabled", "tensorboard", "trackio")]
    project: Any  # W&B checks what has no type here
    dir: Any
    group: Any
    job_type: Any
    tags: Names
    sweep: Annotated[Name | None, OR_NULL]
    finish_timeout: Seconds


def _kind_of_method(value: Any) -> str:
    contrastive = isinstance(value, dict) and value.get("loss", ...) is not None
    return "(contrastive)" if contrastive else "(plain)"


def _kind_of_protocol(value: Any) -> str:
    return "(none)" if isinstance(value, dict) and set(value) == {"name"} else "(adapt)"


class Settings(Group):
    """All settings of a run. ``transfer``: those of the same run on the dataset that the encoder comes from."""

    seed: Whole
    rerun: bool
    paths: Paths
    dataset: Dataset
    backbone: Backbone
    method: Annotated[
        Annotated[Contrastive, Tag("(contrastive)")] | Annotated[Plain, Tag("(plain)")],
        Discriminator(_kind_of_method),
    ]
    protocol: Annotated[
        Annotated[Adapt, Tag("(adapt)")] | Annotated[NoTraining, Tag("(none)")], Discriminator(_kind_of_protocol)
    ]
    imbalance: Imbalance
    trainer: Trainer
    tracking: Tracking
    transfer: "Settings | None"

    @property
    def adapt(self) -> Adapt:
        """Return the settings of the stage ``adapt``; a run of a reference regressor has none."""
        assert isinstance(self.protocol, Adapt)
        return self.protocol

    @property
    def contrastive(self) -> Contrastive:
        """Return the settings of a method that pre-trains; other methods have none."""
        assert isinstance(self.method, Contrastive)
        return self.method

    @property
    def against_imbalance(self) -> list[str]:
        """Return the keys of what is on against imbalance."""
        return [f"imbalance.{name}" for name, node in self.imbalance if node is not None]
