"""Metrics of finished runs, computed again from what they stored, so that a new metric reaches old runs."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from supremix.errors import UserError, writing_to
from supremix.experiment.measure import measured
from supremix.settings.provenance import present_code
from supremix.store.folders import ELSEWHERE, Store, finished
from supremix.store.records import read_record, replace_json, without_nan


def evaluate(store: Store, run_ids: Sequence[str] = ()) -> tuple[int, int]:
    """Compute the metrics of finished runs again, and replace those records that they differ from.

    A record that is replaced says under ``evaluated`` which code its metrics are from; nothing else is touched.

    Args:
        run_ids: which runs; all of the store where there is none.

    Returns:
        How many runs were looked at, and how many records changed.
    """
    directories = [store.run(run_id) for run_id in run_ids] or store.finished_runs()
    for directory in directories:
        if not finished(directory):
            raise UserError(f"{directory}: no finished run: name runs by their ids, as `supremix ls` lists them")
    return len(directories), sum(_evaluate_run(directory) for directory in directories)


def _evaluate_run(directory: Path) -> bool:
    """Evaluate a run. Returns whether its record changed."""
    record = read_record(directory)
    metrics = without_nan(measured(_arrays(directory / "predictions.npz")))
    if metrics == record["metrics"]:
        return False
    with writing_to(directory, ELSEWHERE):
        replace_json(directory / "record.json", record | {"metrics": metrics, "evaluated": present_code()})
    return True


def _arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path) as file:
            return {name: file[name] for name in file.files if not name.endswith(("_id", "_features"))}
    except Exception as error:  # damage raises errors of zip, zlib and NumPy
        raise UserError(f"{path}: not readable predictions ({error}); remove {path.parent} and run again") from None
