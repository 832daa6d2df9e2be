"""What is understood of a user's file, as lines for the terminal: columns, labels, problems, settings that suit it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from supremix.data.geometry import skewed
from supremix.data.own.assemble import Plan, compared_by
from supremix.data.own.files import ending_so, located, needed_path_column, path_column
from supremix.data.own.images import ENDINGS as IMAGES
from supremix.data.own.kinds import Kinds, kinds_in, kinds_of
from supremix.data.own.layout import Layout, Rows
from supremix.data.own.problems import Problem, summary
from supremix.data.own.sheet import read_sheet
from supremix.data.own.signals import ENDINGS as SIGNALS
from supremix.data.own.texts import sentences, text_columns
from supremix.data.own.values import numbers_of
from supremix.data.own.volumes import ENDINGS as VOLUMES
from supremix.runtime.terminal import shown

if TYPE_CHECKING:
    import pandas as pd

BARS, WIDTH = 12, 40
COLUMNS_SHOWN = 30
GIVES_AWAY = 0.97
"""Correlation with the label, of values or ranks, from which on a column is doubted as an input."""
EIGHTHS = " ▏▎▍▌▋▊▉█"


@dataclass
class Inspection:
    """What was understood.

    Attributes:
        kind: dataset group's name: table, images, volumes, signals or texts.
        facts: in words.
        columns: a line each: name, kind, missing, different, examples.
        labels: label → its values in the usable rows, (N,).
        problems: of rows.
        settings: overrides that suit the file, each with its reason.
    """

    kind: str
    facts: list[str]
    columns: list[tuple[str, str, str, str, str]]
    labels: dict[str, np.ndarray]
    problems: list[Problem] = field(default_factory=list)
    settings: dict[str, str] = field(default_factory=dict)


def inspect(rows: Rows, plan: Plan, kind: str, given: Any = None) -> Inspection:
    """Tell what is understood of the rows of a file, read as a kind of data; raise UserError as training would.

    Args:
        rows: of the file.
        plan: what is to be decided.
        kind: dataset group's name.
        given: columns of its inputs; None finds them.
    """
    kinds = kinds_of(rows)
    columns = inputs_of(rows, kind, given)
    roles = {name: "label" if name in rows.labels else "no input" for name in rows.frame.columns}
    if columns:
        roles |= dict.fromkeys(columns, HELD[kind])
        fact = f"{' and '.join(map(repr, columns))} {'hold' if columns[1:] else 'holds'} {HELD[kind]}"
    else:
        roles |= dict.fromkeys(rows.inputs, "")
        fact = WHOLE[kind]
    labels = dict(zip(rows.labels, rows.y.reshape(len(rows.y), -1).T, strict=True))
    inspection = Inspection(kind, [*rows.facts, fact], _columns(rows.frame, kinds, roles), labels, [*rows.problems])
    if kind == "table":
        inspection.problems += kinds.problems
        inspection.facts += kinds.in_words()
        inspection.settings |= _given_away(rows, kinds, labels)
    elif kind in ENDINGS and columns:
        (column,) = columns
        there = located(rows.frame[column].tolist(), rows.sheet.path.parent)
        inspection.problems += [
            Problem(str(place), f"no file at the path in {column!r}", str(cell), True)
            for place, cell, path_ in zip(rows.frame.index, rows.frame[column], there, strict=True)
            if path_ is None
        ]
    inspection.facts.append(compared_by(rows.label, rows.labels, rows.y, plan)[2])
    if plan.target_transform == "none" and rows.y.ndim == 1 and skewed(rows.y):
        name = "log" if rows.y.min() >= 0 else "quantile"
        inspection.settings[f"dataset.target_transform={name}"] = "skewed labels: keep it where it validates better"
    return inspection


ENDINGS = {"images": IMAGES, "volumes": VOLUMES, "signals": SIGNALS}
HELD = {"texts": "texts"} | {kind: f"paths of {kind}" for kind in ENDINGS}
"""Kind → what its columns hold."""
WHOLE = {"table": "a table of features", "signals": "a signal in each row, a column for each step"}
"""Kind → what the file is where no column alone holds the inputs."""
KINDS = ("table", *HELD)


def kind_in(rows: Rows) -> str:
    """Return which of the dataset groups fits a file."""
    for kind, endings in ENDINGS.items():
        if ending_so(rows, endings) is not None:
            return kind
    numbers = [name for name in rows.inputs if rows.frame[name].dtype.kind in "iuf"]
    return "texts" if 1 <= len(sentences(rows)) <= 2 and len(numbers) <= 3 else "table"


def inputs_of(rows: Rows, kind: str, given: Any) -> list[str]:
    """Return the columns that are read for a kind of data; none where all columns of inputs are."""
    if kind == "texts":
        return text_columns(rows, given)
    if kind in ("images", "volumes"):
        return [needed_path_column(rows, given, kind, ENDINGS[kind])]
    column = path_column(rows, given, ENDINGS[kind]) if kind in ENDINGS else None
    return [] if column is None else [column]


def histogram(y_N: np.ndarray) -> list[str]:
    """Return the labels' histogram as lines of bars."""
    count_K, edge_K1 = np.histogram(y_N, bins=min(BARS, max(len(np.unique(y_N)), 2)))
    names = [f"{shown(low)} – {shown(high)}" for low, high in pairwise(edge_K1)]
    wide = max(map(len, names))
    return [
        f"{name:>{wide}} {_bar(count / count_K.max())} {count:,}" for name, count in zip(names, count_K, strict=True)
    ]


