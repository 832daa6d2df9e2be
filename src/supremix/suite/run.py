"""The runs of a specification: prepare the data, plan, and run what the store lacks."""

import logging
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from supremix.errors import UserError
from supremix.settings.compose import composed
from supremix.settings.overrides import quoted
from supremix.settings.provenance import other_code
from supremix.store.folders import Store, finished
from supremix.store.records import Record, read_record
from supremix.suite.launch import launch
from supremix.suite.launchers import Launcher
from supremix.suite.plan import Cell, shown_plan
from supremix.suite.spec import Spec

log = logging.getLogger(__name__)


def run_missing(
    spec: Spec, conf: Path, launcher: Launcher, overrides: list[str]
) -> tuple[list[Cell], Store, list[str]]:
    """Prepare the data that is not there, and run what the store lacks.

    Returns: cells, store, one message per run that failed or whose record cannot be read.
    """
    cells = shown_plan(spec, conf, overrides)
    if any([prepare(commands) for commands in _preparations(spec, cells)]):
        cells = shown_plan(spec, conf, overrides)
    cfg = composed(conf, overrides)
    paths, store = cfg.paths, Store(cfg.paths.runs)
    records, unread = read_finished(store, cells)
    others = [cell for cell, record in records if other_code(record)]
    missing = [cell for cell in cells if not is_finished(store, cell) or (cfg.rerun and cell in others)]
    log.info("%s: %s of %s runs finished", spec.title, len(cells) - len(missing), len(cells))
    if others and not cfg.rerun:
        log.info("%s of them made by other code: rerun=true runs them anew", len(others))
    for dataset, hint in sorted({cell.dataset: cell.hint for cell in cells if cell.hint}.items()):
        log.info("%s is not there, its runs are not started: %s", dataset, hint)
    whole = [f"paths.{key}={quoted(str(Path(path).absolute()))}" for key, path in paths.items()]  # for other machines
    jobs = [
        # The user's overrides are in the cell's, so they win over the first ones; those in paths are in ``whole``.
        replace(cell, overrides=[*together(spec), *cell.overrides, *whole])
        for cell in missing
        if cell.run_id is not None
    ]
    launcher = replace(launcher, overrides=[*launcher.overrides, *whole])

    def done(cell: Cell) -> bool:
        made = [record for _, record in read_finished(store, [cell])[0]]
        return bool(made) and not (cfg.rerun and other_code(made[0]))

    failed = launch(jobs, conf, launcher, done) if jobs else []
    say_doubts(spec, read_finished(store, jobs)[0])
    return cells, store, [*unread, *failed]


def say_doubts(spec: Spec, records: list[tuple[Cell, Record]]) -> None:
    """Say in one line that some of the runs that were just made learnt nothing."""
    from supremix.experiment.record import doubts

    references = {row.name for row in spec.rows if row.kind == "reference"}  # a random encoder is not meant to learn
    doubtful = [cell.label for cell, record in records if cell.row not in references and doubts(record)]
    if doubtful and spec.size:
        log.info("%s", spec.remark)
    elif doubtful:
        count = f"{len(doubtful)} of {len(records)}"
        log.warning("nothing was learnt in %s runs, and their run.log says more; the first: %s", count, doubtful[0])


def together(spec: Spec) -> list[str]:
    """Return overrides that show a specification's runs together in W&B and keep their terminal quiet."""
    return [f"tracking.group={spec.label}", f"tracking.tags=[{spec.label}]", "trainer.progress=off"]


def is_finished(store: Store, cell: Cell) -> bool:
    """Return whether the cell's run is finished in the store."""
    return cell.run_id is not None and finished(store.run(cell.run_id))


def read_finished(store: Store, cells: list[Cell]) -> tuple[list[tuple[Cell, Record]], list[str]]:
    """Read the records of the cells whose runs are finished.

    Returns: the cells with their records, one message per record that cannot be read.
    """
    records, unread = [], []
    for cell in cells:
        if is_finished(store, cell):
            try:
                records.append((cell, read_record(store.run(str(cell.run_id)))))
            except UserError as error:
                unread.append(f"{cell.label}: {error}")
    return records, unread


def _preparations(spec: Spec, cells: list[Cell]) -> list[list[str]]:
    """List the known commands of each dataset that is not there, in order."""
    panels = {panel.name: panel for panel in spec.panels}
    wanted = {
        cell.dataset: spec.preparation(panels[cell.panel]).get(cell.dataset) for cell in cells if cell.run_id is None
    }
    return [commands for commands in wanted.values() if commands]


def prepare(commands: list[str]) -> bool:
    """Run the commands in order, stopping at the first failure. Returns whether all succeeded.

    Args:
        commands: arguments of ``supremix``, such as ``prepare uci_airfoil``.
    """
    for command in commands:
        log.info("preparing the data: supremix %s", command)
        words = [sys.executable, "-m", "supremix.cli", *shlex.split(command)]
        if subprocess.run(words, check=False).returncode != 0:
            log.info("supremix %s could not prepare the data; its message stands above", command)
            return False
    return True
