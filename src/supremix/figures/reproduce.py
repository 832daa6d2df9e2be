"""Bring a figure from its specification to its files: prepare, plan, run what is missing, draw, describe."""

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from supremix.errors import UserError, writing_to
from supremix.figures import error_by_size, logits, tsne
from supremix.figures.canvas import Drawn, Run, save
from supremix.figures.spec import Figure, load
from supremix.runtime.disk import replacing
from supremix.settings.compose import composed, specification
from supremix.store.folders import Store
from supremix.store.records import Record
from supremix.suite.codes import codes_of, made_by
from supremix.suite.keep import kept, place, settings_of, stated
from supremix.suite.launchers import IN_PROCESS, Launcher
from supremix.suite.plan import Cell, shown_plan, with_seeds
from supremix.suite.run import is_finished, read_finished, run_missing
from supremix.suite.size import PAPER, Size

RUNS = "| run | id | encoder |"
"""Header of the list of runs in figure.md."""

DRAW: dict[str, Callable[[Figure, list[Run]], Drawn]] = {
    "tsne": tsne.draw,
    "histograms": logits.draw_histograms,
    "sizes": error_by_size.draw,
    "gap": logits.draw_gap,
}


def reproduce(
    name: str,
    conf: Path,
    out: Path | None = None,
    launcher: Launcher = IN_PROCESS,
    overrides: list[str] | None = None,
    seeds: list[int] | None = None,
    stored_only: bool = False,
    size: Size = PAPER,
) -> tuple[str, Path | None]:
    """Run what a figure lacks, and draw it.

    Args:
        name: the figure, as in conf/figure/.
        conf: the config folder.
        out: folder of the figure. The default is ``results/<figure>`` or ``results/<size>/<figure>``, and is kept if it
            holds a figure of more runs or of other settings.
        launcher: what starts the runs.
        overrides: in addition to the specification's.
        seeds: in place of the specification's.
        stored_only: whether to run nothing and draw what the store holds.
        size: the paper's, or one of conf/size/.

    Returns:
        The text of figure.md, and the folder, or None if the figure there was kept.

    Raises:
        UserError: nothing can be drawn, or runs failed; the latter after the rest is drawn.
    """
    figure = load(specification(conf, "figure", name))
    figure = replace(figure, spec=with_seeds(size.spec(figure.spec), seeds))
    settings, overrides = settings_of(overrides or []) + figure.spec.other_seeds, size.line(overrides or [])
    failed: list[str] = []
    if stored_only:
        cells, store = shown_plan(figure.spec, conf, overrides), Store(composed(conf, overrides).paths.runs)
    else:
        cells, store, failed = run_missing(figure.spec, conf, launcher, overrides)
    try:
        text, folder = write(figure, cells, store, out, settings)
    except UserError as error:
        raise UserError(f"{error}; {failed[0]}" if failed else str(error)) from None
    if failed:
        raise UserError(f"{len(failed)} of {len(cells)} runs failed, shown as missing; the first: {failed[0]}")
    return text, folder


def write(
    figure: Figure, cells: list[Cell], store: Store, out: Path | None, settings: list[str]
) -> tuple[str, Path | None]:
    """Write figure.png, figure.svg, figure.csv and figure.md; raise UserError if no run is finished.

    Returns:
        The text of figure.md and the folder, as `reproduce` does.
    """
    records, unread = read_finished(store, cells)
    runs = [stored_run(store, cell, record) for cell, record in records]
    missing = [f"{cell.label}: {_why(cell)}" for cell in cells if not is_finished(store, cell)] + unread
    if not runs and unread:
        raise UserError(f"{figure.spec.title}: nothing to draw; {unread[0]}")
    if not runs:
        raise UserError(f"{figure.spec.title}: nothing to draw, no run is finished{_way(figure, cells)}")
    drawn = DRAW[figure.drawing](figure, runs)
    if not drawn.numbers:
        raise UserError(f"{figure.spec.title}: nothing to draw; {next(iter(drawn.unusable.values()))}")
    used = [run for run in runs if run.cell.label not in drawn.unusable]
    synthetic = any(run.record["synthetic"] for run in runs)
    text, page = markdown(figure, used, drawn, missing, synthetic, settings), figure.spec.folder / "figure.md"
    folder = place(out, figure.spec.folder, kept(page, _runs_in(page), len(used), settings))
    if folder is None:
        return text, None
    with writing_to(folder, "make space, or name another folder with --out"), replacing(folder) as scratch:
        save(drawn.picture, scratch / "figure", synthetic)
        with (scratch / "figure.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, [*drawn.numbers[0], "synthetic"], lineterminator="\n")
            writer.writeheader()
            writer.writerows(row | {"synthetic": synthetic} for row in drawn.numbers)
        (scratch / "figure.md").write_text(text, encoding="utf-8")
    return text, folder


def stored_run(store: Store, cell: Cell, record: Record) -> Run:
    """Return a finished cell with its record and folders."""
    encoder = record["pretrain_id"]
    return Run(cell, record, store.run(str(cell.run_id)), store.encoder(encoder) if encoder else None)


def markdown(
    figure: Figure, runs: list[Run], drawn: Drawn, missing: list[str], synthetic: bool, settings: list[str]
) -> str:
    """Return the text of figure.md: what the figure shows, what is missing, and its runs."""
    spec = figure.spec
    lines = [f"# {spec.title}", "", "![the figure](figure.png)", ""]
    for line in stated(settings):
        lines += [line, ""]
    if synthetic:
        lines += ["**Synthetic data**: made by a generator, not to be compared with the paper.", ""]
    lines += [f"- {text}" for text in drawn.says]
    if figure.paper and not synthetic:
        lines.append(f"- The paper: {figure.paper}")
    codes = codes_of((run.cell, run.record) for run in runs)
    lines += [f"- {text}" for text in (*made_by(codes), *spec.notes)]
    absent = [*missing, *drawn.unusable.values()]
    lines += ["", f"Missing: {len(absent)}", "", *(f"- {text}" for text in absent)] if absent else []
    lines += ["", RUNS, "|---|---|---|"]
    lines += [f"| {run.cell.label} | {run.record['id']} | {run.record['pretrain_id'] or '–'} |" for run in runs]
    return "\n".join(lines) + "\n"


def _runs_in(page: Path) -> int:
    """Return the number of runs in a drawn figure; 0 without one."""
    lines = page.read_text(encoding="utf-8", errors="replace").splitlines() if page.is_file() else []
    return sum(line.startswith("| ") for line in lines if line != RUNS)


def _way(figure: Figure, cells: list[Cell]) -> str:
    """Return what to do about data that is not prepared, after a colon."""
    if all(cell.run_id is not None for cell in cells):
        return ""
    made = next((cell.hint for cell in cells if cell.hint), "") if figure.spec.size else ""
    return f": its data is not prepared, {made or f'see supremix {figure.spec.prepare} --help'}"


def _why(cell: Cell) -> str:
    return "its data is not prepared" if cell.run_id is None else "not finished"
