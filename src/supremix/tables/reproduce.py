"""A table from its specification to its files: prepare, plan, run what is missing, render."""

from pathlib import Path

from supremix.errors import UserError
from supremix.settings.compose import composed
from supremix.store.folders import Store
from supremix.store.records import read_record
from supremix.suite import run
from supremix.suite.keep import place, settings_of
from supremix.suite.launchers import IN_PROCESS, Launcher
from supremix.suite.listing import failed, listing
from supremix.suite.plan import Cell, shown_plan, with_seeds
from supremix.suite.reading import load
from supremix.suite.size import PAPER, Size
from supremix.suite.spec import Spec, results_folder
from supremix.tables import computed, files
from supremix.tables.results import Results, collect
from supremix.tables.wandb import TABLE_JOB, log_table


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
    cells, store, failed = run.run_missing(spec, conf, launcher, overrides)
    results, found = stored(spec, cells, store, settings)
    folder = place(out, spec.folder, files.why_kept(results, found, spec.folder))
    if folder:
        files.write(results, found, folder)
        group = [f"tracking.group={spec.label}", f"tracking.job_type={TABLE_JOB}"]
        log_table(results, composed(conf, [*spec.overrides, *overrides, *group]).tracking)
    if failed:
        raise UserError(f"{len(failed)} of {len(cells)} runs failed, shown as such; the first: {failed[0]}")
    return results, cells, folder


def compute(
    name: str, conf: Path, out: Path | None, overrides: list[str], size: Size = PAPER
) -> tuple[computed.Overview, Path | None]:
    """Compute a table that no run fills, and write it as ``reproduce`` does; the table and its folder.

    Of data, only what the size brings itself is prepared.
    """
    path, overrides = conf / "table" / f"{name}.yaml", size.line(overrides)
    for dataset in computed.unprepared(path, conf, overrides, size):
        run.prepared(size.prepare.get(dataset, []), conf.parent)
    table = computed.compute(path, conf, overrides, size)
    default = results_folder(size.name) / table.name
    folder = place(out, default, computed.why_kept(table, default))
    if folder:
        computed.write(table, folder)
    return table, folder


def planned(name: str, conf: Path, overrides: list[str], seeds: list[int] | None = None, size: Size = PAPER) -> str:
    """What is done and what is left of table ``name``, as text; runs and prepares nothing."""
    spec = with_seeds(size.spec(load(conf / "table" / f"{name}.yaml")), seeds)
    overrides = size.line(overrides)
    return listing(spec.title, shown_plan(spec, conf, overrides), Store(composed(conf, overrides).paths.runs))


def stored(spec: Spec, cells: list[Cell], store: Store, settings: list[str]) -> tuple[Results, list[files.Found]]:
    """What the store holds of the cells; settings: under which the user has them."""
    found = [(cell, read_record(store.run(str(cell.run_id)))) for cell in cells if run.is_finished(store, cell)]
    notes = {(cell.panel, cell.row, cell.seed) for cell in cells if failed(store, cell)}
    panels = {panel.name: panel for panel in spec.panels}
    unprepared = {cell.dataset: spec.scripts(panels[cell.panel], cell.dataset) for cell in cells if cell.run_id is None}
    return collect(spec, found, notes, unprepared, settings), found
