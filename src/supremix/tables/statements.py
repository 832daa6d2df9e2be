"""Word the statements of a table: how its numbers were chosen, what is missing, gains and differences."""

from dataclasses import dataclass

from supremix.metrics.regression import HIGHER_IS_BETTER
from supremix.metrics.seeds import gain_percent, paired
from supremix.suite.keep import stated
from supremix.suite.spec import Gain, Panel
from supremix.tables.cells import MISSING, digits_of
from supremix.tables.results import Results


def selection_rule(results: Results) -> str:
    """Return how each number was chosen, for the table's header."""
    count, highest = len(results.spec.seeds), results.selected_by & set(HIGHER_IS_BETTER)
    chosen = f"highest validation {' or '.join(sorted(highest))}" if highest else "lowest validation error"
    if highest and highest < results.selected_by:
        chosen = "best validation value"
    difference = " Δ is the difference to the paper's value." if any(row.paper for row in results.spec.rows) else ""
    return (
        f"Mean ± standard deviation (ddof 1) over {count} seed{'s' * (count > 1)}. The epoch is the one with the "
        f"{chosen}; the test set is read once, at the end.{difference}"
    )


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
    """Return the statements under a panel with a finished run: gain, paired differences, intervals of the means.

    A table with ``against`` has a table of differences in place of the last.
    """
    spec, column = results.spec, results.spec.gain_column(panel)
    if not any(results.finished(panel, row.name) for row in spec.rows_of(panel)):
        return []
    best_other = {
        row.name: other
        for row in spec.rows_of(panel)
        if row.kind == "ours"
        and spec.against is None
        and results.mean(panel, row.name, column) is not None
        and (other := best(results.rivals(panel, row.name)))
    }
    pairs = list(spec.comparisons_of(panel))
    pairs += [pair for pair in best_other.items() if pair not in pairs]
    texts = [_gain(results, panel, gain)] if (gain := spec.gain_of(panel)) else []
    texts += [_comparison(results, panel, a, b, is_best=best_other.get(a) == b) for a, b in pairs]
    texts += _better_references(results, panel)
    return texts if spec.against else texts + _intervals(results, panel)


@dataclass(frozen=True)
class Gained:
    """The gains of a row, in percent.

    Attributes:
        against: row that the specification names → gain over it.
        rival: the best rival.
        over_rival: gain over it.
    """

    against: dict[str, float]
    rival: str
    over_rival: float


def gained(results: Results, panel: Panel, gain: Gain) -> Gained | None:
    """Return the gains of a panel's row; None while a run of it or of its rivals is missing."""
    column = results.spec.gain_column(panel)
    ours, rivals = results.mean(panel, gain.row, column), contenders(results, panel, gain.row)
    known = {name: mean for name, mean in rivals.items() if mean is not None}
    if ours is None or not known or len(known) < len(rivals):
        return None
    gains = {name: gain_percent(ours, mean) for name, mean in known.items()}
    rival = min(known, key=lambda name: known[name])
    return Gained({name: gains[name] for name in gain.against if name in gains}, rival, gains[rival])


def contenders(results: Results, panel: Panel, row_name: str) -> dict[str, float | None]:
    """Return the means of the baselines, or of the variants in a panel without baselines."""
    kinds = {row.name: row.kind for row in results.spec.rows_of(panel)}
    rivals = results.rivals(panel, row_name)
    kind = "baseline" if "baseline" in kinds.values() else "variant"
    return {name: mean for name, mean in rivals.items() if kinds[name] == kind}


def paper_gain(results: Results, panel: Panel, gain: Gain) -> str | None:
    """Return the paper's gain in the same metric over the first row that the specification names."""
    values = {
        row.name: results.paper(panel, row, results.spec.gain_column(panel)) for row in results.spec.rows_of(panel)
    }
    ours, base = values[gain.row], values.get(gain.against[0])
    return f"{gain_percent(ours, base):+.1f} % against {gain.against[0]}" if ours and base else None


def best(means: dict[str, float | None]) -> str | None:
    """Return the name with the lowest mean; None without a mean."""
    known = {name: mean for name, mean in means.items() if mean is not None}
    return min(known, key=lambda name: known[name]) if known else None


def _gain(results: Results, panel: Panel, gain: Gain) -> str:
    gains, name = gained(results, panel, gain), metric_of(results, panel)
    if gains is None:
        return f"Gain of {gain.row}: {MISSING}, not all its runs are finished"
    kind = next(row.kind for row in results.spec.rows_of(panel) if row.name == gains.rival)
    parts = [f"{value:+.1f} % against {row}" for row, value in gains.against.items()]
    parts.append(f"{gains.over_rival:+.1f} % against the best {kind}, {gains.rival}")
    paper = paper_gain(results, panel, gain)
    beside = f"; the paper: {paper}" if paper else ""
    return f"Gain of {gain.row} in {name}, (other − ours) / ours: {', '.join(parts)}{beside}"


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
        beside = f"; the paper: {paper_a - paper_b:+.{digits - 1}f}"
    return (
        f"{name}: {result.mean:+.{digits}f}, 95 % CI [{result.low:+.{digits}f}, {result.high:+.{digits}f}]"
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
    what = f"95 % bootstrap intervals of the mean over seeds, {metric_of(results, panel)}"
    return [f"{what}: {'; '.join(listed)}"] if listed else []


def metric_of(results: Results, panel: Panel) -> str:
    """Return the heading of the metric that gains and differences are in."""
    column = results.spec.gain_column(panel)
    return results.spec.metrics_of(panel).get(column, column)
