"""Parallel coordinates: an axis for each swept setting, the validation metric last, a line for each combination."""

from collections.abc import Mapping
from html import escape

from supremix.metrics.regression import cost
from supremix.report import html, svg
from supremix.report.gather import METRICS
from supremix.suite.swept import Swept, Values, in_order

AXES_AT_MOST, LINES_AT_MOST = 8, 60
STEP, TOP, TALL, SIDE = 150, 34, 200, 70
SPREAD = 18
"""Height of the bundle of lines at one value, pixels: they lie side by side in the order of their ranks."""
CAPTION = (
    "A line is a combination of settings, mean over seeds. Thick and solid: the best third on validation; thin and "
    "dashed: the middle third; dotted: the worst. At each value, and at the right, the better lies higher."
)


def picture(swept: Swept, means: Mapping[Values, tuple[float, int]]) -> str:
    """Return the picture, with its legend; of more than `LINES_AT_MOST` combinations the best.

    Args:
        swept: settings and metric.
        means: values of the settings → mean validation metric, number of runs; not empty.
    """
    ranked = sorted(means, key=lambda values: cost(swept.metric, means[values][0]))
    shown = ranked[:LINES_AT_MOST]
    axes = [in_order(values[i] for values in shown) for i in range(len(swept.keys))]
    ends = [means[shown[0]][0], means[shown[-1]][0]]  # best, worst
    lines = []
    for rank, values in enumerate(shown):
        mean, count = means[values]
        inside = SPREAD * (rank / max(1, len(shown) - 1) - 0.5)
        heights = [_height(axis.index(value), len(axis)) + inside for axis, value in zip(axes, values, strict=True)]
        heights.append(TOP + TALL * (mean - ends[0]) / ((ends[1] - ends[0]) or 1.0))
        points = " ".join(f"{SIDE + STEP * i},{y:.1f}" for i, y in enumerate(heights))
        settings = ", ".join(f"{key}={value}" for key, value in zip(swept.keys, values, strict=True))
        says = f"{settings}: validation {METRICS.get(swept.metric, swept.metric)} {mean:.4g}" + (
            f", {count} runs" if count > 1 else ""
        )
        lines.append(
            f'<g data-says="{escape(says)}"><polyline class="reach" points="{points}"/>'
            f'<polyline class="third{3 * rank // len(shown)}" points="{points}"/></g>'
        )
    return html.figure(_framed(swept, axes, ends, lines), _caption(len(ranked)))


def _caption(count: int) -> str:
    more = f" The best {LINES_AT_MOST} of {count} are shown." if count > LINES_AT_MOST else ""
    return CAPTION + more


def _framed(swept: Swept, axes: list[list[str]], ends: list[float], lines: list[str]) -> str:
    width, height = 2 * SIDE + STEP * len(axes), TOP + TALL + SPREAD
    metric = f"validation {METRICS.get(swept.metric, swept.metric)}"
    ruled, words = [], []
    for i, (name, values) in enumerate(zip([*swept.keys, metric], [*axes, []], strict=True)):
        x = SIDE + STEP * i
        ruled.append(f"M{x} {TOP - SPREAD / 2}v{TALL + SPREAD}")
        words.append(f'<text x="{x}" y="14" text-anchor="middle">{escape(svg.short(name, 22))}</text>')
        ticks = [(_height(at, len(values)), value) for at, value in enumerate(values)]
        ticks = ticks or [*zip((TOP, TOP + TALL), (f"{end:.4g}" for end in dict.fromkeys(ends)), strict=False)]
        at, most = (f'text-anchor="end" x="{x - 6}"', 10) if i == 0 else (f'x="{x + 6}"', 20)
        words += [
            f'<text class="halo" {at} y="{y + 4:.0f}">{escape(svg.short(text, most))}</text>' for y, text in ticks
        ]
    about = f"{metric} over {', '.join(swept.keys)}, a line a combination; the heat maps have the numbers"
    return (
        f'<svg class="picks" viewBox="0 0 {width} {height}" width="{width}" role="img" aria-label="{escape(about)}">'
        f'<path class="axis" d="{"".join(ruled)}"/>{"".join(reversed(lines))}{"".join(words)}</svg>'
    )


def _height(at: int, count: int) -> float:
    """Return where the value at a position among ``count`` lies; a single one in the middle."""
    return TOP + TALL * (1 - at / (count - 1) if count > 1 else 0.5)
