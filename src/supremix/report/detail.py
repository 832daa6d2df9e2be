"""Each run of a page: its curves, its errors, its metrics, its settings, and the command that makes it again."""

import shlex
from collections.abc import Sequence

from supremix.errors import UserError
from supremix.metrics.shots import SHOTS
from supremix.report import html, svg
from supremix.report.by_label import of_run, shots_of
from supremix.report.gather import SPLITS, Run
from supremix.settings.repeat import flat
from supremix.store.folders import Store
from supremix.suite.stored import STAGES, label_of, outcome

AT_MOST = 200
BYTES_AT_MOST = 5_000_000
"""Of all runs together, so that the page stays below 8 MB."""
ABOUT = (
    "Dashed lines: where predictions are right, the MAE of all test rows, the epoch that was chosen. Numbers above "
    "bars count rows. Several targets are drawn together, each in its standard deviations."
)


def details(runs: Sequence[Run], store: Store) -> dict[str, str]:
    """Return id → details, of as many runs as a page takes."""
    details: dict[str, str] = {}
    size = 0
    for run in runs[:AT_MOST]:
        text = _detail(run, store)
        size += len(text.encode())
        if size > BYTES_AT_MOST:
            break
        details[run.record["id"]] = text
    return details


def _detail(run: Run, store: Store) -> str:
    record = run.record
    head = " · ".join([record["id"], run.task, record["method"], record["protocol"], f"seed {record['seed']}"])
    head += f" · validation MAE {html.number(run.validation)}" + " · synthetic data" * record["synthetic"]
    names = list(dict.fromkeys(name for part in record["metrics"].values() for best in part.values() for name in best))
    shown = [name for name in names if not name.endswith(tuple(f"_{shot}" for shot in SHOTS))]
    variants = [(split, variant) for split, some in record["metrics"].items() for variant in some]
    lines = [
        [f"{SPLITS[split]}, {variant}", *(html.number(record["metrics"][split][variant].get(name)) for name in shown)]
        for split, variant in variants
    ]
    parts = [*_pictures(run, store), html.table(["metrics", *shown], lines), *shots_of(run)]
    parts += [html.paragraph("Run it again:"), *_again(run)]
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
    title = f"predicted over true, {len(y_N)} test rows"
    pictures = [
        svg.scatter(y_N, prediction_N, title, (f"{label_of(run.record)}, true", "predicted")),
        of_run(run, y_N, prediction_N),
    ]
    for stage, history in histories.items():
        epochs = [row["epoch"] for row in history]
        best = run.record["selection"]["best_epoch"] if stage == "adapt" else None
        for key, name in (("loss", "training loss"), ("val", "validation value, lower is better")):
            if history and key in history[0]:
                values = [row[key] for row in history]
                pictures.append(
                    svg.line(epochs, values, f"{STAGES[stage]}: {name}", ("epoch", name.split(",")[0]), best)
                )
    return pictures
