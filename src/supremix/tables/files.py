"""Write a rendered table with its records to a folder, read it, and render it again from these records."""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from supremix.errors import UserError, writing_to
from supremix.runtime.disk import replacing
from supremix.runtime.terminal import shown
from supremix.settings.compose import specification
from supremix.store.records import wrong_metric, wrong_value
from supremix.suite.keep import kept
from supremix.suite.plan import Cell, with_seeds
from supremix.suite.reading import load
from supremix.suite.size import PAPER, Size
from supremix.suite.spec import Spec
from supremix.tables import differences, outcomes
from supremix.tables.latex import latex
from supremix.tables.render import DETAILS, as_csv, details, markdown
from supremix.tables.results import Results, collect, value_of

Record = dict[str, Any]
CellRecord = tuple[Cell, Record]
LINE: dict[str, tuple[type, ...]] = {"seed": (int,), "synthetic": (bool,), "metrics": (dict,), "metrics.test": (dict,)}
"""What rendering needs of a record beside a table, as `wrong_value` has it; those of a schema with codes: CODE too."""
CODE: dict[str, tuple[type, ...]] = {"code": (dict,), "code.digest": (str,), "pretrain_code": (str, type(None))}
RECORDS, STATE = "records.jsonl", "state.json"
NAMES = ("table.md", "table.csv", "table.tex", RECORDS, STATE)


def write(results: Results, records: Iterable[CellRecord], folder: Path) -> None:
    """Write table.md, table.csv and table.tex, with what they are rendered from: records, predictions and state."""
    records = list(records)
    state = {
        "seeds": results.spec.seeds,
        "synthetic": results.synthetic,
        "failed": sorted(map(list, results.failed)),
        "unprepared": results.unprepared,
    } | ({"settings": results.settings} if results.settings else {})
    texts: dict[str, str | bytes] = {
        RECORDS: "".join(json.dumps(small(*pair), sort_keys=True) + "\n" for pair in records),
        STATE: json.dumps(state, indent=1, sort_keys=True) + "\n",
        "table.md": markdown(results),
        "table.csv": as_csv(results),
        "table.tex": latex(results),
    }
    if behind := details(results):
        texts[DETAILS] = behind
    if results.outcomes:
        texts[outcomes.PREDICTIONS] = outcomes.packed(
            results.outcomes, [outcomes.place_of(cell) for cell, _ in records]
        )
    if results.spec.against:
        texts["differences.csv"] = differences.as_csv(results)
    write_texts(folder, texts)


def why_kept(results: Results, records: list[CellRecord], folder: Path) -> str | None:
    """Return why the table in a folder is not to be replaced by this one; None if it may be."""
    return kept(folder / "table.md", finished_cells(folder), len(records), results.settings)


def other_runs(records: list[CellRecord], folder: Path) -> str | None:
    """Return why the table in a folder stays: a run of it has the place of one of these, and is another; else None."""
    here = {outcomes.place_of(cell): record["id"] for cell, record in records}
    try:
        standing = read_records(folder)
    except UserError:
        return None
    if all(here.get(outcomes.place_of(cell), record["id"]) == record["id"] for cell, record in standing):
        return None
    return f"{folder} is left as it is: it holds runs of other data; --out FOLDER writes this one somewhere else"


def beside(records: list[CellRecord], spec: Spec, folder: Path) -> list[str]:
    """Return a line on each cell that the table in a folder has too: its first metric here and there."""
    try:
        standing = {(cell.panel, cell.row, cell.seed): record for cell, record in read_records(folder)}
    except UserError as error:
        return [str(error)]
    columns, lines = {panel.name: next(iter(spec.metrics_of(panel).items())) for panel in spec.panels}, []
    for cell, record in records:
        (column, heading), other = columns[cell.panel], standing.get((cell.panel, cell.row, cell.seed))
        here, there = value_of(record, column), None if other is None else value_of(other, column)
        if here is not None and there is not None:
            lines.append(f"{cell.label}: {heading} {shown(here)} here, {shown(there)} in {folder}")
    return lines


