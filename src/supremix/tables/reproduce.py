"""Bring a table from its specification to its files: prepare, plan, run what is missing, render."""

import logging
from dataclasses import replace
from pathlib import Path

from supremix.errors import UserError
from supremix.settings.compose import composed, specification
from supremix.store.folders import Store
from supremix.suite import run
from supremix.suite.keep import place, settings_of
from supremix.suite.launchers import IN_PROCESS, Launcher
from supremix.suite.listing import failed, listing
from supremix.suite.plan import Cell, shown_plan, with_panels, with_rows, with_seeds
from supremix.suite.reading import load
from supremix.suite.size import PAPER, Size
from supremix.suite.spec import Spec, results_folder
from supremix.tables import computed, files, outcomes
from supremix.tables.results import Results, collect
from supremix.tables.wandb import TABLE_JOB, log_table

log = logging.getLogger(__name__)

TOLD = 8
"""Cells that are set beside those of a table that is kept."""


def reproduce(
    name: str,
    conf: Path,
    out: Path | None = None,
    launcher: Launcher = IN_PROCESS,
    overrides: list[str] | None = None,
    seeds: list[int] | None = None,
    size: Size = PAPER,
    rows: list[str] | None = None,
) -> tuple[Results, list[Cell], Path | None]:
    """Run what a table lacks, and write the table.

    Runs without data are not started: they show as missing, and a line says how to prepare their data.

    Args:
        name: the table, as in conf/table/.
        conf: the config folder.
        out: folder of the rendered table. The default is ``results/<table>`` or ``results/<size>/<table>``, and is kept
            if it holds a table of more finished runs or of other settings.
        launcher: what starts the runs.
        overrides: in addition to the specification's.
        seeds: in place of the specification's.
        size: the paper's, or one of conf/size/.
        rows: names of those whose runs are started; the others show what the store has. None is all.

    Returns:
        The results, the cells, and the folder, or None if the table there was kept.

    Raises:
        UserError: runs failed; raised after the rest is rendered.
    """
    spec = _asked(name, conf, size, seeds, overrides or [])
    settings, overrides = settings_of(overrides or []) + spec.other_seeds, size.line(overrides or [])
    ran, store, failed = run.run_missing(with_rows(spec, rows), conf, launcher, overrides)
    cells = ran if rows is None else shown_plan(spec, conf, overrides)
    results, records = stored(spec, cells, store, settings)
    folder = place(out, spec.folder, files.why_kept(results, records, spec.folder))
    if folder is None and not settings:
        texts = files.beside(records, spec, spec.folder)
        more = [f"and {len(texts) - TOLD} more cells that both have"] if len(texts) > TOLD else []
        for text in [*texts[:TOLD], *more]:
            log.info("%s", text)
    if folder:
        files.write(results, records, folder)
        own = [f"tracking.group={spec.label}", f"tracking.job_type={TABLE_JOB}"]
        line = [*own, *spec.overrides, *overrides]  # so that the user's win
        log_table(results, composed(conf, line).tracking)
    if failed:
        raise UserError(f"{len(failed)} of {len(ran)} runs failed, shown as such; the first: {failed[0]}")
    return results, cells, folder


def compute(
    name: str, conf: Path, out: Path | None, overrides: list[str], size: Size = PAPER
) -> tuple[computed.ComputedTable, Path | None]:
    """Compute a table that no run fills, and write it; takes and returns what `reproduce` does.

    Only data that the size generates is prepared.
    """
    path, overrides = specification(conf, "table", name), size.line(overrides)
    for dataset in computed.unprepared(path, conf, overrides, size):
        run.prepare(size.prepare.get(dataset, []))
    table = computed.compute(path, conf, overrides, size)
    default = results_folder(size.name) / table.name
    folder = place(out, default, computed.why_kept(table, default))
    if folder:
        computed.write(table, folder)
    return table, folder


def planned(
    name: str,
    conf: Path,
    overrides: list[str],
    seeds: list[int] | None = None,
    size: Size = PAPER,
    rows: list[str] | None = None,
) -> str:
    """Return a listing of the table's finished and missing runs; run and prepare nothing."""
    spec = with_rows(_asked(name, conf, size, seeds, overrides), rows)
    overrides = size.line(overrides)
    paths, preparation = composed(conf, overrides).paths, {panel.name: spec.preparation(panel) for panel in spec.panels}

    def hinted(cell: Cell) -> Cell:
        raw = Path(paths.data) / cell.dataset
        at_hand = cell.hint and cell.dataset in preparation[cell.panel] and raw.is_dir()
        return replace(cell, hint=f"would be prepared from {raw}") if at_hand else cell

    return listing(spec.title, [*map(hinted, shown_plan(spec, conf, overrides))], Store(paths.runs))


def _asked(name: str, conf: Path, size: Size, seeds: list[int] | None, overrides: list[str]) -> Spec:
    """Return the table over the seeds and in the panels that are asked for."""
    return with_panels(with_seeds(size.spec(load(specification(conf, "table", name))), seeds), overrides)


def stored(spec: Spec, cells: list[Cell], store: Store, settings: list[str]) -> tuple[Results, list[files.CellRecord]]:
    """Collect the stored results of the cells; ``settings`` are the user's overrides.

    A run whose record cannot be read is named in a warning, and counts as failed.
    """
    records, unread = run.read_finished(store, cells)
    for message in unread:
        log.warning("%s", message)
    notes = {(cell.panel, cell.row, cell.seed) for cell in cells if failed(store, cell)}
    panels = {panel.name: panel for panel in spec.panels}
    absent = [cell for cell in cells if cell.run_id is None]
    unprepared = {cell.dataset: spec.commands(panels[cell.panel], cell.dataset) for cell in absent}
    results = collect(spec, records, notes, unprepared, settings)
    at_hand = outcomes.of_store(store, [cell for cell, _ in records])
    return replace(results, outcomes=at_hand), records
