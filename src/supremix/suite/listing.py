"""The plan of a table as text: what each cell's run has come to, what it waits for, and how long it will take."""

import json
from collections.abc import Iterable
from functools import partial
from itertools import groupby
from statistics import median
from typing import Any

from supremix.settings.provenance import other_code
from supremix.store.folders import Store, begun, finished
from supremix.suite.plan import Cell

STATES = ("finished", "begun", "missing")
Speeds = dict[tuple[str, str], float]


def state(store: Store, cell: Cell) -> str:
    """Return which of STATES a cell's run is in; it has begun if its encoder has."""
    if cell.run_id is None:
        return "missing"
    if finished(store.run(cell.run_id)):
        return "finished"
    encoder = store.encoder(cell.pretrain_id) if cell.pretrain_id else None
    on_the_way = begun(store.run(cell.run_id)) or (encoder and (finished(encoder) or begun(encoder)))
    return "begun" if on_the_way else "missing"


def failed(store: Store, cell: Cell) -> bool:
    """Return whether the cell's last run failed and left a note."""
    return cell.run_id is not None and state(store, cell) != "finished" and store.failure(cell.run_id).exists()


def speeds(records: Iterable[dict[str, Any]]) -> Speeds:
    """Return the median seconds of finished runs, with their encoders, by dataset and method."""
    seconds: dict[tuple[str, str], list[float]] = {}
    for record in records:
        stages = (record["pretrain"] or {}).get("seconds", 0.0) + record["seconds"]["adapt"]
        whole = max(record["seconds"]["total"], stages)
        seconds.setdefault((record["dataset"], record["method"]), []).append(whole)
    return {key: median(values) for key, values in seconds.items()}


def listing(title: str, cells: list[Cell], store: Store) -> str:
    """Return a line per row and state with its seeds, then the sums, and what to do about unprepared data."""
    records = {record["id"]: record for record in store.records()}
    known = speeds(records.values())
    states = [state(store, cell) for cell in cells]
    lines = [title, ""]
    for place, group in groupby(zip(cells, states, strict=True), key=lambda pair: (pair[0].panel, pair[0].row)):
        pairs = list(group)
        for name in STATES:
            of_state = [cell for cell, its_state in pairs if its_state == name]
            for _, alike in groupby(sorted(of_state, key=partial(failed, store)), key=partial(failed, store)):
                some = list(alike)
                seeds = ", ".join(str(cell.seed) for cell in some)
                at = " · ".join(part for part in place if part)
                lines.append(f"{name:<9} {at} · seed {seeds}{_detail(store, some[0], name, known)}")
    sums = ", ".join(f"{states.count(name)} {name}" for name in STATES)
    count = sum(failed(store, cell) for cell in cells)
    left = [cell for cell, its_state in zip(cells, states, strict=True) if its_state != "finished"]
    lines += ["", f"{len(cells)} runs: {sums}{f' ({count} failed)' if count else ''}", *_work(left, known)]
    others = [cell for cell in cells if cell not in left and other_code(records[str(cell.run_id)])]
    lines += [f"made by other code: {len(others)}, which rerun=true runs anew"] if others else []
    hints = {cell.dataset: cell.hint for cell in cells if cell.hint}
    return "\n".join(lines + [f"not there: {name}: {hint}" for name, hint in sorted(hints.items())])


def duration(seconds: float) -> str:
    """Word seconds in the unit that suits them."""
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"


def _detail(store: Store, cell: Cell, its_state: str, known: Speeds) -> str:
    if its_state == "finished":
        return ""
    if cell.run_id is None:
        return f"  (needs {cell.dataset}, which is not there)"
    estimate = known.get((cell.dataset, cell.method))
    time = f"about {duration(estimate)} each" if estimate else "time unknown"
    return f"  ({time}; failed: {_error(store, cell)})" if failed(store, cell) else f"  ({time})"


def _error(store: Store, cell: Cell) -> str:
    try:
        return str(json.loads(store.failure(str(cell.run_id)).read_text())["error"])
    except (OSError, ValueError, KeyError):
        return "its note is not readable"


def _work(left: list[Cell], known: Speeds) -> list[str]:
    times = [known.get((cell.dataset, cell.method)) for cell in left]
    sure = [time for time in times if time is not None]
    parts = [f"about {duration(sum(sure))} one after the other"] if sure else []
    parts += [f"{times.count(None)} of unknown length"] if None in times else []
    return [f"left: {' and '.join(parts)}"] if parts else []
