"""A user's volumes as data: a table with a column of paths to NIfTI or .npy files. B rows, S voxels a side."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from supremix.data.dataset import Augment, Data, FieldsAreState
from supremix.data.own import files
from supremix.data.own.assemble import Inputs, Plan, assembled, divided
from supremix.data.own.layout import Layout, read_rows
from supremix.data.raw.nifti import read_volume, single, to_cube, to_unit_range
from supremix.data.volumes import flatten, to_input
from supremix.errors import UserError
from supremix.runtime.registered import registered

ENDINGS = (".nii", ".nii.gz", ".npy")


@dataclass(frozen=True)
class VolumeReader(FieldsAreState):
    """Reads volumes by their paths.

    Args:
        column: of the paths.
        side: S.
        voxel: mm.
    """

    column: str
    side: int
    voxel: float

    kind = "volumes"

    def read(self, rows: Any) -> Tensor:
        """Return volumes (B, 1, S, S, S) in [0, 1]; see `supremix.data.dataset.RowReader`."""
        paths = files.new_files(rows, self.column)
        return to_input(
            torch.from_numpy(files.one_by_one(paths, partial(make_volumes, side=self.side, voxel=self.voxel)))
        )


@registered("dataset/own_volumes")
def load_volumes(
    *,
    name: str,
    path: str,
    folder: str,
    layout: Layout,
    plan: Plan,
    input: str | None,
    side: int,
    voxel: float | str,
    views: Augment | None,
) -> Data:
    """Load volumes as cubes, turned to the scanner's axes, their values from 0 to the 99.5th percentile of each.

    Args:
        name: of the dataset.
        path: of the table.
        folder: where cubes are kept.
        layout, plan: as for a table.
        input: column of paths, which count from the table's folder; None finds it.
        side: S.
        voxel: size of the cube's voxels, mm, or voxels of a .npy file; "auto": the first volume fills the cube.
        views: random views in pre-training; None for none.
    """
    if not 4 <= side <= 256 or not (voxel == "auto" or (isinstance(voxel, int | float) and voxel > 0)):
        raise UserError(f"{name}: dataset.side={side}, voxel={voxel}: use 4 to 256 voxels, and auto or a size above 0")
    rows = read_rows(path, layout)
    column = files.needed_path_column(rows, input, "volumes", ENDINGS)
    rows, paths = files.with_files(rows, column)
    size = _auto_voxel(paths, side) if voxel == "auto" else float(voxel)
    make = partial(make_volumes, side=side, voxel=size)
    settings = {"volumes": [side, size]}
    decoded = files.decoded(Path(folder), paths, make, settings, "float16", "reading volumes")
    rows, at_N = files.without_failures(rows, decoded.results, "volume")
    inputs = Inputs(
        fetch=lambda index_B: torch.from_numpy(decoded.pieces.gather(at_N[index_B])),
        reader=VolumeReader(column, side, size),
        input_spec={"in_channels": 1},
        facts=[f"volumes by the paths in {column!r}, as cubes of {side}³ voxels of {size:g} mm"],
        others={"to_input": to_input, "flatten": flatten, "contrastive_views": views},
        sha256=decoded.sha256,
        on_disk=True,
    )
    return assembled(name, rows, divided(rows, plan), inputs, plan)


def make_volumes(items: Sequence[Sequence[str]], side: int, voxel: float) -> tuple[np.ndarray, list[dict[str, Any]]]:
    """Read volumes into (len(items), S, S, S) float16; one that cannot be read stays zero."""
    cubes = np.zeros((len(items), side, side, side), np.float16)
    results: list[dict[str, Any]] = []
    for cube, (path, _) in zip(cubes, items, strict=True):
        try:
            voxels_DHW, sizes = _read(Path(path))
            cube[:] = to_unit_range(to_cube(voxels_DHW, sizes, side, voxel))
            results.append({"failed": None})
        except (OSError, ValueError) as error:
            results.append({"failed": " ".join(str(error).split())})
    return cubes, results


def _read(path: Path) -> tuple[np.ndarray, tuple[float, ...]]:
    """Return voxels float32 and their sizes; raise ValueError that names the fault."""
    if path.suffix != ".npy":
        scan = read_volume(path.read_bytes())
        return scan.voxels_DHW, scan.sizes
    voxels = files.read_npy(path)
    voxels = voxels.reshape(voxels.shape[:3]) if voxels.ndim == 4 and voxels.shape[3] == 1 else voxels
    if voxels.ndim != 3 or voxels.dtype.kind not in "iuf" or min(voxels.shape) < 2:
        raise ValueError(f"not one volume ({'×'.join(map(str, voxels.shape))} {voxels.dtype})")
    voxels = single(voxels)
    return voxels - min(0.0, float(voxels.min())), (1.0, 1.0, 1.0)


def _auto_voxel(paths: Sequence[Path], side: int) -> float:
    """Return the voxel size at which the first readable volume just fills the cube, to two digits."""
    for path in paths:
        try:
            voxels, sizes = _read(path)
        except (OSError, ValueError):
            continue
        return float(f"{max(n * size for n, size in zip(voxels.shape, sizes, strict=True)) / side:.2g}")
    return 1.0
