"""From usable rows and their inputs to data: split, scale of the targets, label geometry, and what was understood."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from supremix.data.check import check_trainable, constant_label
from supremix.data.dataset import Data, RowReader, Split, TargetScale
from supremix.data.geometry import Geometry, find_geometry
from supremix.data.own.layout import Rows
from supremix.data.own.problems import summary
from supremix.data.own.split import split_rows
from supremix.data.prepared.folder import SPLITS
from supremix.data.scaling import SCALINGS, mean_std, target_scale
from supremix.data.transforms import fit_transform
from supremix.data.vectors import Vectors, first_direction
from supremix.errors import UserError
from supremix.metrics.rounding import is_constant
from supremix.runtime import ranks

log = logging.getLogger(__name__)

BY_NORM = "contrastive losses compare labels by the norm of their difference, each target in its standard deviations"


@dataclass(frozen=True)
class Plan:
    """What is decided for rows of every kind.

    Args:
        fractions: of train, val and test, where the file has no split.
        split_seed: of that draw.
        scaling: "standard" by the training rows, or "raw", of targets and of inputs without a fixed range.
        target_transform: "none", "log" or "quantile"; undone before anything is measured.
        bin_size: label units, "auto" or None.
        label_unit: what contrastive losses compare: "label", "rank" or "auto"; of vectors their norm, or "pca".
        batch_size: items in a batch of pre-training, for which bins and window are found.
    """

    registered_name = "own/plan"

    fractions: Mapping[str, float]
    split_seed: int
    scaling: str
    target_transform: str
    bin_size: Any
    label_unit: str
    batch_size: int

    def __post_init__(self) -> None:
        if self.scaling not in SCALINGS:
            raise UserError(f"dataset.scaling={self.scaling}: use one of {', '.join(SCALINGS)}")


@dataclass(frozen=True, eq=False)
class Inputs:
    """What a modality gives for N rows: all that `Data` asks of it.

    Attributes:
        fetch: maps row numbers (B,) of all N rows to a batch.
        reader: of new rows.
        input_spec: the backbone's arguments.
        sha256: of the inputs where they lie in files of their own, else "".
        facts: in words.
        others: further arguments of `Data`.
    """

    fetch: Callable[[np.ndarray], Any]
    reader: RowReader
    input_spec: dict[str, Any]
    facts: list[str]
    others: dict[str, Any]
    sha256: str = ""
    on_disk: bool = False


def divided(rows: Rows, plan: Plan) -> dict[str, np.ndarray]:
    """Return split → row numbers."""
    return split_rows(rows.y, plan.fractions, plan.split_seed, rows.split, rows.group)


def assembled(name: str, rows: Rows, split: Mapping[str, np.ndarray], inputs: Inputs, plan: Plan) -> Data:
    """Make the data, and show what was understood.

    Args:
        name: of the dataset.
        rows: the usable ones.
        split: → its row numbers, as `divided` gives them.
        inputs: of the rows.
        plan: what is decided.
    """
    y_train = rows.y[split["train"]]
    if is_constant(y_train).any():
        raise UserError(
            f"{rows.sheet.path}: all {len(y_train):,} training rows have the label {constant_label(y_train)}: "
            "regression needs at least two different labels"
        )
    vectors, geometry, in_words = compared_by(name, rows.labels, y_train, plan)
    facts = [*rows.facts, *inputs.facts, _split_in_words(rows, split), in_words]
    problems = summary(rows.problems)
    if ranks.is_first():
        for line in [f"{rows.sheet.path}: {facts[0]}", *facts[1:], *problems]:
            log.info("%s", line)
    train, val, test = (
        Split(rows.ids[at], rows.y[at], _of_rows(inputs.fetch, at), on_disk=inputs.on_disk)
        for at in (split[part] for part in SPLITS)
    )
    data = Data(
        name,
        train,
        val,
        test,
        None if vectors is not None or geometry is None else geometry.bin_size,
        transformed_scale(name, plan, y_train),
        inputs.input_spec,
        rows.sheet.sha256 + inputs.sha256,
        synthetic=False,
        geometry=geometry,
        vectors=vectors,
        reader=inputs.reader,
        extras={"label": rows.label, "columns": rows.names, "understood": facts, "problems": problems}
        | {"label_forms": [form.state() for form in rows.forms]}
        | ({} if vectors is None else {"targets": [*rows.labels]}),
        **inputs.others,
    )
    check_trainable(data)
    return data


def compared_by(
    name: str, labels: Sequence[str], y_N: np.ndarray, plan: Plan
) -> tuple[Vectors | None, Geometry | None, str]:
    """Return how contrastive losses see labels: vectors; geometry of numbers, or of the vectors' direction; in words.

    Args:
        name: of the dataset, for messages.
        labels: the targets.
        y_N: training labels, (N,) or (N, T).
        plan: what is decided.
    """
    unit = plan.label_unit
    if y_N.ndim == 1:
        geometry = find_geometry(name, y_N, plan.batch_size, plan.bin_size, unit)
        return None, geometry, geometry.in_words()
    if unit not in ("auto", "label", "pca"):
        raise UserError(
            f"{name}: dataset.label_unit={unit}: labels that are vectors are compared by their norm (auto) or by their "
            "first principal direction (pca)"
        )
    vectors = Vectors(tuple(labels), *mean_std(y_N))
    if unit != "pca":
        return vectors, None, BY_NORM
    vectors = replace(vectors, direction_T=first_direction(vectors.standard(y_N)))
    geometry = find_geometry(name, vectors.compared(y_N), plan.batch_size, plan.bin_size)
    return vectors, geometry, f"first principal direction of the labels: {geometry.in_words()}"


def transformed_scale(name: str, plan: Plan, y_N: np.ndarray) -> TargetScale:
    """Fit the units of the regression head to training labels."""
    if y_N.ndim == 2 and plan.target_transform != "none":
        raise UserError(
            f"{name}: dataset.target_transform={plan.target_transform} maps one label, and these are vectors: use none"
        )
    transform = fit_transform(name, plan.target_transform, y_N)
    encoded_N = y_N if transform is None else transform.encode(y_N)
    return replace(target_scale(name, plan.scaling, encoded_N), transform=transform)


def _of_rows(fetch: Callable[[np.ndarray], Any], at: np.ndarray) -> Callable[[np.ndarray], Any]:
    return lambda index_B: fetch(at[np.asarray(index_B)])


def _split_in_words(rows: Rows, split: Mapping[str, np.ndarray]) -> str:
    alike = "their labels" if len(rows.labels) == 1 else rows.labels[0]
    how = f"drawn, alike in {alike}" if rows.split is None else "by the file"
    if rows.group is not None:
        how += ", groups together"
    counts = "/".join(f"{len(split[part]):,}" for part in SPLITS)
    return f"rows for training/validation/test: {counts}, {how}"
