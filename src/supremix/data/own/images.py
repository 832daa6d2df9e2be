"""A user's images as data: a table with a column of paths. B rows, S pixels a side."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from supremix.data.dataset import Augment, Data, FieldsAreState
from supremix.data.images import flat
from supremix.data.own import files
from supremix.data.own.assemble import Inputs, Plan, assembled, divided
from supremix.data.own.layout import Layout, read_rows
from supremix.data.views.images import ShiftedViews, normalised
from supremix.errors import UserError, needs
from supremix.runtime.registered import registered

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm")

SMALLEST, LARGEST, LOOKED_AT = 32, 64, 100  # pixels a side, images


@dataclass(frozen=True)
class ImageReader(FieldsAreState):
    """Reads images by their paths.

    Args:
        column: of the paths.
        pixels: S.
    """

    column: str
    pixels: int

    kind = "images"

    def read(self, rows: Any) -> Tensor:
        """Return images (B, 3, S, S) in [-1, 1]; see `supremix.data.dataset.RowReader`."""
        paths = files.new_files(rows, self.column)
        return normalised(as_batch(files.one_by_one(paths, partial(make_images, pixels=self.pixels))))


@registered("dataset/own_images")
def load_images(
    *,
    name: str,
    path: str,
    folder: str,
    layout: Layout,
    plan: Plan,
    input: str | None,
    pixels: int | str,
    views: Augment | None,
    padding: int,
    flip: float,
) -> Data:
    """Load images of any size, resized to squares; they are decoded once.

    Args:
        name: of the dataset.
        path: of the table.
        folder: where decoded images are kept.
        layout, plan: as for a table.
        input: column of paths, which count from the table's folder; None finds it.
        pixels: S; "auto": the median shorter side of the images, from 32 to 64.
        views: random views in pre-training; None for none.
        padding, flip: of random shifts and mirror images where labels train the backbone; 0 for none.
    """
    if pixels != "auto" and not (isinstance(pixels, int) and 8 <= pixels <= 1024):
        raise UserError(f"{name}: dataset.pixels={pixels}: use auto, or 8 to 1024")
    needs("PIL", "images")
    rows = read_rows(path, layout)
    column = files.needed_path_column(rows, input, "images", ENDINGS)
    rows, paths = files.with_files(rows, column)
    side = pixels if isinstance(pixels, int) else _auto_pixels(paths)
    if not 0 <= padding < side:
        raise UserError(
            f"{name}: dataset.load.padding={padding} of images of {side} pixels a side: use 0 to {side - 1}"
        )
    make = partial(make_images, pixels=side)
    decoded = files.decoded(Path(folder), paths, make, {"images": side}, "uint8", "decoding images")
    rows, at_N = files.without_failures(rows, decoded.results, "image")
    inputs = Inputs(
        fetch=lambda index_B: as_batch(decoded.pieces.gather(at_N[index_B])),
        reader=ImageReader(column, side),
        input_spec={},
        facts=[f"images by the paths in {column!r}, resized to {side}×{side} pixels"],
        others={
            "to_input": normalised,
            "flatten": flat,
            "contrastive_views": views,
            "training_views": ShiftedViews(padding, flip) if padding or flip else None,
        },
        sha256=decoded.sha256,
        on_disk=True,
    )
    return assembled(name, rows, divided(rows, plan), inputs, plan)


def _auto_pixels(paths: Sequence[Path]) -> int:
    """Return a side that enlarges no more images than it must and that a processor trains on in minutes."""
    from PIL import Image

    sides = []
    for path in paths[:LOOKED_AT]:
        with suppress(OSError, ValueError, Image.DecompressionBombError), Image.open(path) as image:
            sides.append(min(image.size))
    return int(np.clip(np.median(sides), SMALLEST, LARGEST)) if sides else LARGEST


def make_images(items: Sequence[Sequence[str]], pixels: int) -> tuple[np.ndarray, list[dict[str, Any]]]:
    """Decode image files into (len(items), S, S, 3) uint8; one that cannot be stays black."""
    from supremix.data.raw.pictures import decode

    images = np.zeros((len(items), pixels, pixels, 3), np.uint8)
    results: list[dict[str, Any]] = []
    for image, (path, _) in zip(images, items, strict=True):
        try:
            image[:] = decode(Path(path).read_bytes(), pixels)
            results.append({"failed": None})
        except (OSError, ValueError) as error:
            results.append({"failed": " ".join(str(error).split())})
    return images, results


def as_batch(x_BHWC: np.ndarray) -> Tensor:
    """Return images as a (B, 3, S, S) tensor in channels-last memory."""
    return torch.from_numpy(x_BHWC).permute(0, 3, 1, 2)
