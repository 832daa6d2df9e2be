"""Which code makes a run: the package's version, its commit, and a digest of all that can change a number."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from supremix import __version__
from supremix.settings import syntax
from supremix.store.records import Record, read_record

PACKAGE = Path(__file__).parents[1]
CAN_CHANGE_NUMBERS = (
    "losses",
    "metrics",
    "models",
    "data",
    "training",
    "runtime/seeding.py",
    "runtime/sharding.py",
    "settings/build.py",
    "experiment/stages.py",
    "experiment/measure.py",
)
CANNOT = ("training/progress.py", "metrics/seeds.py", "metrics/ranks.py", "metrics/resampling.py")
"""In these places all the same: progress, and statistics over finished runs."""


def number_making_files() -> list[Path]:
    """Return the package's files that the digest covers."""
    places = [PACKAGE / name for name in CAN_CHANGE_NUMBERS]
    files = {file for place in places for file in (place.rglob("*.py") if place.is_dir() else [place])}
    return sorted(files - {PACKAGE / name for name in CANNOT})


@cache
def present_code() -> dict[str, Any]:
    """Return the code of this process: version, digest, and in a git checkout the commit and the dirty flag.

    The digest tells codes apart that can give other numbers. Comments, docstrings, and the place of a module do not
    count for it, nor does what only shows, tracks or plans runs.
    """
    return {"version": __version__, **_commit(), "digest": _digest(number_making_files())}


def other_code(record: Record) -> str | None:
    """Return in words which other code made a record or its encoder; None if the present code made both."""
    code, digest = record["code"], present_code()["digest"]
    if code["digest"] != digest:
        return f"made by other code ({code['digest']}, version {code['version']})"
    encoder = record.get("pretrain_code")
    return f"its encoder was made by other code ({encoder})" if encoder not in (None, digest) else None


def is_usable(cfg: DictConfig, directory: Path) -> bool:
    """Decide whether a finished run or encoder is used as it is, or made anew.

    It is used, except with ``rerun=true`` where other code made it.
    """
    return not cfg.rerun or other_code(read_record(directory)) is None


def _digest(files: Sequence[Path]) -> str:
    """Return the files' digest, kept beside this module's bytecode: half a second of each process's start."""
    content = b" ".join(file.read_bytes() for file in (*files, Path(syntax.__file__)))
    key, kept = hashlib.sha256(content).hexdigest(), Path(cache_from_source(__file__)).with_suffix(".digest")
    with suppress(OSError, ValueError):
        of, digest = kept.read_text().split()
        if of == key:
            return digest
    digest = syntax.files_digest(files)
    if not sys.dont_write_bytecode:
        with suppress(OSError):
            written = kept.with_suffix(f".{os.getpid()}")
            written.write_text(f"{key} {digest}")
            written.replace(kept)
    return digest


def _commit() -> dict[str, Any]:
    """Return the commit and the dirty flag; nothing for a package that git does not track."""
    try:
        _git("ls-files", "--error-unmatch", "__init__.py")
        return {"commit": _git("rev-parse", "HEAD"), "dirty": _git("status", "--porcelain", "--", ".") != ""}
    except (OSError, subprocess.SubprocessError):
        return {}


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(PACKAGE), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.strip()
