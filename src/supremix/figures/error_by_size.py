"""Figure 4: test error against the number of training rows."""

from itertools import cycle

from matplotlib.figure import Figure as Picture

from supremix.figures.canvas import STYLES, Drawn, Run
from supremix.figures.spec import Figure
from supremix.metrics.seeds import Summary, summarise

METRIC = "mae"


def draw(figure: Figure, runs: list[Run]) -> Drawn:
    """A line for each method over the sizes that the records name, with ± one standard deviation (ddof 1).

    A point whose seeds are not all finished is hollow.
    """
    spec = figure.spec
    values: dict[tuple[str, int], dict[int, float]] = {}
    for run in runs:
        size, value = run.record["data"]["sizes"]["train"], run.record["metrics"]["test"]["best"][METRIC]
        values.setdefault((run.cell.row, size), {})[run.cell.seed] = value
    picture = Picture(figsize=(5.6, 3.8), layout="constrained")
    axis = picture.subplots()
    axis.set_xscale("log")
    drawn = Drawn(picture)
    summaries: dict[str, dict[int, Summary]] = {}
    for row, style in zip(spec.rows, cycle(STYLES), strict=False):
        sizes = sorted(size for name, size in values if name == row.name)
        found = {size: summarise(values[row.name, size], len(spec.seeds)) for size in sizes}
        points = summaries[row.name] = {size: summary for size, summary in found.items() if summary is not None}
        if not points:
            continue
        axis.plot(list(points), [p.mean for p in points.values()], color=style["color"], linestyle=style["linestyle"])
        for size, point in points.items():
            axis.errorbar(
                size, point.mean, yerr=point.std if point.n > 1 else None, color=style["color"], capsize=3,
                marker=style["marker"], markerfacecolor=style["color"] if point.complete else "white",
            )  # fmt: skip
            drawn.numbers.append(
                {"row": row.name, "train_rows": size, METRIC: point.mean, "std": point.std, "n": point.n}
                | {"planned": len(spec.seeds)}
            )
        axis.plot([], [], label=row.name, **style)
    drawn.says = [*_gaps(figure, summaries), *_hollow(summaries)]
    sizes_drawn = sorted({number["train_rows"] for number in drawn.numbers})
    ticks = [f"{size / 1000:.4g}k" if size >= 1000 else f"{size}" for size in sizes_drawn]
    axis.set_xticks(sizes_drawn, ticks, rotation=45)
    axis.minorticks_off()
    axis.set(xlabel=figure.labels["x"], ylabel=figure.labels["y"])
    axis.grid(alpha=0.3)
    if drawn.numbers:
        axis.legend()
    return drawn


def _gaps(figure: Figure, summaries: dict[str, dict[int, Summary]]) -> list[str]:
    """The first row's mean error minus the last row's, where all seeds of both are finished, largest size first."""
    first, last = figure.spec.rows[0].name, figure.spec.rows[-1].name
    ours, theirs = (
        {size: point.mean for size, point in summaries[name].items() if point.complete} for name in (last, first)
    )
    common = sorted(ours.keys() & theirs.keys(), reverse=True)
    if not common:
        return [f"Gap {first} − {last}: missing, there is no size at which both are finished"]
    gaps = (f"{theirs[size] - ours[size]:+.2f} at {size}" for size in common)
    return [f"Gap {first} − {last} in {METRIC.upper()}: {', '.join(gaps)} training rows"]


def _hollow(summaries: dict[str, dict[int, Summary]]) -> list[str]:
    partly = [
        f"{name} at {size} ({point.n})"
        for name, points in summaries.items()
        for size, point in points.items()
        if not point.complete
    ]
    return [f"Hollow, as not all seeds are finished: {', '.join(partly)}"] if partly else []
