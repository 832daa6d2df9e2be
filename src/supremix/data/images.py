"""Square colour images with one label each, read from a memory-mapped array. N rows, B of them in a batch."""

from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from supremix.data.check import check_trainable
from supremix.data.dataset import Augment, Data, Split
from supremix.data.prepared.arrays import read_array
from supremix.data.prepared.folder import SPLITS, check_sums, content_sha256, read_meta, redo
from supremix.data.prepared.manifest import Manifest, read_manifest
from supremix.data.readers import Pixels
from supremix.data.scaling import target_scale
from supremix.data.stress import Stress
from supremix.data.views.images import ShiftedViews, normalised
from supremix.errors import UserError
from supremix.runtime.registered import registered

ARRAY = "faces.npy"
FLAT_PIXELS = 32  # side to which images are averaged for regressors on raw pixels


@registered("dataset/images")
def load_images(
    folder: Path | str,
    *,
    name: str,
    pixels: int,
    bin_size: float | None,
    views: Augment,
    padding: int,
    flip: float,
    scaling: str | None = None,
    stress: Stress | None = None,
) -> Data:
    """Load the prepared images in `folder`; they stay on disk until they are fetched.

    Args:
        folder: a prepared folder.
        name: of the dataset, for messages and records.
        pixels: side of the images, as they were prepared.
        bin_size: label units, or None.
        views: random views in pre-training.
        padding: largest shift of training images where labels train the backbone, pixels.
        flip: probability of mirroring them.
        scaling: "standard" standardises targets by the training rows; "raw" or None keeps label units.
        stress: divides all rows anew; None keeps the prepared split.

    `Split.fetch` gives (B, 3, pixels, pixels) uint8; `to_input` brings that to [-1, 1], float32. Raises UserError
    where the folder is missing, damaged or changed, naming file and row. The array itself is checked by its size and
    shape alone, since hashing gigabytes at each start would take minutes.
    """
    if not 0 <= padding < pixels:
        raise UserError(f"{name}: padding={padding}: use 0 to {pixels - 1}")
    folder = Path(folder)
    meta = read_meta(folder)
    if meta.get("pixels") != pixels:
        raise UserError(
            f"{folder}: prepared with {meta.get('pixels')} pixels, but dataset.load.pixels={pixels}: "
            f"change one of the two; to prepare anew, {redo(folder)} and --pixels {pixels}"
        )
    manifest = read_manifest(folder / "manifest.csv", meta["rows"])
    if manifest.rows is None:
        raise UserError(f"{folder / 'manifest.csv'}: no split column: {redo(folder)}")
    rows = manifest.rows if stress is None else stress.split(name, manifest.y)
    mapped = read_array(folder / ARRAY, "uint8", (meta.get("images", 0), pixels, pixels, 3))
    images = np.asarray(mapped)  # without memmap's own cost at every row
    place_N = _places(folder / "manifest.csv", manifest, len(images))
    check_sums(folder, meta, ["manifest.csv", ARRAY], large=[ARRAY])

    train, val, test = (
        Split(manifest.ids[r], manifest.y[r], partial(fetch, images, place_N[r]), on_disk=True)
        for r in (rows[split] for split in SPLITS)
    )
    data = Data(
        name,
        train,
        val,
        test,
        bin_size,
        target=target_scale(name, scaling, train.y),
        input_spec={},
        sha256=content_sha256(meta),
        synthetic=meta["synthetic"],
        to_input=normalised,
        contrastive_views=views,
        training_views=ShiftedViews(padding, flip),
        flatten=flat,
        reader=Pixels(pixels),
    )
    check_trainable(data)
    return data


def fetch(images: np.ndarray, place_N: np.ndarray, index_B: np.ndarray) -> Tensor:
    """Return rows of a mapped (·, H, W, 3) uint8 array as a (B, 3, H, W) tensor in channels-last memory.

    They are read in the order in which they lie on disk, and returned in that of `index_B`.

    Args:
        images: the array.
        place_N: where the image of each of N rows stands in it.
        index_B: numbers of the wanted rows, 0 to N − 1.
    """
    place_B = place_N[np.asarray(index_B)]
    batch = np.empty((len(place_B), *images.shape[1:]), dtype=np.uint8)
    for i in np.argsort(place_B, kind="stable"):
        batch[i] = images[place_B[i]]
    return torch.from_numpy(batch).permute(0, 3, 1, 2)


def flat(x_BCHW: Tensor) -> Tensor:
    """Average fetched images to at most 32×32 pixels in [0, 1], (B, 3·32·32): rows for regressors on raw pixels."""
    side = min(FLAT_PIXELS, x_BCHW.shape[-1])
    # In parts, since all images at once as floats would need four times the memory of the file.
    return torch.cat([F.adaptive_avg_pool2d(part.float() / 255, side).flatten(1) for part in x_BCHW.split(256)])


def _places(path: Path, manifest: Manifest, images: int) -> np.ndarray:
    """Read the manifest's column `row`, (N,) int64: which image each of its rows has."""
    texts = manifest.extra.get("row")
    if texts is None:
        raise UserError(f"{path}: no row column: {redo(path.parent)}")
    seen: dict[int, int] = {}
    for i, text in enumerate(texts):
        place = int(text) if text.isdecimal() else -1
        if not 0 <= place < images or place in seen:
            fault = f"again the image of row {seen[place] + 1}" if place in seen else f"not 0 to {images - 1}"
            raise UserError(
                f"{path}: row {i + 1} (id {str(manifest.ids[i])!r}) has the row {text!r}, {fault}: {redo(path.parent)}"
            )
        seen[place] = i
    return np.fromiter(seen, dtype=np.int64, count=len(seen))
