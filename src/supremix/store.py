"""The store on disk: runs/<id>/ and runs/encoders/<id>/, each written whole or not at all, ``DONE`` last."""

import json
import math
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from supremix.errors import UserError

RECORD_SCHEMA = 1


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
    def writing(self, target: Path) -> Iterator[Path]:
        """Yield an empty folder that becomes ``target`` when the block ends well.

        A finished ``target`` is never replaced: what another process finished first stays.
        """
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            partial = Path(tempfile.mkdtemp(prefix=f".partial-{target.name}-", dir=target.parent))
        except OSError as error:
            raise UserError(f"{target.parent}: cannot write to the store ({error.strerror}); set paths.runs") from None
        try:
            yield partial
            (partial / "DONE").touch()
            partial.chmod(0o755)
            if not finished(target):
                shutil.rmtree(target, ignore_errors=True)
                os.replace(partial, target)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def finished(directory: Path) -> bool:
    """Whether the directory was written to its end."""
    return (directory / "DONE").exists()


def begun(directory: Path) -> bool:
    """Whether somebody began to write the directory, and has not finished or was stopped."""
    return not finished(directory) and (
        directory.exists() or any(directory.parent.glob(f".partial-{directory.name}-*"))
    )


def read_record(directory: Path) -> dict[str, Any]:
    """``record.json`` of a finished run."""
    path = directory / "record.json"
    try:
        record = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not a readable record ({error}); remove {directory} and run again") from None
    if record.get("schema") != RECORD_SCHEMA:
        raise UserError(f"{path}: record schema {record.get('schema')}, this version reads {RECORD_SCHEMA}; run again")
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
