"""The prepared folder: how preparation scripts write it, and the checks that both sides share.

A prepared folder ``<prepared>/<name>/`` holds ``manifest.csv`` (columns ``id``, ``label`` and optionally
``split``), the arrays that belong to it (row i of the manifest is row i of each array, unless the manifest has
a column ``row``), and ``meta.json``, which describes them and carries the SHA-256 of every other file. A
``report.csv`` beside them lists what was left out. Only the standard library is imported, so that command lines
answer ``--help`` at once. Where a script prepares a dataset in several variants, their folders are named
``<script>-<variant>``.
"""

import csv
import hashlib
import json
import shutil
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from supremix.errors import UserError

FORMAT = 1
SPLITS = ("train", "val", "test")


def sha256_file(path: Path, advance: Callable[[int], None] = lambda count: None) -> str:
    """Hexadecimal SHA-256 of a file, read in pieces; `advance` is told the bytes of each."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 22):
            digest.update(piece)
            advance(len(piece))
    return digest.hexdigest()


@contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """Yield an empty sibling folder to fill; it becomes `folder` when the block ends, or vanishes on failure.

    `folder` is there completely or not at all, wherever the block stops. An existing one is never touched:
    that is a UserError, as is a place that cannot be written to.
    """
    if folder.exists():
        raise UserError(f"{folder}: already exists: move or delete it first")
    working = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        working.mkdir(parents=True)
        yield working
        working.rename(folder)
    except OSError as error:
        raise UserError(f"{folder}: cannot be written ({error}): check space and permissions") from error
    finally:
        shutil.rmtree(working, ignore_errors=True)


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

    source: "file", "sha256" and "url" of the raw data. sums: file → SHA-256 of those whose sum is known already,
    there or still to come. extra: what the modality needs besides, as `features`.
    """
    files = sorted(folder.iterdir())
    known = dict(sums or {})
    found = {path.name: sha256_file(path) for path in files if path.name not in known} | known
    meta = {"name": name, "format": FORMAT, "rows": rows, "label": label, **extra, "synthetic": synthetic}
    meta |= {"source": dict(source), "sha256": found}
    meta |= {"bytes": {path.name: path.stat().st_size for path in files}}
    (folder / "meta.json").write_text(json.dumps(meta, indent=2) + "\n", encoding="utf-8")


def redo(folder: Path) -> str:
    """What to do about a damaged prepared folder, to end an error message with."""
    return f"move or delete {folder} and run `{_command(folder)}` again"


def read_meta(folder: Path) -> dict[str, Any]:
    """Read and check meta.json of a prepared folder; UserError where it is missing or unusable."""
    path = folder / "meta.json"
    if not folder.exists():
        raise UserError(f"{folder}: no prepared data: run `{_command(folder)}`, or set paths.prepared")
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

    files: what the caller reads, all of which must be recorded; whatever else is recorded is checked too.
    large: files of which only the size is compared, since reading gigabytes would take longer than the run's start.
    """
    for file in sorted({*files, *meta["sha256"]}):
        path = folder / file
        if not path.is_file():
            raise UserError(f"{path}: missing: {redo(folder)}")
        if file in large:
            found, recorded = path.stat().st_size, meta.get("bytes", {}).get(file)
            if found != recorded:
                raise UserError(f"{path}: {found} bytes, not the {recorded} of meta.json: {redo(folder)}")
        elif sha256_file(path) != meta["sha256"].get(file):
            raise UserError(
                f"{path}: its SHA-256 is not the one in meta.json, so it was changed after preparation: {redo(folder)}"
            )


def content_sha256(meta: Mapping[str, Any]) -> str:
    """One SHA-256 for all files of a prepared folder whose sums were checked."""
    return hashlib.sha256(json.dumps(meta["sha256"], sort_keys=True).encode()).hexdigest()


def is_prepared(folder: Path, name: str, source_sha256: str, large: Collection[str] = ()) -> bool:
    """Whether `folder` holds this dataset, whole and made from that source; False where there is nothing.

    large: as in `check_sums`. Raises UserError where there is something else, which is the user's to remove.
    """
    if not folder.exists():
        return False
    meta = read_meta(folder)
    check_sums(folder, meta, ["manifest.csv"], large)
    if meta["name"] != name or meta["source"].get("sha256") != source_sha256:
        raise UserError(f"{folder}: made from another source than this one: {redo(folder)}")
    return True


def _command(folder: Path) -> str:
    name = folder.name.partition("-")[0].removesuffix("_twin")
    if not folder.name.endswith("_twin"):
        return f"python data_prep/{name}.py --out {folder.parent}"
    prepare = f"python data_prep/{name}.py --name {folder.name} --out {folder.parent}"
    return f"python data_prep/make_twin.py {name} --size demo && {prepare}"


def _meta_problem(meta: Any) -> str | None:
    if not isinstance(meta, dict):
        return "not a JSON object"
    if meta.get("format") != FORMAT:
        return f"format {meta.get('format')!r}, but this version reads format {FORMAT}"
    types = {"name": str, "rows": int, "synthetic": bool, "source": dict, "sha256": dict}
    wrong = [key for key, kind in types.items() if not isinstance(meta.get(key), kind)]
    return f"missing or of the wrong type: {', '.join(wrong)}" if wrong else None
