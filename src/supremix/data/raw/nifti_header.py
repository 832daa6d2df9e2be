"""Read from a NIfTI-1 header how voxels are turned and how large they are, by one rule for every storage order.

A header says it up to three times: by the sform, by the qform, and by pixdim, which has sizes alone. The first of these
counts that is declared, by a code above 0, and possible. Sizes are the lengths of the chosen affine's columns. What the
others say otherwise, and what is impossible, are doubts.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

SMALLEST, LARGEST = 0.1, 20.0  # mm; voxels of no scanner
TOLERANCE = 0.01  # relative; more than rounding
LEAST_DETERMINANT = 0.1  # of the directions' matrix, 1 where they are at right angles
UNITS = {1: 1000.0, 3: 0.001}  # metre, micrometre → mm; anything else counts as mm


@dataclass(frozen=True, eq=False)
class Geometry:
    """How a volume lies in the scanner.

    Attributes:
        affine: (4, 4), from indices to mm, axes right, anterior, superior; its scale counts by `sizes` only.
        sizes: of voxels along the stored axes, mm.
        doubts: "reason (detail)" of each contradiction.
    """

    affine: np.ndarray
    sizes: tuple[float, ...]
    doubts: list[str]


def read_geometry(header: bytes) -> Geometry:
    """Read the geometry from the first 348 bytes of a file; raise ValueError where no voxel size is possible."""
    import nibabel as nib

    fields = nib.Nifti1Header(header, check=False)  # a check would set a size of 0 to 1
    pixdim = fields["pixdim"][1:4].astype(np.float64)
    fields["pixdim"][1:4] = np.abs(pixdim)
    doubts = [f"header's pixdim is negative ({_shown(pixdim)})"] if (pixdim < 0).any() else []
    if not np.isfinite(fields["scl_slope"]):
        doubts.append(f"header's slope is impossible ({float(fields['scl_slope'])}; voxels are taken as stored)")
    unit = UNITS.get(int(fields["xyzt_units"]) & 7, 1.0)
    stated = _stated(fields)
    possible = {name: sizes for name, affine in stated.items() if (sizes := _sizes(affine, unit))}
    if not possible and unit != 1:
        possible = {name: sizes for name, affine in stated.items() if (sizes := _sizes(affine, 1.0))}
        doubts.append(f"header's unit is impossible ({_shown(pixdim)} of {unit:g} mm; taken as mm)")
    if not possible:
        raise ValueError(f"no usable voxel size ({_shown(pixdim)} mm)")
    used = next(iter(possible))
    doubts += [f"header's {name} is impossible ({used} is used)" for name in stated if name not in possible]
    if used == "pixdim":
        doubts.append("header gives no axes (taken as to left, anterior, superior)")
    others = {name: sizes for name, sizes in possible.items() if not np.allclose(sizes, possible[used], TOLERANCE, 0)}
    if others:
        name, sizes = next(iter(others.items()))
        sizes_used = f"{used} {_shown(possible[used])} mm, which is used"
        doubts.append(f"header gives two voxel sizes ({sizes_used}, {name} {_shown(sizes)} mm)")
    if used == "sform" and "qform" in possible and _axes(stated["sform"]) != _axes(stated["qform"]):
        axes = f"sform {_axes(stated['sform'])}, which is used, qform {_axes(stated['qform'])}"
        doubts.append(f"header gives two orientations ({axes})")
    return Geometry(stated[used], possible[used], doubts)


def _stated(fields: Any) -> dict[str, np.ndarray]:
    """Map what the header states, in the order in which it counts, to affines; zeros for one that is damaged."""
    stated = {}
    if fields["sform_code"] > 0:
        stated["sform"] = fields.get_sform()
    if fields["qform_code"] > 0:
        try:
            with np.errstate(invalid="ignore"):
                stated["qform"] = fields.get_qform()
        except Exception:  # nibabel raises several kinds on a quaternion that is none
            stated["qform"] = np.zeros((4, 4))
    sizes = fields["pixdim"][1:4].astype(np.float64)
    stated["pixdim"] = np.diag([-sizes[0], sizes[1], sizes[2], 1.0])
    return stated


def _sizes(affine: np.ndarray, unit: float) -> tuple[float, ...] | None:
    """Return the lengths of the affine's columns in mm; None where they are no voxel's."""
    columns = affine[:3, :3]
    if not np.isfinite(affine).all():
        return None
    lengths = np.sqrt((columns * columns).sum(axis=0))
    sizes = lengths * unit
    if not ((sizes >= SMALLEST) & (sizes <= LARGEST)).all():
        return None
    if abs(np.linalg.det(columns / lengths)) < LEAST_DETERMINANT:
        return None
    return tuple(float(size) for size in sizes.astype(np.float32))


def _axes(affine: np.ndarray) -> str:
    import nibabel as nib

    return "".join(str(code) for code in nib.aff2axcodes(affine))


def _shown(sizes: Any) -> str:
    return " × ".join(f"{size:.4g}" for size in sizes)
