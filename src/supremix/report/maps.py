"""Maps of test features: where a network puts the rows, with the row under the pointer said."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

import numpy as np

from supremix.errors import UserError
from supremix.report import html
from supremix.report.gather import Run
from supremix.report.groups import Group
from supremix.store.files import load_arrays, reading
from supremix.suite.features import on_a_plane, test_features
from supremix.suite.stored import first_target

ROWS_AT_MOST, OF_A_TASK, AT_MOST = 400, 6, 24
"""Rows of a map, of more at equal distances in the order of their labels; maps of a task; maps of a page."""
ROWS_AT_LEAST = 5
SIZE, RIM, SHADES = 320, 8, 5
ABOUT = (
    "A t-SNE of the features of the test rows. Only neighbourhoods have a meaning: axes have no units, and neither "
    "sizes of groups nor distances between them tell anything. Of each method the run with the lowest validation MAE. "
    "The row that is pointed at is ringed in all maps of this part."
)
GONE = (
    "No map of {}: the features are not at hand. Name the store of the runs with --store, or run them again by their "
    "commands below and report that store."
)
FEWER = "Not drawn are those with a higher validation MAE: {}."


@dataclass(frozen=True)
class Map:
    """Rows on a plane.

    Args:
        name: of the method.
        label: name of the label.
        ids, y_N, prediction_N, xy_N2: of the rows, labels ascending.
        rows: of the test set, of which these are some or all.
    """

    name: str
    label: str
    ids: list[str]
    y_N: np.ndarray
    prediction_N: np.ndarray
    xy_N2: np.ndarray
    rows: int


def maps(groups: Mapping[str, Sequence[Group]]) -> list[str]:
    """Return the maps of each dataset and label, what there are none of, and how to get them.

    Args:
        groups: task → what is compared on it, the best on validation first.
    """
    parts, gone, left = [], [], AT_MOST
    for task, some in groups.items():
        drawn: list[Map] = []
        more, says = [], []
        for group in some:
            if group.runs[0].record["protocol"] == "none":  # a reference on the inputs, without features
                continue
            run = next((run for run in group.runs if run.folder is not None), None)
            if run is None:
                gone.append(f"{group.name} ({task})")
            elif len(drawn) == min(OF_A_TASK, left):
                more.append(group.name)
            else:
                try:
                    drawn.append(_map_of(group.name, run))
                except UserError as error:
                    says.append(f"No map of {group.name}: {error}")
        left -= len(drawn)
        says += [FEWER.format(_some(more))] if more else []
        if drawn or says:
            parts += [html.subheading(task), *_pictures(drawn), html.listed(says)]
    parts = [html.paragraph(ABOUT), *parts] if left < AT_MOST else parts
    return parts + ([html.paragraph(GONE.format(_some(gone)))] if gone else [])


def _some(names: Sequence[str], most: int = 3) -> str:
    """Return the first names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return "; ".join(names[:most]) + more


def _map_of(name: str, run: Run) -> Map:
    """Compute the map of a run; UserError where its file is damaged."""
    assert run.folder is not None
    path = run.folder / "predictions.npz"
    features = test_features(name, run.folder)
    assert features.features_ND is not None
    assert features.y_N is not None
    if np.ptp(features.features_ND, axis=0).max() == 0:
        raise UserError("all features are the same")
    if len(features.y_N) < ROWS_AT_LEAST:
        raise UserError(f"{len(features.y_N)} test rows are too few")
    with reading(path, "the predictions of a run"):
        arrays = load_arrays(path, lambda key: key in ("test_id", "test_best"))
        rows = len(features.y_N)
        order_N = np.argsort(features.y_N, kind="stable")
        at_N = order_N[np.unique(np.linspace(0, rows - 1, min(rows, ROWS_AT_MOST)).round().astype(int))]
        ids = [*map(str, arrays["test_id"][at_N])]
        prediction_N = arrays["test_best"].reshape(rows, -1)[at_N, 0]
        xy_N2 = on_a_plane(features.features_ND[at_N])
    return Map(name, first_target(run.record), ids, features.y_N[at_N], prediction_N, xy_N2, rows)


def _pictures(drawn: Sequence[Map]) -> list[str]:
    """Return the maps of a dataset and the legend of their labels, which they share."""
    if not drawn:
        return []
    edges = np.linspace(min(map_.y_N.min() for map_ in drawn), max(map_.y_N.max() for map_ in drawn), SHADES + 1)
    swatches = "".join(
        f'<li><svg viewBox="0 0 12 12" width="12" aria-hidden="true"><circle class="c{shade}" cx="6" cy="6"/></svg> '
        f"{low:.4g} to {high:.4g}</li>"
        for shade, (low, high) in enumerate(pairwise(edges))
    )
    legend = f'<p>{escape(drawn[0].label)}, the lighter and larger the higher:</p><ul class="legend">{swatches}</ul>'
    return [legend, *(_picture(map_, edges) for map_ in drawn)]


def _picture(map_: Map, edges: np.ndarray) -> str:
    low_2, high_2 = map_.xy_N2.min(axis=0), map_.xy_N2.max(axis=0)
    places_N2 = RIM + (map_.xy_N2 - low_2) / np.where(high_2 > low_2, high_2 - low_2, 1.0) * (SIZE - 2 * RIM)
    shade_N = np.searchsorted(edges[1:-1], map_.y_N, side="right")
    dots = "".join(
        f'<circle class="c{shade}" cx="{x:.0f}" cy="{SIZE - y:.0f}" data-row="{escape(name)}" '
        f'data-says="{escape(f"row {name}: {map_.label} {label:.4g}, predicted {value:.4g}")}"/>'
        for shade, (x, y), name, label, value in zip(
            shade_N, places_N2, map_.ids, map_.y_N, map_.prediction_N, strict=True
        )
    )
    rows = f"{len(map_.ids)} of {map_.rows} test rows" if len(map_.ids) < map_.rows else f"{map_.rows} test rows"
    about = f"{map_.name}: {rows} by their features, shaded by {map_.label}"
    drawing = (
        f'<svg class="picks map" viewBox="0 0 {SIZE} {SIZE}" width="{SIZE}" role="img" aria-label="{escape(about)}">'
    )
    return html.figure(f"{drawing}{dots}</svg>", f"{map_.name}, {rows}", SIZE)
