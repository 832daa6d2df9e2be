"""A table from its specification to its files: prepare, plan, run what is missing, render."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from supremix.errors import UserError
from supremix.store import Store, finished, read_record
from supremix.tables import render
from supremix.tables.launch import launch
from supremix.tables.plan import Cell, composed, plan, with_seeds
from supremix.tables.spec import Spec, load

Record = dict[str, Any]


def reproduce(
    name: str,
    conf: Path,
    out: Path | None = None,
    launcher: list[str] | None = None,
    overrides: list[str] | None = None,
    seeds: list[int] | None = None,
) -> tuple[Spec, list[Cell], Path]:
    """Bring table ``name`` up to date and write it to ``out``; UserError when cells failed, after rendering the rest.

    Args:
        conf: the config folder, which holds ``table/<name>.yaml``.
        out: folder of the rendered table; ``results/<table>`` by default.
        launcher: Hydra overrides that choose the launcher.
        overrides, seeds: in addition to, and in place of, the specification's.
    """
    spec = with_seeds(load(conf / "table" / f"{name}.yaml"), seeds)
    cells, store, failed = run_missing(spec, conf, launcher or [], overrides or [])
    folder = out or Path("results") / spec.name
    write(spec, [(cell, read_record(store.run(str(cell.run_id)))) for cell in cells if done(store, cell)], folder)
    if failed:
        raise UserError(f"{len(failed)} of {len(cells)} runs failed, shown as missing; the first: {failed[0]}")
    return spec, cells, folder


def run_missing(
    spec: Spec, conf: Path, launcher: list[str], overrides: list[str]
) -> tuple[list[Cell], Store, list[str]]:
    """Prepare the data where it is not there, and run what the store lacks; all cells, the store, a line a failure."""
    cells = plan(spec, conf, overrides)
    if spec.prepare and any(cell.run_id is None for cell in cells):
        _prepare(conf.parent / spec.prepare)
        cells = plan(spec, conf, overrides)
    store = Store(composed(conf, overrides).paths.runs)
    missing = [cell for cell in cells if not done(store, cell)]
    print(f"{spec.title}: {len(cells) - len(missing)} of {len(cells)} runs finished", file=sys.stderr)
    if not missing:
        return cells, store, []
    group = [f"tracking.group={spec.name}", f"tracking.tags=[{spec.name}]", "trainer.progress=off"]
    jobs = [replace(cell, overrides=[*cell.overrides, *group]) for cell in missing]
    return cells, store, launch(jobs, conf, launcher, lambda cell: done(store, cell))


def rerender(name: str, conf: Path, folder: Path) -> Path:
    """Render a table again from the records that stand beside it; needs neither data nor store."""
    spec = load(conf / "table" / f"{name}.yaml")
    path = folder / "records.jsonl"
    try:
        lines = [json.loads(line) for line in path.read_text().splitlines()]
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: no readable records ({error}); run the table first") from None
    spec = with_seeds(spec, sorted({record["seed"] for record in lines}) or None)
    write(spec, [(Cell(**record.pop("cell"), seed=record["seed"]), record) for record in lines], folder)
    return folder


def write(spec: Spec, found: list[tuple[Cell, Record]], folder: Path) -> None:
    """Write table.md, table.csv, table.tex and the records they are made of."""
    folder.mkdir(parents=True, exist_ok=True)
    results = render.collect(spec, found)
    files = {
        "records.jsonl": "".join(json.dumps(small(*pair), sort_keys=True) + "\n" for pair in found),
        "table.md": render.markdown(results),
        "table.csv": render.as_csv(results),
        "table.tex": render.latex(results),
    }
    for file_name, text in files.items():
        (folder / file_name).write_text(text)


def small(cell: Cell, record: Record) -> Record:
    """A record without its config, which the cell's overrides stand for."""
    place = {"panel": cell.panel, "row": cell.row, "overrides": cell.overrides}
    return {key: value for key, value in record.items() if key != "config"} | {"cell": place}


def done(store: Store, cell: Cell) -> bool:
    """Whether the cell's run is finished in the store."""
    return cell.run_id is not None and finished(store.run(cell.run_id))


def _prepare(script: Path) -> None:
    print(f"preparing the data: {script.name}", file=sys.stderr)
    if not script.is_file():
        raise UserError(f"{script}: not there; prepare the data by hand, see the README")
    if subprocess.run([sys.executable, str(script)], check=False).returncode != 0:
        raise UserError(f"{script.name} could not prepare the data; its message stands above")
