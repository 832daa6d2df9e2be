"""Word the statements of a table: how its numbers were chosen, what is missing, gains and differences."""

from collections import Counter

from supremix.metrics.regression import HIGHER_IS_BETTER
from supremix.metrics.seeds import paired
from supremix.suite.keep import stated
from supremix.suite.spec import Gain, Panel
from supremix.tables import gains
from supremix.tables.cells import MISSING, digits_of, signed
from supremix.tables.results import Results

FEW = 5  # seeds, below which a bootstrap has hardly anything to draw from


def selection_rule(results: Results) -> str:
    """Return how each number was chosen, for the table's header."""
    highest = results.selected_by & set(HIGHER_IS_BETTER)
    chosen = f"highest validation {' or '.join(sorted(highest))}" if highest else "lowest validation error"
    if highest and highest < results.selected_by:
        chosen = "best validation value"
    difference = " Δ is the difference to the paper's value." if any(row.paper for row in results.spec.rows) else ""
    seeds = seeds_of(results)
    return (
        f"Mean ± standard deviation (ddof 1) over {seeds}. The epoch is the one with the "
        f"{chosen}; the test set is read once, at the end.{difference}"
    )


def seeds_of(results: Results) -> str:
    """Return how many seeds the table has, and of how many planned ones where they are fewer."""
    count, planned = len(results.spec.seeds), len(results.spec.planned)
    part = count < planned and not results.spec.other_seeds
    return f"{count} of {planned} planned seeds" if part else f"{count} seed{'s' * (count > 1)}"


def warnings(results: Results) -> list[str]:
    """Return what a reader must know first: settings, synthetic data, unprepared datasets, failed runs."""
    lines = stated(results.settings)
    if results.synthetic:
        lines.append("**Synthetic data**: made by a generator, not to be compared with the paper.")
    if results.unprepared:
        listed = "; ".join(
            f"{name}, prepared by {' and '.join(commands) or 'no command'}"
            for name, commands in sorted(results.unprepared.items())
        )
        lines.append(f"**Data not there**, so that its runs are missing: {listed}.")
    if results.failed:
        listed = "; ".join(sorted({" · ".join(filter(None, (row, panel))) for panel, row, _ in results.failed}))
        lines.append(f"**Failed runs**: {listed}. The planner says why.")
    return lines


def under(results: Results, panel: Panel) -> list[str]:
    """Return the statements under a panel with a finished run.

    Verdict, reductions, references that are better, networks that predict a constant, the remark.
    """
    if not _begun(results, panel):
        return []
    verdict, gain = gains.verdict(results, panel), results.spec.gain_of(panel)
    texts = [f"**Verdict** on the paper's order: {verdict}"] if verdict else []
    texts += [_gain(results, panel, gain)] if gain else []
    remark = [results.spec.remark] if results.spec.remark else []
    return texts + _better_references(results, panel) + _constant(results, panel) + remark


def details(results: Results, panel: Panel) -> list[str]:
    """Return what is behind the statements: paired differences, and intervals of the means.

    A table with ``against`` has a table of differences in place of the intervals.
    """
    spec, column = results.spec, results.spec.gain_column(panel)
    if not _begun(results, panel):
        return []
    best_other = {
        row.name: other
        for row in spec.rows_of(panel)
        if row.kind == "ours"
        and spec.against is None
        and results.mean(panel, row.name, column) is not None
        and (other := gains.best(results.rivals(panel, row.name)))
    }
    pairs = list(spec.comparisons_of(panel))
    pairs += [pair for pair in best_other.items() if pair not in pairs]
    texts = [_comparison(results, panel, a, b, is_best=best_other.get(a) == b) for a, b in pairs]
    return texts if spec.against else texts + _intervals(results, panel)


def _begun(results: Results, panel: Panel) -> bool:
    return any(results.finished(panel, row.name) for row in results.spec.rows_of(panel))


