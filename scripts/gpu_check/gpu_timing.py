"""Time, memory and arithmetic of work on a device."""

import math
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


def wait(device: torch.device) -> None:
    """Wait until the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds(work: Callable[[], object], device: torch.device) -> float:
    """Return the seconds until the device is done with a call."""
    wait(device)
    started = time.perf_counter()
    work()
    wait(device)
    return time.perf_counter() - started


def milliseconds(work: Callable[[], object], device: torch.device, rounds: int) -> tuple[float, float]:
    """Return the median milliseconds of a call on its own, and those of a call in a row that is waited for once."""
    for _ in range(3):
        work()
    alone = statistics.median(seconds(work, device) for _ in range(rounds))

    def in_a_row() -> None:
        for _ in range(rounds):
            work()

    return alone * 1e3, seconds(in_a_row, device) / rounds * 1e3


def start_memory(device: torch.device) -> float:
    """Forget the highest memory; return what is in use now, MB."""
    if device.type != "cuda":
        return 0.0
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    return torch.cuda.memory_allocated(device) / 1e6


def peak_memory(device: torch.device) -> float:
    """Return the highest memory since `start_memory`, MB; 0 on a processor."""
    return torch.cuda.max_memory_allocated(device) / 1e6 if device.type == "cuda" else 0.0


def peak_flops(device: torch.device, side: int) -> float:
    """Return the operations a second of a bfloat16 product of random square matrices, the best of ten."""
    a, b = (torch.randn(side, side, device=device, dtype=torch.bfloat16) for _ in range(2))
    for _ in range(3):
        torch.mm(a, b)
    return 2 * side**3 / min(seconds(lambda: torch.mm(a, b), device) for _ in range(10))


def step_flops(model: nn.Module, x: Any, device: torch.device) -> int:
    """Return the operations of a forward and a backward pass, two for a multiplication with an addition.

    In float32: the number is the same in any precision, and the counter's own products confuse autocast.
    """
    rnn = {torch.ops.aten._cudnn_rnn: _rnn, torch.ops.aten._cudnn_rnn_backward: _rnn_backward}
    with FlopCounterMode(display=False, custom_mapping=rnn) as counter:
        model(x).float().square().mean().backward()
    model.zero_grad(set_to_none=True)
    return counter.get_total_flops()


def _rnn(input_shape: Any, weight_shapes: Any, *others: Any, out_shape: Any = None, **named: Any) -> int:
    """Count the matrix products of cuDNN's recurrent network, which PyTorch's counter does not know."""
    return 2 * math.prod(input_shape[:-1]) * sum(math.prod(shape) for shape in weight_shapes if len(shape) == 2)


def _rnn_backward(input_shape: Any, weight_shapes: Any, *others: Any, out_shape: Any = None, **named: Any) -> int:
    return 2 * _rnn(input_shape, weight_shapes)
