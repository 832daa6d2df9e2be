"""Check a dataset before it is trained on: what `Data` promises, and that there is something to learn."""

import json
import math
from collections import Counter
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import Tensor

from supremix.data.dataset import Data, Split
from supremix.data.prepared.folder import SPLITS
from supremix.errors import UserError
from supremix.metrics.rounding import is_constant


def check_data(data: Data) -> None:
    """Raise UserError where a loader's data is not what `Data` and `Split` promise; inputs by two rows a split."""
    if not isinstance(data.sha256, str) or not data.sha256:
        raise UserError(f"{data.name}: sha256={data.sha256!r}: give the content's checksum, a text")
    try:
        json.dumps(data.extras, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise UserError(f"{data.name}: extras: {error}: give values of JSON alone, such as float(x)") from None
    for name in SPLITS:
        _check_labels(data, name, getattr(data, name))
    check_trainable(data)
    _check_ids(data)
    for name in SPLITS:
        _check_inputs(data, name, getattr(data, name))


def _check_labels(data: Data, name: str, split: Split) -> None:
    what, y = f"{data.name}: the labels of the {name} split", split.y
    if not isinstance(y, np.ndarray) or y.dtype.kind not in "fiu":
        kind = y.dtype if isinstance(y, np.ndarray) else type(y).__name__
        raise UserError(f"{what} are {kind}: give a NumPy array of float64")
    shape = "(N,)" if data.vectors is None else f"(N, {len(data.vectors.names)})"
    if y.ndim != (1 if data.vectors is None else 2):
        raise UserError(f"{what} have the shape {y.shape}: give {shape}")
    if len(split.ids) != len(y):
        raise UserError(f"{what} are {len(y)}, and its ids {len(split.ids)}: give one id a row")
    bad_N = _not_finite(y)
    if bad_N.any():
        more = f" and {bad_N.sum() - 1} more" if bad_N.sum() > 1 else ""
        raise UserError(f"{what} are not finite in row {split.ids[bad_N.argmax()]}{more}: leave these rows out")


def _check_ids(data: Data) -> None:
    ids_of = {name: np.asarray(getattr(data, name).ids).astype(np.str_).tolist() for name in SPLITS}
    ids = [*chain.from_iterable(ids_of.values())]
    if len({*ids}) == len(ids):
        return
    twice = next(key for key, count in Counter(ids).items() if count > 1)
    first, second, *_ = (name for name, some in ids_of.items() for key in some if key == twice)
    raise UserError(
        f"{data.name}: two rows have the id {twice!r}, of {first} and {second}: give each row of the dataset an id of "
        "its own, and put it into one split"
    )


def _check_inputs(data: Data, name: str, split: Split) -> None:
    row_B = np.arange(min(2, len(split)))
    x = data.to_input(split.fetch(row_B))
    parts = x if isinstance(x, dict) else {"": x}
    for key, part in parts.items():
        what = f"{data.name}: fetch of the {name} split gives {f'{key!r}: ' if key else ''}"
        if not isinstance(part, Tensor):
            raise UserError(f"{what}{type(part).__name__}: give a tensor, or a dict of tensors")
        if part.ndim == 0 or len(part) != len(row_B):
            raise UserError(f"{what}the shape {tuple(part.shape)} for {len(row_B)} rows: give one input a row")
        if part.is_floating_point() and part.dtype != torch.float32:
            kind = str(part.dtype).removeprefix("torch.")
            raise UserError(f"{what}{kind}, and networks have float32: convert it once, with .float()")


def check_finite(what: str, values: np.ndarray, split: Split) -> None:
    """Raise UserError naming the first row of a split with a value that is not finite.

    Args:
        what: what the values are, for the message.
        values: (N,) or (N, D).
        split: the rows they belong to.
    """
    bad_N = _not_finite(values)
    if bad_N.any():
        raise UserError(
            f"{what} of the row {split.ids[bad_N.argmax()]} and {bad_N.sum() - 1} more are not finite: "
            "check these rows at the source and prepare the data again; where they are sound, lower the learning rate"
        )


def _not_finite(values: np.ndarray) -> np.ndarray:
    """Return for each row (N,) whether one of its values is not finite."""
    return ~np.isfinite(values).all(axis=tuple(range(1, values.ndim)))


def check_trainable(data: Data) -> None:
    """Raise UserError if nothing can be learnt from the data or measured on it."""
    width: Any = data.bin_size
    if width is not None and not (isinstance(width, int | float) and width > 0 and math.isfinite(width)):
        raise UserError(f"{data.name}: bin_size={data.bin_size}: use a positive width in label units, or null")
    for split, rows in data.sizes.items():
        if rows == 0:
            raise UserError(f"{data.name}: the {split} split is empty: give every split at least one row")
    if is_constant(data.train.y).any():
        raise UserError(
            f"{data.name}: all {len(data.train)} training rows have the label {constant_label(data.train.y)}: "
            "regression needs at least two different labels in the training split"
        )
    bins = {split: data.label_bins(getattr(data, split).y) for split in SPLITS}
    if (np.ptp(bins["train"], axis=0) == 0).any():
        raise UserError(
            f"{data.name}: bin_size={data.bin_size:g} puts all training labels into one bin "
            f"(they span {data.label_range:g}): choose a smaller bin_size"
        )


def constant_label(y_N: np.ndarray) -> str:
    """Return the first target's label that all rows share, as text."""
    y_NT = y_N.reshape(len(y_N), -1)
    return f"{y_NT[0, is_constant(y_NT).argmax()]:g}"
