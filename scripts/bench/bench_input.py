"""How fast inputs are read and augmented: random views against torchvision's, reading ahead from disk.

Faces are random bytes, 8-bit, in an array on disk that the system has in memory by the time it is measured: what is
measured is the path from there, not the disk. Views are those of contrastive training and of regression.
"""

import itertools
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from supremix.data.dataset import Augment, Split
from supremix.data.images import fetch
from supremix.data.prepared.pieces import open_pieces
from supremix.data.views.images import ShiftedViews
from supremix.prepare.shared.prepared import describe_pieces
from supremix.settings.build import build
from supremix.settings.compose import CONF, composed
from supremix.training.batches import Items, Stream, batches_of

WORKERS, BATCH = 2, 128
SIZES = {224: 32, 64: 256}  # pixels a side, and images that are augmented at a time
COLOURS, TALEB = (
    build("dataset.load.views", composed(CONF, [f"dataset={name}"]).dataset.load.views) for name in ("agedb_dir", "ukb")
)
VIEWS: dict[str, Augment] = {"crop, colours": COLOURS, "shift, flip": ShiftedViews(16, flip=0.5)}
FACES = 1024
VOLUMES, SIDE, VOLUMES_AT_ONCE = 32, 100, 8


def faces(count: int, pixels: int) -> np.ndarray:
    """Random bytes (count, pixels, pixels, 3)."""
    return np.random.default_rng(0).integers(0, 256, (count, pixels, pixels, 3), dtype=np.uint8)


def seconds(work: Callable[[], object]) -> float:
    """Wall-clock seconds of a call."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


@cache
def torchvision_images(kind: str, pixels: int) -> tuple[Callable[[Tensor], Tensor], list[Tensor]]:
    """torchvision's transform of one image, and the images."""
    from torchvision.transforms import v2

    transforms = {
        "crop, colours": [
            v2.RandomResizedCrop(pixels, scale=COLOURS.crop_scale),
            v2.RandomApply([v2.ColorJitter(*COLOURS.strengths)], p=COLOURS.jitter),
        ],
        "shift, flip": [v2.RandomCrop(pixels, padding=16), v2.RandomHorizontalFlip()],
    }
    to_input = [v2.ToDtype(torch.float32, scale=True), v2.Normalize([0.5] * 3, [0.5] * 3)]
    transform = v2.Compose([*transforms[kind], *to_input])
    return transform, list(torch.from_numpy(faces(SIZES[pixels], pixels)).permute(0, 3, 1, 2).contiguous())


def torchvision_part(kind: str, pixels: int, part: slice) -> None:
    """Augment some of the images one by one, as parameters of their own ask for, and stack them."""
    torch.set_num_threads(1)
    transform, images = torchvision_images(kind, pixels)
    torch.stack([transform(image) for image in images[part]])


def measure_views(kind: str, pixels: int, threads: int, rounds: int) -> dict:
    """Measure views per second: ours on threads, torchvision's in processes, in turn."""
    count = SIZES[pixels]
    augment = VIEWS[kind]
    images = torch.from_numpy(faces(count, pixels)).permute(0, 3, 1, 2)
    uniform_BP = torch.rand(count, augment.draws, generator=torch.Generator().manual_seed(0))
    parts = [slice(i, None, threads) for i in range(threads)]
    torch.set_num_threads(threads)
    with ProcessPoolExecutor(threads, mp_context=get_context("spawn")) as processes:

        def plain() -> None:
            list(processes.map(partial(torchvision_part, kind, pixels), parts))

        for _ in range(3):  # all are warm after this
            augment(images, uniform_BP)
            plain()
        pairs = [(count / seconds(lambda: augment(images, uniform_BP)), count / seconds(plain)) for _ in range(rounds)]
    torch.set_num_threads(1)
    return {
        "views": kind,
        "pixels": pixels,
        "threads": threads,
        "views_per_second": statistics.median(ours for ours, _ in pairs),
        "torchvision_per_second": statistics.median(plain for _, plain in pairs),
        "ratio": statistics.median(ours / plain for ours, plain in pairs),
        "ratio_range": [min(o / p for o, p in pairs), max(o / p for o, p in pairs)],
    }


def stored_faces(folder: Path, count: int) -> Split:
    """Faces of 224² in a mapped array on disk, which two workers read ahead."""
    path = folder / "faces.npy"
    np.save(path, faces(count, 224))
    read = partial(fetch, np.asarray(np.load(path, mmap_mode="r")), np.arange(count))
    return Split(np.arange(count).astype(str), np.arange(count) % 90.0, read, on_disk=True, workers=WORKERS)


def stored_volumes(folder: Path) -> Split:
    """float16 cubes in two files on disk, which two workers read ahead."""
    half = np.random.default_rng(0).random((VOLUMES // 2, SIDE, SIDE, SIDE), np.float32).astype(np.float16)
    names = ["volumes-0.npy", "volumes-1.npy"]
    for name in names:
        np.save(folder / name, half)
    pieces = open_pieces(folder, {"array": describe_pieces(names, [len(half)] * 2, "float16", half.shape[1:])})
    read = lambda index_B: torch.from_numpy(pieces.gather(index_B))  # noqa: E731
    return Split(np.arange(VOLUMES).astype(str), np.arange(VOLUMES) % 40.0, read, on_disk=True, workers=WORKERS)


def items_per_second(split: Split, batch_size: int, rounds: int, **views: Any) -> float:
    """Median items a second of shuffled epochs; no step is made of the batches."""
    batches = batches_of(Items(split, split.y, **views), batch_size, Stream(0, "bench"), torch.device("cpu"))

    def epoch(number: int) -> None:
        for _ in batches(number):
            pass

    epoch(1)
    return statistics.median(len(split) / seconds(partial(epoch, 2 + i)) for i in range(rounds))


def measure_input(rounds: int = 5) -> dict:
    """Everything of this file."""
    cases = itertools.product(VIEWS, SIZES, (1, 2))
    measured: dict = {"views": [measure_views(*case, rounds) for case in cases]}
    with tempfile.TemporaryDirectory() as folder:
        measured["faces_read_per_second"] = items_per_second(stored_faces(Path(folder), FACES), BATCH, rounds)
    with tempfile.TemporaryDirectory() as folder:
        split = stored_volumes(Path(folder))
        measured["volumes_read_per_second"] = items_per_second(split, VOLUMES_AT_ONCE, rounds)
        measured["volume_views_per_second"] = items_per_second(
            split, VOLUMES_AT_ONCE, max(1, rounds // 3), augment=TALEB, views=1
        )
    return measured | {"workers": WORKERS, "torch": torch.__version__}


def table(measured: dict) -> str:
    """The measurement as text."""
    lines = ["Random views of 8-bit images, views a second, median; torchvision's one by one"]
    for row in measured["views"]:
        lines.append(
            f"  {row['views']:13s}  {row['pixels']:3d}², {row['threads']} core{'s' if row['threads'] > 1 else ' '} "
            f"{row['views_per_second']:10.0f}   torchvision {row['torchvision_per_second']:8.0f}"
            "   ratio {:5.1f} ×   ({:.1f} to {:.1f})".format(row["ratio"], *row["ratio_range"])
        )
    lines += [
        f"Read by {measured['workers']} workers from an array on disk that the system has in memory, shuffled",
        f"  faces, 224², 8 bit     {measured['faces_read_per_second']:10.0f} a second",
        f"  volumes, {SIDE}³, float16 {measured['volumes_read_per_second']:10.0f} a second",
        f"  … and one view of each {measured['volume_views_per_second']:10.1f} a second, 1 thread",
    ]
    return "\n".join(lines)
