"""The page of `supremix report`: all runs in one table, rendered tables, and each run with its curves and settings."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from supremix.errors import UserError, writing_to
from supremix.report import html, svg
from supremix.report.compare import plain, rendered
from supremix.report.gather import Gathered, Run, gather
from supremix.report.sweep import sweeps
from supremix.settings.repeat import flat
from supremix.store.folders import Store
from supremix.suite.stored import outcome
from supremix.tables import statements

DETAILS_AT_MOST = 200
BYTES_AT_MOST = 6_000_000
"""Of all runs' details together, so that the page stays below 8 MB."""
METRICS = {"mae": "MAE", "rmse": "RMSE", "spearman": "Spearman", "r2": "R²"}
FACTS = ("dataset", "method", "protocol", "seed")
HEADER = (
    {"id": "text"}
    | {name: "number" if name == "seed" else "text" for name in FACTS}
    | {f"{name}, val": "number" for name in METRICS.values()}
    | {f"{name}, test": "" for name in METRICS.values()}
    | {"code": "text", "synthetic": "text"}
)
RANKED = "The runs of each dataset are in the order of their validation MAE. No column of the test rows sorts: {}"
WHY = "who chooses by them has no estimate left."


def report(what: Path, store: Store, out: Path) -> list[str]:
    """Write the page. Returns what was left out of it.

    Args:
        what: a store, a rendered table's folder, or a folder of these.
        store: where the runs of rendered tables are looked up.
        out: file to write.

    Raises:
        UserError: there is nothing to report, or the file cannot be written.
    """
    gathered = gather(what, store)
    details = _details(gathered.runs, store if gathered.tables else Store(what))
    left = list(gathered.unread)
    if len(details) < len(gathered.runs):
        left.append(f"{len(details)} of {len(gathered.runs)} runs are shown in detail, the first of the table")
    parts = [*map(html.paragraph, left), *_tables(gathered)]
    if gathered.runs:
        lines = [_line(run) for run in gathered.runs]
        parts += [
            html.heading(f"{len(lines)} finished runs"),
            html.paragraph(RANKED.format(WHY)),
            html.runs(HEADER, lines, details),
        ]
    parts += [*sweeps(gathered.runs), html.heading("Each run"), *details.values(), html.script()]
    with writing_to(out.parent, "make space, or name another file with -o"):
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(html.page(f"supremix: {what.name or what.absolute().name}", parts), encoding="utf-8")
    return left


def _tables(gathered: Gathered) -> list[str]:
    parts = []
    for results in gathered.tables:
        parts += [html.heading(results.spec.title), *(html.paragraph(plain(text)) for text in _above(results))]
        for panel in results.spec.panels:
            parts += [html.subheading(panel.name)] * bool(panel.name) + rendered(results, panel)
    for title, (header, *lines) in gathered.others.items():
        parts += [html.heading(title), html.table(header, lines)]
    return parts


def _above(results: Any) -> list[str]:
    return [*statements.warnings(results), statements.selection_rule(results)]


def _line(run: Run) -> list[str]:
    record = run.record
    values = [_number(record["metrics"][split]["best"].get(name)) for split in ("val", "test") for name in METRICS]
    code = record.get("code", {}).get("digest", "")[:8]
    return [record["id"], *(str(record[name]) for name in FACTS), *values, code, "yes" if record["synthetic"] else "no"]


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def _details(runs: Sequence[Run], store: Store) -> dict[str, str]:
    """Return id → details, of as many runs as a page takes."""
    details: dict[str, str] = {}
    size = 0
    for run in runs[:DETAILS_AT_MOST]:
        text = _detail(run, store)
        size += len(text.encode())
        if size > BYTES_AT_MOST:
            break
        details[run.record["id"]] = text
    return details


def _detail(run: Run, store: Store) -> str:
    record = run.record
    head = " · ".join([record["id"], *(str(record[name]) for name in FACTS[:-1]), f"seed {record['seed']}"])
    head += f" · validation MAE {_number(run.validation)}" + " · synthetic data" * record["synthetic"]
    names = list(dict.fromkeys(name for part in record["metrics"].values() for best in part.values() for name in best))
    shown = [name for name in names if not name.endswith(("_many", "_medium", "_few"))]
    variants = [(split, variant) for split, some in record["metrics"].items() for variant in some]
    lines = [
        [f"{split} {variant}", *(_number(record["metrics"][split][variant].get(name)) for name in shown)]
        for split, variant in variants
    ]
    parts = [*_pictures(run, store), html.table(["", *shown], lines), html.paragraph("Run it again:"), *_again(run)]
    if config := record.get("config"):
        settings = [f"{key}: {value}" for key, value in flat(config).items()]
        parts.append(html.folded("settings", [html.code(settings)]))
    return html.folded(head, parts, f"run-{record['id']}")


def _again(run: Run) -> list[str]:
    if (overrides := run.overrides()) is None:
        return [html.paragraph("The configs at hand do not make these settings; they stand below.")]
    lines = [shlex.join(["supremix", "train", *overrides])]
    return [html.code([*lines, f"supremix show {run.folder}"] if run.folder else lines)]


def _pictures(run: Run, store: Store) -> list[str]:
    """Return curves, and predicted against true labels, of a run that the store has; else why there are none."""
    if run.folder is None:
        return []
    try:
        y_N, prediction_N, histories = outcome(run.record, run.folder, store)
    except UserError as error:
        return [html.paragraph(f"No pictures: {error}")]
    label = run.record["data"].get("label", "label")
    pictures = [
        svg.scatter(y_N, prediction_N, f"predicted over true, {len(y_N)} test rows", (f"{label}, true", "predicted"))
    ]
    for stage, history in histories.items():
        epochs = [row["epoch"] for row in history]
        best = run.record["selection"]["best_epoch"] if stage == "adapt" else None
        for key, name in (("loss", "training loss"), ("val", "validation value, lower is better")):
            if key in history[0]:
                values = [row[key] for row in history]
                pictures.append(svg.line(epochs, values, f"{stage}: {name}", ("epoch", ""), best))
    return pictures