def write_texts(folder: Path, texts: Mapping[str, str | bytes]) -> None:
    """Write files into a folder, all or none; raise UserError if the system refuses one."""
    with writing_to(folder, "make space, or name another folder with --out"), replacing(folder) as scratch:
        for name, text in texts.items():
            (scratch / name).write_bytes(text.encode() if isinstance(text, str) else text)


def small(cell: Cell, record: Record) -> Record:
    """Return a record with its cell, whose overrides replace the config, and without the checksums of its weights."""
    place = {"panel": cell.panel, "row": cell.row, "overrides": cell.overrides}
    return {key: value for key, value in record.items() if key not in ("config", "weights")} | {"cell": place}


def rerender(name: str, conf: Path, out: Path | None, size: Size = PAPER) -> Path:
    """Render a table again from the records beside it, without data or store. Returns its folder.

    Args:
        name: the table, as in conf/table/.
        conf: the config folder.
        out: the table's folder; None takes the default one.
        size: the paper's, or one of conf/size/.
    """
    spec = size.spec(load(specification(conf, "table", name)))
    folder = out or spec.folder
    write(*read(spec, folder), folder)
    return folder


def read(spec: Spec, folder: Path) -> tuple[Results, list[CellRecord]]:
    """Read the results and records in a rendered table's folder, with the seeds planned when it was written."""
    records = read_records(folder)
    with readable(folder):
        state = _checked(json.loads((folder / STATE).read_text(encoding="utf-8"))) if (folder / STATE).exists() else {}
        failed = {(panel, row, int(seed)) for panel, row, seed in state.get("failed", [])}
    spec = with_seeds(spec, state.get("seeds") or sorted({*spec.seeds, *(cell.seed for cell, _ in records)}))
    results = collect(spec, records, failed, state.get("unprepared"), state.get("settings"))
    places = [outcomes.place_of(cell) for cell, _ in records]
    return replace(results, outcomes=outcomes.unpacked(folder / outcomes.PREDICTIONS, places)), records


def read_records(folder: Path) -> list[CellRecord]:
    """Read the records in a rendered table's folder; UserError where they are none."""
    with readable(folder):
        return [_read_line(json.loads(line)) for line in (folder / RECORDS).read_text(encoding="utf-8").splitlines()]


@contextmanager
def readable(folder: Path) -> Iterator[None]:
    """Turn what reading a damaged file of a rendered table raises into UserError."""
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(f"{folder}: no readable records ({error}); run the table first") from None


def _read_line(record: Record) -> CellRecord:
    """Return a line of the records as cell and record; ValueError, KeyError or TypeError where it is none."""
    cell = Cell(**record.pop("cell"), seed=record["seed"])
    types = LINE | (CODE if record.get("schema", 1) != 1 else {})
    if mistake := wrong_value(record, types) or wrong_metric(record):
        raise ValueError(mistake)
    if not isinstance((record.get("selection") or {"metric": ""})["metric"], str):
        raise ValueError(f"selection is {record['selection']!r:.40}")
    return cell, record


def _checked(state: Any) -> Record:
    """Return the content of the state's file; ValueError where a part of it is of another kind."""
    kinds = {"seeds": list, "failed": list, "settings": list, "unprepared": dict}
    wrong = [key for key, kind in kinds.items() if not isinstance(state.get(key, kind()), kind)]
    wrong += ["seeds"] * any(type(seed) is not int for seed in state.get("seeds", []))
    if wrong:
        raise ValueError(f"{STATE}: {wrong[0]} is {state[wrong[0]]!r:.40}")
    return state


def finished_cells(folder: Path) -> int:
    """Return the number of finished cells in a rendered table; 0 without one."""
    path = folder / RECORDS
    return len(path.read_bytes().splitlines()) if path.is_file() else 0
