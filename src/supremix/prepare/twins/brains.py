"""Write synthetic T1 scans in UK Biobank's bulk format: brains whose ventricles grow and whose cortex thins with age.

A brain is white matter in a folded cortex, with two lateral ventricles. Size, position, tilt, asymmetry, scanner gain,
shading, noise, and how far a brain is ahead of its age differ from subject to subject, so that no single voxel tells
the age; the contrast of ventricles and cortex to the size of the head does.
"""

import gzip
import io
import zipfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from supremix.prepare.twins.raw_folder import TwinOptions, write_cohort

IMAGE = "T1/T1_brain.nii.gz"
EXTENT = (208.0, 256.0, 256.0)  # mm; UK Biobank's field of view
AGES = (42, 82)
AHEAD = 2.5  # years; spread of the brain's age about the subject's


@dataclass(frozen=True)
class Size:
    """Subjects, the scan's voxel size, and what suits it in preparation: side and voxel size of the cube."""

    subjects: int
    voxel_mm: float
    side: int
    cube_mm: float


SIZES = {
    "tiny": Size(24, 16.0, 8, 24.0),
    "small": Size(60, 8.0, 16, 12.5),
    "demo": Size(600, 4.0, 32, 6.25),
    "real": Size(24374, 1.0, 100, 2.0),
}


def generate(options: TwinOptions) -> None:
    """Write a zip for each subject, and ages.csv; the same bytes for the same size and seed."""
    size = SIZES[options.size]
    rng = np.random.default_rng([options.seed, 20252])
    eids = np.sort(rng.choice(np.arange(1_000_000, 6_000_000), size.subjects, replace=False))
    ages = np.clip(np.round(rng.normal(63.5, 8.5, size.subjects)), *AGES)
    subjects = [(str(eid), float(age)) for eid, age in zip(eids, ages, strict=True)]
    write = partial(write_scan, voxel_mm=size.voxel_mm, seed=options.seed)
    write_cohort(options, subjects, write, "scans", "eid", side=size.side, voxel_mm=size.cube_mm)


def write_scan(*, folder: Path, subject: str, age: float, voxel_mm: float, seed: int) -> None:
    """Write one subject's zip."""
    import nibabel as nib

    voxels = draw_brain(age, voxel_mm, np.random.default_rng([seed, int(subject)]))
    affine = np.diag([-voxel_mm, voxel_mm, voxel_mm, 1.0])  # the first axis runs to the left, as in UK Biobank
    affine[:3, 3] = [EXTENT[0] / 2, -EXTENT[1] / 2, -EXTENT[2] / 2]
    raw = nib.Nifti1Image(voxels[::-1], affine).to_bytes()
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        # No time of writing in zip and gzip, so that the bytes depend on size and seed alone.
        archive.writestr(zipfile.ZipInfo(IMAGE), gzip.compress(raw, compresslevel=5, mtime=0))
    (folder / f"{subject}_20252_2_0.zip").write_bytes(content.getvalue())


def draw_brain(age: float, voxel_mm: float, rng: np.random.Generator) -> np.ndarray:
    """Draw a skull-stripped scan, (D, H, W) int16, zero outside the brain; axes right, anterior, superior."""
    position = _positions(voxel_mm, rng)
    old = (age + rng.normal(0, AHEAD) - AGES[0]) / (AGES[1] - AGES[0])
    head = np.array([62.0, 82.0, 60.0]) * rng.normal(1, 0.06) * rng.normal(1, 0.025, 3)
    radius = np.sqrt(sum((p / r) ** 2 for p, r in zip(position, head, strict=True)))
    direction = [p / r / np.maximum(radius, 1e-3) for p, r in zip(position, head, strict=True)]
    folds = _folds(direction, rng)
    soft = voxel_mm / float(head.mean()) / 2
    brain = _inside(radius - 1 - 0.02 * folds, soft)
    cortex = 0.17 - 0.07 * old + rng.normal(0, 0.006)  # of the head's radius
    white = _inside(radius - (1 - cortex) - 0.05 * folds, soft)
    volume = np.exp(np.log(0.15 + 0.2 * old) + rng.normal(0, 0.05))
    ventricles = np.zeros_like(brain)
    for side in (-1, 1):
        radii = head * np.array([0.35, 1.15, 0.62]) * volume * rng.normal(1, 0.04, 3)
        centre = head * np.array([side * 0.16, -0.05, 0.1])
        ratio = np.sqrt(sum(((p - c) / r) ** 2 for p, c, r in zip(position, centre, radii, strict=True)))
        ventricles = np.maximum(ventricles, _inside(ratio - 1, voxel_mm / float(radii.mean()) / 2))
    tissue = 0.62 * brain + 0.38 * white - 0.75 * ventricles * white
    shading = 1 + sum(rng.normal(0, 0.05) * p / 100 for p in position)
    noise = rng.normal(0, 0.03, tissue.shape) * (brain > 0.02)
    return np.round(np.clip(tissue * shading + noise, 0, None) * rng.uniform(400, 1600)).astype(np.int16)


def _positions(voxel_mm: float, rng: np.random.Generator) -> list[np.ndarray]:
    """Compute coordinates of every voxel in the head's own axes, mm: shifted and tilted at random."""
    axes = [(np.arange(round(extent / voxel_mm)) + 0.5) * voxel_mm - extent / 2 for extent in EXTENT]
    grid = [g - shift for g, shift in zip(np.meshgrid(*axes, indexing="ij"), rng.normal(0, 8, 3), strict=True)]
    for first, second in ((0, 1), (1, 2), (0, 2)):
        angle = rng.normal(0, np.radians(9))
        a, b = grid[first], grid[second]
        grid[first], grid[second] = np.cos(angle) * a + np.sin(angle) * b, np.cos(angle) * b - np.sin(angle) * a
    return grid


def _folds(direction: list[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """Draw waves over the surface of the brain, about −1 to 1, different in each subject."""
    waves = np.zeros_like(direction[0])
    for _ in range(4):
        frequency = rng.normal(0, 1, 3)
        frequency *= rng.uniform(7, 13) / np.linalg.norm(frequency)
        waves += np.sin(sum(f * d for f, d in zip(frequency, direction, strict=True)) + rng.uniform(0, 2 * np.pi))
    return waves / 2


def _inside(distance: np.ndarray, soft: float) -> np.ndarray:
    """1 where the distance is negative, 0 where positive, with an edge about a voxel wide."""
    return np.clip(0.5 - distance / (2 * soft), 0, 1)
