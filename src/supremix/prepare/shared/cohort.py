"""Prepare a cohort: options, splits, and the way from finished pieces to a prepared folder.

Quick to import, so that ``--help`` answers at once.
"""

import argparse
import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from supremix.data.prepared.folder import SPLITS, check_manifest
from supremix.data.prepared.making import Piece
from supremix.errors import UserError
from supremix.prepare.shared import command
from supremix.prepare.shared.prepared import describe_pieces, write_manifest, write_meta
from supremix.prepare.shared.report import Finding, compare_counts, dropped, kept, summary_lines, write_report
from supremix.prepare.shared.sources import Source, find_source, read_all, write_stamps
from supremix.prepare.shared.subjects import Subject
from supremix.runtime.stamps import Stamp


def parser(name: str, about: str) -> argparse.ArgumentParser:
    """Make the parser of a cohort's command; the dataset adds its own options."""
    made = command.parser(name, about)
    made.add_argument("--source", type=Path, metavar="DIR", help="folder of the raw files (default: DATA/NAME)")
    made.add_argument("--name", default=name, help="of the prepared folder, and of the dataset (default: %(default)s)")
    made.add_argument("--ages", type=Path, metavar="FILE", help="table of ages (default: ages.csv in the source)")
    made.add_argument("--exclude", type=Path, metavar="FILE", help="subjects to leave out, one a line")
    made.add_argument("--split-seed", type=int, default=0, help="of the split, where no table gives one (default: 0)")
    command.add_workers(made)
    return made


def check_arrays(folder: Path, meta: Mapping[str, Any]) -> None:
    """Check the manifest by its SHA-256 and the arrays by their headers and sizes; raise UserError for a fault."""
    from supremix.data.prepared.pieces import open_pieces

    check_manifest(folder, meta)
    open_pieces(folder, meta)


def source_of(
    items: Sequence[tuple[str, str, Stamp]],
    ages: Mapping[str, Subject],
    settings: Sequence[Any],
    read: Callable[[str], bytes],
) -> Source:
    """Describe a cohort's files, with their subjects' ages and the settings, for comparison.

    Args:
        items: (subject, file, stamp).
        settings: what decides the arrays besides; JSON must be able to hold it.
        read: file → its content, or that of the one in it that is used.
    """
    listing = [(subject, ages[subject].age, ages[subject].split, of_file[0]) for subject, _, of_file in items]
    reads = [partial(_sha256, read, file) for _, file, _ in items]
    return find_source((*settings, listing), [of_file for _, _, of_file in items], lambda: read_all(reads))


def _sha256(read: Callable[[str], bytes], file: str) -> str:
    return hashlib.sha256(read(file)).hexdigest()


def usable(
    pieces: Sequence[Piece], records: Sequence[Mapping[str, Any]], findings: list[Finding], what: str
) -> list[tuple[str, str, dict[str, Any]]]:
    """List (subject, file, result) of all that is in the arrays, in their order; add the rest to `findings`.

    Two subjects with the same content stay, and are reported.

    Args:
        pieces: of items that begin with subject and file.
        records: of the pieces; an item's result holds a "reason" where it failed, else "sha256" and "doubts".
        what: an item's name, for the report.
    """
    rows = []
    first: dict[str, str] = {}
    for piece, record in zip(pieces, records, strict=True):
        for (subject, file, *_), result in zip(piece.items, record["result"], strict=True):
            if "reason" in result:
                findings.append(dropped(result["reason"], file, subject))
                continue
            rows.append((subject, file, result))
            findings += [kept(doubt, file, subject) for doubt in result.get("doubts", [])]
            other = first.setdefault(result["sha256"], subject)
            if other != subject:
                findings.append(kept(f"same {what} as another subject's ({other})", file, subject))
    return rows


def splits_of(
    subjects: Sequence[str], ages: Mapping[str, Subject], published: Mapping[str, int], seed: int
) -> list[str]:
    """Return each subject's split: the table's, else drawn by `seed` in the proportions of the paper's counts."""
    from supremix.data.splits import draw_split

    given = [ages[subject].split for subject in subjects]
    if any(split is not None for split in given):
        missing = [split for split in SPLITS if split not in given]
        if missing:
            raise UserError(f"no usable subject has the split {missing[0]}: see to the table's column split")
        return [str(split) for split in given]
    rows = draw_split(len(subjects), proportional_sizes(len(subjects), published), seed)
    split_of = {int(row): split for split, members in rows.items() for row in members}
    return [split_of[i] for i in range(len(subjects))]


