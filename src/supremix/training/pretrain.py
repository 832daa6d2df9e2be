"""Pre-training: views → backbone → projection head → contrastive loss."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler

from supremix.data.dataset import Data
from supremix.runtime.seeding import generator
from supremix.runtime.sharding import synchronised
from supremix.training.batches import Items, Stream, batch_ids, batches_of
from supremix.training.criteria import drawing
from supremix.training.logit_statistics import LogitStatistics
from supremix.training.loop import NO_HOOKS, Fitted, Hooks, Task, fit
from supremix.training.microbatch import tell_what_sees_parts
from supremix.training.settings import MethodSettings


@dataclass(frozen=True)
class Pretraining:
    """The objects of the stage: what is trained, on which loss, by which optimizer.

    Args:
        backbone: from inputs to features (B, D); trained in place.
        projection: from features to the embeddings that the loss compares; trained in place.
        criterion: the loss of embeddings and labels. One that takes a ``generator`` is given the stage's own.
        optimizer: makes an optimizer of parameters.
        scheduler: makes a scheduler of an optimizer; None keeps the rate.
    """

    backbone: nn.Module
    projection: nn.Module
    criterion: Any
    optimizer: Callable[..., torch.optim.Optimizer]
    scheduler: Callable[..., LRScheduler] | None = None


class Sentences(nn.Module):
    """A backbone of sentence pairs, giving the two sentence vectors (B, 2, D) in place of the pair's features."""

    def __init__(self, backbone: Any) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, x: Any) -> Tensor:
        """Return sentence vectors (B, 2, D)."""
        return self.backbone.sentences(x)


def pretrain(
    fabric: Fabric, data: Data, objects: Pretraining, method: MethodSettings, seed: int, hooks: Hooks = NO_HOOKS
) -> Fitted:
    """Train backbone and projection head in place; the last epoch's weights are the result.

    The history's columns besides the loss are those of `LogitStatistics.close`; its histograms are kept where
    ``method.pretrain.histograms`` asks for them.
    """
    settings, criterion, stream = method.pretrain, objects.criterion, Stream(seed, "pretrain")
    embed = Sentences(objects.backbone) if method.embed == "sentences" else objects.backbone
    model = synchronised(fabric, nn.Sequential(embed, objects.projection))
    wrapped, optimizer = fabric.setup(model, objects.optimizer(model.parameters()))
    augment = data.contrastive_views if settings.views > 1 else None
    items = Items(
        data.train,
        data.training_labels(method.labels),
        data.to_input,
        augment,
        settings.views,
        labels_on=torch.device("cpu"),  # a loss derives pairs from labels there, without waiting for a GPU
        sampler=settings.sampler,
    )
    draws = generator(seed, "mixtures", device=fabric.device)
    statistics = LogitStatistics(criterion, settings.histograms)
    task = Task(
        wrapped,
        optimizer,
        batches_of(items, settings.batch_size, stream, fabric.device),
        drawing(criterion, draws),
        stream,
        objects.scheduler(optimizer) if objects.scheduler else None,
        generators=[draws],
        ids=batch_ids(items, settings.batch_size, stream),
        views=settings.views if augment else 1,
        microbatch=settings.microbatch,
    )
    if settings.microbatch is not None:
        tell_what_sees_parts(model, settings.microbatch)
    fitted = fit(fabric, task, settings, replace(hooks, reader=statistics))
    fitted.histograms = statistics.arrays()
    return fitted