def table_lines(columns: Sequence[tuple[str, ...]]) -> list[str]:
    """Return rows of cells as aligned lines, those beyond a screen counted."""
    rows = [("column", "kind", "missing", "different", "examples"), *columns[:COLUMNS_SHOWN]]
    widths = [max(len(line[at]) for line in rows) for at in range(4)]
    lines = ["  ".join([*(f"{cell:<{w}}" for cell, w in zip(line, widths, strict=False)), line[4]]) for line in rows]
    more = len(columns) - COLUMNS_SHOWN
    return [*lines, f"… and {more:,} more columns"] if more > 0 else lines


def columns_alone(path: str, layout: Layout) -> list[str]:
    """Return lines on the columns of a file whose label is not named yet."""
    sheet = read_sheet(path, layout.columns)
    names = [*sheet.frame.columns]
    kinds = kinds_in(sheet.frame, names, sheet.decimal_comma)
    lines = table_lines(_columns(sheet.frame, kinds, dict.fromkeys(names, "")))
    return [f"{path}:", *(f"  {line}" for line in [*sheet.facts, "", *lines])]


def _columns(frame: "pd.DataFrame", kinds: Kinds, roles: dict[str, str]) -> list[tuple[str, str, str, str, str]]:
    """Return the columns; ``roles``: what those are that are no inputs, "" for the others."""
    unused = {name: f"unused: {why}" for why, names in kinds.unused.items() for name in names}
    lines = []
    for name in frame.columns:
        cells = frame[name]
        kind = "numbers" if name in kinds.numbers else "dates" if name in kinds.dates else "category"
        kind = roles[name] or unused.get(name, kind)
        examples = ", ".join(_example(value)[:16] for value in cells.dropna().unique()[:3])
        lines.append((str(name)[:40], kind, f"{cells.isna().sum():,}", f"{cells.nunique():,}", examples))
    return lines


def _example(value: Any) -> str:
    """Return a cell as text; a whole number beside a missing one is a float in pandas."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _given_away(rows: Rows, kinds: Kinds, labels: dict[str, np.ndarray]) -> dict[str, str]:
    """Return a setting for columns that nearly are a label."""
    suspects = []
    for name, form in kinds.numbers.items():
        x_N = numbers_of(rows.frame[name], form)
        usable_N = np.isfinite(x_N)
        near = (_correlation(x_N[usable_N], y_N[usable_N]) > GIVES_AWAY for y_N in labels.values())
        if usable_N.sum() > 10 and any(near):
            suspects.append(name)
    if not suspects or len(suspects) > 5:
        return {}
    why = f"{', '.join(suspects)} nearly {'is' if len(suspects) == 1 else 'are'} the label: leave out what is not known"
    return {f"dataset.drop=[{','.join(suspects)}]": f"{why} beforehand"}


def _correlation(x_N: np.ndarray, y_N: np.ndarray) -> float:
    """Return the larger of the correlations of values and of ranks, without its sign."""
    import pandas as pd

    pairs = [(x_N, y_N), tuple(pd.Series(values).rank().to_numpy() for values in (x_N, y_N))]
    return max(abs(float(np.corrcoef(x, y)[0, 1])) if np.ptp(x) > 0 and np.ptp(y) > 0 else 0.0 for x, y in pairs)


def _bar(share: float) -> str:
    eighths = round(share * WIDTH * 8)
    return "█" * (eighths // 8) + EIGHTHS[eighths % 8].strip()


def described(inspection: Inspection, path: str) -> list[str]:
    """Return all of it as the lines of a page."""
    parts: list[tuple[str, list[str]]] = [
        (path, inspection.facts),
        ("columns", table_lines(inspection.columns)),
        *((_labels_in_words(name, inspection), histogram(y_N)) for name, y_N in inspection.labels.items()),
        ("problems", summary(inspection.problems) or ["none"]),
    ]
    if inspection.settings:
        parts.append(("suggested", [f"{setting}: {why}" for setting, why in inspection.settings.items()]))
    return [line for title, lines in parts for line in [f"{title}:", *(f"  {line}" for line in lines), ""]]


def _labels_in_words(name: str, inspection: Inspection) -> str:
    of = "" if len(inspection.labels) == 1 else f" {name!r}"
    return f"labels{of} of {len(inspection.labels[name]):,} usable rows"


def report_rows(problems: Sequence[Problem]) -> "pd.DataFrame":
    """Return the problems as a table."""
    import pandas as pd

    columns: Any = ["place", "reason", "value", "left out"]
    return pd.DataFrame(list(problems), columns=columns)
