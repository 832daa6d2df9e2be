"""Draw faces whose features change with age, under nuisances that no single pixel or mean can see through.

Age shows in wrinkles, grey hair, hairline, eye size and position, face shape, sagging, lips and age spots, each with
a deviation of its own. Pose, place, size, skin, hair colour, light, background, expression, glasses, headgear,
black-and-white film and noise say nothing about it. P pixels a side; u runs right and v down, face height -1 to 1.
"""

import hashlib
import io
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike
from PIL import Image

APPARENT_AGE_STD = 3.0  # years; what a face as a whole looks older or younger
FEATURE_STD = 6.0  # years; what each of its features does besides
SKINS = ((0.96, 0.82, 0.72), (0.87, 0.69, 0.55), (0.66, 0.47, 0.35), (0.42, 0.29, 0.22))
HAIRS = ((0.10, 0.08, 0.07), (0.32, 0.20, 0.12), (0.52, 0.28, 0.14), (0.82, 0.68, 0.42))
GREY = (0.80, 0.80, 0.82)


@dataclass(frozen=True)
class Person:
    """What stays the same in all images of one name."""

    skin: np.ndarray
    hair: np.ndarray
    width: float
    eye_gap: float
    nose: float
    long_hair: bool
    male: bool


def person(name: str, male: bool, seed: int) -> Person:
    """Make up the person of this name: the same for the same seed, whatever else is drawn."""
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    rng = np.random.default_rng(int.from_bytes(digest[:8], "big"))
    skin = np.array(SKINS[rng.integers(len(SKINS))]) * rng.uniform(0.92, 1.04)
    hair = np.array(HAIRS[rng.integers(len(HAIRS))]) * rng.uniform(0.8, 1.15)
    long_hair = bool(rng.random() < (0.15 if male else 0.8))
    return Person(skin, hair, rng.uniform(0.68, 0.80), rng.uniform(0.27, 0.34), rng.uniform(0.3, 0.4), long_hair, male)


def draw_jpeg(age: float, who: Person, rng: Generator, pixels: int) -> bytes:
    """Draw `who` at this age as a JPEG file, RGB or, for black-and-white film, grey."""
    fine = 2 if pixels < 128 else 1
    image = Image.fromarray(draw(age, who, rng, pixels * fine))
    if fine > 1:
        image = image.resize((pixels, pixels), Image.Resampling.BOX)
    if rng.random() < 0.25:
        image = image.convert("L")
    file = io.BytesIO()
    image.save(file, "JPEG", quality=92)
    return file.getvalue()


def draw(age: float, who: Person, rng: Generator, pixels: int) -> np.ndarray:
    """Draw one image, (pixels, pixels, 3) uint8."""
    years = _Years(age, rng)
    canvas = _Canvas(rng, pixels)
    width = who.width + 0.10 * np.exp(-years() / 8)
    _head(canvas, who, years, rng, width)
    canvas.turn(rng.uniform(-0.3, 0.3))
    eye_v = -0.10 + 0.20 * np.exp(-years() / 9)
    _lines(canvas, years, rng, eye_v, width)
    _features(canvas, who, years, rng, eye_v)
    return canvas.finish(rng)


class _Years:
    """The age that a feature shows: the face's apparent age with the feature's own deviation."""

    def __init__(self, age: float, rng: Generator) -> None:
        self.rng = rng.spawn(1)[0]  # so that the nuisances are the same at any age
        self.apparent = age + self.rng.normal(0, APPARENT_AGE_STD)

    def __call__(self) -> float:
        return max(self.apparent + self.rng.normal(0, FEATURE_STD), 0.0)

    def rise(self, middle: float, width: float) -> float:
        """0 for the young to 1 for the old, one half at `middle`."""
        return float(1 / (1 + np.exp((middle - self()) / width)))


