"""Embed a batch in parts, and give its loss the gradient of the whole: large batches in small memory.

Gradient caching (Gao et al. 2021, "Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup"): all parts
are embedded without a graph, the loss of the whole batch gives the gradient by each embedding, and each part is
embedded again, with a graph, to pass its gradients on. Only one part's graph exists at a time.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from supremix.runtime.seeding import global_states, set_global_states

log = logging.getLogger(__name__)

IN_PARTS = (nn.modules.batchnorm._BatchNorm, nn.modules.dropout._DropoutNd)


def backward_in_parts(
    fabric: Fabric, model: Any, x: Any, size: int, loss_of: Callable[[Tensor], tuple[Tensor, Tensor]]
) -> tuple[Tensor, Tensor]:
    """Add the gradient of the batch's loss to the parameters' gradients.

    It is the gradient without parts, but for rounding. Batch normalisation sees a part at a time; dropout draws the
    same in both passes.

    Args:
        fabric: that the model was set up by.
        model: from inputs to outputs, row by row.
        x: the batch: a tensor (B, …), or a dict of tensors.
        size: rows of a part.
        loss_of: from outputs (B, …) to the outputs of all ranks, and the loss of these.

    Returns:
        What ``loss_of`` returns, without a graph.
    """
    parts = [*_parts(x, size)]
    states, embedded = [], []
    with torch.no_grad(), _statistics_kept(model):
        for part in parts:
            states.append(global_states(fabric.device))
            embedded.append(model(part))
    z = torch.cat(embedded).requires_grad_()
    output, loss = loss_of(z)
    (gradient,) = torch.autograd.grad(loss, z)
    after = global_states(fabric.device)
    for number, (part, state, of_part) in enumerate(zip(parts, states, gradient.split(size), strict=True), 1):
        set_global_states(state, fabric.device)
        with fabric.no_backward_sync(model, enabled=number < len(parts)):
            fabric.backward(model(part), gradient=of_part)
    set_global_states(after, fabric.device)
    return output.detach(), loss.detach()


def tell_what_sees_parts(model: nn.Module, size: int) -> None:
    """Warn of layers by which a batch in parts is not the whole batch."""
    kinds = " and ".join(sorted({type(module).__name__ for module in model.modules() if isinstance(module, IN_PARTS)}))
    if kinds:
        words = "method.pretrain.microbatch=%s: with %s, gradients are not those of the whole batch, but of its parts"
        log.warning(words, size, kinds)


def _parts(x: Any, size: int) -> Iterator[Any]:
    rows = len(x) if isinstance(x, Tensor) else len(next(iter(x.values())))
    for first in range(0, rows, size):
        at = slice(first, first + size)
        yield x[at] if isinstance(x, Tensor) else {name: of_rows[at] for name, of_rows in x.items()}


@contextmanager
def _statistics_kept(model: nn.Module) -> Iterator[None]:
    """Leave running statistics as they are: the second pass takes them in."""
    before = [buffer.clone() for buffer in model.buffers()]
    yield
    for buffer, kept in zip(model.buffers(), before, strict=True):
        buffer.copy_(kept)
