"""Give a backbone weights at hand before it is trained: safetensors, or a state dict that torch saved."""

import logging
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from supremix.errors import UserError

WRAPPERS = ("state_dict", "model_state_dict", "model")
"""Keys under which training scripts save a state dict among other things."""
PREFIXES = ("", "backbone.", "module.", "encoder.", "model.")
"""What the names of a backbone's weights begin with where it was a part of something."""
COUNTERS = "num_batches_tracked"
"""Ends the names of batch norm's counters, which old files lack and which change no result."""

log = logging.getLogger(__name__)


def start_from(backbone: nn.Module, path: Path) -> None:
    """Give a backbone the weights of a file; weights of other parts, such as a classifier, are left out and named.

    Args:
        backbone: changed in place.
        path: ``.safetensors``, or what ``torch.save`` wrote of a state dict; read without running its code.

    Raises:
        UserError: the file is not readable, lacks a weight of the backbone, or has it in another shape.
    """
    state = read_state(path)
    own = {name: value for name, value in backbone.state_dict().items() if not name.endswith(COUNTERS)}
    prefix = max(PREFIXES, key=lambda prefix: sum(f"{prefix}{name}" in state for name in own))
    for name, value in own.items():
        weight = state.get(f"{prefix}{name}")
        if weight is None or weight.shape != value.shape:
            what = "no weight" if weight is None else f"a weight of shape {tuple(weight.shape)}"
            raise UserError(
                f"backbone.weights={path}: it has {what} {name!r}, and this backbone needs {tuple(value.shape)}: "
                "choose the backbone and the width that the file is of"
            )
        if not weight.isfinite().all():
            raise UserError(f"backbone.weights={path}: {name!r} has a number that is not finite: get the file again")
    names = {f"{prefix}{name}" for name in backbone.state_dict()}
    backbone.load_state_dict({name: state[f"{prefix}{name}"] for name in own}, strict=False)
    others = sorted({name.removeprefix(prefix).partition(".")[0] for name in state.keys() - names})
    log.info("backbone: %d weights of %s%s", len(own), path, f"; left out: {', '.join(others)}" if others else "")


def read_state(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a file by their names."""
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the libraries raise types of their own for each kind of damage
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"backbone.weights={path}: not readable as weights ({reason}): name a .safetensors file, or a state dict "
            "that torch.save wrote"
        ) from None
    inner = next((content[key] for key in WRAPPERS if isinstance(content, dict) and key in content), content)
    named = inner.items() if isinstance(inner, dict) else ()
    state = {name: value for name, value in named if isinstance(value, Tensor)}
    if not state:
        raise UserError(f"backbone.weights={path}: it holds no state dict: save one with torch.save(net.state_dict())")
    return state
