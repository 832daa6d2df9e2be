"""Print a finished run: metrics, how its epoch was chosen, data, code, settings, files; of two runs, what differs.

With --plots, only metrics and plots.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from supremix.cli import options as shared
from supremix.runtime.terminal import shown

if TYPE_CHECKING:
    from supremix.store.folders import Store

TERMINAL = "-"
EXAMPLES = """\
  supremix show 3f2a                     the run whose id begins so
  supremix show runs/3f2a9c0b1d2e4f55    the run in this folder
  supremix show 3f2a 77b0                the settings in which two runs differ
  supremix show 3f2a --plots             with plots in the terminal
  supremix show 3f2a --plots pictures    with predicted.png, error_by_label.png and curves.png there, and as .svg"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("run_name", metavar="RUN", help="beginning of the run's id, or its folder")
    parser.add_argument("other", metavar="OTHER", nargs="?", help="a run to compare its settings with")
    parser.add_argument(
        "--plots", metavar="DIR", nargs="?", const=TERMINAL, help="plots, in a folder or in the terminal"
    )
    shared.add_store(parser)


def run(options: argparse.Namespace) -> int:
    """Print one run, or the differences of two. Returns the exit code."""
    from supremix.store.folders import Store
    from supremix.store.records import read_record
    from supremix.suite.stored import find_run

    store = Store(options.store)
    folder = find_run(store, options.run_name)
    record = read_record(folder)
    if options.other is None:
        plots = options.plots and plotted(record, folder, store, options.plots)
        print("\n".join([*measured(record), *(plots or described(record, folder))]))
    else:
        print("\n".join(differences(record, read_record(find_run(store, options.other)))))
    return 0


def measured(record: dict[str, Any]) -> list[str]:
    """Return the lines on what a run is, its metrics with a legend, and how its epoch was chosen."""
    from supremix.suite.terms import legend

    head = " · ".join([record["dataset"], record["method"], record["protocol"], f"seed {record['seed']}"])
    lines = [f"{record['id']}  {head}", *(["synthetic data"] if record["synthetic"] else []), ""]
    numbers = metrics(record)
    lines += [*numbers, "", *(f"  {line}" for line in legend("\n".join(numbers)))]
    if selection := record["selection"]:
        lines += [
            "",
            f"best: epoch {selection['best_epoch']} of {selection['epochs']}, chosen by {selection['split']} "
            f"{selection['metric']}{', undefined in every epoch' * ('undefined' in selection)}; last: the last epoch",
        ]
    return lines


def described(record: dict[str, Any], folder: Path) -> list[str]:
    """Return the lines on a run's data, times, code, settings and files."""
    from supremix.settings.repeat import flat

    lines: list[str] = []
    for title in ("data", "seconds", "code", "environment"):
        lines += ["", f"{title}:", *(f"  {key}: {value}" for key, value in flat(record.get(title, {})).items())]
    lines += ["", "settings:", *(f"  {key}: {value}" for key, value in flat(record["config"]).items())]
    return [*lines, "", "files:", *(f"  {path}" for path in sorted(folder.iterdir()))]


def plotted(record: dict[str, Any], folder: Path, store: "Store", place: str) -> list[str]:
    """Return plots of a run as lines, or the files of a folder that they are drawn to."""
    from supremix.suite.stored import outcome

    y_N, prediction_N, histories = outcome(record, folder, store)
    label = record["data"].get("label", "label")
    if place == TERMINAL:
        return _in_characters(y_N, prediction_N, label, histories)
    from supremix.errors import needs, writing_to

    needs("matplotlib", "plots")
    from supremix.figures import one_run

    with writing_to(Path(place), "name another folder"):
        files = one_run.draw(record, y_N, prediction_N, histories, Path(place))
    return ["", "plots:", *(f"  {path}" for path in files)]


def _in_characters(y_N: Any, prediction_N: Any, label: str, stages: dict[str, Any]) -> list[str]:
    from supremix.cli.text_plots import bars, scatter
    from supremix.metrics.by_label import error_by_label

    lines = ["", *scatter(y_N, prediction_N, f"predicted over true {label}, {len(y_N)} test rows"), ""]
    ranges = error_by_label(y_N, prediction_N)
    rows = [(f"{part.low:.4g} to {part.high:.4g}", part.mae, f"{part.rows} rows") for part in ranges]
    lines += bars(rows, f"mean absolute error by {label}")
    for stage, history in stages.items():
        value = "val" if "val" in history[0] else "loss"
        title = f"{stage}: {'validation value' if value == 'val' else 'training loss'} over epochs"
        lines += ["", *scatter([row["epoch"] for row in history], [row[value] for row in history], title)]
    return lines


def metrics(record: dict[str, Any]) -> list[str]:
    """Return the metrics of each split and variant as the lines of a table, and those of features and intervals."""
    from supremix.metrics.regression import METRICS
    from supremix.store.records import measured_on_test

    lines = [f"{'':<12}" + "".join(f"{name:>10}" for name in METRICS)]
    for split, variants in record["metrics"].items():
        for variant, values in variants.items():
            cells = (f"{shown(values.get(name)):>10}" for name in METRICS)
            lines.append(f"{split + ' ' + variant:<12}" + "".join(cells))
    for part, values in measured_on_test(record).items():
        if part not in record["metrics"]["test"]:
            cells = (
                f"{name} {'undefined' if value is None else format(value, '.4g')}" for name, value in values.items()
            )
            lines.append(f"test {part}: {', '.join(cells)}")
    return lines


def differences(record: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """Return a line for each setting in which two runs differ."""
    from supremix.settings.repeat import flat

    a, b = flat(record["config"]), flat(other["config"])
    keys = [key for key in {**a, **b} if a.get(key) != b.get(key)]
    return [f"{key}: {a.get(key, '–')} → {b.get(key, '–')}" for key in keys] or ["the settings are the same"]
