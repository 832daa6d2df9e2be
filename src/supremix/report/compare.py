"""Compare methods and references on one dataset: run what is missing, then a table, pictures of the best, a page."""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean
from typing import Any

from supremix.errors import UserError, needs, writing_to
from supremix.metrics.seeds import paired
from supremix.report import html
from supremix.runtime.terminal import shown
from supremix.settings.compose import composed, specification
from supremix.store.folders import Store
from supremix.suite import run
from supremix.suite.codes import made_by
from supremix.suite.features import test_features
from supremix.suite.keep import place, settings_of
from supremix.suite.launchers import Launcher
from supremix.suite.plan import Cell
from supremix.suite.reading import load
from supremix.suite.spec import Panel, Row, Spec
from supremix.suite.stored import first_target, outcome
from supremix.tables import cells, files, statements
from supremix.tables.render import markdown
from supremix.tables.reproduce import stored
from supremix.tables.results import Results

RIDGE = "Ridge"  # the reference that a network has to beat, as in conf/table/_compare.yaml
PROTOCOLS = {"probe": "protocol=linear_probe", "fine-tuned": "protocol=finetune"}  # of an encoder, as there
SAID_AT_ONCE = 5
PICTURES = {
    "predicted": "predicted over true labels",
    "error_by_label": "mean absolute error over ranges of the label",
    "curves": "loss and validation value over epochs",
    "map": "features of the test rows, coloured by label",
}


@dataclass(frozen=True)
class About:
    """What a page says of its data.

    Attributes:
        name: of the dataset, and of the folder.
        title: of table and page.
        understood: lines on the file.
        command: that makes the page.
    """

    name: str
    title: str
    understood: list[str]
    command: str


@dataclass(frozen=True)
class Compared:
    """A comparison.

    Attributes:
        results: of the table.
        validation: row → seed → validation MAE, the lowest mean first; rows with a missing run are left out.
        best: cell and record of the first seed of the network with the lowest; None where no network is finished.
        store: of the runs.
    """

    results: Results
    validation: dict[str, dict[int, float]]
    best: tuple[Cell, dict[str, Any]] | None
    store: Store


def compare(
    about: About,
    conf: Path,
    out: Path | None,
    launcher: Launcher,
    overrides: list[str],
    seeds: list[int] | None = None,
    methods: list[str] | None = None,
) -> tuple[str, Path | None]:
    """Run what the comparison lacks, and write it: table.md, .csv and .tex, pictures, report.html.

    Args:
        about: what page and table say of the data.
        conf: the config folder.
        out: folder to write to; None takes a folder of ``results/`` unless it holds more.
        launcher: what starts the runs.
        overrides: that name the dataset, and more of the user's.
        seeds, methods: in place of the specification's; its references stay.

    Returns:
        The table and what the comparison says, Markdown; the folder, or None where the one in ``results/`` was kept.

    Raises:
        UserError: runs failed; raised after the rest is written.
    """
    needs("matplotlib", "plots")
    spec = load(specification(conf, "table", "_compare"))
    spec = replace(spec, title=about.title, seeds=seeds or spec.seeds)
    spec = spec if methods is None else of_methods(spec, methods, conf, overrides)
    planned, store, failed = run.run_missing(spec, conf, launcher, overrides)
    results, records = stored(spec, planned, store, settings_of(overrides))
    if records:  # four digits of the label range
        digits = max(0, 4 - math.ceil(math.log10(records[0][1]["data"]["label_range"])))
        results = replace(results, spec=replace(spec, digits=digits))
    validation = results.by_validation(spec.panels[0])
    networks = {row.name for row in spec.rows if row.kind != "reference"}
    name = next((row for row in validation if row in networks), None)  # the lowest comes first
    best = next((pair for pair in records if pair[0].row == name and pair[0].seed == spec.seeds[0]), None)
    compared = Compared(results, validation, best, store)
    verdict = _verdict(compared)
    default = Path("results") / "_".join(["compare", about.name, *(methods or [])])
    why = files.other_runs(records, default) or files.why_kept(results, records, default)
    folder = place(out, default, why)
    if folder:
        files.write(results, records, folder)
        with writing_to(folder, "make space, or name another folder with --out"):
            pictures = _draw(compared, folder)
            (folder / "report.html").write_text(_page(compared, about, verdict, pictures), encoding="utf-8")
    if failed:
        where = f", shown as such in {folder}" if folder else ""
        raise UserError(f"{len(failed)} of {len(planned)} runs failed{where}; the first: {failed[0]}")
    return "\n".join([markdown(results), *verdict]), folder


