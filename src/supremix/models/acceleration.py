"""How a backbone runs: its layout in memory, and whether it is compiled. Results differ by rounding alone."""

from typing import Any

import torch
from torch import nn

from supremix.errors import UserError

LAYOUTS = {4: torch.channels_last, 5: torch.channels_last_3d}
"""Channels innermost, by the dimensions of a convolution's weights."""


def accelerate(backbone: nn.Module, device: torch.device, channels_last: bool | str, backend: str | None) -> None:
    """Apply ``trainer.channels_last`` (true, false, or auto: on a GPU) and ``trainer.compile`` to a backbone, in place.

    It keeps the names of its weights. Raises UserError where nothing can be compiled.
    """
    if device.type == "cuda" if channels_last == "auto" else channels_last:
        lay_out(backbone)
    if backend is not None:
        compile_forward(backbone, device, backend)


def lay_out(module: nn.Module) -> None:
    """Put the channels of 2D and 3D convolutions' weights innermost; activations follow the weights."""
    for weight in module.parameters():
        if weight.ndim in LAYOUTS:
            weight.data = weight.data.contiguous(memory_format=LAYOUTS[weight.ndim])


def compile_forward(module: Any, device: torch.device, backend: str) -> None:
    """Have the module's calls compiled; first a trial, since a missing compiler shows only at the first call."""
    torch.compiler.reset()  # what earlier runs of a sweep left counts towards the limit of versions of a function
    try:
        torch.compile(lambda x: x.sin() + 1, backend=backend)(torch.ones(2, device=device))
    except Exception as error:  # each backend and compiler has its own
        cause = str(getattr(error, "inner_exception", error)).strip() or type(error).__name__
        raise UserError(
            f"trainer.compile={backend}: nothing can be compiled here ({cause.splitlines()[0]}): "
            "install a C++ compiler, name another backend, or use null"
        ) from None
    module.compile(backend=backend)
    if hasattr(module, "sentences"):  # what contrastive learning of sentences calls
        module.sentences = torch.compile(module.sentences, backend=backend)