class _Canvas:
    """An image under construction, with coordinates of a face at a random place, size and tilt."""

    def __init__(self, rng: Generator, pixels: int) -> None:
        line = (np.arange(pixels, dtype=np.float32) + 0.5) / pixels * 2 - 1
        x, y = np.meshgrid(line, line)
        self.x, self.y = x, y
        corners = rng.uniform(0, 1, (3, 3)).astype(np.float32)
        self.image = corners[0] + (x[..., None] + 1) / 2 * (corners[1] - corners[0])
        self.image = self.image + (y[..., None] + 1) / 2 * (corners[2] - corners[0]) * 0.5
        for _ in range(rng.integers(0, 4)):
            (left, up), (across, down) = rng.uniform(-1, 1, 2), rng.uniform(0.2, 0.7, 2)
            blob = _disc(x, y, left, up, across, down, soft=0.1)
            self.paint(rng.uniform(0, 1, 3), blob * rng.uniform(0.3, 0.9))
        tilt, size = rng.normal(0, 0.25), rng.uniform(0.50, 0.80)
        left, up = rng.uniform(-0.25, 0.25, 2)
        u, v = (x - left) / size, (y - up) / size
        self.u, self.v = u * np.cos(tilt) + v * np.sin(tilt), v * np.cos(tilt) - u * np.sin(tilt)
        self.skin = np.zeros_like(x)

    def paint(self, colour: ArrayLike, mask: np.ndarray) -> None:
        """Lay a colour over the image where the mask is 1."""
        self.image = self.image + mask[..., None] * (np.asarray(colour, dtype=np.float32) - self.image)

    def shade(self, mask: np.ndarray, strength: float) -> None:
        """Darken the image where the mask is 1."""
        self.image = self.image * (1 - strength * mask[..., None])

    def turn(self, yaw: float) -> None:
        """From here on coordinates are those of features on a head that looks to one side."""
        self.u = self.u - yaw * 0.5 * np.clip(1 - self.u**2, 0, 1)

    def finish(self, rng: Generator) -> np.ndarray:
        """Light from one side, exposure, film noise."""
        angle, strength = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.35)
        light = 1 + strength * (self.x * np.cos(angle) + self.y * np.sin(angle))
        image = np.clip(self.image * light[..., None] * rng.uniform(0.75, 1.2), 0, 1) ** rng.uniform(0.8, 1.25)
        image = image + rng.normal(0, rng.uniform(0, 0.04), image.shape)
        return (np.clip(image, 0, 1) * 255).round().astype(np.uint8)


def _disc(u: np.ndarray, v: np.ndarray, cu: float, cv: float, ru: float, rv: float, soft: float = 0.03) -> np.ndarray:
    """1 inside an ellipse, 0 outside, with a soft edge."""
    radius = np.sqrt(((u - cu) / ru) ** 2 + ((v - cv) / rv) ** 2)
    return np.clip((1 - radius) * min(ru, rv) / soft + 0.5, 0, 1)


def _stroke(distance: np.ndarray, width: float) -> np.ndarray:
    return np.exp(-((distance / width) ** 2))


def _head(canvas: _Canvas, who: Person, years: _Years, rng: Generator, width: float) -> None:
    """Hair, neck, face and hairline, headgear."""
    hair = who.hair + years.rise(52, 7) * (np.array(GREY) - who.hair)
    u, v = canvas.u, canvas.v
    length = 0.9 if who.long_hair else 0.15
    canvas.paint(hair, _disc(u, v, 0, -0.15 + length / 2, width + 0.16, 1.0 + length / 2))
    canvas.paint(who.skin * 0.9, _disc(u, v, 0, 1.1, 0.36, 0.6))
    jaw = 0.16 * years.rise(58, 9)  # the lower face widens
    canvas.skin = _disc(u / (1 + jaw * np.clip(v, 0, 1)), v, 0, 0, width, 1.0)
    canvas.paint(who.skin, canvas.skin)
    line = -0.50 - (0.34 if who.male else 0.14) * years.rise(45, 10)  # the hairline recedes
    fringe = np.clip((line + 0.12 * u**2 - v) / 0.05 + 0.5, 0, 1)
    canvas.paint(hair, canvas.skin * fringe)
    canvas.skin = canvas.skin * (1 - fringe)
    if rng.random() < 0.3:  # a hat or a scarf
        cloth = _disc(u, v, 0, -0.75, width + 0.25, 0.45)
        canvas.paint(rng.uniform(0, 1, 3), cloth)
        canvas.skin = canvas.skin * (1 - cloth)


