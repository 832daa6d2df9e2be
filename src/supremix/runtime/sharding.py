"""A batch spread over ranks: row i of B is on rank i mod W, of W ranks. With one rank it is all there.

Every rank computes the loss of the whole batch from gathered outputs, so that a contrastive loss sees all pairs, a mean
is the mean over all rows however they divide, and draws for the batch are the same on each rank.
"""

from typing import TypeVar

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, distributed, nn

from supremix.errors import UserError
from supremix.runtime import ranks
from supremix.runtime.seeding import derive

Rows = TypeVar("Rows", Tensor, np.ndarray)


def shard(of_B: Rows) -> Rows:
    """This rank's part of what a batch has for each row.

    Where there are fewer rows than ranks, the first row stands in on a rank without one; `gather` drops it.
    """
    mine = of_B[ranks.rank() :: ranks.world_size()]
    return mine if len(mine) else of_B[:1]


def gather(part: Tensor, rows: int, views: int = 1) -> Tensor:
    """Rows (rows, …) of a whole batch in their order, from this rank's part; the same on each rank.

    Gradients go back to this rank's part, times the number of ranks, since DDP takes the mean over ranks of what
    should be added up. That is right where all ranks compute the same from what was gathered.

    Args:
        part: the model's output for this rank's items: their first views, then their second ones, …
        rows: of the whole batch, ``views`` times its items.
    """
    world = ranks.world_size()
    if world == 1:
        return part
    items = rows // views
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
    """The model with batch normalisation over the whole batch; UserError on processors, where torch has none."""
    normalised = any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in model.modules())
    if ranks.world_size() == 1 or not normalised:
        return model
    if fabric.device.type != "cuda":
        raise UserError(
            f"{ranks.world_size()} ranks on {fabric.device.type}: batch normalisation can be shared between GPUs only, "
            "and without that the result would depend on their number: use trainer.devices=1"
        )
    return nn.SyncBatchNorm.convert_sync_batchnorm(model)


def seed_step(stream: tuple[int, str], epoch: int, step: int) -> None:
    """Several ranks: seed torch's global generator anew for a step, so that no two drop the same units of their rows.

    Dropout is the one thing that depends on the number of ranks.
    """
    if ranks.world_size() > 1:
        torch.manual_seed(derive(*stream, "dropout", epoch, step, ranks.rank()))
