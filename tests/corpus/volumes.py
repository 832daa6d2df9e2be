"""NIfTI files and the zips that hold them, with headers that lie and voxels of other kinds: the scans of ukb."""

import gzip
import io
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from tests.corpus import RAW, Odd, have, labels

COMMAND = ["ukb", "--source", RAW, "--side", "8", "--workers", "1"]
AGES = {f"100000{i}": 50.0 + i for i in range(4)}
ODD = "1000001"
VOXELS = np.random.default_rng(0).integers(0, 1000, (8, 8, 8)).astype(np.float32)
AFFINE = np.diag([2.0, 2.0, 2.0, 1.0])
Write = Callable[[Path], Any]


def nifti(voxels: Any = VOXELS, affine: np.ndarray = AFFINE, **fields: Any) -> bytes:
    """A NIfTI-1 file with these header fields."""
    return _bytes(nib.Nifti1Image(voxels, affine), fields)


def _bytes(image: Any, fields: dict[str, Any]) -> bytes:
    for name, value in fields.items():
        image.header[name] = value
    return image.to_bytes()


def patched(at: int, kind: str, *values: Any) -> bytes:
    """The sound file with these values at a byte of its header, behind nibabel's back."""
    raw = bytearray(nifti())
    struct.pack_into(kind, raw, at, *values)
    return bytes(raw)


def sound(raw: Path) -> None:
    """Four scans of 8³ voxels, and their table."""
    for i, eid in enumerate(AGES):
        (raw / f"{eid}.nii").write_bytes(nifti(VOXELS if eid == ODD else VOXELS * (1 + i) % 997))
    (raw / "ages.csv").write_text("eid,age\n" + "".join(f"{eid},{age}\n" for eid, age in AGES.items()))


def scan(content: bytes, name: str = f"{ODD}.nii") -> Write:
    """This content as the one scan of a participant."""

    def write(raw: Path) -> None:
        (raw / f"{ODD}.nii").unlink()
        (raw / name).write_bytes(content)

    return write


