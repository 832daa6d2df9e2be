"""Lay out a backbone in memory and compile it; results change by rounding alone."""

from typing import Any

import torch
from torch import nn

from supremix.errors import UserError

LAYOUTS = {4: torch.channels_last, 5: torch.channels_last_3d}
"""Memory formats with channels innermost, by the number of dimensions of a convolution's weights."""


def accelerate(backbone: nn.Module, device: torch.device, channels_last: bool | str, backend: str | None) -> None:
    """Apply ``trainer.channels_last`` and ``trainer.compile`` to a backbone in place; its weights keep their names.

    Args:
        backbone: the network.
        device: where it will run.
        channels_last: true, false, or "auto", which means on a GPU.
        backend: of ``torch.compile``; None does not compile.

    Raises:
        UserError: this machine cannot compile.
    """
    if device.type == "cuda" if channels_last == "auto" else channels_last:
        lay_out(backbone)
    if backend is not None:
        compile_forward(backbone, device, backend)


def lay_out(module: nn.Module) -> None:
    """Make channels the innermost dimension of the weights of 2D and 3D convolutions; activations follow."""
    for weight in module.parameters():
        if weight.ndim in LAYOUTS:
            weight.data = weight.data.contiguous(memory_format=LAYOUTS[weight.ndim])


def compile_forward(module: Any, device: torch.device, backend: str) -> None:
    """Compile the module's calls, after a trial: a missing compiler shows only at the first call."""
    torch.use_deterministic_algorithms(torch.are_deterministic_algorithms_enabled())  # tells the compiler too
    torch.compiler.reset()  # versions compiled by earlier runs of a sweep count towards torch's limit
    try:
        torch.compile(lambda x: x.sin() + 1, backend=backend)(torch.ones(2, device=device))
    except Exception as error:  # each backend and compiler has its own errors
        cause = str(getattr(error, "inner_exception", error)).strip() or type(error).__name__
        raise UserError(
            f"trainer.compile={backend}: nothing can be compiled here ({cause.splitlines()[0]}): "
            "install a C++ compiler, name another backend, or use null"
        ) from None
    module.compile(backend=backend)
    if hasattr(module, "sentences"):  # contrastive learning of sentences calls it
        module.sentences = torch.compile(module.sentences, backend=backend)