def of_methods(spec: Spec, methods: list[str], conf: Path, overrides: list[str]) -> Spec:
    """Return the comparison of these methods with the references.

    A method that is not in it gets a row, an encoder one a protocol, beside every other network. UserError where a row
    is called as one is.
    """
    known = {row.name: row.overrides[0].removeprefix("method=") for row in spec.rows}
    kept = [row for row in spec.rows if row.kind == "reference" or known[row.name] in methods]
    more: list[Row] = []
    for name in dict.fromkeys(methods):
        if name in known.values():
            continue
        if name in known:
            raise UserError(f"--methods {name}: a row of the comparison has this name: give the file another")
        method = composed(conf, [*overrides, f"method={name}"]).method
        kind = "baseline" if method.estimator is None else "reference"
        ways = {name: []} if method.loss is None else {f"{name}, {how}": [way] for how, way in PROTOCOLS.items()}
        more += [Row(row, kind, [f"method={name}", *way]) for row, way in ways.items()]
    pairs = [(row.name, other.name) for row in more for other in kept if "reference" not in (row.kind, other.kind)]
    return replace(spec, rows=[*kept, *more], comparisons=[*spec.comparisons, *pairs])


def _verdict(compared: Compared) -> list[str]:
    """Say which network is the best by validation, and how it and the references compare there."""
    if compared.best is None:
        return ["No network has finished all of its runs."]
    validation, name = compared.validation, compared.best[0].row
    spec = compared.results.spec
    kinds = {row.name: row.kind for row in spec.rows}
    references = [row for row in validation if kinds[row] == "reference"]
    over = f", mean over {len(spec.seeds)} seeds" if len(spec.seeds) > 1 else ""
    means = {row: mean(by_seed.values()) for row, by_seed in validation.items()}
    texts = [f"Best network by validation MAE{over}: {name}, {shown(means[name])}."]
    for reference in dict.fromkeys([*references[:1], *(row for row in references if row == RIDGE)]):
        side = "lower" if means[name] < means[reference] else "not lower"
        text = f"That is {side} than {reference}, {shown(means[reference])}"
        if apart := paired(validation[name], validation[reference]):
            noise = "inside the noise: take the simpler one" if apart.noise else "beyond the noise"
            text += f"; the difference, {apart.mean:+.4g} [{apart.low:+.4g}, {apart.high:+.4g}], is {noise}"
        texts.append(f"{text}.")
    return texts


def _draw(compared: Compared, out: Path) -> list[Path]:
    """Draw the best network's first run; its .png files."""
    if compared.best is None:
        return []
    from supremix.figures import one_run
    from supremix.figures.canvas import save
    from supremix.figures.tsne import tsne

    cell, record = compared.best
    folder = compared.store.run(str(cell.run_id))
    drawn = one_run.draw(record, *outcome(record, folder, compared.store), out)
    picture, _ = tsne([test_features(cell.label, folder)], first_target(record), 1)
    save(picture, out / "map", record["synthetic"])
    return [*drawn, out / "map.png"]


def _page(compared: Compared, about: About, verdict: list[str], pictures: list[Path]) -> str:
    results = compared.results
    spec, (panel,) = results.spec, results.spec.panels
    digits = spec.digits_of(panel)
    maes = [[row, f"{mean(by_seed.values()):.{digits}f}"] for row, by_seed in compared.validation.items()]
    parts = [
        *map(html.paragraph, [*verdict, *map(plain, statements.warnings(results))]),
        html.heading("Test rows"),
        html.paragraph(statements.selection_rule(results)),
        *rendered(results, panel),
        html.heading("Validation rows, by which methods are chosen"),
        html.table(["", "validation MAE"], maes),
    ]
    if compared.best is not None:
        cell, _ = compared.best
        model = compared.store.run(str(cell.run_id))
        parts += [
            html.heading(f"The best network by validation, {cell.label}"),
            *(html.picture(path, PICTURES[path.stem]) for path in pictures),
            html.paragraph("Use it on new rows:"),
            html.code([f"supremix predict {model} NEW.csv -o predictions.csv", f"supremix show {model}"]),
        ]
    parts += [html.folded("What was understood of the file", [html.code(about.understood)])]
    parts += [html.paragraph("This page again:"), html.code([about.command])]
    return html.page(spec.title, [*parts, html.heading("Terms"), html.terms(parts)])


def rendered(results: Results, panel: Panel) -> list[str]:
    """Return a panel of a table and what is said under it, as parts of a page."""
    lines = [cells.line(results, panel, row) for row in results.spec.rows_of(panel)]
    table = html.table(cells.header(results, panel), [[*map(plain, line)] for line in lines])
    notes = (*statements.under(results, panel), *made_by(results.codes), *statements.details(results, panel))
    texts = [*map(plain, notes)]
    more = texts[SAID_AT_ONCE:]
    return [
        table,
        html.listed(texts[:SAID_AT_ONCE]),
        *[html.folded(f"{len(more)} more statements", [html.listed(more)])] * bool(more),
    ]


def plain(text: str) -> str:
    """Return a statement without Markdown's marks."""
    return text.replace("**", "").replace("`", "")
