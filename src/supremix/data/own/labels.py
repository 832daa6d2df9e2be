"""The labels of a user's table, a number or several a row; rows without one are named and left out."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from supremix.data.own.problems import Problem
from supremix.data.own.values import INFINITE, NumberFormat, date_formats, number_format, numbers_of
from supremix.data.prepared.manifest import FLOAT32_MAX
from supremix.errors import UserError

if TYPE_CHECKING:
    from supremix.data.own.sheet import Sheet

LEFT_OUT_AT_MOST = 0.5
"""Part of the rows without a label above which the column is refused."""


def labels_of(sheet: "Sheet", names: Sequence[str]) -> tuple[np.ndarray, list[Problem], list[NumberFormat]]:
    """Read T columns of labels.

    Returns:
        Labels (N, T) float64, NaN in rows that are left out; why these are, the first reason of each; the form of the
        numbers of each column.

    Raises:
        UserError: a column has no numbers, or hardly any.
    """
    columns = [column_of(sheet, name) for name in names]
    faults = {problem.place: problem for _, problems, _ in reversed(columns) for problem in problems}
    y_NT = np.stack([y_N for y_N, _, _ in columns], axis=1)
    ordered = [faults[place] for place in map(str, sheet.frame.index) if place in faults]
    return y_NT, ordered, [form for _, _, form in columns]


def column_of(sheet: "Sheet", name: str) -> tuple[np.ndarray, list[Problem], NumberFormat]:
    """Read a column of labels.

    Args:
        sheet: the table.
        name: of the column.

    Returns:
        Labels (N,) float64, NaN for those of rows that are left out; why these are; the form of the numbers.

    Raises:
        UserError: the column has no numbers, or hardly any.
    """
    cells = sheet.frame[name]
    form = None if cells.isna().all() else number_format(cells, sheet.decimal_comma)
    if form is None or cells.dtype.kind == "b":
        raise UserError(_no_numbers(sheet, name))
    y_N = numbers_of(cells, form)
    missing_N = cells.isna().to_numpy()
    usable_N = np.abs(y_N) <= FLOAT32_MAX  # False for NaN too
    y_N = np.where(usable_N, y_N, np.nan)
    problems = [
        Problem(str(cells.index[at]), *_fault(name, "" if missing_N[at] else str(cells.iloc[at]), form.unit), True)
        for at in np.flatnonzero(~usable_N)
    ]
    if len(problems) > LEFT_OUT_AT_MOST * len(cells):
        first = problems[0]
        raise UserError(
            f"{sheet.path}: {len(problems):,} of {len(cells):,} rows have no number in the label column {name!r}, "
            f"such as {first.place} ({first.reason}): correct the column, or name another by dataset.label"
        )
    return y_N, problems, form


def _fault(name: str, text: str, unit: str) -> tuple[str, str]:
    """Return reason and value of a row without a usable label."""
    if not text:
        return f"no label in {name!r}", ""
    if INFINITE.match(text):
        return f"the label in {name!r} is not finite", text
    return f"the label in {name!r} is no number{f' in {unit}' if unit else ''}", text


def _no_numbers(sheet: "Sheet", name: str) -> str:
    cells = sheet.frame[name].dropna()
    if cells.empty:
        return f"{sheet.path}: the label column {name!r} is empty: name another by dataset.label"
    values = ", ".join(repr(str(value)[:30]) for value in cells.unique()[:3])
    kind = "dates" if date_formats(cells) else "texts"
    return (
        f"{sheet.path}: the label column {name!r} holds {kind} such as {values}, and regression needs numbers: "
        "name another column by dataset.label, or write the values as numbers"
    )
