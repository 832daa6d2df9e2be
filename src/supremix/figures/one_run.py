"""Pictures of one run: predicted against true labels, error by label, learning curves."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure as Picture

from supremix.figures.canvas import STYLES, save
from supremix.metrics.by_label import error_by_label
from supremix.suite.stored import STAGES, label_of

SIZE = (4.6, 3.8)
History = Sequence[dict[str, float]]


def draw(
    record: dict[str, Any], y_N: np.ndarray, prediction_N: np.ndarray, histories: Mapping[str, History], place: Path
) -> list[Path]:
    """Draw all pictures of a run into a folder, as .png and .svg. Returns the .png files.

    Args:
        record: of the run.
        y_N: labels of its test rows, label units; of vectors as `suite.stored.outcome` has them.
        prediction_N: of these rows.
        histories: by stage, the adaptation last; empty for a reference.
        place: the folder, which need not exist.
    """
    label = label_of(record)
    pictures = {
        "predicted": predicted(y_N, prediction_N, label, "best"),
        "error_by_label": error_over_labels(y_N, prediction_N, label),
    }
    if histories:
        pictures["curves"] = curves(histories, record["selection"]["best_epoch"])
    place.mkdir(parents=True, exist_ok=True)
    for name, picture in pictures.items():
        save(picture, place / name, record["synthetic"])
    return [place / f"{name}.png" for name in pictures]


def predicted(y_N: np.ndarray, prediction_N: np.ndarray, label: str, variant: str) -> Picture:
    """Draw predicted against true labels of the test rows.

    Args:
        y_N: labels, label units.
        prediction_N: of these rows.
        label: what they are.
        variant: whose predictions: best, last or ridge.
    """
    picture = Picture(figsize=SIZE, layout="constrained")
    axis = picture.subplots()
    ends = [min(y_N.min(), prediction_N.min()), max(y_N.max(), prediction_N.max())]
    axis.plot(ends, ends, color="0.6", linewidth=1)
    axis.plot(y_N, prediction_N, ".", color=STYLES[0]["color"], markersize=4, alpha=0.6)
    axis.set_xlabel(f"{label}, true")
    axis.set_ylabel(f"{label}, predicted ({variant})")
    axis.set_title(f"{len(y_N)} test rows, MAE {np.abs(prediction_N - y_N).mean():.4g}", fontsize=10)
    return picture


def error_over_labels(y_N: np.ndarray, prediction_N: np.ndarray, label: str) -> Picture:
    """Draw the mean absolute error over ranges of the label, with the number of rows in each bar."""
    picture = Picture(figsize=SIZE, layout="constrained")
    axis = picture.subplots()
    for part in error_by_label(y_N, prediction_N):
        middle, width = (part.low + part.high) / 2, part.high - part.low
        axis.bar(middle, part.mae, 0.9 * width, color=STYLES[0]["color"])
        axis.annotate(
            str(part.rows), (middle, 0), (0, 2), textcoords="offset points", color="white", ha="center", fontsize=7
        )
    axis.axhline(np.abs(prediction_N - y_N).mean(), color=STYLES[1]["color"], linestyle="--", label="all test rows")
    axis.set_xlabel(f"{label}, true")
    axis.set_ylabel("mean absolute error; in the bars: test rows")
    axis.legend(fontsize=8)
    return picture


def curves(stages: Mapping[str, History], best_epoch: int) -> Picture:
    """Draw loss and validation value by epoch, a panel a stage.

    Args:
        stages: name → rows of its history, the adaptation last.
        best_epoch: of the adaptation.
    """
    picture = Picture(figsize=(SIZE[0] * len(stages), SIZE[1]), layout="constrained")
    for axis, (name, history) in zip(np.atleast_1d(picture.subplots(1, len(stages))), stages.items(), strict=True):
        epochs = [row["epoch"] for row in history]
        axis.plot(epochs, [row["loss"] for row in history], **STYLES[0] | {"marker": ""}, label="training loss")
        axis.set_xlabel("epoch")
        axis.set_ylabel("training loss")
        axis.set_title(STAGES.get(name, name), fontsize=10)
        if "val" in history[0]:
            other = axis.twinx()
            other.plot(epochs, [row["val"] for row in history], **STYLES[1] | {"marker": ""}, label="validation")
            other.set_ylabel("validation value that chose the epoch, lower is better")
            axis.axvline(best_epoch, color="0.6", linewidth=1)
    picture.legend(*_named_once(picture), fontsize=8, loc="outside lower center", ncols=2)
    return picture


def _named_once(picture: Picture) -> tuple[list[Any], list[str]]:
    """Return the lines of all panels with a name, each name once."""
    named = {line.get_label(): line for axis in picture.axes for line in axis.get_lines()}
    named = {name: line for name, line in named.items() if not str(name).startswith("_")}
    return [*named.values()], [str(name) for name in named]
