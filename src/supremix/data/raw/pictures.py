"""Decode image files: upright, 8 bits a colour, square."""

import io
import warnings

import numpy as np
from PIL import Image, UnidentifiedImageError

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
SMALLEST_SIDE = 8  # pixels; anything below shows nothing


def decode(content: bytes, pixels: int) -> np.ndarray:
    """Decode an image file into (pixels, pixels, 3) uint8, RGB; raise ValueError with the reason where it cannot be."""
    try:
        # Pillow warns of damage that it reads past.
        with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(content)) as image:
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
        turn = TURNS.get(image.getexif().get(ORIENTATION, 1))
    except Exception:  # Pillow lets several kinds through
        return image
    return image if turn is None else image.transpose(turn)
