"""The store on disk: runs/<id>/ and runs/encoders/<id>/, each written whole or not at all, ``DONE`` last.

While a run or an encoder is in work there is <id>.partial/ beside its place: the lock of the process that has it, the
checkpoints of the stage in work, and in the end the finished folder until it is moved to its place. What was finished
before and is made anew moves to superseded/<id>-<n>/ once its successor is whole.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import count
from pathlib import Path

from supremix.errors import UserError, mistake_in_path, writing_to
from supremix.runtime import ranks
from supremix.runtime.disk import flush, put
from supremix.runtime.locks import acquired, is_at
from supremix.runtime.log import RUN_LOG
from supremix.store.records import SUPERSEDED, Record, check_schema, read_record

ELSEWHERE = "make space or set paths.runs to another folder, then run again"
ALLOW = "give yourself the permission, or set paths.runs, or --store, to another folder"
RERUN = "rerun"
"""A file in the work folder: what is in work is to replace something finished, which stays until then."""


class Store:
    """Directory of finished runs and encoders. UserError where it is one of another schema.

    Args:
        root: the store's folder; made when something is first written.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        try:
            if self.root.is_dir():
                os.listdir(self.root)
                os.stat(os.path.join(self.root, "."))  # which needs the permission to look into it
        except OSError as error:
            raise _unreadable(self.root, error) from error
        check_schema(self.root)

    def run(self, run_id: str) -> Path:
        """Return the directory of a run, which exists if the run is finished."""
        return self.root / run_id

    def encoder(self, pretrain_id: str) -> Path:
        """Return the directory of a pre-trained encoder, which exists if it is finished."""
        return self.root / "encoders" / pretrain_id

    def failure(self, run_id: str) -> Path:
        """Return the file that notes a failed run of a table, ``{"error": one line}``, until the run is finished."""
        return self.root / f"{run_id}.failed.json"

    def finished_runs(self) -> list[Path]:
        """Return the directories of all finished runs, in the order of their ids."""
        return [done.parent for done in sorted(self.root.glob("*/DONE"))]

    def records(self) -> Iterator[Record]:
        """Read the records of all finished runs that have a whole one, in the order of their ids."""
        for directory in self.finished_runs():
            with suppress(UserError):
                yield read_record(directory)

    @contextmanager
    def claimed(self, target: Path, wait: bool = True) -> Iterator[Path]:
        """Hold ``target`` against other processes; yield its work folder.

        Waits for a process that has it, so look whether it is finished inside. A claim dies with its process. The
        folder is kept if work remains in it, and removed otherwise. Where somebody else removed it meanwhile, it is
        made again by what is next written there, and left alone if another process has claimed it since.

        Raises Busy where another process has it and ``wait`` is false.
        """
        folder = work_folder(target)
        with writing_to(folder, ELSEWHERE):
            lock = acquired(folder, wait)
        with lock:
            try:
                yield folder
            finally:
                path = Path(lock.name)
                if folder.exists() and (is_at(lock, path) or not path.exists()):
                    over = finished(target) and not (folder / RERUN).exists()
                    if over and not (target / RUN_LOG).exists():
                        with suppress(OSError):  # there is no log, or the disk is full: the results are there
                            os.replace(folder / RUN_LOG, target / RUN_LOG)
                    _tidy(folder, path, everything=over)

    @contextmanager
    def making(
        self, target: Path, wait: bool = True, usable: Callable[[Path], bool] | None = None
    ) -> Iterator[Path | None]:
        """Claim ``target`` unless it is finished and usable; yield its work folder, or None where it is.

        With several ranks, the first one claims; all get the same, and leave together once it has let go.

        Args:
            usable: decides whether a finished ``target`` is used as it is, or made anew; None uses each.
        """
        usable = usable or (lambda _: True)
        with ExitStack() as claim:

            def folder() -> Path | None:
                if is_finished_and_tidy(target) and usable(target):
                    return None
                folder = claim.enter_context(self.claimed(target, wait))
                if finished(target):  # the process that had it did it, or it is to be made anew
                    if usable(target):
                        return None
                    (folder / RERUN).touch()
                return folder

            yield ranks.from_first(folder)
        ranks.from_first(lambda: None)

    @contextmanager
    def writing(self, target: Path) -> Iterator[Path]:
        """Yield an empty folder that becomes the claimed ``target`` when the block ends well."""
        folder = work_folder(target)
        scratch = folder / "finished"
        shutil.rmtree(scratch, ignore_errors=True)  # of a process that was killed here
        try:
            with writing_to(target, ELSEWHERE):
                scratch.mkdir(parents=True)
                yield scratch
                flush(scratch)
                (scratch / "DONE").touch()
                if finished(target):
                    self._supersede(target)
                else:
                    shutil.rmtree(target, ignore_errors=True)
                put(scratch, target)
                (folder / RERUN).unlink(missing_ok=True)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def _supersede(self, target: Path) -> None:
        """Move a finished directory out of the way, to the first free ``superseded/<id>-<n>/``."""
        folder = self.root / SUPERSEDED
        folder.mkdir(exist_ok=True)
        names = (folder / f"{target.name}-{number}" for number in count(1))
        put(target, next(path for path in names if not path.exists()))


def finished(directory: Path) -> bool:
    """Return whether the directory is complete; UserError where it may not be looked into."""
    try:
        return (directory / "DONE").exists()
    except OSError as error:
        raise _unreadable(directory, error) from error


def _unreadable(place: Path, error: OSError) -> UserError:
    return UserError(mistake_in_path(error) or f"{place}: cannot be read ({error.strerror}): {ALLOW}")


def begun(target: Path) -> bool:
    """Return whether work on the directory began and is not finished."""
    return not finished(target) and any(path.name != RUN_LOG for path in work_folder(target).glob("*"))


def is_finished_and_tidy(target: Path) -> bool:
    """Return whether the directory is finished and nothing is left to tidy up."""
    folder = work_folder(target)
    return finished(target) and (not folder.exists() or (folder / RERUN).exists())


def work_folder(target: Path) -> Path:
    """Return the folder of the work on ``target``: lock, checkpoints, log."""
    return target.with_name(f"{target.name}.partial")


def _tidy(folder: Path, lock: Path, everything: bool) -> None:
    """Remove what a claim leaves, the lock last: once it is gone another process may claim the folder anew.

    The log stays, and the folder for it, until the work is finished.
    """
    others = [path for path in folder.iterdir() if path != lock and (everything or path.name != RUN_LOG)]
    for path in [path for path in others if path.is_dir() and not any(path.iterdir())]:
        path.rmdir()
        others.remove(path)
    if everything or others == [folder / RERUN]:
        for path in others:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        others = []
    if not others:
        lock.unlink(missing_ok=True)
        with suppress(OSError):
            folder.rmdir()
