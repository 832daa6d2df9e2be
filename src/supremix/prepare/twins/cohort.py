"""Twins of cohorts: a file for each subject, drawn on all cores, and the table of ages."""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from supremix.data.prepared.folder import atomic_folder
from supremix.errors import UserError
from supremix.prepare.shared.command import MARKER, marker, meter
from supremix.prepare.shared.parallel import parallel
from supremix.prepare.twins.common import Order


def write_cohort(
    order: Order,
    subjects: Sequence[tuple[str, float]],
    write: Callable[..., None],
    what: str,
    id_column: str,
    settings: Mapping[str, Any],
) -> None:
    """Write the raw folder: files, ages.csv, and the marker with `settings`. One that is there already stays.

    write: called with folder=, subject= and age=, and importable, since worker processes call it. UserError where
    something else is in the folder's place.
    """
    content = {"twin": order.name, "size": order.size, "seed": order.seed, **settings}
    if order.folder.exists():
        if marker(order.folder) != content:
            raise UserError(f"{order.folder}: something else is there: move or delete it, or choose another --out")
        return
    with atomic_folder(order.folder) as folder:
        with meter(what, len(subjects)) as advance:
            for _ in parallel(partial(_write, write, folder), subjects, order.workers):
                advance(1)
        rows = "".join(f"{subject},{age:g}\n" for subject, age in subjects)
        (folder / "ages.csv").write_text(f"{id_column},age\n{rows}", encoding="utf-8")
        (folder / MARKER).write_text(json.dumps(content) + "\n", encoding="utf-8")


def _write(write: Callable[..., None], folder: Any, subject: tuple[str, float]) -> None:
    write(folder=folder, subject=subject[0], age=subject[1])
