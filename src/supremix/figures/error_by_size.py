"""Draw figure 4: test error against the number of training rows."""

from itertools import cycle

from matplotlib.figure import Figure as Picture

from supremix.figures.canvas import STYLES, Drawn, Run
from supremix.figures.spec import Figure
from supremix.metrics.seeds import Summary, summarise

METRIC = "mae"


def draw(figure: Figure, runs: list[Run]) -> Drawn:
    """Draw a line per method over the training sizes, with ± one standard deviation (ddof 1).

    A point is hollow while seeds of it are missing.
    """
    spec = figure.spec
    values: dict[tuple[str, int], dict[int, float]] = {}
    for run in runs:
        size, value = run.record["data"]["sizes"]["train"], run.record["metrics"]["test"]["best"][METRIC]
        if value is not None:  # null stands for infinity
            values.setdefault((run.cell.row, size), {})[run.cell.seed] = value
    picture = Picture(figsize=(5.6, 3.8), layout="constrained")
    axis = picture.subplots()
    axis.set_xscale("log")
    drawn = Drawn(picture)
    summaries: dict[str, dict[int, Summary]] = {}
    for row, style in zip(spec.rows, cycle(STYLES), strict=False):
        sizes = sorted(size for name, size in values if name == row.name)
        by_size = {size: summarise(values[row.name, size], len(spec.seeds)) for size in sizes}
        points = summaries[row.name] = {size: summary for size, summary in by_size.items() if summary is not None}
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
    ticks = [f"{size / 1000:.4g}k" if size >= 10_000 else f"{size:,}" for size in sizes_drawn]
    axis.set_xticks(sizes_drawn, ticks, rotation=45)
    axis.minorticks_off()
    axis.set(xlabel=figure.labels["x"], ylabel=figure.labels["y"])
    axis.grid(alpha=0.3)
    if drawn.numbers:
        axis.legend()
    return drawn


def _gaps(figure: Figure, summaries: dict[str, dict[int, Summary]]) -> list[str]:
    """State the mean error of the first row minus that of the last, where both have all seeds, largest size first."""
    first, last = figure.spec.rows[0].name, figure.spec.rows[-1].name
    last_means, first_means = (
        {size: point.mean for size, point in summaries[name].items() if point.complete} for name in (last, first)
    )
    common = sorted(last_means.keys() & first_means.keys(), reverse=True)
    if not common:
        return [f"Gap {first} − {last}: missing, there is no size at which both are finished"]
    gaps = (f"{first_means[size] - last_means[size]:+.2f} at {size}" for size in common)
    return [f"Gap {first} − {last} in {METRIC.upper()}: {', '.join(gaps)} training rows"]


def _hollow(summaries: dict[str, dict[int, Summary]]) -> list[str]:
    partly = [
        f"{name} at {size} ({point.n})"
        for name, points in summaries.items()
        for size, point in points.items()
        if not point.complete
    ]
    return [f"Hollow, as not all seeds are finished: {', '.join(partly)}"] if partly else []
