"""A table from its specification to its files: prepare, plan, run what is missing, render."""

import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from supremix.commandline import quoted
from supremix.errors import UserError
from supremix.store import Store, finished, read_record
from supremix.tables import files, overview
from supremix.tables.composing import shown_plan
from supremix.tables.keeping import place, settings_of
from supremix.tables.launch import launch
from supremix.tables.launchers import IN_PROCESS, Launcher
from supremix.tables.listing import listing, state
from supremix.tables.plan import Cell, composed, with_seeds
from supremix.tables.results import Results, collect
from supremix.tables.size import PAPER, Size
from supremix.tables.spec import Spec, load, results_folder
from supremix.tables.wandb_table import TABLE_JOB, log_table


def reproduce(
    name: str,
    conf: Path,
    out: Path | None = None,
    launcher: Launcher = IN_PROCESS,
    overrides: list[str] | None = None,
    seeds: list[int] | None = None,
    size: Size = PAPER,
) -> tuple[Results, list[Cell], Path | None]:
    """Bring table ``name`` up to date and write it to ``out``; UserError when cells failed, after rendering the rest.

    Returns what it says, its cells and its folder: none where a fuller table in the default folder was left there.

    Args:
        conf: the config folder, which holds ``table/<name>.yaml``.
        out: folder of the rendered table; by default ``results/<table>``, or ``results/<size>/<table>``, unless a table
            with more finished runs, or with runs of other settings, stands there.
        launcher: what starts the runs.
        overrides, seeds: in addition to, and in place of, the specification's.
        size: the paper's, or one of conf/size/.

    Runs whose data is not there are not started: they show as missing, and what to do about it is printed.
    """
    spec = with_seeds(size.spec(load(conf / "table" / f"{name}.yaml")), seeds)
    settings, overrides = settings_of(overrides or []), size.line(overrides or [])
    cells, store, failed = run_missing(spec, conf, launcher, overrides)
    results, found = stored(spec, cells, store, settings)
    folder = place(out, spec.folder, files.why_kept(results, found, spec.folder))
    if folder:
        files.write(results, found, folder)
        group = [f"tracking.group={spec.label}", f"tracking.job_type={TABLE_JOB}"]
        log_table(results, composed(conf, [*spec.overrides, *overrides, *group]).tracking)
    if failed:
        raise UserError(f"{len(failed)} of {len(cells)} runs failed, shown as such; the first: {failed[0]}")
    return results, cells, folder


def computed(
    name: str, conf: Path, out: Path | None, overrides: list[str], size: Size = PAPER
) -> tuple[overview.Overview, Path | None]:
    """Compute a table that no run fills, and write it as ``reproduce`` does; the table and its folder.

    Of data, only what the size brings itself is prepared.
    """
    path, overrides = conf / "table" / f"{name}.yaml", size.line(overrides)
    for dataset in overview.unprepared(path, conf, overrides, size):
        _prepared(size.prepare.get(dataset, []), conf.parent)
    table = overview.compute(path, conf, overrides, size)
    default = results_folder(size.name) / table.name
    folder = place(out, default, overview.why_kept(table, default))
    if folder:
        overview.write(table, folder)
    return table, folder


def planned(name: str, conf: Path, overrides: list[str], seeds: list[int] | None = None, size: Size = PAPER) -> str:
    """What is done and what is left of table ``name``, as text; runs and prepares nothing."""
    spec = with_seeds(size.spec(load(conf / "table" / f"{name}.yaml")), seeds)
    overrides = size.line(overrides)
    return listing(spec.title, shown_plan(spec, conf, overrides), Store(composed(conf, overrides).paths.runs))


def run_missing(
    spec: Spec, conf: Path, launcher: Launcher, overrides: list[str]
) -> tuple[list[Cell], Store, list[str]]:
    """Prepare the data where it is not there, and run what the store lacks; all cells, the store, a line a failure."""
    cells = shown_plan(spec, conf, overrides)
    if any([_prepared(commands, conf.parent) for commands in _preparations(spec, cells)]):
        cells = shown_plan(spec, conf, overrides)
    paths = composed(conf, overrides).paths
    store = Store(paths.runs)
    missing = [cell for cell in cells if not done(store, cell)]
    print(f"{spec.title}: {len(cells) - len(missing)} of {len(cells)} runs finished", file=sys.stderr)
    for dataset, hint in sorted({cell.dataset: cell.hint for cell in cells if cell.hint}.items()):
        print(f"{dataset} is not there, its runs are not started: {hint}", file=sys.stderr)
    whole = [f"paths.{key}={quoted(str(Path(path).absolute()))}" for key, path in paths.items()]  # for other machines
    group = [*whole, f"tracking.group={spec.label}", f"tracking.tags=[{spec.label}]", "trainer.progress=off"]
    jobs = [replace(cell, overrides=[*cell.overrides, *group]) for cell in missing if cell.run_id is not None]
    launcher = replace(launcher, overrides=[*launcher.overrides, *whole])
    return cells, store, launch(jobs, conf, launcher, lambda cell: done(store, cell)) if jobs else []


def stored(spec: Spec, cells: list[Cell], store: Store, settings: list[str]) -> tuple[Results, list[files.Found]]:
    """What the store holds of the cells; settings: under which the user has them."""
    found = [(cell, read_record(store.run(str(cell.run_id)))) for cell in cells if done(store, cell)]
    failed = {(cell.panel, cell.row, cell.seed) for cell in cells if state(store, cell) == "failed"}
    panels = {panel.name: panel for panel in spec.panels}
    unprepared = {cell.dataset: spec.scripts(panels[cell.panel], cell.dataset) for cell in cells if cell.run_id is None}
    return collect(spec, found, failed, unprepared, settings), found


def done(store: Store, cell: Cell) -> bool:
    """Whether the cell's run is finished in the store."""
    return cell.run_id is not None and finished(store.run(cell.run_id))


def _preparations(spec: Spec, cells: list[Cell]) -> list[list[str]]:
    """The commands that prepare each dataset that is not there, in order; of datasets whose commands are known."""
    panels = {panel.name: panel for panel in spec.panels}
    wanted = {
        cell.dataset: spec.preparation(panels[cell.panel]).get(cell.dataset) for cell in cells if cell.run_id is None
    }
    return [commands for commands in wanted.values() if commands]


def _prepared(commands: list[str], project: Path) -> bool:
    """Run the commands that prepare a dataset, scripts of the project, as far as they go well; whether all did."""
    for command in commands:
        name, *arguments = shlex.split(command)
        script = project / name
        print(f"preparing the data: {' '.join([script.name, *arguments])}", file=sys.stderr)
        if not script.is_file():
            print(f"{script}: not there; prepare the data by hand, see the README", file=sys.stderr)
            return False
        if subprocess.run([sys.executable, str(script), *arguments], check=False).returncode != 0:
            print(f"{script.name} could not prepare the data; its message stands above", file=sys.stderr)
            return False
    return True
