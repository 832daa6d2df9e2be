"""Where methods err: test errors by shot, and over ranges of the label."""

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

from supremix.errors import UserError
from supremix.metrics.by_label import Range, error_by_label
from supremix.metrics.shots import FEW_BELOW, MANY_ABOVE, SHOTS
from supremix.report import html, svg
from supremix.report.gather import SPLITS, Run
from supremix.report.groups import Group
from supremix.store.folders import Store
from supremix.suite.stored import label_of, outcome

ABOUT = (
    "Of each method the settings with the most runs, and of these the lowest validation MAE; the lowest come first. "
    "These are test rows, to see where a method errs and not to choose one."
)
SHOT = (
    f"By shot: many, where the bin of the label has more than {MANY_ABOVE} training rows; few, fewer than {FEW_BELOW}; "
    "medium, the others."
)
RANGES = "Test MAE over ranges of the label, all seeds together"
GONE = "Errors over ranges of the label need the predictions: name the store of the runs with --store."


def errors(groups: Mapping[str, Sequence[Group]], store: Store) -> list[str]:
    """Return what is known of where methods err on each dataset.

    Args:
        groups: task → what is compared on it, the best on validation first.
        store: of the runs.
    """
    parts: list[str] = []
    gone, by_shot = False, False
    for task, some in groups.items():
        ranges_of = {group.name: ranges for group in some if (ranges := _ranges(group.runs, store))}
        shot = _by_shot(some)
        of_task = [*shot, *_over_ranges(ranges_of, label_of(some[0].runs[0].record))]
        parts += [html.subheading(task), *of_task] if of_task else []
        gone |= not ranges_of
        by_shot |= bool(shot)
    about = ABOUT + f" {SHOT}" * by_shot
    return [html.paragraph(about), *parts, *[html.paragraph(GONE)] * gone] if parts else []


def of_run(run: Run, y_N: np.ndarray, prediction_N: np.ndarray) -> str:
    """Return a picture of a run's errors over ranges of the label.

    Args:
        run: whose they are.
        y_N: labels of its test rows, label units.
        prediction_N: of these rows.
    """
    mae = float(np.abs(prediction_N - y_N).mean())
    return svg.bars(
        error_by_label(y_N, prediction_N), "error by label", (f"{label_of(run.record)}, true", "test MAE"), mae
    )


def shots_of(run: Run) -> list[str]:
    """Return a table of a run's errors by shot; nothing where all rows are of one."""
    shots = [shot for shot in SHOTS if _rows(run, "test", shot)]
    if len(shots) < 2:
        return []
    lines = [
        [
            SPLITS[split],
            *(f"{html.number(metrics['best'].get(f'mae_{shot}'))} ({_rows(run, split, shot)} rows)" for shot in shots),
        ]
        for split, metrics in run.record["metrics"].items()
    ]
    return [html.table(["MAE by shot", *shots], lines)]


def _by_shot(groups: Sequence[Group]) -> list[str]:
    counts = _counts([run for group in groups for run in group.runs])
    if len(counts) < 2:
        return []
    names = ["mae", *(f"mae_{shot}" for shot in counts)]
    lines = [
        [
            group.name,
            str(len(group.runs)),
            _mean([run.validation for run in group.runs]),
            *(_mean([run.record["metrics"]["test"]["best"].get(name) for run in group.runs]) for name in names),
        ]
        for group in groups
    ]
    return [
        html.table(
            ["", "seeds", "validation, all rows", "test, all rows", *counts.values()], lines, "MAE, mean over seeds"
        )
    ]


def _rows(run: Run, split: str, shot: str) -> int:
    """Return how many rows of a split are of a shot."""
    count: int = run.record["data"].get("groups", {}).get(split, {}).get(shot, 0)
    return count


def _counts(runs: Sequence[Run]) -> dict[str, str]:
    """Return shot → its name, with the number of test rows where that is the same in all runs; of shots with rows."""
    names: dict[str, str] = {}
    for shot in SHOTS:
        counts = {_rows(run, "test", shot) for run in runs}
        if any(counts):
            names[shot] = f"test, {shot}" + (f" ({counts.pop()} rows)" if len(counts) == 1 else "")
    return names


def _mean(values: Sequence[float | None]) -> str:
    there = [value for value in values if value is not None]
    return html.number(float(np.mean(there)) if len(there) == len(values) else None)


def _ranges(runs: Sequence[Run], store: Store) -> list[Range]:
    """Return the errors of runs together; nothing where none has its predictions."""
    outcomes = []
    for run in runs:
        if run.folder is not None:
            try:
                outcomes.append(outcome(run.record, run.folder, store)[:2])
            except UserError:  # which is said where the run is shown
                continue
    if not outcomes:
        return []
    y_N, prediction_N = (np.concatenate(arrays) for arrays in zip(*outcomes, strict=True))
    return error_by_label(y_N, prediction_N)


def _over_ranges(ranges_of: Mapping[str, Sequence[Range]], label: str) -> list[str]:
    """Return a picture of the first methods, and the numbers of all."""
    if not ranges_of:
        return []
    shown = dict([*ranges_of.items()][: svg.STYLES])
    legend = "".join(f"<li>{svg.sample(style)} {escape(name)}</li>" for style, name in enumerate(shown))
    more = f"; the {len(shown)} of {len(ranges_of)} methods that are best on validation" * (len(shown) < len(ranges_of))
    picture = html.figure(svg.errors(shown, "error by label", (f"{label}, true", "test MAE")), RANGES + more, svg.WIDE)
    numbers = html.table(
        ["", f"{label}, true", "rows", "test MAE"],
        [
            [name, f"{part.low:.4g} to {part.high:.4g}", str(part.rows), html.number(part.mae)]
            for name, ranges in ranges_of.items()
            for part in ranges
        ],
    )
    return [picture, f'<ul class="legend">{legend}</ul>', html.folded("the numbers of the picture", [numbers])]
