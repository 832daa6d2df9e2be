"""What a sweep found: the validation MAE over the one or two settings in which runs of one kind differ."""

from collections import defaultdict
from collections.abc import Sequence
from html import escape
from itertools import groupby
from typing import Any

import numpy as np

from supremix.report import html
from supremix.report.gather import Run
from supremix.settings.repeat import flat

Key = tuple[str, ...]
KINDS = ("dataset", "method", "protocol")


def sweeps(runs: Sequence[Run]) -> list[str]:
    """Return a heading and a map for each dataset, method and protocol whose runs differ in one or two settings."""

    def kind(run: Run) -> Key:
        return tuple(run.record[name] for name in KINDS)

    parts = []
    for name, alike in groupby(sorted(runs, key=kind), key=kind):
        some = [run for run in alike if "config" in run.record and run.validation is not None]
        keys = swept([run.record["config"] for run in some])
        if keys:
            parts += [html.subheading(" · ".join(name)), _map(some, keys)]
    return [html.heading("Swept settings, mean validation MAE"), *parts] if parts else []


def swept(configs: Sequence[dict[str, Any]]) -> list[str]:
    """Return the one or two settings in which configs differ, seeds aside; none where there are more.

    Settings that always change together count as one, by the shortest name.
    """
    leaves = [{key: _text(value) for key, value in flat(config).items()} for config in configs]
    names: dict[Key, list[str]] = defaultdict(list)
    for key in sorted({key for leaf in leaves for key in leaf if not key.endswith("seed")}):
        values = tuple(leaf.get(key, "–") for leaf in leaves)
        if len(set(values)) > 1:
            first = [values.index(value) for value in values]  # the same for settings that change together
            names[tuple(map(str, first))].append(key)
    return [min(keys, key=len) for keys in names.values()] if len(names) <= 2 else []


def _map(runs: Sequence[Run], keys: list[str]) -> str:
    """Return a table of means: the first setting down, the second across; darker is lower."""
    maes: dict[Key, list[float]] = defaultdict(list)
    for run in runs:
        config = flat(run.record["config"])
        maes[tuple(_text(config.get(key, "–")) for key in keys)].append(run.validation or 0.0)
    means = {at: float(np.mean(values)) for at, values in maes.items()}
    low, high = min(means.values()), max(means.values())

    def cell(at: Key) -> str:
        if at not in means:
            return "<td>–</td>"
        share = 0.5 * (high - means[at]) / ((high - low) or 1.0)
        text, count = f"{means[at]:.4g}", len(maes[at])
        text = f"<b>{text}</b>" if means[at] == low else text
        return f'<td style="background:rgb(80 130 220/{share:.2f})">{text}{f" ({count})" if count > 1 else ""}</td>'

    rows = sorted({at[0] for at in means}, key=_order)
    columns = sorted({at[1:] for at in means}, key=lambda at: [*map(_order, at)])
    top = "".join(f'<th scope="col">{escape(at[0] if at else "validation MAE")}</th>' for at in columns)
    body = "".join(
        f'<tr><th scope="row">{escape(row)}</th>{"".join(cell((row, *at)) for at in columns)}</tr>' for row in rows
    )
    head = escape(" ↓, ".join(keys) + (" →" if len(keys) > 1 else ""))
    return f'<div class="scroll"><table><thead><tr><th>{head}</th>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def _text(value: Any) -> str:
    return "null" if value is None else str(value)


def _order(text: str) -> tuple[bool, float, str]:
    try:
        return False, float(text), text
    except ValueError:
        return True, 0.0, text
