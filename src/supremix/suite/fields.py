"""Types of the keys of a specification, each with a sentence for the values that do not fit."""

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator

from supremix.metrics.bias import BIAS
from supremix.metrics.calibration import INTERVAL
from supremix.metrics.regression import METRICS as METRIC_NAMES
from supremix.metrics.regression import VARIANTS
from supremix.metrics.representation import REPRESENTATION
from supremix.metrics.shots import SHOTS
from supremix.settings.fields import give, only, problem

PARTS = {"representation": REPRESENTATION, "interval": INTERVAL}
"""What else of a record is a column of a table, beside the variants of its predictions."""
GROUPS = (*SHOTS, "missing")
"""Parts of the rows that a record's metrics are taken over."""


def texts(value: Any) -> bool:
    """Return whether it is a list of texts."""
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def parts(name: str) -> BeforeValidator:
    """Demand a list of groups, the panels or rows of a table, at least one."""
    return only(
        lambda value: isinstance(value, list) and bool(value) and all(isinstance(part, dict) for part in value),
        f"give a list, at least one {name}, each with its keys, such as - {{name: …, overrides: []}}",
    )


def _prepare(value: Any) -> bool:
    by_dataset = isinstance(value, dict) and all(map(texts, value.values()))
    return value is None or isinstance(value, str) or texts(value) or by_dataset


def _gain(value: Any) -> bool:
    return value is None or (isinstance(value, dict) and bool(value.get("against")) and texts(value["against"]))


def _pairs(value: Any) -> bool:
    return isinstance(value, list) and all(texts(pair) and len(pair) == 2 for pair in value)


def _headings(value: Any) -> bool:
    return isinstance(value, dict) and texts([*value, *value.values()])


def _each(wrong: Callable[[str], str | None]) -> AfterValidator:
    """Refuse a list or mapping with an item, a key, of which this function says what is wrong."""

    def validate(value: Any) -> Any:
        for item in value:
            if text := wrong(item):
                raise problem(text)
        return value

    return AfterValidator(validate)


def _seeded(override: str) -> str | None:
    return "every run has a seed of its own: give them as seeds: [0, 1, 2]" if override.startswith("seed=") else None


def _misnamed(column: str) -> str | None:
    """Say what is wrong in a name such as ``best/mae`` or ``best/mae_few``; None where nothing is."""
    variant, _, name = column.partition("/")
    metric, grouped, group = name.partition("_")
    of_rows = metric in METRIC_NAMES and (group in GROUPS or not grouped)
    if name in PARTS.get(variant, ()) or (variant in VARIANTS and (of_rows or name in BIAS)):
        return None
    known = f"one of {', '.join(VARIANTS)} / one of {', '.join((*METRIC_NAMES, *BIAS))}"
    others = "; ".join(f"{part} / one of {', '.join(names)}" for part, names in PARTS.items())
    return f"{column!r} is not variant/metric: use {known}, on a part of the rows with _{', _'.join(GROUPS)}; {others}"


Text = Annotated[str, give("give text, in quotes where it would be a number, a date, yes or no")]
Seed = Annotated[int, only(lambda value: type(value) is int, "give whole numbers")]

SEEDS = only(lambda value: isinstance(value, list) and bool(value), "give a list of whole numbers, at least one")
OVERRIDES = (only(texts, "give a list of overrides, such as [method=supcon], or [] for none"), _each(_seeded))
METRICS = (only(_headings, "give headings by variant/metric, such as best/mae: MAE"), _each(_misnamed))
UNIT = only(lambda value: isinstance(value, str) and bool(value), "name the unit of the labels, such as years")
DIGITS = only(lambda value: type(value) is int and value >= 0, "give a whole number, 0 or more")
PAPER_KEY = only(lambda value: value in VARIANTS, f"use one of {', '.join(VARIANTS)}")
PAPER = only(lambda value: isinstance(value, dict), "give numbers by metric, such as {mae: 4.5}")
PANELS_OF_ROW = only(texts, "give a list of the names of panels")
PREPARE = only(_prepare, "give a command such as prepare uci_airfoil, a list of commands, or lists by dataset")
GAIN = only(_gain, "give {row: …, metric: …, against: [a row, …]}")
COMPARISONS = only(_pairs, "give a list of pairs of rows, such as [[SupReMix, SupCon]]")
AGAINST = only(lambda value: isinstance(value, str), "give the name of a row")
REMARK = only(lambda value: isinstance(value, str) and bool(value), "give a sentence, in quotes")
NOTES = only(texts, "give a list of texts, in quotes where a colon is in them")
