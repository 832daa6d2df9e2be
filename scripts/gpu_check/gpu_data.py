"""Synthetic data of full size on disk, read by the package's own loaders; it repeats, so that an epoch is long."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from omegaconf import DictConfig
from torch import Tensor

from supremix.data.dataset import Data, Split, TargetScale
from supremix.data.images import fetch, normalised
from supremix.data.loading import to_device
from supremix.data.prepared.pieces import open_pieces
from supremix.data.volumes import to_input
from supremix.settings.build import build

TOGETHER = 64
"""Volumes in a file."""


def data_of(rows: int, read: Callable[[np.ndarray], Any], labels: np.ndarray, **others: Any) -> Data:
    """Return a dataset whose splits all read the same rows; row i is what ``read`` gives for i."""
    split = Split(np.arange(rows).astype(str), labels, read, on_disk=True, workers=2)
    return Data("synthetic", split, split, split, 1.0, TargetScale(0.0, 1.0), sha256="", synthetic=True, **others)


def faces(folder: Path, rows: int, stored: int, pixels: int, cfg: DictConfig) -> Data:
    """Return faces of random bytes."""
    path, draw = folder / "faces.npy", np.random.default_rng(0)
    np.save(path, draw.integers(0, 256, (stored, pixels, pixels, 3), dtype=np.uint8))
    mapped = np.asarray(np.load(path, mmap_mode="r"))
    return data_of(
        rows,
        partial(fetch, mapped, np.arange(rows) % stored),
        draw.integers(0, 90, rows).astype(float),
        input_spec={},
        to_input=normalised,
        contrastive_views=build("dataset.load.views", cfg.dataset.load.views),
    )


def volumes(folder: Path, rows: int, stored: int, side: int, cfg: DictConfig) -> Data:
    """Return volumes of random voxels, float16 as they are prepared."""
    draw, names = np.random.default_rng(0), []
    block = draw.random((min(stored, TOGETHER), side, side, side), np.float32).astype(np.float16)
    for i in range(stored // len(block)):
        names.append(f"volumes-{i}.npy")
        np.save(folder / names[-1], block)
    pieces = [{"file": name, "rows": len(block)} for name in names]
    array = {"dtype": "float16", "row_shape": block.shape[1:], "pieces": pieces}
    opened = open_pieces(folder, {"array": array})
    return data_of(
        rows,
        lambda index_B: torch.from_numpy(opened.gather(index_B % len(opened))),
        draw.integers(0, 40, rows).astype(float),
        input_spec={"in_channels": 1},
        to_input=to_input,
        contrastive_views=build("dataset.load.views", cfg.dataset.load.views),
    )


def sentences(folder: Path, rows: int, words: int, longest: int, cfg: DictConfig) -> Data:
    """Return pairs of random sentences of up to ``longest`` tokens; like the package's they lie in memory."""
    draw = torch.Generator().manual_seed(0)
    width = cfg.dataset.vector_width
    sides: dict[str, Tensor] = {}
    for side in ("a", "b"):
        length_N = torch.randint(4, longest + 1, (rows,), generator=draw)
        token_NL = torch.randint(1, words, (rows, longest), generator=draw)
        sides |= {side: token_NL.masked_fill(torch.arange(longest) >= length_N[:, None], 0), f"{side}_length": length_N}

    def read(index_B: np.ndarray) -> dict[str, Tensor]:
        return {key: value[torch.as_tensor(index_B)] for key, value in sides.items()}

    labels = torch.randint(51, (rows,), generator=draw).double().numpy() / 10
    vectors = {"vectors": torch.randn(words, width, generator=draw)}
    data = replace(data_of(rows, read, labels, input_spec=vectors), bin_size=0.1)
    return replace(data, train=replace(data.train, on_disk=False, workers=0))


def held(data: Data, batch: Any, device: torch.device) -> Data:
    """Return the data with one batch, views and all, in place of every input: nothing is read or augmented."""
    nothing = torch.zeros(1, device=device)
    split = replace(data.train, fetch=lambda index_B: nothing, on_disk=False, workers=0)
    return replace(data, train=split, contrastive_views=Held(batch), to_input=lambda x: batch)


def resident(data: Data, batch: int, device: torch.device) -> Data:
    """Return the data with one fetched batch that lies on the device: nothing is read, views are made."""
    x = to_device(data.train.fetch(np.arange(batch)), device)
    return replace(data, train=replace(data.train, fetch=lambda index_B: x, on_disk=False, workers=0))


class Held:
    """Views that are there already."""

    draws = 1

    def __init__(self, batch: Any) -> None:
        self.batch = batch

    def __call__(self, x: Any, uniform_BP: Any) -> Any:
        """Return them."""
        return self.batch