def _lines(canvas: _Canvas, years: _Years, rng: Generator, eye_v: float, width: float) -> None:
    """Wrinkles of forehead, eyes and cheeks, bags under the eyes, spots."""
    u, v = canvas.u, canvas.v
    phase, bend = rng.uniform(0, 6), rng.uniform(-0.05, 0.08)
    forehead = sum(
        _stroke(v - (eye_v - 0.25 - 0.10 * k + bend * u**2 + 0.01 * np.sin(9 * u + phase + k)), 0.022) for k in range(3)
    )
    canvas.shade(canvas.skin * forehead * (np.abs(u) < 0.45), 0.55 * years.rise(48, 10))
    side = np.abs(u)
    feet = sum(_stroke(v - eye_v - k * 0.5 * (side - 0.42), 0.018) for k in (-1, 0, 1))
    canvas.shade(canvas.skin * feet * (side > 0.46) * (side < 0.66), 0.55 * years.rise(42, 9))
    fold = _stroke(side - (0.17 + 0.42 * np.clip(v - 0.2, 0, 1)), 0.028) * (v > 0.2) * (v < 0.62)
    canvas.shade(canvas.skin * fold, 0.55 * years.rise(38, 10))
    bag = _stroke(np.hypot(side - 0.30, (v - eye_v - 0.06) * 1.3) - 0.17, 0.028) * (v > eye_v + 0.10)
    canvas.shade(canvas.skin * bag, 0.50 * years.rise(55, 9))
    for _ in range(years.rng.poisson(max(years() - 40, 0) / 5)):
        right, down, across, along = years.rng.uniform((-width, -0.6, 0.02, 0.02), (width, 0.8, 0.06, 0.06))
        canvas.shade(canvas.skin * _disc(u, v, right, down, across, along), 0.3)


def _features(canvas: _Canvas, who: Person, years: _Years, rng: Generator, eye_v: float) -> None:
    """Eyes, brows, nose, mouth, glasses."""
    u, v = canvas.u, canvas.v
    eye = 0.115 + 0.055 * np.exp(-years() / 9) - 0.025 * years.rise(60, 10)
    iris = rng.uniform(0.1, 0.5, 3)
    open_ = rng.uniform(0.45, 0.75)
    brow_hair = who.hair + years.rise(62, 7) * (np.array(GREY) - who.hair)
    for centre in (-who.eye_gap, who.eye_gap):
        canvas.paint((0.97, 0.97, 0.97), _disc(u, v, centre, eye_v, eye, eye * open_))
        canvas.paint(iris, _disc(u, v, centre, eye_v, eye * 0.5, eye * 0.5 * open_ * 1.5))
        canvas.paint(brow_hair, _disc(u, v, centre, eye_v - 0.17, 0.14, 0.035))
    canvas.shade(_stroke(np.abs(u) - 0.05, 0.02) * (v > eye_v) * (v < eye_v + who.nose), 0.25)
    canvas.shade(_disc(u, v, 0, eye_v + who.nose, 0.10, 0.05), 0.3)
    droop = rng.normal(-0.1, 0.25) + 0.5 * years.rise(60, 9)  # corners of the mouth, under the expression
    lips = 0.065 - 0.035 * years.rise(50, 10)
    smile = v - 0.55 - droop * (u**2)
    canvas.paint((0.70, 0.35, 0.33) * who.skin / who.skin.max(), _stroke(smile, lips) * (np.abs(u) < 0.26))
    canvas.shade(_stroke(smile, 0.018) * (np.abs(u) < 0.27), 0.6)
    if rng.random() < 0.2:
        for centre in (-who.eye_gap, who.eye_gap):
            canvas.paint((0.1, 0.1, 0.1), _stroke(np.hypot(u - centre, v - eye_v) - 0.21, 0.025))
