"""Turn a T1 volume from NIfTI bytes into a cube of voxels: read, check, resample, crop, scale.

Axes D, H, W of a cube are those of the scanner turned to right, anterior, superior; S is its side in voxels.
"""

import gzip
import math
import zlib
from typing import Any

import numpy as np

LONGEST_AXIS = 1024
PERCENTILE = 99.5


def read_volume(raw: bytes) -> tuple[np.ndarray, tuple[float, ...]]:
    """Read voxels (D, H, W) float32 in RAS order and their sizes in mm from a .nii or .nii.gz file's content.

    Raises ValueError that names the fault: empty, truncated, no NIfTI, not one volume, no sizes, NaN, or blank.
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
        image = nib.Nifti1Image.from_bytes(raw)
        shape = image.shape
    except Exception as error:  # nibabel raises a dozen kinds on bytes that are no NIfTI
        raise ValueError(f"not a NIfTI-1 file ({_first_line(error)})") from None
    if len(shape) < 3 or math.prod(shape[3:]) != 1 or max(shape) > LONGEST_AXIS or min(shape) < 2:
        raise ValueError(f"not one volume ({'×'.join(map(str, shape))} voxels)")
    sizes = image.header.get_zooms()[:3]
    if not all(math.isfinite(size) and 0.1 <= size <= 20 for size in sizes) or not np.isfinite(image.affine).all():
        raise ValueError(f"no usable voxel size ({' × '.join(f'{size:g}' for size in sizes)} mm)")
    try:
        image = nib.as_closest_canonical(image)
        voxels_DHW = np.asarray(image.dataobj, dtype=np.float32)
    except Exception as error:  # truncated data, and an affine without directions
        raise ValueError(f"truncated or damaged NIfTI ({_first_line(error)})") from None
    voxels_DHW = voxels_DHW.reshape(voxels_DHW.shape[:3])
    if not np.isfinite(voxels_DHW).all():
        raise ValueError("voxels that are NaN or infinite")
    if voxels_DHW.min() == voxels_DHW.max():
        raise ValueError("blank: all voxels are equal")
    return voxels_DHW, tuple(float(size) for size in image.header.get_zooms()[:3])


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
