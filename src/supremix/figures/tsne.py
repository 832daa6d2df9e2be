"""Draw figure 2: t-SNE of test features, coloured by label."""

import numpy as np
from matplotlib.figure import Figure as Picture

from supremix.errors import UserError
from supremix.figures.canvas import Drawn, Run
from supremix.figures.spec import Figure
from supremix.suite.features import Features, on_a_plane, test_features


def draw(figure: Figure, runs: list[Run]) -> Drawn:
    """Draw the first seed of each row and panel: a column for each panel, or where there is one panel for each row."""
    spec = figure.spec
    run_of = {(run.cell.row, run.cell.panel): run for run in runs if run.cell.seed == spec.seeds[0]}
    panels, says, unusable = [], [], {}
    for row in spec.rows:
        for column in spec.panels:
            title = f"{row.name}, {column.name}" if column.name else row.name
            panel = Features(title, None, None)
            run = run_of.get((row.name, column.name))
            if run is not None:
                try:
                    panel = test_features(title, run.folder)
                except UserError as error:
                    unusable[run.cell.label] = str(error)
                else:
                    mae = run.record["metrics"]["test"]["best"]["mae"]
                    value = "undefined" if mae is None else f"{mae:.2f}"
                    says.append(f"{title}: test MAE {value}; {order_sentence(panel)}")
            panels.append(panel)
    columns = len(spec.panels) if len(spec.panels) > 1 else len(spec.rows)
    picture, points = tsne(panels, figure.labels["colour"], columns)
    numbers = [
        {"panel": panel.title, "x": x, "y": y, "label": label}
        for panel, xy_N2 in zip(panels, points, strict=True)
        if xy_N2 is not None and panel.y_N is not None
        for (x, y), label in zip(xy_N2.tolist(), panel.y_N.tolist(), strict=True)
    ]
    return Drawn(picture, numbers, says, unusable)


def tsne(panels: list[Features], label: str, columns: int) -> tuple[Picture, list[np.ndarray | None]]:
    """Draw a t-SNE of each panel's features (`on_a_plane`), coloured by label, as in the paper's figure 2.

    Args:
        panels: the features.
        label: name of the label, with its unit.
        columns: panels in a row.

    Returns:
        The picture, and the positions of each panel's points, (N, 2), or None for a missing run.
    """
    shown = [panel.y_N for panel in panels if panel.y_N is not None]
    low, high = (min(y.min() for y in shown), max(y.max() for y in shown)) if shown else (0.0, 1.0)
    rows = -(-len(panels) // columns)
    picture = Picture(figsize=(3.4 * columns + 0.8, 3.3 * rows + 0.3))
    axes = picture.subplots(rows, columns, squeeze=False)
    points: list[np.ndarray | None] = []
    dots = None
    for axis, panel in zip(axes.flat, panels, strict=True):
        axis.set(title=panel.title, xticks=[], yticks=[])
        if panel.features_ND is None:
            axis.text(0.5, 0.5, "missing", ha="center", va="center", transform=axis.transAxes)
            points.append(None)
            continue
        xy_N2 = on_a_plane(panel.features_ND)
        # viridis rises steadily in lightness, so the order survives printing in black and white; the rim keeps the
        # lightest dots from fading into the paper.
        dots = axis.scatter(
            *xy_N2.T, c=panel.y_N, s=16, cmap="viridis", vmin=low, vmax=high, edgecolors="0.3", linewidths=0.3
        )
        points.append(xy_N2)
    for axis in axes[-1]:
        axis.set_xlabel("t-SNE 1")
    for axis in axes[:, 0]:
        axis.set_ylabel("t-SNE 2")
    if dots is not None:
        picture.colorbar(dots, ax=list(axes.flat), label=label, fraction=0.03, pad=0.02)
    return picture, points


def order_sentence(panel: Features) -> str:
    """State how well distances between features follow those between labels."""
    from scipy.spatial.distance import pdist
    from scipy.stats import spearmanr

    assert panel.features_ND is not None
    assert panel.y_N is not None
    distances_P = pdist(panel.features_ND)
    if np.ptp(distances_P) == 0:
        return "all features are the same"
    rho = spearmanr(distances_P, pdist(panel.y_N[:, None])).statistic
    return f"rank correlation of feature distance with label distance {rho:+.2f}"