def proportional_sizes(n: int, shares: Mapping[str, int]) -> dict[str, int]:
    """Return sizes of train, val and test that sum to n, in the proportions of `shares`, each at least 1.

    What rounding down leaves goes to the splits that lost most by it. Raises UserError where n is below 3.
    """
    if n < len(SPLITS):
        raise UserError(f"{n} rows cannot be split into train, val and test: each needs at least one")
    whole = sum(shares.values())
    sizes = {split: n * shares[split] // whole for split in SPLITS}
    by_loss = sorted(SPLITS, key=lambda split: -(n * shares[split] % whole))
    for split in by_loss[: n - sum(sizes.values())]:
        sizes[split] += 1
    for split in SPLITS:
        if sizes[split] == 0:
            sizes[max(sizes, key=lambda split: sizes[split])] -= 1
            sizes[split] = 1
    return sizes


def store(
    working: Path,
    finished: Path,
    pieces: Sequence[Piece],
    records: Sequence[Mapping[str, Any]],
    findings: Sequence[Finding],
    columns: Mapping[str, Sequence[Any]],
    *,
    stem: str,
    rows: Sequence[int],
    dtype: str,
    row_shape: Sequence[int],
    made_from: Source,
    file: str,
    url: str,
    **meta: Any,
) -> None:
    """Fill the working folder with the finished pieces, which move into it, and what describes them.

    Args:
        working: the folder that becomes the prepared one.
        finished: the folder of the pieces.
        records: of the pieces; an item's result holds "source", the SHA-256 of its file, None where it was unreadable.
        columns: of manifest.csv.
        stem: the arrays' files are called ``<stem>-0000.npy`` and so on.
        rows: of each piece's array; 0 where nothing in it was usable.
        made_from: the files, as they were before they were read.
        file: name of their folder.
        url: where they come from.
        meta: for meta.json: name, label, synthetic, and whatever else.
    """
    for leftover in working.iterdir():  # of a call that was stopped in this function
        leftover.unlink()
    used = [(p, record, n) for p, record, n in zip(pieces, records, rows, strict=True) if n > 0]
    files = [f"{stem}-{i:04d}.npy" for i in range(len(used))]
    sums = {name: str(record["sha256"]) for name, (_, record, _) in zip(files, used, strict=True)}
    write_manifest(working, columns)
    array = describe_pieces(files, [n for _, _, n in used], dtype, row_shape)
    source = made_from.describe(file, url, [result["source"] for record in records for result in record["result"]])
    write_meta(working, rows=len(columns["id"]), source=source, sums=sums, array=array, **meta)
    write_report(working, findings)  # after the sums: it is no part of the content
    write_stamps(working, source["sha256"], made_from)
    for name, (piece, _, _) in zip(files, used, strict=True):
        (finished / f"{piece.key}.npy").replace(working / name)


def print_summary(
    folder: Path, what: str, split: Sequence[str], ages: Sequence[float], findings: Sequence[Finding], paper: Mapping
) -> None:
    """Print what was prepared, beside the paper's counts and ages, and what was left out."""
    counts = {name: list(split).count(name) for name in SPLITS}
    low, high = paper["ages"]
    print(f"{folder}: {len(split)} {what}")
    print(f"  {compare_counts(counts, paper['sizes'])}")
    print(f"  ages: {min(ages):g} to {max(ages):g} years, in the paper {low} to {high}")
    for line in summary_lines(folder, findings):
        print(line)


def need_three(usable: Sequence[Any], finished: Path, findings: Sequence[Finding], source: Path) -> None:
    """Raise UserError where fewer subjects are left than splits; the report is kept beside the finished pieces."""
    if len(usable) < len(SPLITS):
        write_report(finished, findings)
        raise UserError(f"{source}: fewer than {len(SPLITS)} usable subjects; {finished / 'report.csv'} says why")
