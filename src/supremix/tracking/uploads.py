"""Upload the W&B folders on disk that are not uploaded yet, with ``wandb sync``.

``wandb sync`` appends, so that two uploads of a run would show its history twice. So each run is uploaded once, when it
is finished, from its newest folder: a run that went on after an interruption mirrors its whole history again.
"""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from supremix.store.folders import Store, finished, work_folder

FOLDER = re.compile(r"(?:offline-)?run-(\d{8}_\d{6})-(.+)")
RUN_ID = re.compile(r"[0-9a-f]{16}")
FATAL = (
    "fatal error"  # what wandb says, in a log or on stderr, where it gives an upload up and goes on as if it had not
)
TIMEOUT = 600  # seconds for one run


@dataclass(frozen=True)
class Pending:
    """What is left to upload.

    Attributes:
        ready: run → its newest folder, for finished runs.
        older: run → its other folders, which the newest replaces.
        unfinished: runs in work or interrupted, to be uploaded after they finish.
    """

    ready: dict[str, Path]
    older: dict[str, list[Path]]
    unfinished: list[str]


def mark_uploaded(folder: Path) -> None:
    """Mark a run that ended online as ``wandb sync`` would, unless its log reports a failed upload."""
    log = folder / "logs" / "debug-internal.log"
    if FATAL not in log.read_text(errors="replace").lower():
        _marker(folder).touch()


def is_uploaded(folder: Path) -> bool:
    """Return whether a run's folder is on the server as a whole."""
    return _marker(folder).exists()


def pending(folder: Path, store: Store) -> Pending:
    """Return what is left to upload in W&B's ``folder``, given the store of runs."""
    by_run: dict[str, list[Path]] = {}
    for path in sorted(folder.glob("*run-*"), key=lambda path: path.name.removeprefix("offline-")):
        if (match := FOLDER.fullmatch(path.name)) and not path.is_symlink() and _files(path):
            by_run.setdefault(match[2], []).append(path)
    open_runs = {run: folders for run, folders in by_run.items() if not is_uploaded(folders[-1])}
    ready = {run: folders[-1] for run, folders in open_runs.items() if _ended(run, store)}
    older = {run: open_runs[run][:-1] for run in ready}
    return Pending(ready, older, sorted(open_runs.keys() - ready.keys()))


def sync(waiting: Pending, say: Callable[[str], None]) -> list[Path]:
    """Upload what is ready, until the server gives no answer in TIMEOUT seconds.

    Args:
        waiting: what is left to upload.
        say: called with one line per run.

    Returns:
        The folders that are not on the server, and stay pending.
    """
    left = dict(waiting.ready)
    for count, (run, folder) in enumerate(waiting.ready.items(), 1):
        try:
            refused = _refused(folder)
        except subprocess.TimeoutExpired:
            say(f"[{count}/{len(waiting.ready)}] {run}: no answer in {TIMEOUT} s")
            break
        if refused:
            say(f"[{count}/{len(waiting.ready)}] {run}: {refused}")
        else:
            say(f"[{count}/{len(waiting.ready)}] {run}: uploaded")
            del left[run]
            for replaced in waiting.older[run]:
                _marker(replaced).touch()
    return list(left.values())


def _refused(folder: Path) -> str:
    """Upload a folder with ``wandb sync``. Returns its output if that failed, and an empty text otherwise.

    Its exit code is useless, and so is its marker, which it leaves too when the server refused the rows.
    """
    command = [sys.executable, "-m", "wandb", "sync", "--include-online", str(folder)]
    environment = {**os.environ, "WANDB_SILENT": "false", "WANDB_DIR": str(folder.parent.parent)}  # its logs go there
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIMEOUT, env=environment)
    output = " ".join((done.stdout + done.stderr).split())
    if FATAL in output.lower():
        _marker(folder).unlink(missing_ok=True)
    return "" if is_uploaded(folder) else output


def _ended(run: str, store: Store) -> bool:
    """Whether no process will mirror the run again; what is no run of the store, a table, is written in one go."""
    directory = store.run(run)
    return (finished(directory) and not work_folder(directory).exists()) or not RUN_ID.fullmatch(run)


def _files(folder: Path) -> list[Path]:
    return list(folder.glob("run-*.wandb"))


def _marker(folder: Path) -> Path:
    """Return the file that marks a run as uploaded, beside its ``.wandb`` file; its name is wandb's."""
    file = _files(folder)[0]
    return file.with_name(f"{file.name}.synced")
