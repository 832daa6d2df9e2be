"""Prepare face images: one array of equally large images, and a manifest beside it.

Quick to import, so that ``--help`` answers at once.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from supremix.data.prepared.folder import SPLITS, check_sums, sha256_file
from supremix.data.prepared.making import cut, make_pieces
from supremix.errors import UserError, needs
from supremix.prepare.shared import command
from supremix.prepare.shared.archives import Place
from supremix.prepare.shared.marker import marker
from supremix.prepare.shared.prepared import write_manifest, write_meta
from supremix.prepare.shared.report import Finding, compare_counts, kept, summary_lines, write_report
from supremix.prepare.shared.sources import Source, find_source, is_current, read_all, write_stamps
from supremix.prepare.shared.working_folder import resumable_folder
from supremix.runtime.progress import meter

ARRAY = "faces.npy"
PIXELS = 224
PER_PIECE = 64
RESIZING = "Pillow, bilinear with antialiasing, aspect ratio not kept"


class Face(NamedTuple):
    """A labelled image. id: unique; label: years; split: train, val or test."""

    id: str
    label: float
    split: str
    place: Place


@dataclass(frozen=True)
class FaceOptions:
    """The options of one call, with their defaults filled in.

    Attributes:
        name: of the dataset and of its prepared folder.
        source: the raw data.
        data: directory of all raw data.
        csv: the split, where one is given.
        folder: the prepared folder.
        pixels: side of the images.
        workers: processes at once.
        synthetic: whether the source is a twin's.
    """

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


def read_options(about: str, name: str, arguments: list[str] | None) -> FaceOptions:
    """Read the command line of the dataset `name`; raise UserError where a value is out of range."""
    parser = command.parser(name, about)
    parser.add_argument("--source", type=Path, metavar="PATH", help="the raw data, wherever it is")
    parser.add_argument("--split-csv", type=Path, metavar="FILE", help="the split, columns age,path,split")
    parser.add_argument("--name", default=name, help="name of raw and prepared folder (default: %(default)s)")
    parser.add_argument(
        "--pixels", type=int, help=f"side of the images (default: {PIXELS}, or what a twin was made for)"
    )
    command.add_workers(parser)
    args = parser.parse_args(arguments)
    source = args.source or args.data / args.name
    twin = marker(source)
    pixels: Any = (twin or {}).get("pixels", PIXELS) if args.pixels is None else args.pixels
    for option, value in (("pixels", pixels), ("workers", args.workers)):
        if not isinstance(value, int) or value < 1:
            raise UserError(f"--{option} {value}: give a whole number, 1 or more")
    return FaceOptions(
        args.name, source, args.data, args.split_csv, args.out / args.name, pixels, args.workers, twin is not None
    )


def is_ready(options: FaceOptions, source: Source | None = None) -> bool:
    """Say whether the prepared folder is there, whole, and made from this source with these settings.

    Args:
        source: what to compare with; None where it is gone, so that nothing can be compared.
    """
    if not is_current(options.folder, options.name, source, _check_files):
        return False
    print(f"{options.folder}: already prepared, left as it is")
    return True


def _check_files(folder: Path, meta: Mapping[str, Any]) -> None:
    check_sums(folder, meta, ["manifest.csv"], [ARRAY])


def prepare_faces(
    options: FaceOptions,
    faces: Sequence[Face],
    findings: Sequence[Finding],
    origin: Origin,
    tables: Mapping[str, str] | None = None,
) -> None:
    """Write the prepared folder, unless it is there, and print a summary; go on where an earlier call was stopped.

    faces.npy is (N, pixels, pixels, 3) uint8, a row for each of `faces`; the manifest lists those that could be
    decoded, with their row.

    Args:
        findings: what is wrong with other inputs; images that fail or are doubtful are added in report.csv.
        tables: further files for the folder, name → content.
    """
    source = source_of(options, faces, findings)
    if is_ready(options, source):
        return
    with resumable_folder(options.folder, source.listing, len(faces) * options.pixels**2 * 3) as (working, finished):
        places = [face.place for face in faces]
        failed, doubts, contents = fill(working / ARRAY, finished, places, options.pixels, options.workers)
        unreadable = [Finding(faces[row].id, "dropped", "unreadable", failed[row]) for row in sorted(failed)]
        every = [*findings, *unreadable, *(kept(doubt, faces[row].id) for row, doubt in doubts)]
        sizes = _split_sizes(options.name, faces, failed, every)
        _write_tables(working, faces, failed, tables or {})
        with meter("checksum", (working / ARRAY).stat().st_size) as advance:
            sums = {ARRAY: sha256_file(working / ARRAY, advance)}
        described = source.describe(options.source.name, origin.url, contents)
        write_meta(
            working,
            name=options.name,
            rows=sum(sizes.values()),
            label="age, years",
            source=described,
            synthetic=options.synthetic,
            sums=sums,
            pixels=options.pixels,
            images=len(faces),
            resizing=RESIZING,
            **origin.notes,
        )
        write_report(working, every)  # after the sums: it is no part of the content
        write_stamps(working, described["sha256"], source)
    kind = "synthetic faces" if options.synthetic else "faces"
    side = options.pixels
    print(f"{options.folder}: {sum(sizes.values())} {kind} of {side}×{side} pixels; from {options.source}")
    print(compare_counts(sizes, origin.paper))
    for line in summary_lines(options.folder, every):
        print(line)


def source_of(options: FaceOptions, faces: Sequence[Face], findings: Sequence[Finding]) -> Source:
    """Describe the images, with their labels and settings, for comparison."""
    rows = [(face.id, face.label, face.split, face.place.size) for face in faces]
    listing = (options.name, options.pixels, rows, [finding[:4] for finding in findings])
    stamps = sorted({face.place.path: face.place.stamp for face in faces}.items())
    return find_source(listing, [stamp for _, stamp in stamps], lambda: read_all([face.place.sha256 for face in faces]))


def fill(
    array: Path, finished: Path, places: Sequence[Place], pixels: int, workers: int
) -> tuple[dict[int, str], list[tuple[int, str]], list[str | None]]:
    """Write the images at `places` into the .npy file `array`, a row each.

    Returns: failed row → reason; rows and doubts of doubtful images; and the SHA-256 of each image file, None for those
    that cannot be read.

    Args:
        finished: folder of the records of what is done, so that a second call with the same arguments does the rest.
    """
    needs("PIL", extra="images")
    from supremix.prepare.shared.face_images import create_array, write_images

    if not array.exists():
        for record in finished.iterdir():
            record.unlink()
        create_array(array, len(places), pixels)
    pieces = cut(list(enumerate(places)), PER_PIECE, pixels)
    make = partial(write_images, path=array, pixels=pixels)
    records = make_pieces(finished, pieces, make, workers, "decoding faces")
    results = [record["result"] for record in records]
    failed = {row: reason for result in results for row, reason in result["failed"]}
    doubts = [(row, doubt) for result in results for row, doubt in result["doubts"]]
    return failed, doubts, [sha256 for result in results for sha256 in result["sha256"]]


def _split_sizes(
    name: str, faces: Sequence[Face], failed: Collection[int], findings: Sequence[Finding]
) -> dict[str, int]:
    """Count the decoded images of each split; raise UserError where there is none."""
    sizes = {split: 0 for split in SPLITS}
    for row, face in enumerate(faces):
        sizes[face.split] += row not in failed
    for split in SPLITS:
        if sizes[split] == 0:
            first = findings[0] if findings else None
            example = f", the first: {first.file}: {first.reason} {first.detail}" if first else ""
            raise UserError(f"{name}: no {split} image is left ({len(findings)} inputs with faults{example})")
    return sizes


def _write_tables(working: Path, faces: Sequence[Face], failed: Collection[int], tables: Mapping[str, str]) -> None:
    """Write manifest.csv, of the decoded images, and the further tables."""
    for leftover in working.iterdir():  # of a call that was stopped between here and the end
        if leftover.name != ARRAY:
            leftover.unlink()
    rows = [row for row in range(len(faces)) if row not in failed]
    columns: dict[str, list[Any]] = {
        "id": [faces[row].id for row in rows],
        "label": [faces[row].label for row in rows],
        "split": [faces[row].split for row in rows],
        "row": rows,
    }
    write_manifest(working, columns)
    for name, content in tables.items():
        (working / name).write_text(content, encoding="utf-8")
