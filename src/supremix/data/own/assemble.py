"""From usable rows and their inputs to data: split, scale of the targets, label geometry, and what was understood."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from supremix.data.dataset import Data, RowReader, Split, TargetScale, check_trainable
from supremix.data.geometry import find_geometry
from supremix.data.own.layout import Rows
from supremix.data.own.problems import summary
from supremix.data.own.split import split_rows
from supremix.data.prepared.folder import SPLITS
from supremix.data.scaling import SCALINGS, target_scale
from supremix.data.transforms import fit_transform
from supremix.errors import UserError
from supremix.metrics.rounding import is_constant
from supremix.runtime import ranks

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Plan:
    """What is decided for rows of every kind.

    Args:
        fractions: of train, val and test, where the file has no split.
        split_seed: of that draw.
        scaling: "standard" by the training rows, or "raw", of targets and of inputs without a fixed range.
        target_transform: "none", "log" or "quantile"; undone before anything is measured.
        bin_size: label units, "auto" or None.
        label_unit: what contrastive losses compare: "label", "rank" or "auto".
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
    if is_constant(y_train):
        raise UserError(
            f"{rows.sheet.path}: all {len(y_train):,} training rows have the label {y_train[0]:g}: "
            "regression needs at least two different labels"
        )
    geometry = find_geometry(name, y_train, plan.batch_size, plan.bin_size, plan.label_unit)
    facts = [*rows.facts, *inputs.facts, _split_in_words(rows, split), geometry.in_words()]
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
        geometry.bin_size,
        transformed_scale(name, plan, y_train),
        inputs.input_spec,
        rows.sheet.sha256 + inputs.sha256,
        synthetic=False,
        geometry=geometry,
        reader=inputs.reader,
        extras={"label": str(rows.label), "columns": rows.names, "understood": facts, "problems": problems},
        **inputs.others,
    )
    check_trainable(data)
    return data


def transformed_scale(name: str, plan: Plan, y_N: np.ndarray) -> TargetScale:
    """Fit the units of the regression head to training labels."""
    transform = fit_transform(name, plan.target_transform, y_N)
    encoded_N = y_N if transform is None else transform.encode(y_N)
    return replace(target_scale(name, plan.scaling, encoded_N), transform=transform)


def _of_rows(fetch: Callable[[np.ndarray], Any], at: np.ndarray) -> Callable[[np.ndarray], Any]:
    return lambda index_B: fetch(at[np.asarray(index_B)])


def _split_in_words(rows: Rows, split: Mapping[str, np.ndarray]) -> str:
    how = "drawn, alike in their labels" if rows.split is None else "by the file"
    if rows.group is not None:
        how += ", groups together"
    counts = "/".join(f"{len(split[part]):,}" for part in SPLITS)
    return f"rows for training/validation/test: {counts}, {how}"
