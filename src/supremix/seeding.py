"""Named random streams: every use of randomness has its own generator, derived from the run's seed."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def derive(seed: int, *names: str | int) -> int:
    """A 63-bit seed for the stream ``names``; streams with different names are unrelated."""
    text = "/".join(str(part) for part in (seed, *names))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(seed: int, *names: str | int, device: torch.device | str = "cpu") -> torch.Generator:
    """A torch generator for the stream ``names``."""
    return torch.Generator(device=device).manual_seed(derive(seed, *names))


@contextmanager
def initialising(seed: int, *names: str | int) -> Iterator[None]:
    """Modules built inside start from the stream ``names``; torch's global state is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, *names))
        yield