def _gain(results: Results, panel: Panel, gain: Gain) -> str:
    gained, name = gains.gained(results, panel, gain), metric_of(results, panel)
    if gained is None:
        return f"{name} of {gain.row} against the others: {MISSING}, not all its runs are finished"
    kind = next(row.kind for row in results.spec.rows_of(panel) if row.name == gained.rival)
    parts = [gains.worded(value, row) for row, value in gained.against.items() if row != gained.rival]
    parts.append(gains.worded(gained.over_rival, f"the best {kind}, {gained.rival}"))
    paper = gains.paper_gain(results, panel, gain)
    beside = f"; in the paper {paper}" if paper else ""
    return f"{name} of {gain.row}: {', '.join(parts)}{beside}"


def _better_references(results: Results, panel: Panel) -> list[str]:
    """Return a statement on the references that beat the row of the gain, which counts no references."""
    gain, column = results.spec.gain_of(panel), results.spec.gain_column(panel)
    ours = results.mean(panel, gain.row, column) if gain else None
    if gain is None or ours is None:
        return []
    rows = (row.name for row in results.spec.rows_of(panel) if row.kind == "reference")
    means = {name: mean for name in rows if (mean := results.mean(panel, name, column)) is not None}
    digits = digits_of(results, panel, column)
    better = [f"{name} ({mean:.{digits}f})" for name, mean in means.items() if mean < ours]
    what = f"References with a lower {metric_of(results, panel)} than {gain.row}, not counted above"
    return [f"{what}: {', '.join(better)}"] if better else []


def _constant(results: Results, panel: Panel) -> list[str]:
    names = [row.name for row in results.spec.rows_of(panel) if row.kind != "reference"]
    counts = Counter(row for name, row, _ in results.constant if name == panel.name)
    listed = [f"{name}, {counts[name]} of {results.finished(panel, name)}" for name in names if counts[name]]
    return [f"Seeds in which all test rows get the same prediction: {'; '.join(listed)}"] if listed else []


def _comparison(results: Results, panel: Panel, a: str, b: str, is_best: bool) -> str:
    column, planned = results.spec.gain_column(panel), len(results.spec.seeds)
    digits = digits_of(results, panel, column) + 1
    rank = ", the best other row" if is_best else ""
    if is_best and None in results.rivals(panel, a).values():
        rank += " so far"
    name = f"{a} − {b}{rank}, {metric_of(results, panel)}"
    result = paired(results.of(panel, a, column), results.of(panel, b, column))
    if planned == 1:
        return f"{name}: one seed tells nothing"
    if result is None or result.n < planned:
        return f"{name}: {MISSING}, {result.n if result else 0} of {planned} pairs"
    rows = {row.name: row for row in results.spec.rows_of(panel)}
    paper_a, paper_b = (results.paper(panel, rows[row], column) for row in (a, b))
    beside = ""
    if paper_a is not None and paper_b is not None and paper_a != paper_b:
        beside = f"; the paper: {signed(paper_a - paper_b, digits - 1)}"
    return (
        f"{name}: {signed(result.mean, digits)}, 95 % paired t interval "
        f"[{signed(result.low, digits)}, {signed(result.high, digits)}]"
        f"{', inside the noise' if result.noise else ''}, lower in {result.lower} of {result.n} seeds{beside}"
    )


def _intervals(results: Results, panel: Panel) -> list[str]:
    column = results.spec.gain_column(panel)
    digits, listed = digits_of(results, panel, column), []
    for row in results.spec.rows_of(panel):
        summary = results.summary(panel, row.name, column)
        if summary and summary.complete and summary.interval:
            low, high = summary.interval
            listed.append(f"{row.name} [{low:.{digits}f}, {high:.{digits}f}]")
    few = ", of so few little more than the lowest and the highest" if len(results.spec.seeds) < FEW else ""
    what = f"95 % bootstrap intervals of the mean over seeds{few}, {metric_of(results, panel)}"
    return [f"{what}: {'; '.join(listed)}"] if listed else []


def metric_of(results: Results, panel: Panel) -> str:
    """Return the heading of the metric that gains and differences are in."""
    column = results.spec.gain_column(panel)
    return results.spec.metrics_of(panel).get(column, column)
