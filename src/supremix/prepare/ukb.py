"""Prepare UK Biobank: T1 scans in bulk NIfTI files and a table of ages become a folder of 2 mm volumes."""

import argparse
import zipfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from supremix.data.prepared.making import cut, make_pieces
from supremix.errors import UserError, needs
from supremix.prepare.shared import cohort
from supremix.prepare.shared.command import exit_code
from supremix.prepare.shared.marker import marker
from supremix.prepare.shared.report import Finding
from supremix.prepare.shared.sources import is_current
from supremix.prepare.shared.subjects import match, read_ages, read_list
from supremix.prepare.shared.working_folder import resumable_folder
from supremix.prepare.ukb_files import AGE_COLUMNS, ID_COLUMNS, find_files
from supremix.runtime.stamps import stamp

NAME = "ukb"
URL = "https://biobank.ndph.ox.ac.uk/showcase/field.cgi?id=20252"
IMAGE = "T1/T1_brain.nii.gz"
PAPER: dict[str, Any] = {"sizes": {"train": 19509, "val": 2434, "test": 2431}, "ages": (42, 82)}
SIDE, VOXEL = 100, 2.0
PER_PIECE = 16  # 32 MB; few enough for an interruption to lose seconds
CUT_OFF = 0.02
ABOUT = f"""\
Prepare UK Biobank's T1-weighted brain scans for training.

source: UK Biobank, field 20252 (T1 structural brain images, NIFTI), {URL}
terms:  an approved application, and the material transfer agreement: no scan or identifier may be passed on;
        participants who withdrew must be left out (--exclude takes UK Biobank's list of withdrawals as it is)

The source folder holds, for each participant, EID_20252_2_0.zip as handed out, of which the first imaging visit's
{IMAGE} is read (--image names another file of the zip), or a NIfTI file EID*.nii.gz or EID*.nii, whose name is of no
other field, visit or kind of image; and ages.csv with the columns eid, age (years; or 21003-2.0, or p21003_i2) and,
if the split is given, split (train, val, test). Participants with stroke, cancer, long-standing illness or poor health,
whom the paper leaves out, are named with --exclude.

Axes and voxel sizes are those of the first of sform, qform and pixdim that the header declares and that is possible;
where these contradict each other, or a scan is nearly flat or a slab, it is kept and named in report.csv.
Each scan is turned to right-anterior-superior axes, averaged over {VOXEL:g} mm voxels (at 1 mm: blocks of 2³), cropped
to the {SIDE}³ voxels around its centre, zero-padded where it is smaller, divided by the 99.5th percentile of its
positive voxels and clipped to [0, 1], and stored as float16. Without a given split, one is drawn in the paper's
proportions. What is damaged, missing or double is left out and named in report.csv. Run again after an interruption,
it goes on where it stopped.

examples:
  supremix prepare {NAME} --source /data/bulk --ages /data/ages.csv --exclude withdrawn.csv --workers 16
  supremix twin {NAME} && supremix prepare {NAME} --name {NAME}_demo     drawn brains instead"""


def prepare(args: argparse.Namespace) -> None:
    """Make the prepared folder, or go on with an unfinished one; one that is there and whole is left as it is."""
    folder, source = args.out / args.name, args.source or args.data / args.name
    settings = settings_of(args, marker(source) or {})
    findings: list[Finding] = []
    ages_file = args.ages or source / "ages.csv"
    files = find_files(source, {ages_file.name, args.exclude.name if args.exclude else ""}, findings)
    ages = read_ages(ages_file, ID_COLUMNS, AGE_COLUMNS, findings)
    excluded = read_list(args.exclude, ID_COLUMNS) if args.exclude else set()
    items = [(eid, file, stamp(source / file)) for eid, file in match(ages, files, excluded, findings)]
    decides = (settings, args.split_seed)
    made_from = cohort.source_of(items, ages, decides, lambda file: read_bytes(source / file, settings["image"]))
    if is_current(folder, args.name, made_from, cohort.check_arrays):
        print(f"{folder}: already prepared, left as it is")
        return
    needs("nibabel", extra="volumes")
    pieces = cut(items, PER_PIECE, settings)
    make = partial(make_piece, source=source, **settings)
    with resumable_folder(folder, "", len(items) * settings["side"] ** 3 * 2) as (working, finished):
        records = make_pieces(finished, pieces, make, args.workers, "scans")
        scans = cohort.usable(pieces, records, findings, "image")
        cohort.need_three(scans, finished, findings, source)
        eids = [eid for eid, _, _ in scans]
        split = cohort.splits_of(eids, ages, PAPER["sizes"], args.split_seed)
        years = [ages[eid].age for eid in eids]
        cohort.store(
            working,
            finished,
            pieces,
            records,
            findings,
            {"id": eids, "label": years, "split": split},
            stem="volumes",
            rows=[sum("reason" not in result for result in record["result"]) for record in records],
            dtype="float16",
            row_shape=(settings["side"],) * 3,
            name=args.name,
            label="age, years",
            voxel_mm=settings["voxel_mm"],
            made_from=made_from,
            file=source.name,
            url=URL,
            synthetic=marker(source) is not None,
        )
    what = f"volumes of {settings['side']}³ voxels, {settings['voxel_mm']:g} mm"
    cohort.print_summary(folder, what, split, years, findings, PAPER)


