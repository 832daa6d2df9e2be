"""Losses as the stages call them: with the arguments that their signature names, and a user's own with clear errors."""

import inspect
import logging
import traceback
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from supremix.errors import UserError, one_line
from supremix.runtime.log import FILE_ONLY

log = logging.getLogger(__name__)


def parameters_of(criterion: Any) -> set[str]:
    """Return the names of the arguments that a loss takes."""
    return {*inspect.signature(getattr(criterion, "forward", criterion)).parameters}


def drawing(criterion: Any, draws: torch.Generator, key: str = "method.loss") -> Callable[..., Tensor]:
    """Return a loss as a function of embeddings, labels and what else is known of the rows.

    Args:
        criterion: the loss. One that takes a ``generator`` is given this one; of what else the function is called with,
            it is given what its signature names.
        draws: the stage's generator, in the same state on all ranks.
        key: of the loss in the config, for messages.
    """
    names = parameters_of(criterion)
    given = {"generator": draws} if "generator" in names else {}

    def call(z_ND: Any, y_N: Tensor, **known: Any) -> Tensor:
        wanted = given | {name: value for name, value in known.items() if name in names}
        if hasattr(criterion, "registered_name"):
            return criterion(z_ND, y_N, **wanted)
        return _users_loss(criterion, key, wanted, z_ND, y_N)

    return call


def _users_loss(criterion: Any, key: str, given: dict[str, Any], z_ND: Any, y_N: Tensor) -> Tensor:
    """Return a loss of the user's; UserError where it cannot take a batch, or gives no scalar to differentiate."""
    name = type(criterion).__name__
    called = f"{key}: {name}, called with embeddings {tuple(z_ND.shape)} and labels {tuple(y_N.shape)}"
    try:
        loss = criterion(z_ND, y_N, **given)
    except torch.OutOfMemoryError:
        raise
    except (TypeError, ValueError, RuntimeError, AttributeError, IndexError) as error:
        log.info("%s", "".join(traceback.format_exception(error)), extra=FILE_ONLY)
        raise UserError(f"{called}, raises {type(error).__name__}: {one_line(error)}: see the run's run.log") from error
    if not isinstance(loss, Tensor) or loss.ndim > 0 or not loss.requires_grad:
        got = f"a tensor {tuple(loss.shape)}" if isinstance(loss, Tensor) else type(loss).__name__
        got += " without gradient" if isinstance(loss, Tensor) and not loss.requires_grad else ""
        raise UserError(f"{called}, gives {got}: return a scalar tensor that depends on the embeddings")
    return loss
