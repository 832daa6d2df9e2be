"""Which method to use: how far each is from the best network on each dataset, from the extended tables."""

import math
from pathlib import Path

import numpy as np

from supremix.report.ranks import dataset, extended_tables, tuned_in
from supremix.settings.compose import specification
from supremix.suite.reading import load
from supremix.suite.size import PAPER, Size
from supremix.suite.spec import Panel
from supremix.tables.cells import NOTHING, digits_of, signed
from supremix.tables.differences import BEST, DECIDED, Difference, Differences, differences
from supremix.tables.files import write_texts
from supremix.tables.gains import best
from supremix.tables.render import md_head, md_line
from supremix.tables.results import Results
from supremix.tables.statements import metric_of

Above = dict[str, list[float | None]]
"""Row → percent by which its error is above that of the lowest network, a number a table; None where it has none."""

Chosen = list[list[str | None]]
"""Table → its network with the lowest validation error, of all and of those that `supremix compare` trains."""

PAGE = "which_method.md"
NEAR = 10  # percent
FEWEST = 3  # tables, below which one table alone would choose
HEAD = [
    "# Which method should I use",
    "",
    "Made from the extended tables by `supremix table --render-all`. References have no network: try them first, since "
    "they train in seconds. All other rows are networks. Of pre-trained ones, *probe* is a linear head on the frozen "
    "network, *fine-tuned* trains all of it on; *joint* is one training with both losses; *l2* compares embeddings by "
    "their Euclidean distance, without a projection head.",
    "",
]
NOTES = [
    "Lowest is by the mean test error over the seeds. Of many rows the lowest is lucky in part: read the differences "
    "under each table.",
    f"\\* p < {DECIDED} after Holm's correction over the comparisons of that table, as under it.",
]


def write_choice(conf: Path, out: Path, size: Size = PAPER) -> Path | None:
    """Write the page beside the rendered tables; return it, or None where no extended table has a finished network."""
    tables = [results for results in extended_tables(conf, out, size) if _networks(results)]
    if not tables:
        return None
    synthetic = ["**Synthetic data**: made by a generator.", ""] if any(results.synthetic for results in tables) else []
    networks = [_networks(results) for results in tables]
    rows = dict.fromkeys(name for means in networks for name in means)
    above = {row: [_above(means, row) for means in networks] for row in rows}
    comparisons = [differences(results, _panel(results)) for results in tables]
    compared = {row.name for row in load(specification(conf, "table", "_compare")).rows}
    chosen = [[_by_validation(results, group) for group in ({*rows}, compared)] for results in tables]
    parts = [
        [*_answer(tables, comparisons, above), *_rule(chosen, above)],
        _by_dataset(tables, comparisons),
        _by_method(tables, above),
        _validated(tables, chosen, above),
        _left_out(tables, above),
    ]
    lines = [*HEAD, *synthetic, *(line for part in parts for line in [*part, ""] if part)]
    lines += [f"- {note}" for note in (*NOTES, *tuned_in(tables))]
    write_texts(out, {PAGE: "\n".join(lines) + "\n"})
    return out / PAGE


def _answer(tables: list[Results], comparisons: list[Differences], above: Above) -> list[str]:
    """Return a line with the steadiest network, and one with those that are below Vanilla beyond the noise."""
    steadiest = _steadiest(above)[0]
    known = [value for value in above[steadiest] if value is not None]
    below = []
    for results, comparison in zip(tables, comparisons, strict=True):
        beside = comparison.beside[str(results.spec.against)]
        apart = [row for row in _networks(results) if row in beside and beside[row].p < DECIDED]
        below += [f"{row} ({dataset(results)})" for row in apart if beside[row].seeds.mean < 0]
    return [
        f"- The steadiest network: **{steadiest}**, at most {max(known):.1f} % above the lowest network of a table, in "
        f"{len(known)} of {len(tables)} tables.",
        f"- Networks below {tables[0].spec.against} beyond the noise (Holm, p < {DECIDED}): "
        f"{', '.join(below) or 'none'}.",
    ]


def _by_dataset(tables: list[Results], comparisons: list[Differences]) -> list[str]:
    """Return a line for each table: its best reference, Vanilla, best network, and best row of ours."""
    head = [
        "table",
        "lowest reference",
        "Vanilla",
        "lowest network",
        "difference to Vanilla",
        "lowest of SupReMix",
        "difference to the best other network",
    ]
    lines = ["## By dataset", "", *md_head(head, numbers=False)]
    for results, comparison in zip(tables, comparisons, strict=True):
        panel = _panel(results)
        means = _networks(results)
        kinds = {row.name: row.kind for row in results.spec.rows_of(panel)}
        references = {name: _mean(results, name) for name, kind in kinds.items() if kind == "reference"}
        lowest, ours = best(means), best({name: mean for name, mean in means.items() if kinds[name] == "ours"})
        against = str(results.spec.against)
        cells = [_named(results, best(references)), _shown(results, against), _named(results, lowest)]
        cells += [_difference(results, comparison.beside[against].get(str(lowest))), _named(results, ours)]
        cells.append(_difference(results, comparison.beside[BEST].get(str(ours))))
        title = f"[{dataset(results)}]({results.spec.name}/table.md), {metric_of(results, panel)}"
        lines.append(md_line([title, *cells]))
    return lines


