"""What each input column of a table is: numbers, dates, categories, or nothing that helps."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from supremix.data.own.layout import Rows
from supremix.data.own.problems import Problem
from supremix.data.own.values import NumberFormat, ambiguous, date_formats, dates_of, number_format, numbers_of
from supremix.data.prepared.manifest import FLOAT32_MAX
from supremix.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

DISTINCT_AT_MOST = 0.5
"""Part of its values that differ above which a column of texts tells rows apart, and nothing about others."""
LISTED = 5


@dataclass
class Kinds:
    """The columns by kind, facts in words, and problems of single cells."""

    numbers: dict[str, NumberFormat] = field(default_factory=dict)
    dates: dict[str, list[str]] = field(default_factory=dict)
    categories: list[str] = field(default_factory=list)
    unused: dict[str, list[str]] = field(default_factory=dict)
    facts: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def in_words(self) -> list[str]:
        """Return a line on the inputs, and one on what is none."""
        counts = {"numbers": len(self.numbers), "dates": len(self.dates), "categories": len(self.categories)}
        inputs = ", ".join(f"{count:,} of {kind}" for kind, count in counts.items() if count)
        lines = [f"input columns: {inputs or 'none'}"]
        lines += [f"no inputs, {why}: {listed(names)}" for why, names in self.unused.items()]
        return [*lines, *self.facts]


def kinds_of(rows: Rows) -> Kinds:
    """Tell the kind of each input column."""
    return kinds_in(rows.frame, rows.inputs, rows.sheet.decimal_comma)


def kinds_in(frame: "pd.DataFrame", names: Sequence[str], decimal_comma: bool) -> Kinds:
    """Tell the kind of each of these columns; see `values.number_format` on decimal commas."""
    kinds = Kinds()
    for name in names:
        _add(kinds, name, frame[name], decimal_comma)
    return kinds


def _add(kinds: Kinds, name: str, cells: "pd.Series", decimal_comma: bool) -> None:
    there = cells.dropna()
    if there.empty:
        kinds.unused.setdefault("empty", []).append(name)
    elif there.nunique() == 1 and len(there) == len(cells):
        kinds.unused.setdefault("the same in every row", []).append(name)
    elif (form := number_format(cells, decimal_comma)) is not None:
        kinds.numbers[name] = form
        if words := form.in_words():
            kinds.facts.append(f"{name!r}: numbers, {words}")
        x_N = numbers_of(cells, form)
        bad_N = ~np.isfinite(x_N) & cells.notna().to_numpy()
        kinds.problems += _cells(cells, bad_N, f"no number in {name!r}, taken as missing")
    elif formats := date_formats(cells):
        kinds.dates[name] = formats
        unclear = ", read with the day first" if formats[0] == "%d/%m/%Y" else ", read with the month first"
        kinds.facts.append(f"{name!r}: dates as {' and '.join(formats)}{unclear if ambiguous(cells, formats) else ''}")
        bad_N = np.isnat(dates_of(cells, formats)) & cells.notna().to_numpy()
        kinds.problems += _cells(cells, bad_N, f"no date in {name!r}, taken as missing")
    elif there.nunique() > max(20, DISTINCT_AT_MOST * len(there)):
        kinds.unused.setdefault("nearly every row has a text of its own", []).append(name)
    else:
        kinds.categories.append(name)


def _cells(cells: "pd.Series", bad_N: np.ndarray, reason: str) -> list[Problem]:
    return [Problem(str(cells.index[at]), reason, str(cells.iloc[at]), False) for at in np.flatnonzero(bad_N)]


def check_columns(rows: Any, names: Sequence[str]) -> None:
    """Raise UserError where rows are no table, or lack a column of these."""
    if not hasattr(rows, "columns"):
        raise UserError("the model reads rows of a table by their columns: give a DataFrame, or a file such as .csv")
    if missing := [name for name in names if name not in rows.columns]:
        raise UserError(f"the rows have no column {listed([*map(repr, missing)])}, which the model was trained on")


def check_range(x_NF: np.ndarray, names: Sequence[str]) -> None:
    """Raise UserError where a number is beyond float32, which networks have; ``names`` are of the first columns."""
    beyond_F = (np.abs(x_NF) > FLOAT32_MAX).any(axis=0)
    if beyond_F.any():
        column = names[int(beyond_F.argmax())]
        raise UserError(f"column {column!r} has a number beyond float32: correct it, or use another unit")


def listed(names: Sequence[str]) -> str:
    """Return the first names, and how many more there are."""
    more = f" and {len(names) - LISTED:,} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more
