"""Write the raw folder of a twin, with its marker, and draw its files on all cores."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from supremix.errors import UserError
from supremix.prepare.shared.marker import MARKER, marker
from supremix.prepare.shared.working_folder import atomic_folder
from supremix.runtime.parallel import in_parallel
from supremix.runtime.progress import meter

Task = TypeVar("Task")
Result = TypeVar("Result")


@dataclass(frozen=True)
class TwinOptions:
    """Which twin to make.

    Attributes:
        name: of the dataset.
        size: tiny (tests), small (tables in minutes), demo (trains on a laptop) or real (as the dataset).
        seed: of everything that is drawn.
        out: directory of raw data.
        workers: processes at once.
    """

    name: str
    size: str
    seed: int
    out: Path
    workers: int

    @property
    def folder(self) -> Path:
        """The raw folder."""
        return self.out / f"{self.name}_{self.size}"


@contextmanager
def raw_folder(options: TwinOptions, **facts: float) -> Iterator[Path | None]:
    """Yield a folder to fill, which becomes the twin's raw folder with a marker file in it; None where it is there.

    Raises UserError where something else is there.

    Args:
        facts: what the marker says besides, such as the twin's own ``pixels``.
    """
    content: dict[str, Any] = {"twin": options.name, "size": options.size, "seed": options.seed, **facts}
    if options.folder.exists():
        if marker(options.folder) != content:
            raise UserError(f"{options.folder}: something else is there: move or delete it, or choose another --out")
        yield None
        return
    with atomic_folder(options.folder) as working:
        yield working
        (working / MARKER).write_text(json.dumps(content) + "\n", encoding="utf-8")


def draw(
    what: str, work: Callable[[Task], Result], tasks: Sequence[Task], workers: int
) -> Iterator[tuple[Task, Result]]:
    """Yield each task with its result, in order, from all cores, and show the progress."""
    with meter(what, len(tasks)) as advance:
        for task, result in zip(tasks, in_parallel(work, tasks, workers), strict=True):
            yield task, result
            advance(1)


def write_cohort(
    options: TwinOptions,
    subjects: Sequence[tuple[str, float]],
    write: Callable[..., None],
    what: str,
    id_column: str,
    **facts: float,
) -> None:
    """Write the raw folder of a cohort: a file for each subject, and ages.csv. One that is there already stays.

    Args:
        subjects: (subject, age in years).
        write: writes one subject's file; called with folder=, subject= and age=, and importable.
        what: the files' name for the progress meter.
        id_column: name of the column of subjects.
        facts: what the marker says besides.
    """
    with raw_folder(options, **facts) as folder:
        if folder is None:
            return
        for _ in draw(what, partial(_write_subject, write, folder), subjects, options.workers):
            pass
        rows = "".join(f"{subject},{age:g}\n" for subject, age in subjects)
        (folder / "ages.csv").write_text(f"{id_column},age\n{rows}", encoding="utf-8")


def _write_subject(write: Callable[..., None], folder: Path, subject: tuple[str, float]) -> None:
    write(folder=folder, subject=subject[0], age=subject[1])
