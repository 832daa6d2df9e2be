"""Which column of a user's table is what: label, ids, split, groups; all others are inputs."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import numpy as np

from supremix.data.own.labels import labels_of
from supremix.data.own.problems import Problem
from supremix.data.own.sheet import Sheet, read_sheet
from supremix.data.own.values import PLAIN, NumberFormat
from supremix.data.prepared.cells import is_number
from supremix.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

ROWS_AT_LEAST = 10
SPLIT_WORDS = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "dev": "val",
               "test": "test", "testing": "test"}  # fmt: skip
ID_NAMES = ("id", "index", "row_names", "row_id", "rowid", "uid", "uuid", "column_1")


@dataclass(frozen=True)
class Layout:
    """The columns as the user names them, None where there is none or it is to be found.

    Args:
        label: of the target; a list of several is predicted by one network.
        columns: names of all columns, for a file without a header.
        id: of the rows' names; a column called "id" without repetitions counts.
        split: with train, val and test; "auto": a column called "split", else none. None: the split is drawn.
        group: rows with the same value there stay in one split.
        drop: columns that are no inputs.
    """

    registered_name = "own/layout"

    label: Any
    columns: Sequence[str] | None = None
    id: str | None = None
    split: str | None = "auto"
    group: str | None = None
    drop: Sequence[str] = ()


@dataclass(frozen=True, eq=False)
class Rows:
    """The usable rows of a file, N of them.

    Attributes:
        sheet: what they were read from; its frame has just these rows.
        labels: the columns of the labels.
        ids: (N,) str, unique.
        y: float64, label units: (N,), or (N, T) of T label columns.
        inputs: names of the columns that are inputs.
        split: (N,) "train", "val" or "test" where the file says it; None where it is to be drawn.
        group: (N,) where rows are to stay together; None for none.
        problems: of all rows of the file.
        facts: what was understood, in words.
        names: of the columns, where the file has no line with them.
        forms: of the numbers in the columns of the labels.
    """

    sheet: Sheet
    labels: tuple[str, ...]
    ids: np.ndarray
    y: np.ndarray
    inputs: list[str]
    split: np.ndarray | None
    group: np.ndarray | None
    problems: list[Problem] = field(default_factory=list)
    facts: list[str] = field(default_factory=list)
    names: list[str] | None = None
    forms: list[NumberFormat] = field(default_factory=list)

    @property
    def label(self) -> str:
        """What is predicted, in words."""
        return ", ".join(self.labels)

    @property
    def frame(self) -> "pd.DataFrame":
        """The rows as they were read."""
        return self.sheet.frame

    @property
    def texts(self) -> list[str]:
        """The inputs that are neither numbers nor dates."""
        return [name for name in self.inputs if self.frame[name].dtype.kind not in "iufbM"]

    def keep(self, kept_N: np.ndarray, problems: list[Problem]) -> "Rows":
        """Return the rows of a mask, with the problems of the others."""
        sheet = replace(self.sheet, frame=self.frame[kept_N])
        parts: dict[str, Any] = {
            name: None if getattr(self, name) is None else getattr(self, name)[kept_N] for name in PER_ROW
        }
        return enough(replace(self, **parts, sheet=sheet, problems=[*self.problems, *problems]))


PER_ROW = ("ids", "y", "split", "group")


def read_rows(path: str | None, layout: Layout) -> Rows:
    """Read a file and tell its columns apart; raise UserError where no usable rows are left."""
    if not path:
        raise UserError("dataset.path: name the file, with a row for each item, as in dataset.path=houses.csv")
    sheet = read_sheet(path, layout.columns)
    labels = the_labels(layout.label, sheet)
    given = {"id": layout.id, "group": layout.group, "split": None if layout.split == "auto" else layout.split}
    for role, name in given.items():
        if name is not None:
            given[role] = column(sheet, name, f"dataset.{role}")
    drop = [layout.drop] if isinstance(layout.drop, str | int) else layout.drop
    drop = [column(sheet, name, "dataset.drop") for name in drop]
    y_NT, problems, forms = labels_of(sheet, labels)
    complete_N = np.isfinite(y_NT).all(axis=1)
    facts = [*sheet.facts]
    split_name = given["split"] or (_split_column(sheet) if layout.split == "auto" else None)
    split_N = None
    if split_name is not None:
        split_N, more = _split_of(sheet, split_name)
        problems += [problem for problem, complete in zip(more, complete_N, strict=True) if problem and complete]
        y_NT = np.where((split_N == "")[:, None], np.nan, y_NT)
    ids, id_name, fact = _ids(sheet, given["id"])
    facts += [fact] if fact else []
    group_N, alone = (None, []) if given["group"] is None else _groups(sheet, given["group"])
    roles = {*labels, split_name, id_name, given["group"], *drop}
    kept_N = np.isfinite(y_NT).all(axis=1)
    facts += [
        f"label {label!r}{f', {form.in_words()}' if form != PLAIN else ''}: from {y_N.min():g} to {y_N.max():g}, "
        f"median {np.median(y_N):g}, {len(np.unique(y_N)):,} different"
        if kept_N.any()
        else f"label {label!r}"
        for label, form, y_N in zip(labels, forms, y_NT[kept_N].T, strict=True)
    ]
    inputs = [name for name in sheet.frame.columns if name not in roles]
    rows = Rows(
        sheet,
        labels,
        ids,
        y_NT[:, 0] if len(labels) == 1 else y_NT,
        inputs,
        split_N,
        group_N,
        [*sheet.problems, *alone],
        facts,
        None if layout.columns is None else [*layout.columns],
        forms,
    )
    return rows.keep(kept_N, problems)


def enough(rows: Rows) -> Rows:
    """Return the rows; raise UserError where there are too few to train, choose and measure."""
    if len(rows.y) < ROWS_AT_LEAST:
        out = f" ({len(rows.problems)} left out: {rows.problems[0].reason})" if rows.problems else ""
        raise UserError(
            f"{rows.sheet.path}: {len(rows.y)} usable rows{out}: training, validation and test need "
            f"{ROWS_AT_LEAST} or more"
        )
    return rows


def column(sheet: Sheet, name: str, key: str) -> str:
    """Return a column's name; raise UserError with similar names where the file has no such column."""
    name, names = str(name), [*sheet.frame.columns]
    if name in names:
        return name
    lower = {str(known).lower(): str(known) for known in names}
    near = [lower[match] for match in get_close_matches(name.lower(), lower, 3, 0.6)]
    meant = f"did you mean {' or '.join(near)}?" if near else f"it has {', '.join(names[:8])}{', …' * (len(names) > 8)}"
    if any(is_number(known) and not known.isdecimal() for known in names):  # a year may be a name
        meant = f"its first line holds values ({', '.join(names[:3])}), so name all columns by dataset.columns=[…]"
    raise UserError(f"{key}={name}: {sheet.path} has no such column: {meant}")


