"""Read and check meta.json and the checksums of a prepared folder.

`supremix.prepare.shared.prepared` describes and writes such folders. Only the standard library is imported, so that
command lines answer ``--help`` at once.
"""

import hashlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from supremix.errors import UserError

FORMAT = 1
SPLITS = ("train", "val", "test")
DATASETS = ("agedb_dir", "hcp_aging", "imdb_wiki", "stsb_dir", "uci_airfoil", "ukb")
"""Those that `supremix prepare` knows."""
TWIN_SIZES = ("tiny", "small", "demo", "real")
"""Sizes in which a synthetic twin of a dataset can be made; they end the names of its folders."""


def sha256_file(path: Path, advance: Callable[[int], None] = lambda count: None) -> str:
    """Hexadecimal SHA-256 of a file, read in blocks; `advance` is called with the bytes of each."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 22):
            digest.update(block)
            advance(len(block))
    return digest.hexdigest()


def redo(folder: Path) -> str:
    """Say what to do about a damaged prepared folder, to end an error message with."""
    if command := prepare_command(folder):
        return f"move or delete {folder} and run `{command}` again, with any other options that made it"
    return f"write {folder} anew, as README.md says under 'Your own data'"


def read_meta(folder: Path) -> dict[str, Any]:
    """Read and check meta.json of a prepared folder; raise UserError where it is missing or unusable."""
    path = folder / "meta.json"
    if not folder.exists():
        command = prepare_command(folder)
        way_out = f"run `{command}`" if command else "write it as README.md says under 'Your own data'"
        raise UserError(f"{folder}: no prepared data: {way_out}, or set paths.prepared")
    try:
        meta = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: missing, so this is no prepared folder: {redo(folder)}") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not readable as JSON ({error}): {redo(folder)}") from error
    problem = _meta_problem(meta)
    if problem:
        raise UserError(f"{path}: {problem}: {redo(folder)}")
    return meta


def check_sums(folder: Path, meta: Mapping[str, Any], files: Sequence[str], large: Collection[str] = ()) -> None:
    """Raise UserError where a file is gone or is not the one whose SHA-256 meta.json recorded.

    Args:
        files: what the caller reads, all of which must be recorded; whatever else is recorded is checked too.
        large: files of which only the size is compared, since reading gigabytes would delay the run's start.
    """
    for file in sorted({*files, *meta["sha256"]}):
        path = folder / file
        if not path.is_file():
            raise UserError(f"{path}: missing: {redo(folder)}")
        if file in large:
            size, recorded = path.stat().st_size, meta.get("bytes", {}).get(file)
            if size != recorded:
                raise UserError(f"{path}: {size} bytes, not the {recorded} of meta.json: {redo(folder)}")
        elif sha256_file(path) != meta["sha256"].get(file):
            raise UserError(
                f"{path}: its SHA-256 is not the one in meta.json, so it was changed after preparation: {redo(folder)}"
            )


def check_manifest(folder: Path, meta: Mapping[str, Any]) -> None:
    """Raise UserError where manifest.csv was changed; the last check, since one that names a row is more helpful."""
    check_sums(folder, {"sha256": {"manifest.csv": meta["sha256"].get("manifest.csv")}}, ["manifest.csv"])


def content_sha256(meta: Mapping[str, Any]) -> str:
    """Hexadecimal SHA-256 of all files of a prepared folder together; their sums must have been checked."""
    return hashlib.sha256(json.dumps(meta["sha256"], sort_keys=True).encode()).hexdigest()


def prepare_command(folder: Path) -> str | None:
    """Say which command makes a prepared folder of this name, a twin first; None for a user's own data."""
    name, _, variant = folder.name.partition("-")
    if name not in DATASETS and name.rpartition("_")[0] not in DATASETS:
        return None
    if variant:  # <name>-<split>-<width>d, of sentence pairs
        split, _, width = variant.rpartition("-")
        twin = f"supremix twin {name} --size {split} && " if split in TWIN_SIZES else ""
        vectors = "" if width == "50d" else " --vectors FILE"
        return f"{twin}supremix prepare {name} --split {split} --out {folder.parent}{vectors}"
    dataset, _, size = name.rpartition("_")
    if size not in TWIN_SIZES:
        return f"supremix prepare {name} --out {folder.parent}"
    return f"supremix twin {dataset} --size {size} && supremix prepare {dataset} --name {name} --out {folder.parent}"


def _meta_problem(meta: Any) -> str | None:
    if not isinstance(meta, dict):
        return "not a JSON object"
    if meta.get("format") != FORMAT:
        return f"format {meta.get('format')!r}, but this version reads format {FORMAT}"
    types = {"name": str, "rows": int, "synthetic": bool, "source": dict, "sha256": dict}
    wrong = [key for key, kind in types.items() if not isinstance(meta.get(key), kind)]
    return f"missing or of the wrong type: {', '.join(wrong)}" if wrong else None
