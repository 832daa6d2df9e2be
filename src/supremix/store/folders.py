"""The store on disk: runs/<id>/ and runs/encoders/<id>/, each written whole or not at all, ``DONE`` last.

While a run or an encoder is in work there is <id>.partial/ beside its place: the lock of the process that has it, the
checkpoints of the stage in work, and in the end the finished folder until it is moved to its place.
"""

import json
import math
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from supremix.errors import UserError, writing_to
from supremix.runtime import ranks
from supremix.runtime.locks import acquired

RECORD_SCHEMA = 1
ELSEWHERE = "make space or set paths.runs to another folder, then run again"


class Store:
    """Directory of finished runs and encoders.

    Args:
        root: the store's folder; made when something is first written.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)

    def run(self, run_id: str) -> Path:
        """Directory of a run, finished or not there."""
        return self.root / run_id

    def encoder(self, encoder_id: str) -> Path:
        """Directory of a pre-trained encoder, finished or not there."""
        return self.root / "encoders" / encoder_id

    def failure(self, run_id: str) -> Path:
        """Where it is noted that a run of a table failed, ``{"error": one line}``; gone once the run is finished."""
        return self.root / f"{run_id}.failed.json"

    def records(self) -> Iterator[dict[str, Any]]:
        """Records of all finished runs, in the order of their ids."""
        for done in sorted(self.root.glob("*/DONE")):
            yield read_record(done.parent)

    @contextmanager
    def claimed(self, target: Path, wait: bool = True) -> Iterator[Path]:
        """Hold ``target`` against other processes; yield its folder of unfinished work.

        Waits for a process that has it, so look whether it is finished inside. A claim dies with its process. Left
        with something unfinished, the folder stays for the next claim; else it goes.

        Raises Busy where another process has it and ``wait`` is false.
        """
        folder = unfinished(target)
        with writing_to(folder, ELSEWHERE):
            lock = acquired(folder, wait)
        with lock:
            try:
                yield folder
            finally:
                _tidy(folder, Path(lock.name), everything=finished(target))

    @contextmanager
    def making(self, target: Path, wait: bool = True) -> Iterator[Path | None]:
        """Claim ``target`` unless it is finished; yield its folder of unfinished work, or None where it is finished.

        Of several ranks the first one claims; all are given the same, and leave together once it has let go.
        """
        with ExitStack() as claim:

            def folder() -> Path | None:
                if settled(target):
                    return None
                unfinished = claim.enter_context(self.claimed(target, wait))
                return None if finished(target) else unfinished  # else the process that had it did it

            yield ranks.from_first(folder)
        ranks.from_first(lambda: None)

    @contextmanager
    def writing(self, target: Path) -> Iterator[Path]:
        """Yield an empty folder that becomes the claimed ``target`` when the block ends well."""
        scratch = unfinished(target) / "finished"
        shutil.rmtree(scratch, ignore_errors=True)  # of a process that was killed here
        try:
            with writing_to(target, ELSEWHERE):
                scratch.mkdir()
                yield scratch
                (scratch / "DONE").touch()
                shutil.rmtree(target, ignore_errors=True)
                os.replace(scratch, target)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def finished(directory: Path) -> bool:
    """Whether the directory was written to its end."""
    return (directory / "DONE").exists()


def unfinished(target: Path) -> Path:
    """Folder of work on ``target`` that is not finished: lock and checkpoints."""
    return target.with_name(f"{target.name}.partial")


def settled(target: Path) -> bool:
    """Whether it is finished and tidied up after, so that nobody needs to claim it."""
    return finished(target) and not unfinished(target).exists()


def begun(target: Path) -> bool:
    """Whether somebody began work on it, and has not finished or was stopped."""
    return not finished(target) and unfinished(target).exists()


def read_record(directory: Path) -> dict[str, Any]:
    """``record.json`` of a finished run."""
    path = directory / "record.json"
    again = f"remove {directory} and run again"
    try:
        record = json.loads(path.read_text())
        schema, name = record["schema"], record["id"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: not a readable record ({error}); {again}") from None
    if schema != RECORD_SCHEMA:
        raise UserError(f"{path}: record schema {schema}, this version reads {RECORD_SCHEMA}; {again}")
    if name != directory.name:
        raise UserError(f"{path}: the record of {name}, which does not belong here; {again}")
    return record


def write_json(path: Path, value: Any) -> None:
    """Write JSON with NaN and infinities as null, so that any reader can parse it."""
    path.write_text(json.dumps(_finite(value), indent=1, allow_nan=False) + "\n")


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _tidy(folder: Path, lock: Path, everything: bool) -> None:
    """Remove what a claim leaves, the lock last: once it is gone another process may claim the folder anew."""
    others = [path for path in folder.iterdir() if path != lock]
    if everything:
        for path in others:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    if everything or not others:
        lock.unlink()
        with suppress(OSError):
            folder.rmdir()
