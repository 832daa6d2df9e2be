"""Turn a T1 volume from NIfTI bytes into a cube of voxels: read, check, resample, crop, scale.

Axes D, H, W of a cube are those of the scanner turned to right, anterior, superior; S is its side in voxels.
"""

import gzip
import math
import zlib
from typing import Any, NamedTuple

import numpy as np

from supremix.data.raw.nifti_header import read_geometry

LONGEST_AXIS = 1024
PERCENTILE = 99.5
HEADER_BYTES = 348
FLAT = 1e-3  # of the largest voxel; a smaller spread is lost in the cube's 16 bits
FAINT = 0.1  # of the largest voxel
FEW = 0.01  # of all voxels
THIN = 0.25  # of the longest side


class Scan(NamedTuple):
    """A volume that was read.

    Attributes:
        voxels_DHW: float32, axes to right, anterior, superior.
        sizes: of voxels along each axis, mm.
        doubts: "reason (detail)" of each, in header and content.
    """

    voxels_DHW: np.ndarray
    sizes: tuple[float, ...]
    doubts: list[str]


def read_volume(raw: bytes) -> Scan:
    """Read the scan in a .nii or .nii.gz file's content.

    Raises ValueError that names the fault: empty, truncated, no NIfTI, not one volume, no sizes, voxels that are no
    finite numbers of one channel, or blank.
    """
    import nibabel as nib  # slow to import, and only preparation needs it

    if not raw:
        raise ValueError("the file is empty")
    if raw[:2] == b"\x1f\x8b":
        try:
            raw = gzip.decompress(raw)
        except (EOFError, OSError, zlib.error) as error:
            raise ValueError(f"truncated or damaged gzip ({error})") from None
    image: Any
    try:
        with nib.imageglobals.LoggingOutputSuppressor():  # of what it corrects in the header, which is not used
            image = nib.Nifti1Image.from_bytes(raw)
        shape = image.shape
    except Exception as error:  # nibabel raises a dozen kinds on bytes that are no NIfTI
        raise ValueError(f"not a NIfTI-1 file ({_first_line(error)})") from None
    if len(shape) < 3 or math.prod(shape[3:]) != 1 or max(shape) > LONGEST_AXIS or min(shape[:3]) < 2:
        raise ValueError(f"not one volume ({'×'.join(map(str, shape))} voxels)")
    kind = image.get_data_dtype().kind
    if kind not in "iuf":
        raise ValueError(f"voxels that are no single numbers ({'complex' if kind == 'c' else 'RGB'})")
    geometry = read_geometry(raw[:HEADER_BYTES])
    try:
        stored = np.asanyarray(image.dataobj)
    except Exception as error:  # of truncated data
        raise ValueError(f"truncated or damaged NIfTI ({_first_line(error)})") from None
    axes = nib.io_orientation(geometry.affine)
    voxels_DHW = single(nib.apply_orientation(stored.reshape(shape[:3]), axes))
    sizes = tuple(geometry.sizes[stored_axis] for stored_axis in np.argsort(axes[:, 0]))
    return Scan(voxels_DHW, sizes, [*geometry.doubts, *_doubts(voxels_DHW, sizes)])


def single(stored_DHW: np.ndarray) -> np.ndarray:
    """Convert voxels to float32; raise ValueError where one is not finite, or all are as good as equal."""
    low, high = stored_DHW.min(), stored_DHW.max()
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ValueError("voxels that are NaN or infinite")
    if low == high:
        raise ValueError("blank: all voxels are equal")
    largest = max(abs(float(low)), abs(float(high)))
    if not float(np.finfo(np.float32).tiny) / FLAT <= largest <= float(np.finfo(np.float32).max):
        raise ValueError(f"voxels beyond single precision (the largest {largest:.3g})")
    if float(high) - float(low) <= FLAT * largest:
        raise ValueError(f"blank but for rounding (voxels from {low:.6g} to {high:.6g})")
    return np.asarray(stored_DHW, dtype=np.float32)


def _doubts(voxels_DHW: np.ndarray, sizes: tuple[float, ...]) -> list[str]:
    """List what makes it doubtful that this is a scan of a head: hardly any contrast, or a slab."""
    doubts = []
    low, high = float(voxels_DHW.min()), float(voxels_DHW.max())
    if high - low <= FAINT * max(abs(low), abs(high)):
        doubts.append(f"nearly flat (voxels from {low:.6g} to {high:.6g})")
    else:
        differs = float((np.abs(voxels_DHW - np.median(voxels_DHW)) > FLAT * (high - low)).mean())
        if differs < FEW:
            doubts.append(f"nearly flat (only {differs:.2%} of the voxels differ from the median)")
    extents = [length * size for length, size in zip(voxels_DHW.shape, sizes, strict=True)]
    if min(extents) < THIN * max(extents):
        doubts.append(f"a slab ({' × '.join(f'{extent:.0f}' for extent in extents)} mm)")
    return doubts


def to_cube(voxels_DHW: np.ndarray, sizes: tuple[float, ...], side: int, voxel: float) -> np.ndarray:
    """Resample a scan to the cube around its centre, (side, side, side).

    Each voxel is the mean of the scan over the voxel's extent, and the scan counts as 0 outside: at 1 mm and an
    even number of voxels this is the mean of 2³-voxel blocks for voxel=2, a centre crop, and zero padding.

    Args:
        voxels_DHW: the scan.
        sizes: of its voxels along each axis, mm.
        side: of the cube, voxels.
        voxel: size of the cube's voxels, mm.
    """
    cube = voxels_DHW
    for axis, size in enumerate(sizes):
        weight_SL = _overlap(cube.shape[axis], size, side, voxel).astype(cube.dtype)
        cube = np.moveaxis(np.tensordot(weight_SL, cube, axes=(1, axis)), 0, axis)
    return cube


def _overlap(length: int, size: float, side: int, voxel: float) -> np.ndarray:
    """Compute the share of a target voxel that each source voxel covers, (side, length); both grids centre on 0."""
    target_S = (np.arange(side) - side / 2) * voxel
    source_L = (np.arange(length) - length / 2) * size
    left_SL = np.maximum(target_S[:, None], source_L[None, :])
    right_SL = np.minimum(target_S[:, None] + voxel, source_L[None, :] + size)
    return np.clip(right_SL - left_SL, 0, None) / voxel


def share_outside(voxels_DHW: np.ndarray, sizes: tuple[float, ...], cube: np.ndarray, voxel: float) -> float:
    """Compute the share of the scan's summed intensity that its cube cuts off, 0 to 1."""
    whole = voxels_DHW.sum(dtype=np.float64) * math.prod(sizes)
    return 1 - float(cube.sum(dtype=np.float64) * voxel**3 / whole) if whole > 0 else 0.0


def to_unit_range(cube: np.ndarray) -> np.ndarray:
    """Divide by the 99.5th percentile of the positive voxels and clip to [0, 1], float16.

    T1 intensities have no unit and differ in scale from scan to scan. Raises ValueError where nothing is positive.
    """
    positive = cube[cube > 0]
    if positive.size == 0:
        raise ValueError("nothing above 0 within the crop")
    scale = np.percentile(positive, PERCENTILE)
    return np.clip(cube / scale, 0, 1).astype(np.float16)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]
