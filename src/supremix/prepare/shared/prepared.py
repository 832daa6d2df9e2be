"""Write a prepared folder: manifest.csv and meta.json; find out whether one is there already.

A prepared folder ``<prepared>/<name>/`` holds ``manifest.csv`` (columns ``id``, ``label`` and optionally ``split``),
the arrays that belong to it (row i of the manifest is row i of each array, unless the manifest has a column ``row``),
and ``meta.json``, which describes them and carries the SHA-256 of every other file. A ``report.csv`` beside them lists
what was left out, and ``stamps.json`` shows that the sources are the same without reading them. Where a dataset is
prepared in several variants, their folders are named ``<name>-<variant>``.
"""

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from supremix.data.prepared.folder import FORMAT, check_sums, read_meta, redo, sha256_file
from supremix.errors import UserError


def write_manifest(folder: Path, columns: Mapping[str, Sequence[str | float]]) -> None:
    """Write manifest.csv from equally long columns; floats keep every digit."""
    with (folder / "manifest.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))


def write_meta(
    folder: Path,
    *,
    name: str,
    rows: int,
    label: str,
    source: Mapping[str, str],
    synthetic: bool,
    sums: Mapping[str, str] | None = None,
    **extra: Any,
) -> None:
    """Write meta.json, with the SHA-256 of every file that the folder holds by then.

    Args:
        name: of the dataset.
        rows: of the manifest.
        label: what the labels are, with their unit.
        source: "file", "sha256" and "url" of the raw data.
        synthetic: whether the raw data are a twin's.
        sums: file → SHA-256 of those whose sum is known already, there or still to come.
        extra: what the modality needs besides, as `features`.
    """
    files = sorted(folder.iterdir())
    known = dict(sums or {})
    sha256 = {path.name: sha256_file(path) for path in files if path.name not in known} | known
    meta = {"name": name, "format": FORMAT, "rows": rows, "label": label, **extra, "synthetic": synthetic}
    meta |= {"source": dict(source), "sha256": sha256}
    meta |= {"bytes": {path.name: path.stat().st_size for path in files}}
    (folder / "meta.json").write_text(json.dumps(meta, indent=2) + "\n", encoding="utf-8")


def describe_pieces(files: Sequence[str], rows: Sequence[int], dtype: str, row_shape: Sequence[int]) -> dict[str, Any]:
    """Describe an array in pieces for meta.json, as `supremix.data.prepared.pieces` reads it."""
    pieces = [{"file": file, "rows": count} for file, count in zip(files, rows, strict=True)]
    return {"dtype": dtype, "row_shape": list(row_shape), "pieces": pieces}


def check_files(folder: Path, meta: Mapping[str, Any]) -> None:
    """Compare every file with the SHA-256 in meta.json; raise UserError where one differs."""
    check_sums(folder, meta, ["manifest.csv"])


def is_prepared(
    folder: Path,
    name: str,
    source_sha256: str | None,
    check: Callable[[Path, Mapping[str, Any]], None] = check_files,
) -> bool:
    """Say whether `folder` holds this dataset, whole and made from that source; False where there is nothing.

    Raises UserError where there is something else, which is the user's to remove.

    Args:
        source_sha256: what meta.json must have noted of the source; None where the source is gone.
        check: raises UserError where a file is damaged.
    """
    if not folder.exists():
        return False
    meta = read_meta(folder)
    check(folder, meta)
    if meta["name"] != name or source_sha256 not in (None, meta["source"].get("sha256")):
        raise UserError(f"{folder}: made from another source or with other settings than these: {redo(folder)}")
    return True
