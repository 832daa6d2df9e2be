"""The runs of a store: what it holds of each, whichever table, sweep or single run made it."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from supremix.errors import UserError
from supremix.metrics.targets import in_deviations
from supremix.store.files import load_arrays, read_history, reading
from supremix.store.folders import Store, begun, finished
from supremix.store.records import Record, read_record

STAGES = {"pretrain": "pre-training", "adapt": "adaptation"}
"""Name of a stage's history → what people read."""
PARTIAL, FAILED = ".partial", ".failed.json"


@dataclass(frozen=True)
class Stored:
    """A run of a store.

    Args:
        id: of the run.
        state: missing, begun or finished.
        record: of a finished run; empty where there is none, or none that can be read.
        note: why it failed, or what is wrong with its record; empty where nothing is.
    """

    id: str
    state: str
    record: Record = field(default_factory=dict)
    note: str = ""

    @property
    def shown_state(self) -> str:
        """The state in lists: a finished run whose record cannot be read counts as failed."""
        return "failed" if self.state == "finished" and not self.record else self.state


def stored_runs(store: Store) -> list[Stored]:
    """List the runs of a store in the order of their ids; UserError where the store is not there."""
    if not store.root.is_dir():
        raise UserError(f"{store.root}: no such store: name another one with --store, or train a run first")
    ids = {path.parent.name for path in store.root.glob("*/DONE")}
    for ending in (PARTIAL, FAILED):
        ids |= {path.name.removesuffix(ending) for path in store.root.glob(f"*{ending}")}
    return [stored(store, run_id) for run_id in sorted(ids)]


def stored(store: Store, run_id: str) -> Stored:
    """Return what the store holds of one run."""
    if finished(store.run(run_id)):
        try:
            return Stored(run_id, "finished", read_record(store.run(run_id)))
        except UserError as error:
            return Stored(run_id, "finished", note=str(error))
    state = "begun" if begun(store.run(run_id)) else "missing"
    return Stored(run_id, state, note=_noted(store.failure(run_id)))


def failure(store: Store, run_id: str) -> str:
    """Return why there is no result of a run that was tried: its noted failure, or what is wrong with its record."""
    return stored(store, run_id).note


def label_of(record: Record) -> str:
    """Return what a run predicts, with the unit of several targets, as `outcome` has them."""
    data = record["data"]
    return data.get("label", "label") + (" (standard deviations)" if "targets" in data else "")


def first_target(record: Record) -> str:
    """Return what a run predicts, of several targets the first."""
    data = record["data"]
    return data.get("targets", [data.get("label", "label")])[0]


def outcome(record: Record, folder: Path, store: Store) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    """Return test labels (N,), their predictions (N,) by the best epoch, and stage → history of what was trained.

    Of vectors, all targets one after the other, in standard deviations of the training labels from their mean.
    """
    with reading(folder / "predictions.npz", "the predictions of a run"):
        arrays = load_arrays(
            folder / "predictions.npz", lambda name: name in ("test_y", "test_best") or name.startswith("target_")
        )
        y_N, prediction_N = (in_deviations(arrays, name).T.reshape(-1) for name in ("test_y", "test_best"))
        if y_N.shape != prediction_N.shape or not (np.isfinite(y_N).all() and np.isfinite(prediction_N).all()):
            raise ValueError(f"labels of {y_N.shape}, predictions of {prediction_N.shape}, or some not finite")
    histories = {}
    if record["pretrain"] and (encoder := store.encoder(record["pretrain_id"])).is_dir():
        histories["pretrain"] = read_history(encoder)
    if record["selection"]:
        histories["adapt"] = read_history(folder)
    return y_N, prediction_N, histories


def _noted(path: Path) -> str:
    """Return a failure as noted in the store; empty where nothing is noted."""
    try:
        return f"failed: {json.loads(path.read_text())['error']}" if path.exists() else ""
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return "failed: its note is not readable"


def find_run(store: Store, name: str) -> Path:
    """Return the directory of a finished run.

    Args:
        store: where runs are looked up by their ids.
        name: the run's directory, or the beginning of its id.

    Raises UserError where no finished run, or more than one, goes by that name.
    """
    if finished(Path(name)):
        return Path(name).resolve()
    ids = [run.id for run in stored_runs(store) if run.id.startswith(name)]
    if len(ids) != 1:
        problem = f"{len(ids)} runs begin so: give more of the id" if ids else "no such run; supremix ls lists all"
        raise UserError(f"{name}: in {store.root}: {problem}")
    run = stored(store, ids[0])
    if run.state != "finished":
        raise UserError(f"{run.id}: not finished, so there is nothing to show{f' ({run.note})' if run.note else ''}")
    return store.run(run.id)
