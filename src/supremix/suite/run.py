"""The runs of a specification: prepare the data, plan, and run what the store lacks."""

import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from supremix.settings.compose import composed
from supremix.settings.overrides import quoted
from supremix.store.folders import Store, finished
from supremix.suite.launch import launch
from supremix.suite.launchers import Launcher
from supremix.suite.plan import Cell, shown_plan
from supremix.suite.spec import Spec


def run_missing(
    spec: Spec, conf: Path, launcher: Launcher, overrides: list[str]
) -> tuple[list[Cell], Store, list[str]]:
    """Prepare the data where it is not there, and run what the store lacks; all cells, the store, a line a failure."""
    cells = shown_plan(spec, conf, overrides)
    if any([prepared(commands, conf.parent) for commands in _preparations(spec, cells)]):
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


def prepared(commands: list[str], project: Path) -> bool:
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