def _by_method(tables: list[Results], above: Above) -> list[str]:
    """Return a line for each network: its error above that of the best network in each table, the steadiest first."""
    lines = ["## By method", "", "Error above that of the lowest network, in percent, sorted by the largest:", ""]
    lines += [*(f"{number}. {dataset(results)}" for number, results in enumerate(tables, 1)), ""]
    head = ["", "mean", "largest", f"within {NEAR} %", *(str(number) for number in range(1, len(tables) + 1))]
    lines += md_head(head)
    for row in _steadiest(above):
        known = [value for value in above[row] if value is not None]
        near = f"{sum(value <= NEAR for value in known)} of {len(known)}"
        each = [NOTHING if value is None else f"{value:.1f}" for value in above[row]]
        lines.append(md_line([row, f"{np.mean(known):.1f}", f"{max(known):.1f}", near, *each]))
    return lines


def _left_out(tables: list[Results], above: Above) -> list[str]:
    """Return a line for each table: the steadiest method of the other tables, and how it does on this one."""
    if len(tables) < FEWEST:
        return []
    lines = ["## One method for all", "", "The steadiest on all other tables, judged on the one left out:", ""]
    lines += [md_line(["left out", "chosen", "% above its lowest network"]), md_line(["---", "---", "---:"])]
    for k, results in enumerate(tables):
        others = {row: [*each[:k], *each[k + 1 :]] for row, each in above.items() if each[k] is not None}
        chosen = _steadiest(others)[0]
        lines.append(md_line([dataset(results), chosen, f"{above[chosen][k]:.1f}"]))
    return lines


def _rule(chosen: Chosen, above: Above) -> list[str]:
    """Return a line with how far the lowest on validation is from the lowest network; none while a table lacks one."""
    if not all(row for pair in chosen for row in pair):
        return []
    percents = [[above[str(row)][k] or 0.0 for row in pair] for k, pair in enumerate(chosen)]
    largest, compared = map(max, zip(*percents, strict=True))
    return [
        f"- The network with the lowest validation error: at most {largest:.1f} % above the lowest network of a table, "
        f"and of those that `supremix compare` trains at most {compared:.1f} %."
    ]


def _validated(tables: list[Results], chosen: Chosen, above: Above) -> list[str]:
    """Return a line for each table: the networks with the lowest validation error, and how they do on test rows."""
    text = "The network with the lowest validation MAE, mean over the seeds; its test error above the lowest, percent:"
    head = ["table", "of all", "%", "of those that `supremix compare` trains", "%"]
    lines = ["## The lowest on validation", "", text, "", md_line(head), md_line(["---", *("---", "---:") * 2])]
    for k, results in enumerate(tables):
        cells = [(NOTHING, NOTHING) if row is None else (row, f"{above[row][k]:.1f}") for row in chosen[k]]
        lines.append(md_line([dataset(results), *cells[0], *cells[1]]))
    return lines


def _by_validation(results: Results, rows: set[str]) -> str | None:
    """Return which of the rows is a finished network with the lowest validation error; None without one."""
    networks = _networks(results)
    order = results.by_validation(_panel(results)).items()
    finite = [row for row, mae in order if all(map(math.isfinite, mae.values()))]
    return next((row for row in finite if row in networks and row in rows), None)


def _steadiest(above: Above) -> list[str]:
    """Return the rows, those in most tables first, then by their largest error; rows of no table are left out."""
    known = {row: [value for value in each if value is not None] for row, each in above.items()}
    return sorted((row for row in known if known[row]), key=lambda row: (-len(known[row]), max(known[row])))


def _networks(results: Results) -> dict[str, float | None]:
    """Return the mean errors of the rows that are finished, but for references."""
    names = [row.name for row in results.spec.rows_of(_panel(results)) if row.kind != "reference"]
    return {name: mean for name in names if (mean := _mean(results, name)) is not None}


def _above(means: dict[str, float | None], row: str) -> float | None:
    lowest, mean = means[str(best(means))], means.get(row)
    if mean is None or lowest is None:
        return None
    return 100 * (mean - lowest) / lowest if lowest else 0.0 if mean == lowest else math.inf


def _panel(results: Results) -> Panel:
    return results.spec.panels[0]


def _mean(results: Results, row: str) -> float | None:
    return results.mean(_panel(results), row, results.spec.gain_column(_panel(results)))


def _shown(results: Results, row: str) -> str:
    mean = _mean(results, row)
    digits = digits_of(results, _panel(results), results.spec.gain_column(_panel(results)))
    return NOTHING if mean is None else f"{mean:.{digits}f}"


def _named(results: Results, row: str | None) -> str:
    return NOTHING if row is None else f"{row}: {_shown(results, row)}"


def _difference(results: Results, difference: Difference | None) -> str:
    if difference is None:
        return NOTHING
    digits = digits_of(results, _panel(results), results.spec.gain_column(_panel(results))) + 1
    other = "" if difference.other == results.spec.against else f" to {difference.other}"
    star = " \\*" if difference.p < DECIDED else ""
    return f"{signed(difference.seeds.mean, digits)}{other}, p {difference.p:.2g}{star}"