def zipped(name: str, content: bytes) -> bytes:
    """A zip of one file."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return file.getvalue()


def cube(expected: np.ndarray) -> Callable[[Path], None]:
    """The prepared folder has this cube of the participant, divided by the 99.5th percentile of what is positive."""

    def check(folder: Path) -> None:
        have(**AGES)(folder)
        cubes = np.concatenate([np.load(path) for path in sorted(folder.glob("volumes-*.npy"))])
        scaled = np.clip(expected / np.percentile(expected[expected > 0], 99.5), 0, 1)
        np.testing.assert_allclose(cubes[list(labels(folder)).index(ODD)], scaled, atol=2e-3)

    return check


def at(place: tuple[int, int, int], value: float) -> np.ndarray:
    """The voxels with another value there."""
    voxels = VOXELS.copy()
    voxels[place] = value
    return voxels


HALF = VOXELS.reshape(4, 2, 4, 2, 4, 2).mean((1, 3, 5))
PADDED = np.pad(HALF, 2)  # the same voxels at 1 mm
BRIGHT = np.where(np.sort(VOXELS.ravel())[-4] <= VOXELS, VOXELS, 0)
TURNED = np.diag([-2.0, 2.0, 2.0, 1.0])
RGB = np.zeros((8, 8, 8), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
COUNT = (VOXELS / 4).astype(np.uint8)
PIXDIM, UNITS, QFORM, SFORM, DIM, DATATYPE, SLOPE, MAGIC = 80, 123, 252, 254, 40, 70, 112, 344
RIGHT = {
    "16 bits": (nifti(VOXELS.astype("i2")), VOXELS),
    "64-bit floats": (nifti(VOXELS.astype("f8")), VOXELS),
    "8 bits": (nifti(COUNT), COUNT),
    "the other byte order": (nib.Nifti1Image(VOXELS, AFFINE, nib.Nifti1Header(endianness=">")).to_bytes(), VOXELS),
    "left to right": (nifti(VOXELS[::-1], TURNED), VOXELS),
    "axes in another order": (nifti(VOXELS.transpose(2, 0, 1), AFFINE[:, [2, 0, 1, 3]]), VOXELS),
    "a fourth axis of one": (nifti(VOXELS[..., None]), VOXELS),
    "five axes of one": (nifti(VOXELS[..., None, None]), VOXELS),
    "metres": (nifti(affine=np.diag([0.002, 0.002, 0.002, 1]), xyzt_units=1), VOXELS),
    "micrometres": (nifti(affine=np.diag([2000.0, 2000, 2000, 1]), xyzt_units=3), VOXELS),
    "a slope of 0": (patched(SLOPE, "<f", 0.0), VOXELS),
    "1 mm": (nifti(affine=np.diag([1.0, 1, 1, 1])), PADDED),
    "values of 1e30": (nifti(VOXELS * np.float32(1e30)), VOXELS),
    "values below 0": (nifti(at((0, 0, 0), -500)), np.clip(at((0, 0, 0), -500), 0, None)),
}
DOUBTED = {
    "pixdim of 1 mm against the sform": (patched(PIXDIM, "<3f", 1, 1, 1), VOXELS, ["two voxel sizes", "sform 2 × 2"]),
    "pixdim of 0": (patched(PIXDIM, "<3f", 0, 0, 0), VOXELS, ["pixdim is impossible", "sform is used"]),
    "pixdim below 0": (patched(PIXDIM, "<f", -2.0), VOXELS, ["pixdim is negative"]),
    "no sform and no qform": (patched(QFORM, "<2h", 0, 0), VOXELS[::-1], ["gives no axes"]),
    "metres that are millimetres": (patched(UNITS, "<b", 1), VOXELS, ["unit is impossible"]),
    "a few bright voxels": (nifti(BRIGHT), BRIGHT, ["nearly flat"]),
    "a slope that is NaN": (patched(SLOPE, "<f", np.nan), VOXELS, ["slope is impossible"]),
    "a slope that is infinite": (patched(SLOPE, "<f", np.inf), VOXELS, ["slope is impossible"]),
}  # fmt: skip
DROPPED = {
    "complex": (nifti(VOXELS.astype(np.complex64)), ["complex"]),
    "colours": (nifti(RGB), ["RGB"]),
    "two volumes": (nifti(np.stack([VOXELS] * 2, -1)), ["not one volume", "8×8×8×2"]),
    "a slice": (nifti(VOXELS[..., 0]), ["not one volume", "8×8 voxels"]),
    "an axis of one": (nifti(VOXELS[:1]), ["not one volume", "1×8×8"]),
    "NaN": (nifti(at((1, 2, 3), np.nan)), ["NaN or infinite"]),
    "infinity": (nifti(at((1, 2, 3), np.inf)), ["NaN or infinite"]),
    "beyond float32": (nifti(VOXELS.astype("f8") * 1e40), ["beyond single precision"]),
    "below float32": (nifti(VOXELS.astype("f8") * 1e-45), ["beyond single precision"]),
    "blank": (nifti(np.full_like(VOXELS, 7)), ["blank: all voxels are equal"]),
    "blank but for rounding": (nifti(1e4 + VOXELS * np.float32(1e-3)), ["blank but for rounding"]),
    "nothing above 0": (nifti(-1 - VOXELS), ["nothing above 0"]),
    "an empty file": (b"", ["the file is empty"]),
    "a cut file": (nifti()[:1000], ["truncated or damaged NIfTI"]),
    "a cut header": (nifti()[:200], ["not a NIfTI-1 file"]),
    "a page of an error": (b"<html>404</html>" * 40, ["not a NIfTI-1 file"]),
    "NIfTI-2": (nib.Nifti2Image(VOXELS, AFFINE).to_bytes(), ["not a NIfTI-1 file"]),
    "another magic": (patched(MAGIC, "4s", b"abcd"), ["not a NIfTI-1 file"]),
    "a size below 0": (patched(DIM, "<4h", 3, -8, 8, 8), ["dropped"]),
    "a size beyond the file": (patched(DIM, "<4h", 3, 999, 999, 999), ["truncated or damaged NIfTI"]),
    "a size beyond a head": (patched(DIM, "<4h", 3, 9999, 8, 8), ["not one volume"]),
    "no axes": (patched(DIM, "<h", 0), ["dropped"]),
    "an unknown type of voxels": (patched(DATATYPE, "<h", 7), ["not a NIfTI-1 file"]),
    "an intercept that is NaN": (patched(SLOPE, "<2f", 1, np.nan), ["dropped"]),
    "voxels of a kilometre": (nifti(affine=np.diag([1e6, 1e6, 1e6, 1])), ["no usable voxel size"]),
    "a damaged gzip": (gzip.compress(nifti())[:300], ["truncated or damaged gzip"]),
}
NAMES = {
    f"{ODD}_20252_3_0.nii": "another visit", f"{ODD}_20253_2_0.nii": "another field", f"{ODD}_20252_2_0.zip": "zip",
    f"{ODD}_T2_brain.nii": "no T1 scan", f"{ODD}_ses-3_T1.nii": "another visit", f"{ODD}.nii.bz2": "no EID_20252",
    f"sub-{ODD}.nii": "no EID_20252", f"{ODD}_T1_brain_mask.nii": "no T1 scan", "readme.txt": "no EID_20252",
}  # fmt: skip
CASES = [
    *(Odd(name, scan(content), right=cube(expected)) for name, (content, expected) in RIGHT.items()),
    *(Odd(name, scan(content), report=(ODD, "kept", *words), right=cube(expected))
      for name, (content, expected, words) in DOUBTED.items()),
    *(Odd(name, scan(content), report=(ODD, "dropped", *words), right=have(**{ODD: None}))
      for name, (content, words) in DROPPED.items()),
    *(Odd(f"the name {name}", scan(nifti(), name), report=(name, "dropped", word), right=have(**{ODD: None}))
      for name, word in NAMES.items()),
    Odd("gzip", scan(gzip.compress(nifti()), f"{ODD}.nii.gz"), right=cube(VOXELS)),
    Odd("gzip without its ending", scan(gzip.compress(nifti())), right=cube(VOXELS)),
    Odd("an ending of gzip without it", scan(nifti(), f"{ODD}.nii.gz"), right=cube(VOXELS)),
    Odd("the zip of UK Biobank", scan(zipped("T1/T1_brain.nii.gz", gzip.compress(nifti())), f"{ODD}_20252_2_0.zip"),
        right=cube(VOXELS)),
    Odd("a zip without the scan", scan(zipped("T1/T1.nii.gz", b""), f"{ODD}_20252_2_0.zip"),
        report=(ODD, "dropped", "no T1/T1_brain.nii.gz in the zip"), right=have(**{ODD: None})),
    Odd("a cut zip", scan(zipped("T1/T1_brain.nii.gz", nifti())[:-60], f"{ODD}_20252_2_0.zip"),
        report=(ODD, "dropped", "truncated or damaged zip"), right=have(**{ODD: None})),
]  # fmt: skip