def the_labels(label: Any, sheet: Sheet) -> tuple[str, ...]:
    """Return the columns of the labels; UserError for none, or for one twice."""
    names = [*label] if isinstance(label, list | tuple) else [] if label is None else [label]
    if not names:
        known = ", ".join([*sheet.frame.columns][:12])
        raise UserError(f"dataset.label: {sheet.path} has the columns {known}: name the one to predict")
    if len({*names}) < len(names):
        raise UserError(f"dataset.label={names}: a column is named twice: name each once")
    return tuple(column(sheet, str(name), "dataset.label") for name in names)


def _split_column(sheet: Sheet) -> str | None:
    for name in sheet.frame.columns:
        if str(name).lower() in ("split", "set", "subset", "partition"):
            words = {str(value).strip().lower() for value in sheet.frame[name].dropna().unique()[:20]}
            if words and words <= {*SPLIT_WORDS} and {"train", "training"} & words:
                return name
    return None


def _split_of(sheet: Sheet, name: str) -> tuple[np.ndarray, list[Problem | None]]:
    """Return the split of each row (N,), "" for none, and the problem of a row without one."""
    cells = sheet.frame[name].astype("str").str.strip().str.lower()
    split_N = cells.map(SPLIT_WORDS).fillna("").to_numpy(dtype=np.str_)
    if not (split_N == "train").any() or not (split_N == "test").any():
        raise UserError(
            f"dataset.split={name}: the column has {', '.join(repr(text) for text in cells.unique()[:4])}: it must say "
            "train or test of each row, or val; dataset.split=null draws the split"
        )
    reason = f"no split in {name!r}: not train, val or test"
    faults = [
        None if split else Problem(str(place), reason, str(cell), True)
        for place, cell, split in zip(cells.index, cells, split_N, strict=True)
    ]
    return split_N, faults


def _groups(sheet: Sheet, name: str) -> tuple[np.ndarray, list[Problem]]:
    """Return the group of each row (N,), and the rows without one, each of which is a group of its own."""
    cells, missing_N = sheet.frame[name], sheet.frame[name].isna().to_numpy()
    alone = [f"(none, {place})" for place in cells.index]
    reason = f"no value in {name!r}, a group of its own"
    problems = [Problem(str(place), reason, "", False) for place in cells.index[missing_N]]
    return np.where(missing_N, alone, cells.astype("str").to_numpy(dtype=object)).astype(np.str_), problems


def _ids(sheet: Sheet, given: str | None) -> tuple[np.ndarray, str | None, str]:
    """Return ids (N,), the column that they are from, and a fact where it repeats."""
    places = sheet.frame.index.to_numpy(dtype=np.str_)
    candidates = [given] if given else [name for name in sheet.frame.columns if str(name).lower() in ID_NAMES]
    for name in candidates:
        cells = sheet.frame[name].astype("str").str.strip()
        missing_N = sheet.frame[name].isna().to_numpy()
        if not given and str(name) == "column_1" and not _counts(sheet.frame[name]):
            continue
        if not missing_N.any() and cells.is_unique:
            return cells.to_numpy(dtype=np.str_), name, f"ids from {name!r}"
        missing, again = int(missing_N.sum()), int(cells[~missing_N].duplicated().sum())
        counts = {"are missing": missing, "occur again": again}
        why = " and ".join(f"{count:,} of its ids {what}" for what, count in counts.items() if count)
        fact = f"{name!r} is no input; {why}, so rows go by their lines"
        return places, name, f"{fact}; if rows with one id belong together, set dataset.group={name}" if again else fact
    return places, None, ""


def _counts(cells: "pd.Series") -> bool:
    """Return whether a column counts the rows, from 0 or 1."""
    if cells.dtype.kind not in "iu":
        return False
    values_N = cells.to_numpy()
    return bool(values_N[0] in (0, 1) and (np.diff(values_N) == 1).all())
