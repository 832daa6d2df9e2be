"""What a finished run keeps of its data, so that new rows can be read without the dataset: JSON and arrays, no code.

state = state_of(data)                     # while the run is written: {} where the data has no reader
save_state(folder, state)                  # data.json, and data.npz for its arrays
intake = restored(load_state(folder))      # later, in any process
backbone = build(…, **intake.input_spec)
y_N = intake.target.decode(head(backbone(intake.reader.read(rows))))
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from supremix.data.dataset import Data, RowReader, TargetScale
from supremix.data.own.features import TableReader
from supremix.data.own.images import ImageReader
from supremix.data.own.signals import ColumnSignalReader, FileSignalReader
from supremix.data.own.texts import TextReader
from supremix.data.own.values import NumberFormat
from supremix.data.own.volumes import VolumeReader
from supremix.data.readers import Features, Parcels, Pixels, Voxels
from supremix.data.sentences import SentencePairs
from supremix.data.transforms import restored_transform
from supremix.errors import UserError

PREPARED = (Features, Pixels, Voxels, Parcels, SentencePairs)
OWN = (TableReader, ImageReader, VolumeReader, ColumnSignalReader, FileSignalReader, TextReader)
READERS: dict[str, Any] = {reader.kind: reader for reader in (*PREPARED, *OWN)}
"""Kind → class of all readers of rows."""

JSON_FILE, ARRAYS_FILE = "data.json", "data.npz"
ARRAY = "__array__"
"""The only key of the dict that stands in the JSON for an array of the other file, which has this name there."""

State = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Intake:
    """What stands before and behind a trained network.

    Attributes:
        reader: from new rows to what the backbone takes.
        target: from what the head predicts to label units, by ``decode``.
        input_spec: the backbone's arguments that the data decided.
        labels: names of the labels' columns; of one, predictions are (B,), else (B, T).
        forms: how each of them writes numbers.
        columns: names of all columns of a file without a line of names; None where files have one.
    """

    reader: RowReader
    target: TargetScale
    input_spec: dict[str, Any]
    labels: tuple[str, ...]
    forms: tuple[NumberFormat, ...]
    columns: list[str] | None = None


def state_of(data: Data) -> State:
    """Return what a run keeps of its data: JSON values, arrays, and dicts of these; {} where the data has no reader."""
    if data.reader is None:
        return {}
    target, transform = data.target, data.target.transform
    spec = {key: value.numpy() if isinstance(value, torch.Tensor) else value for key, value in data.input_spec.items()}
    return {
        "kind": data.reader.kind,
        "reader": data.reader.state(),
        "target": {"mean": target.mean, "std": target.std, "transform": transform and transform.state()},
        "input_spec": spec,
        "label": data.extras.get("label", "label"),
        "targets": data.extras.get("targets"),
        "label_forms": data.extras.get("label_forms"),
        "columns": data.extras.get("columns"),
        "inputs": forms_of(data.to_input(data.test.fetch(np.arange(1)))),
    }


def forms_of(x: Any) -> State:
    """Return type and shape, without the axis of rows, of each tensor that the backbone takes; a single one is "x"."""
    return {
        name: {"dtype": str(value.dtype).removeprefix("torch."), "shape": [*value.shape[1:]]}
        for name, value in (x if isinstance(x, dict) else {"x": x}).items()
    }


def restored(state: State) -> Intake:
    """Return what `state_of` described."""
    if state.get("kind") not in READERS:
        raise UserError(
            f"no reader of rows is called {state.get('kind')!r}: the run was stored by another version, or its reader "
            "is of your own, which only the classes of supremix.data.readers can stand for"
        )
    target = state["target"]
    scale = TargetScale(target["mean"], target["std"], restored_transform(target["transform"]))
    labels = tuple(state.get("targets") or [state["label"]])
    forms = tuple(NumberFormat(**form) for form in state.get("label_forms") or [{}] * len(labels))
    spec = {
        key: torch.from_numpy(value) if isinstance(value, np.ndarray) else value
        for key, value in state["input_spec"].items()
    }
    return Intake(READERS[state["kind"]].from_state(state["reader"]), scale, spec, labels, forms, state.get("columns"))


def save_state(folder: Path, state: State) -> None:
    """Write a state to data.json, its arrays to data.npz beside it; nothing for an empty one."""
    if not state:
        return
    arrays: dict[str, np.ndarray] = {}
    text = json.dumps(_without_arrays(state, arrays), indent=1, allow_nan=False)
    (folder / JSON_FILE).write_text(text + "\n", encoding="utf-8")
    np.savez_compressed(folder / ARRAYS_FILE, **arrays)  # type: ignore[arg-type]


def load_state(folder: Path) -> State:
    """Read what `save_state` wrote; {} where there is nothing. Raises UserError where a file is damaged."""
    if not (folder / JSON_FILE).is_file():
        return {}
    try:
        with np.load(folder / ARRAYS_FILE, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        return _with_arrays(json.loads((folder / JSON_FILE).read_text(encoding="utf-8")), arrays)
    except Exception as error:  # damage raises errors of zip, zlib, JSON and NumPy
        raise UserError(
            f"{folder}: {JSON_FILE} and {ARRAYS_FILE} cannot be read ({error}): remove it and run again"
        ) from None


def _without_arrays(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    if isinstance(value, np.ndarray):
        name = f"array{len(arrays)}"
        arrays[name] = value
        return {ARRAY: name}
    if isinstance(value, dict):
        return {key: _without_arrays(item, arrays) for key, item in value.items()}
    return value


def _with_arrays(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    if not isinstance(value, dict):
        return value
    if set(value) == {ARRAY}:
        return arrays[value[ARRAY]]
    return {key: _with_arrays(item, arrays) for key, item in value.items()}
