"""A user's images as data: a table with a column of paths. B rows, S pixels a side."""

from collections.abc import Sequence
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
    pixels: int,
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
        pixels: S.
        views: random views in pre-training; None for none.
        padding, flip: of random shifts and mirror images where labels train the backbone; 0 for none.
    """
    if not 8 <= pixels <= 1024 or not 0 <= padding < pixels:
        raise UserError(f"{name}: dataset.pixels={pixels}, padding={padding}: use 8 to 1024, and a padding below it")
    needs("PIL", "images")
    rows = read_rows(path, layout)
    column = files.path_column(rows, input, ENDINGS)
    if column is None:
        raise UserError(
            f"{path}: no column holds paths of images ({', '.join(ENDINGS[:3])}, …): name it by dataset.input"
        )
    rows, paths = files.with_files(rows, column)
    settings = {"images": pixels}
    found = files.decoded(
        Path(folder), paths, partial(make_images, pixels=pixels), settings, "uint8", "decoding images"
    )
    rows, at_N = files.without_failures(rows, found.results, "image")
    inputs = Inputs(
        fetch=lambda index_B: as_batch(found.pieces.gather(at_N[index_B])),
        reader=ImageReader(column, pixels),
        input_spec={},
        facts=[f"images by the paths in {column!r}, resized to {pixels}×{pixels} pixels"],
        others={
            "to_input": normalised,
            "flatten": flat,
            "contrastive_views": views,
            "training_views": ShiftedViews(padding, flip) if padding or flip else None,
        },
        sha256=found.sha256,
        on_disk=True,
    )
    return assembled(name, rows, divided(rows, plan), inputs, plan)


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
