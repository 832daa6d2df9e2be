"""What the twin generators share: the sizes, a raw folder with its marker, and drawing on all cores."""

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

from supremix.data.prepared.folder import atomic_folder
from supremix.errors import UserError
from supremix.prepare.shared.command import MARKER, marker, meter

Task = TypeVar("Task")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Order:
    """Which twin to make. size: tiny (tests), small (tables at SIZE=twin), demo (minutes on a laptop) or real."""

    name: str
    size: str
    seed: int
    out: Path
    workers: int

    @property
    def folder(self) -> Path:
        """The raw folder."""
        return self.out / f"{self.name}_twin"


@contextmanager
def raw_folder(order: Order, **facts: int) -> Iterator[Path | None]:
    """Yield a folder to fill, which becomes the order's folder with a marker file in it; None where it is there.

    facts: more for the marker to say, such as the twin's own ``pixels``. UserError where something else is there.
    """
    content: dict[str, Any] = {"twin": order.name, "size": order.size, "seed": order.seed, **facts}
    if order.folder.exists():
        if marker(order.folder) != content:
            raise UserError(f"{order.folder}: something else is there: move or delete it, or choose another --out")
        yield None
        return
    with atomic_folder(order.folder) as working:
        yield working
        (working / MARKER).write_text(json.dumps(content) + "\n", encoding="utf-8")


def on_all_cores(
    what: str, work: Callable[[Task], Result], tasks: Sequence[Task], workers: int
) -> Iterator[tuple[Task, Result]]:
    """Each task with its result, in the order of the tasks whatever the number of workers."""
    with meter(what, len(tasks)) as advance:
        if workers == 1:
            for task in tasks:
                yield task, work(task)
                advance(1)
            return
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            size = max(len(tasks) // (workers * 64), 1)
            for task, result in zip(tasks, pool.map(work, tasks, chunksize=size), strict=True):
                yield task, result
                advance(1)
