"""Decode and resize face images, and write them into one .npy array, a few at a time."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from supremix.data.raw.pictures import decode
from supremix.prepare.shared.archives import Place
from supremix.runtime.disk import flush, put

FLAT = 8  # of 255; colours that differ by no more show no face


def doubts_of(image: np.ndarray) -> list[str]:
    """List what makes it doubtful that an image, (pixels, pixels, 3) uint8, shows a face."""
    spread = int(np.ptp(image.reshape(-1, 3), axis=0).max())
    return [f"flat (its colours differ by {spread} of 255)"] if spread <= FLAT else []


def create_array(path: Path, images: int, pixels: int) -> None:
    """Create the .npy file of (images, pixels, pixels, 3) uint8, all zero; it takes no space until it is written to."""
    new = path.with_suffix(".new")
    shape = (images, pixels, pixels, 3)
    with new.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
        file.truncate(file.tell() + int(np.prod(shape)))
    put(new, path)


def write_images(items: Sequence[tuple[int, Place]], *, path: Path, pixels: int) -> tuple[None, dict[str, Any]]:
    """Decode consecutive images and write them into the array at `path`; a row whose image fails stays zero.

    Args:
        items: (row, place) of each image.

    Returns: None, since the array is elsewhere, and "sha256" of each file, None where it cannot be read, "failed",
    [row, reason] of each image that failed, and "doubts", [row, doubt] of each that is doubtful.
    """
    images = np.zeros((len(items), pixels, pixels, 3), dtype=np.uint8)
    failed: list[Any] = []
    doubts: list[Any] = []
    sums: list[str | None] = []
    for image, (row, place) in zip(images, items, strict=True):
        sums.append(None)
        try:
            content = place.read()
            sums[-1] = hashlib.sha256(content).hexdigest()
            image[:] = decode(content, pixels)
            doubts += [[row, doubt] for doubt in doubts_of(image)]
        except (OSError, ValueError) as error:
            failed.append([row, " ".join(str(error).split())])
    # Written, not mapped: a full disk is then an error and not a bus fault.
    with path.open("r+b") as file:
        file.seek(_header_bytes(path) + items[0][0] * images[0].nbytes)
        file.write(images.tobytes())
    flush(path)  # before the record that these are done
    return None, {"failed": failed, "doubts": doubts, "sha256": sums}


def _header_bytes(path: Path) -> int:
    with path.open("rb") as file:
        np.lib.format.read_magic(file)
        np.lib.format.read_array_header_1_0(file)
        return file.tell()
