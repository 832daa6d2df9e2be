"""What a sweep found: a validation metric over the settings in which runs of one kind differ."""

from collections import defaultdict
from collections.abc import Sequence
from html import escape
from itertools import combinations, groupby

import numpy as np

from supremix.metrics.regression import cost
from supremix.report import html, parallel
from supremix.report.gather import METRICS, Run
from supremix.suite.swept import Swept, Values, in_order, swept_among

MAPPED_AT_MOST = 3
"""Swept settings of which each pair has a map; more have the picture of parallel axes alone."""
SHADES = "Means over {}. Bold is the best, and darker is better; a number in brackets counts runs, where several."


def sweeps(runs: Sequence[Run]) -> list[str]:
    """Return maps and a picture for each dataset with its label, method and protocol whose runs differ in settings."""

    def kind(run: Run) -> tuple[str, ...]:
        return run.task, run.record["method"], run.record["protocol"]

    parts = []
    for name, alike in groupby(sorted(runs, key=kind), key=kind):
        records = [run.record for run in alike if "config" in run.record]
        swept = swept_among(records).of_shared_seeds()
        if means := means_of(swept, range(len(swept.keys))):
            parts += [html.subheading(" · ".join(name)), *_shown(swept, means)] if swept.keys else []
    return parts


def _shown(swept: Swept, means: dict[Values, tuple[float, int]]) -> list[str]:
    count = len(swept.keys)
    if count > parallel.AXES_AT_MOST:
        return [html.paragraph(f"Its runs differ in {count} settings, too many to show: {', '.join(swept.keys)}.")]
    parts = [parallel.picture(swept, means)] if count > 1 else []
    if count > MAPPED_AT_MOST:
        return parts
    pairs: list[tuple[int, ...]] = [*combinations(range(count), 2)] or [(0,)]
    return [*parts, html.paragraph(SHADES.format(_averaged(swept))), *(_map(swept, pair) for pair in pairs)]


def _averaged(swept: Swept) -> str:
    """Say over what the means of maps are."""
    first, *others = swept.seeds().values()
    same = all(some == first for some in others)
    which = (
        f"the seeds that all have ({', '.join(map(str, sorted({seed for seed, *_ in first})))})"
        if same
        else "seeds, which differ between settings"
    )
    return f"{which} and the other settings" if len(swept.keys) > 2 else which


def means_of(swept: Swept, at: Sequence[int]) -> dict[Values, tuple[float, int]]:
    """Return values of some of the swept settings → mean validation metric over the runs that have them, their number.

    Args:
        swept: the runs; those whose metric is undefined are left out.
        at: positions of the settings.
    """
    metrics: dict[Values, list[float]] = defaultdict(list)
    for values, record in swept.points:
        if record is not None and (value := swept.value(record, "val")) is not None:
            metrics[tuple(values[i] for i in at)].append(value)
    return {values: (float(np.mean(some)), len(some)) for values, some in metrics.items()}


def _map(swept: Swept, at: Sequence[int]) -> str:
    """Return a table of means: the first setting down, the second across; darker is better."""
    means = means_of(swept, at)
    costs = {values: cost(swept.metric, mean) for values, (mean, _) in means.items()}
    best, worst = min(costs.values()), max(costs.values())

    def cell(values: Values) -> str:
        if values not in means:
            return "<td>–</td>"
        share = 0.5 * (worst - costs[values]) / ((worst - best) or 1.0)
        (mean, count), tag = means[values], "b" if costs[values] == best else "span"
        more = f" ({count})" if count > 1 else ""
        return f'<td style="background:rgb(80 130 220/{share:.2f})"><{tag}>{mean:.4g}</{tag}>{more}</td>'

    rows = in_order(values[0] for values in means)
    across: list[tuple[str, ...]] = [(name,) for name in in_order(name for values in means for name in values[1:])]
    metric = f"validation {METRICS.get(swept.metric, swept.metric)}"
    top = "".join(f'<th scope="col">{escape(name)}</th>' for (name,) in across or [(metric,)])
    body = "".join(
        f'<tr><th scope="row">{escape(row)}</th>{"".join(cell((row, *name)) for name in across or [()])}</tr>'
        for row in rows
    )
    head = escape(" ↓, ".join(swept.keys[i] for i in at) + (" →" if across else ""))
    about = escape(f"{metric} over {' and '.join(swept.keys[i] for i in at)}")
    return (
        f'<div class="scroll"><table><caption>{about}</caption><thead><tr><th scope="col">{head}</th>{top}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )
