"""List a table's runs as text: their states, what they wait for, and how long they will take."""

from collections.abc import Iterable
from itertools import groupby
from statistics import median
from typing import Any

from supremix.settings.provenance import other_code
from supremix.store.folders import Store, begun, finished
from supremix.suite.plan import Cell
from supremix.suite.stored import failure

STATES = ("finished", "begun", "missing")
Speeds = dict[tuple[str, str], float]


def state(store: Store, cell: Cell) -> str:
    """Return the state of a cell's run, one of STATES; it has begun if its encoder has."""
    if cell.run_id is None:
        return "missing"
    if finished(store.run(cell.run_id)):
        return "finished"
    encoder = store.encoder(cell.pretrain_id) if cell.pretrain_id else None
    on_the_way = begun(store.run(cell.run_id)) or (encoder and (finished(encoder) or begun(encoder)))
    return "begun" if on_the_way else "missing"


def failed(store: Store, cell: Cell) -> bool:
    """Return whether the cell's run failed when it was last tried, or left a record that cannot be read."""
    return cell.run_id is not None and failure(store, cell.run_id) != ""


def speeds(records: Iterable[dict[str, Any]]) -> Speeds:
    """Return the median seconds of finished runs by dataset and method, pre-training included even if it was shared."""
    seconds: dict[tuple[str, str], list[float]] = {}
    for record in records:
        stages = (record["pretrain"] or {}).get("seconds", 0.0) + record["seconds"]["adapt"]
        whole = max(record["seconds"]["total"], stages)
        seconds.setdefault((record["dataset"], record["method"]), []).append(whole)
    return {key: median(values) for key, values in seconds.items()}


def listing(title: str, cells: list[Cell], store: Store) -> str:
    """List the runs of a table: a line for each row and state, then the sums, then what to prepare."""
    records = {record["id"]: record for record in store.records()}
    known = speeds(records.values())
    lines = [title, ""]
    for _, row in groupby(cells, key=lambda cell: (cell.panel, cell.row)):
        lines += _row_lines(store, list(row), known)
    states = [state(store, cell) for cell in cells]
    left = [cell for cell, its_state in zip(cells, states, strict=True) if its_state != "finished"]
    sums = ", ".join(f"{states.count(name)} {name}" for name in STATES)
    failures = sum(failed(store, cell) for cell in cells)
    lines += ["", f"{len(cells)} runs: {sums}{f' ({failures} failed)' if failures else ''}", *_work(left, known)]
    others = [cell for cell in cells if (record := records.get(str(cell.run_id))) and other_code(record)]
    lines += [f"made by other code: {len(others)}, which rerun=true runs anew"] if others else []
    hints = {cell.dataset: cell.hint for cell in cells if cell.hint}
    return "\n".join(lines + [f"{name}: {hint}" for name, hint in sorted(hints.items())])


def _row_lines(store: Store, row: list[Cell], known: Speeds) -> list[str]:
    """Return a line for each state that cells of one row are in, failed ones apart."""

    def place(cell: Cell) -> tuple[int, bool]:
        return STATES.index(state(store, cell)), failed(store, cell)

    lines = []
    for (index, _), alike in groupby(sorted(row, key=place), key=place):
        some = list(alike)
        name, seeds = STATES[index], ", ".join(str(cell.seed) for cell in some)
        at = " · ".join(filter(None, (some[0].panel, some[0].row)))
        lines.append(f"{name:<9} {at} · seed {seeds}{_detail(store, some[0], name, known)}")
    return lines


def duration(seconds: float) -> str:
    """Return seconds as text, in hours, minutes or seconds."""
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"


def _detail(store: Store, cell: Cell, its_state: str, known: Speeds) -> str:
    if its_state == "finished":
        return f"  ({failure(store, str(cell.run_id))})" if failed(store, cell) else ""
    if cell.run_id is None:
        return f"  (waits for {cell.dataset})"
    estimate = known.get((cell.dataset, cell.method))
    time = f"about {duration(estimate)} each" if estimate else "time unknown"
    return f"  ({time}; {failure(store, cell.run_id)})" if failed(store, cell) else f"  ({time})"


def _work(left: list[Cell], known: Speeds) -> list[str]:
    times = [known.get((cell.dataset, cell.method)) for cell in left]
    sure = [time for time in times if time is not None]
    parts = [f"about {duration(sum(sure))} one after the other"] if sure else []
    parts += [f"{times.count(None)} of unknown length"] if None in times else []
    return [f"left: {' and '.join(parts)}"] if parts else []
