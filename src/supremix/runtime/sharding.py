"""Spread a batch over ranks: row i goes to rank i mod W of W ranks.

Every rank gathers all outputs and computes the loss of the whole batch. So a contrastive loss sees all pairs, a mean is
the mean over all rows however they divide, and the draws for a batch are the same on each rank.
"""

from typing import TypeVar

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, distributed, nn
from torch.nn.modules.batchnorm import _BatchNorm as BatchNorm

from supremix.errors import UserError
from supremix.runtime import ranks
from supremix.runtime.seeding import seed_global

Rows = TypeVar("Rows", Tensor, np.ndarray)
Outputs = TypeVar("Outputs", Tensor, tuple[Tensor, ...])


def shard(of_B: Rows) -> Rows:
    """Return this rank's rows of a batch.

    Args:
        of_B: an array or tensor with one entry per row. With fewer rows than ranks, a rank without a row gets the
            first, which `gather` drops.
    """
    mine = of_B[ranks.rank() :: ranks.world_size()]
    return mine if len(mine) else of_B[:1]


def gather(part: Outputs, rows: int, views: int = 1) -> Outputs:
    """Gather the outputs of all ranks into those of the whole batch, the same on each rank.

    A gradient goes back to this rank's part, times the number of ranks: DDP takes the mean over ranks where the sum is
    due. That is right if all ranks compute the same loss from the result.

    Args:
        part: the model's output for this rank's items: their first views, then their second ones, …; or several of it.
        rows: rows of the whole batch, ``views`` times its items.
        views: rows per item.

    Returns:
        (rows, …), in the order of the whole batch.
    """
    if ranks.world_size() == 1:
        return part
    if isinstance(part, Tensor):
        return _gathered(part, rows, views)
    return tuple(_gathered(each, rows, views) for each in part)


def _gathered(part: Tensor, rows: int, views: int) -> Tensor:
    world, items = ranks.world_size(), rows // views
    part = part.unflatten(0, (views, -1))
    missing = -(-items // world) - part.shape[1]
    padded = torch.cat([part, part.new_zeros(views, missing, *part.shape[2:])], dim=1)
    parts = [torch.empty_like(padded) for _ in range(world)]
    distributed.all_gather(parts, padded.detach())
    if padded.requires_grad:
        padded.register_hook(lambda gradient: gradient * world)
        parts[ranks.rank()] = padded
    return torch.stack(parts, dim=2).flatten(1, 2)[:, :items].flatten(0, 1)


def synchronised(fabric: Fabric, model: nn.Module) -> nn.Module:
    """Return the model with batch normalisation over all ranks.

    Raises:
        UserError: several ranks, batch normalisation, and no GPUs: torch synchronises between GPUs only, and only its
            own kind.
    """
    norms = [module for module in model.modules() if isinstance(module, BatchNorm)]
    if ranks.world_size() == 1 or not norms:
        return model
    for norm in norms:
        if type(norm).forward not in (BatchNorm.forward, nn.SyncBatchNorm.forward):
            raise UserError(
                f"{ranks.world_size()} ranks: {type(norm).__name__}, a batch normalisation of this backbone's own, "
                "cannot be shared between them: use trainer.devices=1"
            )
    if fabric.device.type != "cuda":
        raise UserError(
            f"{ranks.world_size()} ranks on {fabric.device.type}: batch normalisation can be shared between GPUs only, "
            "and without that the result would depend on their number: use trainer.devices=1"
        )
    return nn.SyncBatchNorm.convert_sync_batchnorm(model)


def seed_step(device: torch.device, stream: tuple[int, str], epoch: int, step: int) -> None:
    """With several ranks, seed torch's global generator for a step, so that each rank has its own dropout.

    Only dropout depends on the number of ranks.

    Args:
        device: that the model is on.
        stream: the run's seed and the stage's name.
        epoch, step: which step of training it is.
    """
    if ranks.world_size() > 1:
        seed_global(device, *stream, "dropout", epoch, step, ranks.rank())


def seed_loss(device: torch.device, stream: tuple[int, str], epoch: int, step: int) -> None:
    """With several ranks, seed torch's global generator alike on all, since a loss that draws must be one on all.

    Args:
        device, stream, epoch, step: as of `seed_step`, which seeds the next step anew.
    """
    if ranks.world_size() > 1:
        seed_global(device, *stream, "loss", epoch, step)