def make_piece(
    items: Sequence[Any], *, source: Path, image: str, side: int, voxel_mm: float
) -> tuple[Any, list[dict[str, Any]]]:
    """Make the cubes of the usable scans, (n, side, side, side) float16, or None; and the result of each scan."""
    import hashlib

    import numpy as np

    from supremix.data.raw.nifti import read_volume, share_outside, to_cube, to_unit_range

    cubes = []
    results: list[dict[str, Any]] = []
    for _, file, *_ in items:
        results.append({"source": None})
        try:
            raw = read_bytes(source / file, image)
            results[-1]["source"] = hashlib.sha256(raw).hexdigest()
            voxels, sizes, doubts = read_volume(raw)
            cube = to_cube(voxels, sizes, side, voxel_mm)
            outside = share_outside(voxels, sizes, cube, voxel_mm)
            if outside > CUT_OFF:
                doubts.append(f"cut off by the crop ({outside:.0%} of its intensity)")
            cubes.append(to_unit_range(cube))
            results[-1] |= {"sha256": hashlib.sha256(cubes[-1].tobytes()).hexdigest(), "doubts": doubts}
        except (ValueError, OSError, MemoryError) as error:
            results[-1]["reason"] = str(error) or type(error).__name__
    return (np.stack(cubes) if cubes else None), results


def read_bytes(path: Path, image: str) -> bytes:
    """Read a NIfTI file's content, out of the zip where it is in one; raise ValueError where the zip is damaged."""
    if path.suffix != ".zip":
        return path.read_bytes()
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.read(image)
    except KeyError:
        raise ValueError(f"no {image} in the zip") from None
    except Exception as error:  # zipfile lets zlib's, struct's and its own errors through
        raise ValueError(f"truncated or damaged zip ({error})") from None


def settings_of(args: argparse.Namespace, twin: dict[str, Any]) -> dict[str, Any]:
    """Collect what decides an image's cube: the options, else what suits a twin's size, else the paper's values."""
    side = int(twin.get("side", SIDE) if args.side is None else args.side)
    voxel_mm = float(twin.get("voxel_mm", VOXEL) if args.voxel is None else args.voxel)
    if side < 8 or not 0.5 <= voxel_mm <= 50:
        raise UserError(f"--side {side} --voxel {voxel_mm:g}: give at least 8 voxels, of 0.5 to 50 mm")
    return {"side": side, "voxel_mm": voxel_mm, "image": args.image}


def main(arguments: list[str] | None = None) -> int:
    """Run ``supremix prepare NAME`` and return the exit code."""
    parser = cohort.parser(NAME, ABOUT)
    parser.add_argument("--image", default=IMAGE, help="file of the zip to read (default: %(default)s)")
    parser.add_argument("--side", type=int, help=f"of the cube, voxels (default: {SIDE}, or the twin's)")
    parser.add_argument("--voxel", type=float, metavar="MM", help=f"voxel size (default: {VOXEL:g}, or the twin's)")
    args = parser.parse_args(arguments)
    return exit_code(lambda: prepare(args))
