"""Stage 1: views → backbone → projection head → contrastive loss."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler

from supremix.data.dataset import Data
from supremix.losses import SupReMixLoss
from supremix.runtime.seeding import generator
from supremix.runtime.sharding import synchronised
from supremix.training.batches import batch_ids, batches_of
from supremix.training.checkpoint import Checkpoints
from supremix.training.logit_statistics import Histograms, Readings
from supremix.training.loop import Fitted, Report, fit


@dataclass(frozen=True)
class Stage1:
    """Settings of the contrastive stage, as in ``conf/method``."""

    labels: str  # "binned" or "raw"
    embed: str  # what the loss sees of a row: "items", its features; "sentences", its two sentence vectors
    views: int  # augmented views of each item; 1 with no augmentation where the data has none
    epochs: int
    batch_size: int
    seed: int
    log_every: int
    clip: float | None = None
    histograms: Histograms | None = None


class Sentences(nn.Module):
    """A backbone of sentence pairs, giving the two sentence vectors (B, 2, D) in place of the pair's features."""

    def __init__(self, backbone: Any) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, x: Any) -> Tensor:
        """Sentence vectors (B, 2, D)."""
        return self.backbone.sentences(x)


def pretrain(
    fabric: Fabric,
    data: Data,
    backbone: nn.Module,
    projection: nn.Module,
    criterion: Any,
    optimizer: Callable[..., torch.optim.Optimizer],
    scheduler: Callable[..., LRScheduler] | None,
    stage: Stage1,
    report: Report,
    checkpoints: Checkpoints | None = None,
) -> Fitted:
    """Train backbone and projection head in place; the last epoch's weights are the result.

    The history's columns besides the loss are those of `Readings.close`, and its histograms are kept where asked for.
    """
    y_N = data.train.y if stage.labels == "raw" else data.label_bins(data.train.y)
    embed = Sentences(backbone) if stage.embed == "sentences" else backbone
    model = synchronised(fabric, nn.Sequential(embed, projection))
    augment = data.contrastive_views if stage.views > 1 else None
    wrapped, opt = fabric.setup(model, optimizer(model.parameters()))
    draws = generator(stage.seed, "mixtures", device=fabric.device)
    readings = Readings(criterion, stage.histograms)
    fitted = fit(
        fabric,
        wrapped,
        opt,
        batches_of(
            data.train,
            y_N,
            stage.batch_size,
            fabric.device,
            stage.seed,
            "pretrain",
            data.to_input,
            augment,
            stage.views,
            labels_on=torch.device("cpu"),  # there the losses work out what depends on labels alone
        ),
        _objective(criterion, draws),
        stage.epochs,
        report,
        (stage.seed, "pretrain"),
        reader=readings,
        log_every=stage.log_every,
        scheduler=scheduler(opt) if scheduler else None,
        clip=stage.clip,
        generators=[draws],
        checkpoints=checkpoints,
        ids=batch_ids(data.train, stage.batch_size, stage.seed, "pretrain"),
        views=stage.views if augment else 1,
    )  # fmt: skip
    fitted.readings = readings.arrays()
    return fitted


def _objective(criterion: Any, draws: torch.Generator) -> Callable[[Any, Tensor], Tensor]:
    """The loss as a function of embeddings and labels; SupReMix draws its mixtures from its own stream."""
    if not isinstance(criterion, SupReMixLoss):
        return criterion
    return lambda z_ND, y_N: criterion(z_ND, y_N, generator=draws)
