"""Draw figures 3 and 5: logits of positive and negative pairs over pre-training, from the encoders' folders."""

from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure as Picture
from matplotlib.ticker import MaxNLocator

from supremix.errors import UserError
from supremix.figures.canvas import STYLES, Drawn, Run
from supremix.figures.spec import Figure
from supremix.store.files import load_arrays, read_history, reading

LOGITS = {"positive": "positive pairs", "hardest": "hardest negative pairs"}


def draw_histograms(figure: Figure, runs: list[Run]) -> Drawn:
    """Draw two panels per method, positive pairs on the left; each stacks one distribution per epoch."""
    spec = figure.spec
    run_of = {run.cell.row: run for run in runs if run.cell.seed == spec.seeds[0]}
    picture = Picture(figsize=(8.4, 2.9 * len(spec.rows) + 0.4), layout="constrained")
    axes = picture.subplots(len(spec.rows), 2, squeeze=False, sharex=True)
    drawn = Drawn(picture)
    for row, pair in zip(spec.rows, axes, strict=True):
        arrays = None
        if row.name in run_of:
            try:
                arrays = histograms_of(run_of[row.name])
            except UserError as error:
                drawn.unusable[run_of[row.name].cell.label] = str(error)
        for axis, (kind, words) in zip(pair, LOGITS.items(), strict=True):
            axis.set(title=f"{row.name}, {words}", ylabel=figure.labels["y"], xlim=(-1.02, 1.02))
            if arrays is None:
                axis.set_yticks([])
                axis.text(0.5, 0.5, "missing", ha="center", va="center", transform=axis.transAxes)
                continue
            _stack(axis, arrays["epochs"], arrays["edges"], arrays[kind])
            drawn.numbers += _as_rows(row.name, kind, arrays)
            drawn.says.append(f"{row.name}, {words}: mean logit {_means_sentence(kind, arrays)}")
    for axis in axes[-1]:
        axis.set_xlabel(figure.labels["x"])
    return drawn


def draw_gap(figure: Figure, runs: list[Run]) -> Drawn:
    """Draw a line per method, the mean over its finished seeds, with a band of ± one standard deviation (ddof 1)."""
    spec = figure.spec
    picture = Picture(figsize=(5.6, 3.8), layout="constrained")
    axis = picture.subplots()
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    drawn = Drawn(picture)
    for row, style in zip(spec.rows, cycle(STYLES), strict=False):
        means: list[np.ndarray] = []  # (E, 2) for each seed: mean positive and mean negative logit
        for run in (run for run in runs if run.cell.row == row.name):
            try:
                means.append(mean_logits(run))
            except UserError as error:
                drawn.unusable[run.cell.label] = str(error)
        if not means:
            continue
        logits_SE2 = np.stack([mean_E2[: min(map(len, means))] for mean_E2 in means])
        gap_SE = logits_SE2[..., 0] - logits_SE2[..., 1]
        epochs, gap_E = np.arange(1, gap_SE.shape[1] + 1), gap_SE.mean(axis=0)
        std_E = gap_SE.std(axis=0, ddof=1) if len(means) > 1 else np.full_like(gap_E, np.nan)
        count = f" ({len(means)} of {len(spec.seeds)} seeds)" if len(means) < len(spec.seeds) else ""
        axis.plot(epochs, gap_E, label=row.name + count, markevery=max(1, len(epochs) // 10), markersize=5, **style)
        if len(means) > 1:
            axis.fill_between(epochs, gap_E - std_E, gap_E + std_E, color=style["color"], alpha=0.2, linewidth=0)
        positive_E, negative_E = logits_SE2.mean(axis=0).T
        drawn.numbers += [
            {"row": row.name, "epoch": e, "gap": g, "std": s, "n": len(means), "positive": p, "negative": q}
            for e, g, s, p, q in zip(
                *(values.tolist() for values in (epochs, gap_E, std_E, positive_E, negative_E)), strict=True
            )
        ]
        drawn.says.append(
            f"{row.name}: gap {gap_E[0]:.3f} after the first epoch, {gap_E[-1]:.3f} after epoch {len(epochs)} "
            f"(positive {positive_E[-1]:.3f}, negative {negative_E[-1]:.3f}; n = {len(means)})"
        )
    axis.set(xlabel=figure.labels["x"], ylabel=figure.labels["y"])
    axis.grid(alpha=0.3)
    if drawn.numbers:
        axis.legend()
    return drawn


def histograms_of(run: Run) -> dict[str, np.ndarray]:
    """Read the histograms that the run's encoder stored; raise UserError without them."""
    path = _encoder(run) / "logits.npz"
    with reading(path, "histograms of logits", also=run.folder):
        arrays = load_arrays(path)
        bins = (len(arrays["epochs"]), len(arrays["edges"]) - 1)
        if any(arrays[kind].shape != bins for kind in LOGITS):
            raise ValueError(f"of other shapes than {bins}")
        return arrays


def mean_logits(run: Run) -> np.ndarray:
    """Mean positive and mean negative logit of each epoch, (E, 2); UserError where the encoder has none."""
    encoder = _encoder(run)
    try:
        return np.array([(row["positive_logit"], row["negative_logit"]) for row in read_history(encoder)])
    except (UserError, KeyError):
        raise UserError(
            f"{encoder / 'history.csv'}: no mean logits, as in runs of earlier versions; remove {encoder} and "
            f"{run.folder}, and run again"
        ) from None


def _encoder(run: Run) -> Path:
    if run.encoder is None:
        raise UserError(f"{run.folder}: {run.cell.row} has no contrastive stage, and so no logits")
    return run.encoder


def _stack(axis: Any, epochs_E: np.ndarray, edges: np.ndarray, counts_EK: np.ndarray) -> None:
    """Stack one filled step curve per epoch, the first at the top; heights are relative to the epoch's largest bin."""
    for place, counts_K in enumerate(counts_EK[::-1]):
        shares_K = counts_K / max(1, counts_K.max())
        axis.stairs(0.9 * shares_K + place, edges, baseline=place, fill=True, facecolor="0.75", edgecolor="none")
        axis.stairs(0.9 * shares_K + place, edges, baseline=place, color="black", linewidth=0.8)
        if counts_K.sum():
            axis.plot(2 * [_mean(edges, counts_K)], [place, place + 0.9], color="black", linestyle=":")
    axis.set_yticks(range(len(epochs_E)), [str(epoch) for epoch in epochs_E[::-1]])


def _mean(edges: np.ndarray, counts_K: np.ndarray) -> float:
    return float(np.average((edges[:-1] + edges[1:]) / 2, weights=counts_K)) if counts_K.sum() else float("nan")


def _means_sentence(kind: str, arrays: dict[str, np.ndarray]) -> str:
    pairs = zip(arrays["epochs"].tolist(), arrays[kind], strict=True)
    return ", ".join(f"{_mean(arrays['edges'], counts_K):.2f} (epoch {epoch})" for epoch, counts_K in pairs)


def _as_rows(name: str, kind: str, arrays: dict[str, np.ndarray]) -> list[dict[str, Any]]:
    edges = arrays["edges"].tolist()
    return [
        {"row": name, "pairs": kind, "epoch": epoch, "from": low, "to": high, "count": count}
        for epoch, counts in zip(arrays["epochs"].tolist(), arrays[kind].tolist(), strict=True)
        for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True)
    ]
