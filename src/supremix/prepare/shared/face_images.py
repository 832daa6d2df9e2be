"""Decode and resize face images, and write them into one .npy array, a few at a time."""

import hashlib
import io
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from supremix.prepare.shared.archives import Place

ORIENTATION = 0x0112  # EXIF's tag
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
SMALLEST_SIDE = 8  # pixels; anything below holds no face
FLAT = 8  # of 255; colours that differ by no more show no face


def decode(content: bytes, pixels: int) -> np.ndarray:
    """Decode an image file into (pixels, pixels, 3) uint8, RGB; raise ValueError with the reason where it cannot be."""
    try:
        with Image.open(io.BytesIO(content)) as image:
            if min(image.size) < SMALLEST_SIDE:
                raise ValueError(f"only {image.width}×{image.height} pixels")
            upright = to_rgb(_turned(image))
            return np.asarray(upright.resize((pixels, pixels), Image.Resampling.BILINEAR))
    except UnidentifiedImageError:  # its own message holds a memory address
        raise ValueError(f"{len(content)} bytes that are no image") from None
    except ValueError:
        raise
    except Exception as error:  # Pillow's decoders let OSError, SyntaxError, struct.error and others through
        raise ValueError(str(error) or type(error).__name__) from error


def to_rgb(image: Image.Image) -> Image.Image:
    """Convert an image to 8 bits a colour, on white; raise ValueError where what it holds has no stated white.

    Pillow itself cuts off what is above 255: 16 bits become white, floats from 0 to 1 black.
    """
    if image.mode.startswith("I;16"):
        high = np.asarray(image).astype(np.uint16) / 257  # 65535 is white
        return Image.fromarray(high.round().astype(np.uint8)).convert("RGB")
    if image.mode in ("F", "I"):
        what = "floating-point" if image.mode == "F" else "32-bit"
        raise ValueError(f"{what} pixels, whose white is not stated; convert it to 8 or 16 bits")
    if not image.has_transparency_data:
        return image.convert("RGB")
    colours = image.convert("RGBA")  # see-through pixels have any colour
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), colours).convert("RGB")


def _turned(image: Image.Image) -> Image.Image:
    """Turn an image upright, as its EXIF says; one whose EXIF is damaged stays as it is."""
    try:
        with warnings.catch_warnings(action="ignore"):  # of damaged EXIF
            turn = TURNS.get(image.getexif().get(ORIENTATION, 1))
    except Exception:  # Pillow lets several kinds through
        return image
    return image if turn is None else image.transpose(turn)


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
    new.rename(path)


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
    return None, {"failed": failed, "doubts": doubts, "sha256": sums}


def _header_bytes(path: Path) -> int:
    with path.open("rb") as file:
        np.lib.format.read_magic(file)
        np.lib.format.read_array_header_1_0(file)
        return file.tell()
