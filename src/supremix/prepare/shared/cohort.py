"""What the preparation scripts of cohorts share: arguments, splits, and turning finished pieces into a prepared folder.

Quick to import, so that ``--help`` answers at once.
"""

import argparse
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from supremix.data.prepared.folder import SPLITS, atomic_folder, check_sums, read_meta, redo, write_manifest, write_meta
from supremix.errors import UserError
from supremix.prepare.shared.command import add_folders, compare_counts
from supremix.prepare.shared.command import need_space as need_free
from supremix.prepare.shared.parallel import Piece
from supremix.prepare.shared.subjects import Report, Subject


def parser(name: str, about: str) -> argparse.ArgumentParser:
    """The arguments that every cohort takes; the script adds its own."""
    made = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--source", type=Path, metavar="DIR", help="folder of the raw files (default: DATA/NAME)")
    add_folders(made)
    made.add_argument("--name", default=name, help="of the prepared folder, and of the dataset (default: %(default)s)")
    made.add_argument("--ages", type=Path, metavar="FILE", help="table of ages (default: ages.csv in the source)")
    made.add_argument("--exclude", type=Path, metavar="FILE", help="subjects to leave out, one a line")
    made.add_argument("--split-seed", type=int, default=0, help="of the split, where no table gives one (default: 0)")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    made.add_argument("--workers", type=int, default=cores, help="processes at once (default: %(default)s)")
    return made


def scratch_folder(folder: Path) -> Path:
    """Where the pieces of an unfinished preparation lie: never to be taken for a finished one."""
    return folder.with_name(f".{folder.name}.partial")


def need_space(folder: Path, size: int) -> None:
    """Raise UserError where the disk has not the bytes that `folder` will need besides what is done already."""
    scratch = scratch_folder(folder)
    done = sum(path.stat().st_size for path in scratch.glob("*.npy"))
    there = next((place for place in folder.absolute().parents if place.is_dir()), Path("/"))
    need_free(there, size - done)


def is_finished(folder: Path, name: str, source_sha256: str) -> bool:
    """Whether `folder` holds this dataset, whole and made from that source; False where there is nothing.

    Raises UserError where there is something else, which is the user's to remove.
    """
    if not folder.exists():
        return False
    from supremix.data.prepared.pieces import open_pieces

    meta = read_meta(folder)
    check_sums(folder, {"sha256": {"manifest.csv": meta["sha256"].get("manifest.csv")}}, ["manifest.csv"])
    open_pieces(folder, meta)
    if meta["name"] != name or meta["source"].get("sha256") != source_sha256:
        raise UserError(f"{folder}: made from other files or with other settings than these: {redo(folder)}")
    return True


def usable(
    pieces: Sequence[Piece], records: Sequence[Mapping[str, Any]], report: Report, what: str
) -> list[tuple[str, str, dict[str, Any]]]:
    """(subject, file, what became of it) for all that is in the arrays, in their order; the rest is reported.

    An item begins with subject and file; what became of it holds a "reason" where it failed, else the "sha256"
    of its content. Two subjects with the same content stay, and are reported.
    """
    kept = []
    first: dict[str, str] = {}
    for piece, record in zip(pieces, records, strict=True):
        for (subject, file, *_), became in zip(piece.items, record["result"], strict=True):
            if "reason" in became:
                report.add(subject, file, became["reason"])
                continue
            kept.append((subject, file, became))
            other = first.setdefault(became["sha256"], subject)
            if other != subject:
                report.add(subject, file, f"same {what} as another subject's ({other})", kept=True)
    return kept


def splits_of(
    subjects: Sequence[str], ages: Mapping[str, Subject], published: Mapping[str, int], seed: int
) -> list[str]:
    """Each subject's split: the table's, else drawn by `seed` in the proportions of the paper's counts."""
    from supremix.data.splits import draw_split, proportional_sizes

    given = [ages[subject].split for subject in subjects]
    if any(split is not None for split in given):
        missing = [split for split in SPLITS if split not in given]
        if missing:
            raise UserError(f"no usable subject has the split {missing[0]}: see to the table's column split")
        return [str(split) for split in given]
    rows = draw_split(len(subjects), proportional_sizes(len(subjects), published), seed)
    split_of = {int(row): split for split, members in rows.items() for row in members}
    return [split_of[i] for i in range(len(subjects))]


def store(
    folder: Path,
    pieces: Sequence[Piece],
    records: Sequence[Mapping[str, Any]],
    report: Report,
    columns: Mapping[str, Sequence[Any]],
    *,
    stem: str,
    rows: Sequence[int],
    dtype: str,
    row_shape: Sequence[int],
    **meta: Any,
) -> None:
    """Make the prepared folder from finished pieces, which move into it, and drop the unfinished one.

    rows: of each piece's array; 0 where nothing in it was usable. report.csv has no sum: it is no content.
    """
    from supremix.data.prepared.pieces import describe

    scratch = scratch_folder(folder)
    used = [(p, record, n) for p, record, n in zip(pieces, records, rows, strict=True) if n > 0]
    files = [f"{stem}-{i:04d}.npy" for i in range(len(used))]
    sums = {file: str(record["sha256"]) for file, (_, record, _) in zip(files, used, strict=True)}
    with atomic_folder(folder) as working:
        write_manifest(working, columns)
        array = describe(files, [n for _, _, n in used], dtype, row_shape)
        write_meta(working, rows=len(columns["id"]), sums=sums, array=array, **meta)
        report.write(working / "report.csv")
        for file, (piece, _, _) in zip(files, used, strict=True):
            (scratch / f"{piece.key}.npy").replace(working / file)
    shutil.rmtree(scratch, ignore_errors=True)


def tell(folder: Path, what: str, split: Sequence[str], ages: Sequence[float], report: Report, paper: Mapping) -> None:
    """Print what was prepared, beside the paper's counts and ages, and what was left out."""
    counts = {name: list(split).count(name) for name in SPLITS}
    low, high = paper["ages"]
    print(f"{folder}: {len(split)} {what}")
    print(f"  {compare_counts(counts, paper['sizes'])}")
    print(f"  ages: {min(ages):g} to {max(ages):g} years, in the paper {low} to {high}")
    for line in report.summary():
        print(line)
    if report.findings:
        print(f"  all {len(report.findings)} by name and reason: {folder / 'report.csv'}")


def nothing_usable(folder: Path, report: Report, source: Path) -> UserError:
    """The error where fewer subjects are left than splits; the report is kept beside the unfinished pieces."""
    scratch = scratch_folder(folder)
    scratch.mkdir(parents=True, exist_ok=True)
    report.write(scratch / "report.csv")
    return UserError(f"{source}: fewer than {len(SPLITS)} usable subjects; {scratch / 'report.csv'} says why")
