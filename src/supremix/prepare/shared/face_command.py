"""The part that the preparation scripts of face data share: options, fingerprint, what is printed."""

import argparse
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from supremix.data.prepared.folder import is_prepared, read_meta
from supremix.errors import UserError
from supremix.prepare.shared.archives import Place
from supremix.prepare.shared.command import Finding, add_folders, compare_counts, marker, summarise

ARRAY = "faces.npy"
PIXELS = 224


class Face(NamedTuple):
    """One labelled image. id: unique; label: years; split: train, val or test."""

    id: str
    label: float
    split: str
    place: Place


@dataclass(frozen=True)
class Job:
    """What the options of one call come to. data: directory of all raw data."""

    name: str
    source: Path
    data: Path
    csv: Path | None
    folder: Path
    pixels: int
    workers: int
    synthetic: bool


@dataclass(frozen=True)
class Origin:
    """Where a dataset comes from, for meta.json, and the sizes of its splits in the paper's table 12."""

    url: str
    paper: Mapping[str, int]
    notes: Mapping[str, Any]


def parse(about: str, name: str, arguments: list[str] | None) -> Job:
    """Read the command line of a script whose dataset is `name`; UserError where a value is out of range."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=Path, metavar="PATH", help="the raw data, wherever it is")
    parser.add_argument("--split-csv", type=Path, metavar="FILE", help="the split, columns age,path,split")
    parser.add_argument("--name", default=name, help="name of raw and prepared folder (default: %(default)s)")
    parser.add_argument(
        "--pixels", type=int, help=f"side of the images (default: {PIXELS}, or what a twin was made for)"
    )
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    parser.add_argument("--workers", type=int, default=cores, help="processes at once (default: %(default)s)")
    add_folders(parser)
    args = parser.parse_args(arguments)
    source = args.source or args.data / args.name
    twin = marker(source)
    pixels: Any = (twin or {}).get("pixels", PIXELS) if args.pixels is None else args.pixels
    for option, value in (("pixels", pixels), ("workers", args.workers)):
        if not isinstance(value, int) or value < 1:
            raise UserError(f"--{option} {value}: give a whole number, 1 or more")
    return Job(
        args.name, source, args.data, args.split_csv, args.out / args.name, pixels, args.workers, twin is not None
    )


def ready(job: Job, key: str | None = None) -> bool:
    """Whether the prepared folder is there, whole, and made from this source with these settings.

    key: fingerprint to compare with; None where the source is gone, so that nothing can be compared.
    """
    if not job.folder.exists():
        return False
    recorded = read_meta(job.folder)
    is_prepared(job.folder, job.name, recorded["source"].get("sha256") if key is None else key, [ARRAY])
    print(f"{job.folder}: already prepared, left as it is")
    return True


def fingerprint(job: Job, faces: Sequence[Face], findings: Sequence[Finding]) -> str:
    """SHA-256 of everything that decides the result, with the images' sizes for their contents."""
    rows = [(face.id, face.label, face.split, face.place.size) for face in faces]
    return hashlib.sha256(json.dumps([job.name, job.pixels, rows, findings]).encode()).hexdigest()


def finish(
    job: Job,
    faces: Sequence[Face],
    findings: Sequence[Finding],
    origin: Origin,
    tables: Mapping[str, str] | None = None,
) -> None:
    """Write the prepared folder, unless it is there, and print what came of it. tables: further files, with content."""
    key = fingerprint(job, faces, findings)
    if ready(job, key):
        return
    from supremix.prepare.shared.faces import write_faces

    meta = {
        "name": job.name,
        "label": "age, years",
        "source": {"file": job.source.name, "sha256": key, "url": origin.url},
        "synthetic": job.synthetic,
        **origin.notes,
    }
    sizes, every = write_faces(
        job.folder,
        faces,
        pixels=job.pixels,
        workers=job.workers,
        key=key,
        findings=findings,
        meta=meta,
        tables=tables or {},
    )
    kind = "synthetic faces" if job.synthetic else "faces"
    print(f"{job.folder}: {sum(sizes.values())} {kind} of {job.pixels}×{job.pixels} pixels; from {job.source}")
    print(compare_counts(sizes, origin.paper))
    print(f"inputs dropped or doubted: {len(every)}, by name in {job.folder / 'report.csv'}")
    for line in summarise(every):
        print(line)
