"""By how much the row of a table's gain is below others, and whether that is what the paper says."""

from dataclasses import dataclass

from supremix.metrics.seeds import paired, reduction_percent
from supremix.suite.spec import Gain, Panel
from supremix.tables.cells import MISSING
from supremix.tables.results import Results

UNHAD = "cannot be had without its data"


@dataclass(frozen=True)
class Gained:
    """The reductions of a row's error, in percent of the other row's.

    Attributes:
        against: row that the specification names → reduction.
        rival: the best rival.
        over_rival: reduction against it.
    """

    against: dict[str, float]
    rival: str
    over_rival: float


def gained(results: Results, panel: Panel, gain: Gain) -> Gained | None:
    """Return the reductions of a panel's row; None while a run of it or of its rivals is missing."""
    column = results.spec.gain_column(panel)
    ours, rivals = results.mean(panel, gain.row, column), contenders(results, panel, gain.row)
    known = {name: mean for name, mean in rivals.items() if mean is not None}
    if ours is None or not known or len(known) < len(rivals):
        return None
    reductions = {name: reduction_percent(ours, mean) for name, mean in known.items()}
    rival = min(known, key=lambda name: known[name])
    return Gained({name: reductions[name] for name in gain.against if name in reductions}, rival, reductions[rival])


def contenders(results: Results, panel: Panel, row_name: str) -> dict[str, float | None]:
    """Return the means of the baselines, or of the variants in a panel without baselines."""
    kinds = {row.name: row.kind for row in results.spec.rows_of(panel)}
    rivals = results.rivals(panel, row_name)
    kind = "baseline" if "baseline" in kinds.values() else "variant"
    return {name: mean for name, mean in rivals.items() if kinds[name] == kind}


def best(means: dict[str, float | None]) -> str | None:
    """Return the name with the lowest mean; None without a mean."""
    known = {name: mean for name, mean in means.items() if mean is not None}
    return min(known, key=lambda name: known[name]) if known else None


def worded(reduction: float, other: str) -> str:
    """Return a reduction in words, as "12.8 % lower than SupCon"."""
    return f"{abs(reduction):.1f} % {'higher' if reduction < 0 else 'lower'} than {other}"


def paper_gain(results: Results, panel: Panel, gain: Gain) -> str | None:
    """Return in words the paper's reduction in the same metric against the first row that the specification names."""
    ours, base = _of_paper(results, panel, gain.row), _of_paper(results, panel, gain.against[0])
    return worded(reduction_percent(ours, base), gain.against[0]) if ours and base else None


def verdict(results: Results, panel: Panel) -> str:
    """Return whether the paper's order of the gain's row and the rows beside it is reproduced over these seeds.

    Against a row it is reproduced where the 95 % paired interval is on the paper's side of zero, contradicted where it
    is on the other side, and inside the noise where it holds zero. It cannot be had without the panel's data. An empty
    text where the panel has no gain or the paper no values.
    """
    gain, column = results.spec.gain_of(panel), results.spec.gain_column(panel)
    if gain is None or (ours := _of_paper(results, panel, gain.row)) is None:
        return ""
    bases = {name: _of_paper(results, panel, name) for name in gain.against}
    claimed = {name: ours - base for name, base in bases.items() if base is not None and base != ours}
    if any(results.mean(panel, name, column) is None for name in (gain.row, *claimed)):
        return UNHAD if results.spec.preparation(panel).keys() & results.unprepared.keys() else MISSING
    held: dict[bool | None, list[str]] = {True: [], None: [], False: []}
    for name, difference in claimed.items():
        measured = paired(results.of(panel, gain.row, column), results.of(panel, name, column))
        undecided = measured is None or measured.noise
        held[None if undecided or measured is None else (measured.mean < 0) == (difference < 0)].append(name)
    words = {True: "reproduced", None: "inside the noise", False: "contradicted"}
    return "; ".join(f"against {' and '.join(names)} {words[kind]}" for kind, names in held.items() if names)


def _of_paper(results: Results, panel: Panel, name: str) -> float | None:
    column, rows = results.spec.gain_column(panel), results.spec.rows_of(panel)
    return next((results.paper(panel, row, column) for row in rows if row.name == name), None)
