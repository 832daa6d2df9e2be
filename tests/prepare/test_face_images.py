"""Image files of all kinds become the 8-bit colours that a viewer shows, or are refused by name."""

import io

import numpy as np
import pytest
from PIL import Image, ImageOps

from supremix.data.raw.pictures import decode
from supremix.prepare.shared.face_images import doubts_of

SIDE = 16
ORIENTATION = 0x0112


def grey() -> np.ndarray:
    """A ramp, (SIDE, SIDE) uint8, different in every corner."""
    return (np.add.outer(np.arange(SIDE) * 10, np.arange(SIDE) * 6)).astype(np.uint8)


def saved(image: Image.Image, kind: str, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_keep_their_shades(kind):
    deep = Image.fromarray(grey().astype(np.uint16) * 257)
    assert deep.mode == "I;16"
    found = decode(saved(deep, kind), SIDE)
    np.testing.assert_array_equal(found, np.repeat(grey()[..., None], 3, axis=2))


def test_sixteen_bits_of_the_other_byte_order():
    deep = Image.frombytes("I;16B", (SIDE, SIDE), (grey().astype(">u2") * 257).tobytes())
    np.testing.assert_array_equal(decode(saved(deep, "TIFF"), SIDE)[..., 0], grey())


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (Image.fromarray(grey().astype(np.float32) / 255), "floating-point pixels, whose white is not stated"),
        (Image.fromarray(grey().astype(np.float32)), "floating-point pixels"),
        (Image.fromarray(grey().astype(np.int32) * 1000), "32-bit pixels, whose white is not stated"),
    ],
)
def test_pixels_without_a_stated_white_are_refused(image, message):
    with pytest.raises(ValueError, match=message):
        decode(saved(image, "TIFF"), SIDE)


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGB", "RGBA", "CMYK", "1"])
def test_all_modes_of_eight_bits_become_what_pillow_shows(mode):
    image = Image.fromarray(grey()).convert(mode)
    kind = "TIFF" if mode == "CMYK" else "PNG"
    np.testing.assert_array_equal(decode(saved(image, kind), SIDE), np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("deep", [False, True])
def test_exif_orientation_counts(orientation, deep):
    image = Image.fromarray(grey().astype(np.uint16) * 257 if deep else grey())
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    content = saved(image, "PNG", exif=exif)
    with Image.open(io.BytesIO(content)) as opened:
        upright = np.asarray(ImageOps.exif_transpose(opened))
    expected = upright // 257 if deep else upright
    np.testing.assert_array_equal(decode(content, SIDE)[..., 0], expected)
    assert (orientation == 1) == np.array_equal(expected, grey())


def test_exif_of_a_jpeg_turns_its_sides():
    image = Image.fromarray(np.repeat(grey()[:, :12, None], 3, axis=2))
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    content = saved(image, "JPEG", exif=exif, quality=95, subsampling=0)
    plain = saved(image, "JPEG", quality=95, subsampling=0)
    with Image.open(io.BytesIO(plain)) as opened:
        turned = opened.transpose(Image.Transpose.ROTATE_270)
    expected = turned.resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(decode(content, SIDE), np.asarray(expected))


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_an_orientation_that_is_none_leaves_the_image_as_it_is(value):
    exif = Image.Exif()
    exif[ORIENTATION] = value
    np.testing.assert_array_equal(decode(saved(Image.fromarray(grey()), "PNG", exif=exif), SIDE)[..., 0], grey())


def test_damaged_exif_costs_no_image():
    content = saved(Image.fromarray(grey()), "PNG", exif=b"Exif\x00\x00MM\x00\x2a\xff\xff\xff\xff")
    np.testing.assert_array_equal(decode(content, SIDE)[..., 0], grey())


@pytest.mark.parametrize(("spread", "doubts"), [(8, ["flat (its colours differ by 8 of 255)"]), (9, [])])
def test_an_image_is_flat_where_no_channel_differs_by_more_than_eight(spread, doubts):
    image = np.zeros((SIDE, SIDE, 3), np.uint8)
    image[0, 0, 1] = spread
    assert doubts_of(image) == doubts
