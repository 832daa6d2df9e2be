"""What may stand in a table's YAML: types and names, checked before the first run rather than found after the last."""

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from supremix.metrics.regression import METRICS, VARIANTS

if TYPE_CHECKING:
    from supremix.suite.spec import Spec

GROUPS = ("many", "medium", "few", "missing")
"""Parts of the rows that a record's metrics are taken over; `supremix.training.imbalance.shots` is slow to import."""


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _headings(value: Any) -> bool:
    return isinstance(value, dict) and _texts([*value, *value.values()])


def _prepare(value: Any) -> bool:
    return isinstance(value, str) or _texts(value) or (isinstance(value, dict) and all(map(_texts, value.values())))


def _gain(value: Any) -> bool:
    return isinstance(value, dict) and bool(value.get("against")) and _texts(value["against"])


def _pairs(value: Any) -> bool:
    return isinstance(value, list) and all(_texts(pair) and len(pair) == 2 for pair in value)


TEXT = (lambda value: isinstance(value, str), "give text, in quotes where it would be a number, a date, yes or no")
SHAPES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "name": TEXT,
    "title": TEXT,
    "overrides": (_texts, "give a list of overrides, such as [method=supcon], or [] for none"),
    "seeds": (lambda value: isinstance(value, list) and bool(value), "give a list of whole numbers, at least one"),
    "metrics": (_headings, "give headings by variant/metric, such as best/mae: MAE"),
    "digits": (lambda value: type(value) is int and value >= 0, "give a whole number, 0 or more"),
    "paper_key": (lambda value: value in VARIANTS, f"use one of {', '.join(VARIANTS)}"),
    "paper": (lambda value: isinstance(value, dict), "give numbers by metric, such as {mae: 4.5}"),
    "panels": (_texts, "give a list of the names of panels"),  # of a row
    "prepare": (_prepare, "give a script, a list of scripts, or lists of commands by dataset"),
    "gain": (_gain, "give {row: …, metric: …, against: [a row, …]}"),
    "comparisons": (_pairs, "give a list of pairs of rows, such as [[SupReMix, SupCon]]"),
    "notes": (_texts, "give a list of texts, in quotes where a colon is in them"),
}
"""Key → whether a value fits, and what to write; the same wherever the key stands in a table, a panel or a row."""

NONE = ("prepare", "gain")
"""What may be empty: there is none, then."""


def misfits(raw: dict[str, Any]) -> Iterator[str]:
    """What does not fit in the content of a specification, a line each."""
    parts: list[tuple[str, dict[str, Any]]] = [("", {key: raw[key] for key in raw if key not in ("panels", "rows")})]
    for one in ("panel", "row"):
        listed = raw.get(f"{one}s", [{}])
        if isinstance(listed, list) and listed and all(isinstance(part, dict) for part in listed):
            parts += [(f"{one} {part.get('name', number)!r}: ", part) for number, part in enumerate(listed, 1)]
        else:
            yield f"{one}s: give a list, at least one {one}, each with its keys, such as - {{name: …, overrides: []}}"
    for place, part in parts:
        for key, (fits, way) in SHAPES.items():
            if key in part and not (part[key] is None and key in NONE) and not fits(part[key]):
                given = "it is empty" if part[key] is None else f"{part[key]!r} does not fit"
                yield f"{place}{key}: {given}: {way}"
            elif key == "metrics":
                yield from (f"{place}metrics: {wrong}" for column in part.get(key, {}) if (wrong := _misnamed(column)))
            elif key == "overrides" and any(one.startswith("seed=") for one in part.get(key, [])):
                yield f"{place}overrides: every run has a seed of its own: give them as seeds: [0, 1, 2]"


def paper_misfits(spec: "Spec") -> Iterator[str]:
    """Values of the paper that are no numbers, or that no column would show."""
    for panel, row in spec.cells():
        for metric, value in row.paper_in(panel).items():
            place = f"row {row.name!r}: paper: {metric}"
            column = f"{panel.paper_key or spec.paper_key}/{metric}"
            if column not in spec.metrics_of(panel):
                yield f"{place}: {column} is no column: there are {', '.join(spec.metrics_of(panel))}"
            if type(value) not in (int, float) or not math.isfinite(value):
                yield f"{place}: {value!r} is no number: write it without quotes"


def _misnamed(column: str) -> str | None:
    """What is wrong in a name such as ``best/mae`` or ``best/mae_few``; None where nothing is."""
    variant, _, name = column.partition("/")
    metric, grouped, group = name.partition("_")
    if variant in VARIANTS and metric in METRICS and (group in GROUPS or not grouped):
        return None
    known = f"one of {', '.join(VARIANTS)} / one of {', '.join(METRICS)}"
    return f"{column!r} is not variant/metric: use {known}, on a part of the rows with _{', _'.join(GROUPS)}"
