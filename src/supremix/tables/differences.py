"""Set every row of a panel beside one row and beside the best other network, with Holm's correction."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from supremix.metrics.resampling import MEASURES, interval, resampled
from supremix.metrics.seeds import Paired, holm, paired
from supremix.suite.spec import Panel
from supremix.tables.cells import NOTHING, csv_text, digits_of, signed
from supremix.tables.gains import best
from supremix.tables.outcomes import errors_on_one_test_set, own_splits
from supremix.tables.results import Results
from supremix.tables.statements import metric_of

BEST = "best other network"
OF_PREDICTIONS = "best"  # the variant whose predictions are kept
DECIDED = 0.05
COLUMNS = (
    "table", "panel", "row", "beside", "other", "difference", "ci_low", "ci_high", "lower", "n", "p", "p_holm",
    "rows_low", "rows_high",
)  # fmt: skip


@dataclass(frozen=True)
class Difference:
    """A row minus another, in the panel's error.

    Attributes:
        row, other: their names.
        seeds: over the seeds.
        p: of the paired t test, after Holm's correction over all rows beside the same.
        rows: 95 % bootstrap interval over the test rows; None where seeds have test sets of their own.
    """

    row: str
    other: str
    seeds: Paired
    p: float
    rows: tuple[float, float] | None


@dataclass(frozen=True)
class Differences:
    """What stands beside the rows of a panel.

    Attributes:
        beside: "Vanilla", as the table names it, or BEST → row → its difference.
        rows: row → 95 % bootstrap interval of its error over the test rows.
        own_splits: whether seeds are known to have test sets of their own.
    """

    beside: dict[str, dict[str, Difference]]
    rows: dict[str, tuple[float, float]]
    own_splits: bool


def differences(results: Results, panel: Panel) -> Differences:
    """Return the comparison of a panel's rows whose seeds are all finished."""
    return _of_panels(results)[panel.name]


@lru_cache(maxsize=1)  # each format of a table asks for the same several times
def _of_panels(results: Results) -> dict[str, Differences]:
    return {panel.name: _compared(results, panel) for panel in results.spec.panels}


def _compared(results: Results, panel: Panel) -> Differences:
    column, against = results.spec.gain_column(panel), str(results.spec.against)
    variant, metric = column.split("/")
    by_rows = variant == OF_PREDICTIONS and metric in MEASURES
    errors = errors_on_one_test_set(results.outcomes, panel.name) if by_rows else {}
    done = [row.name for row in results.spec.rows_of(panel) if results.mean(panel, row.name, column) is not None]
    over_rows = {row: resampled(metric, errors[row]) for row in done if row in errors}
    others = {
        against: {name: against for name in done if name != against and against in done},
        BEST: {name: other for name in done if (other := best(results.rivals(panel, name)))},
    }
    beside = {
        what: _corrected([_difference(results, panel, *pair, over_rows) for pair in pairs.items()])
        for what, pairs in others.items()
    }
    each = {row: interval(values_R) for row, values_R in over_rows.items()}
    return Differences(beside, each, own_splits(results.outcomes, panel.name))


def asked(results: Results, panel: Panel) -> bool:
    """Return whether a panel has differences to show."""
    return results.spec.against is not None and any(differences(results, panel).beside.values())


def grid(results: Results, panel: Panel) -> tuple[list[str], list[list[str]]]:
    """Return the heading and the lines of the panel's differences as text."""
    comparison, digits = differences(results, panel), digits_of(results, panel, results.spec.gain_column(panel)) + 1
    head = [f"differences in {metric_of(results, panel)}", *(["over test rows"] if comparison.rows else [])]
    for what in comparison.beside:
        head += [f"− {what}", *(["over test rows"] if comparison.rows else []), "p"]
    lines = []
    for row in results.spec.rows_of(panel):
        line = [row.name, *([_interval(comparison.rows.get(row.name), digits - 1)] if comparison.rows else [])]
        for what, of_rows in comparison.beside.items():
            difference = of_rows.get(row.name)
            line.append(_shown(difference, digits, name=what == BEST))
            line += [_interval(difference.rows if difference else None, digits, plus=True)] if comparison.rows else []
            line.append(f"{difference.p:.2g}{' *' if difference.p < DECIDED else ''}" if difference else NOTHING)
        lines.append(line)
    return head, lines


def legend(results: Results, panel: Panel) -> list[str]:
    """Return what the reader of the differences must know."""
    comparison = differences(results, panel)
    counts = " and ".join(f"{len(of_rows)} (− {what})" for what, of_rows in comparison.beside.items())
    texts = [
        f"Differences over {len(results.spec.seeds)} seeds with 95 % paired t intervals; p of the paired t test after "
        f"Holm's correction over the {counts} comparisons of its column, * below {DECIDED}. The best other network is "
        "the row of lowest mean but for references and the row itself; the test set names it, which favours it."
    ]
    if comparison.rows:
        texts.append("Over test rows: 95 % bootstrap of the test rows, the same for all seeds, of the mean over seeds.")
    if comparison.own_splits:
        texts.append(
            "Each seed draws its own split, and splits share rows: intervals over them are narrower than over new data "
            "(Nadeau and Bengio 2003)."
        )
    return texts


def as_csv(results: Results) -> str:
    """Return the differences of all panels, a line each, in full precision."""
    return csv_text(COLUMNS, _numbers(results))


def _numbers(results: Results) -> Iterator[list[str | float | int | None]]:
    for panel in results.spec.panels:
        for what, of_rows in differences(results, panel).beside.items():
            for difference in of_rows.values():
                d, rows = difference.seeds, difference.rows or (None, None)
                place = [results.spec.name, panel.name, difference.row, what, difference.other]
                yield [*place, d.mean, d.low, d.high, d.lower, d.n, d.p, difference.p, *rows]


def _difference(
    results: Results, panel: Panel, row: str, other: str, over_rows: dict[str, np.ndarray]
) -> Difference | None:
    column = results.spec.gain_column(panel)
    over_seeds = paired(results.of(panel, row, column), results.of(panel, other, column))
    if over_seeds is None:
        return None
    both = over_rows.keys() >= {row, other}
    rows = interval(over_rows[row] - over_rows[other]) if both else None
    return Difference(row, other, over_seeds, over_seeds.p, rows)


def _corrected(of_rows: list[Difference | None]) -> dict[str, Difference]:
    known = [difference for difference in of_rows if difference is not None]
    corrected = holm([difference.p for difference in known])
    return {difference.row: replace(difference, p=p) for difference, p in zip(known, corrected, strict=True)}


def _shown(difference: Difference | None, digits: int, name: bool) -> str:
    if difference is None:
        return NOTHING
    d = difference.seeds
    text = f"{signed(d.mean, digits)} [{signed(d.low, digits)}, {signed(d.high, digits)}]"
    return f"{text}, {difference.other}" if name else text


def _interval(ends: tuple[float, float] | None, digits: int, plus: bool = False) -> str:
    if ends is None:
        return NOTHING
    texts = (signed(end, digits) if plus or end < 0 else f"{end:.{digits}f}" for end in ends)
    return f"[{', '.join(texts)}]"
