"""Named random streams: each use of randomness has its own generator, derived from the run's seed."""

import hashlib
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

ONE_RUN = threading.Lock()
"""Held by the thread whose run seeds PyTorch's global state, which all threads of a process share."""


def derive(seed: int, *names: str | int) -> int:
    """Derive a 63-bit seed for the stream ``names``; streams of different names are unrelated."""
    text = "/".join(str(part) for part in (seed, *names))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(seed: int, *names: str | int, device: torch.device | str = "cpu") -> torch.Generator:
    """Make a torch generator for the stream ``names``."""
    return torch.Generator(device=device).manual_seed(derive(seed, *names))


def seed_global(device: torch.device, seed: int, *names: str | int) -> None:
    """Seed torch's global generators, which dropout on ``device`` draws from, for the stream ``names``."""
    if device.type == "cpu":  # torch.manual_seed would format and keep a stack for each GPU that is never used
        torch.default_generator.manual_seed(derive(seed, *names))
    else:
        torch.manual_seed(derive(seed, *names))


@contextmanager
def initialising(seed: int, *names: str | int) -> Iterator[None]:
    """Initialise the modules built inside from the stream ``names``, and restore torch's global state after."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, *names))
        yield


def global_states(device: torch.device) -> dict[str, torch.Tensor | None]:
    """Return the states of torch's global generators, which dropout draws from; of a GPU's where ``device`` is one."""
    return {
        "cpu": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
    }


def set_global_states(states: Mapping[str, Any], device: torch.device) -> None:
    """Put torch's global generators in states that `global_states` returned for such a device."""
    torch.set_rng_state(states["cpu"])
    if states["cuda"] is not None:
        torch.cuda.set_rng_state(states["cuda"], device)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Run what seeds and sets PyTorch's global state, one thread at a time; give the caller's back after."""
    cudnn, devices = torch.backends.cudnn, [torch.cuda.current_device()] if torch.cuda.is_available() else []
    with ONE_RUN, torch.random.fork_rng(devices):
        mode, threads = torch.get_deterministic_debug_mode(), torch.get_num_threads()
        deterministic, benchmark = cudnn.deterministic, cudnn.benchmark
        try:
            yield
        finally:
            torch.set_deterministic_debug_mode(mode)
            torch.set_num_threads(threads)
            cudnn.deterministic, cudnn.benchmark = deterministic, benchmark


def repeatable(on: bool) -> None:
    """Make every operation give the same bits each time, on GPUs too; an operation that cannot raises RuntimeError."""
    if on:
        os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"  # read when CUDA starts
    torch.set_deterministic_debug_mode("error" if on else "default")  # imports no compiler
    torch.backends.cudnn.deterministic = on
    torch.backends.cudnn.benchmark = False
