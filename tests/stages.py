"""Settings of a stage for tests that call it by itself, as objects with the attributes that training reads."""

from types import SimpleNamespace
from typing import Any


def fit_settings(epochs: int, clip: float | None = None) -> SimpleNamespace:
    """Settings of the loop."""
    return SimpleNamespace(epochs=epochs, clip=clip)


def method(labels: str = "binned", embed: str = "items", **changes: Any) -> SimpleNamespace:
    """Settings of pre-training."""
    usual = {"views": 1, "epochs": 2, "batch_size": 32, "sampler": "shuffled", "clip": None}
    pretrain = usual | {"histograms": None, "microbatch": None} | changes
    return SimpleNamespace(labels=labels, embed=embed, pretrain=SimpleNamespace(**pretrain))


def protocol(**changes: Any) -> SimpleNamespace:
    """Settings of adaptation."""
    settings = {"train_backbone": False, "epochs": 6, "batch_size": 16, "loss": "l1", "bias_init": "mean"}
    return SimpleNamespace(**settings | {"select": "mae", "clip": None, "patience": None} | changes)


def histograms(bins: int, hardest: int, epochs: list[int]) -> SimpleNamespace:
    """Settings of the histograms of logits."""
    return SimpleNamespace(bins=bins, hardest=hardest, epochs=epochs)
