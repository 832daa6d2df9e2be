"""Metrics of finished runs, computed again from what they stored, so that a new metric reaches old runs."""

from collections.abc import Sequence
from pathlib import Path

from supremix.errors import UserError, writing_to
from supremix.experiment.measure import measured
from supremix.settings.provenance import present_code
from supremix.store.files import load_arrays, reading
from supremix.store.folders import ELSEWHERE, Store, finished
from supremix.store.records import read_record, replace_json, without_nan


def evaluate(store: Store, run_ids: Sequence[str] = ()) -> tuple[int, int]:
    """Compute the metrics of finished runs again, and replace those records that they differ from.

    A record that is replaced says under ``evaluated`` which code its metrics are from; nothing else is touched.

    Args:
        run_ids: which runs; all of the store where there is none.

    Returns:
        How many runs were looked at, and how many records changed.

    Raises:
        UserError: a run cannot be evaluated; raised after the others.
    """
    directories = [store.run(run_id) for run_id in run_ids] or store.finished_runs()
    for directory in directories:
        if not finished(directory):
            raise UserError(f"{directory}: no finished run: name runs by their ids, as `supremix ls` lists them")
    changed, failed = 0, []
    for directory in directories:
        try:
            changed += _evaluate_run(directory)
        except UserError as error:
            failed.append(str(error))
    if failed:
        count = f"{len(failed)} of {len(directories)} runs not evaluated, {changed} records changed"
        raise UserError(f"{count}; the first: {failed[0]}")
    return len(directories), changed


def _evaluate_run(directory: Path) -> bool:
    """Evaluate a run. Returns whether its record changed."""
    record = read_record(directory, metrics=False)
    path = directory / "predictions.npz"
    with reading(path, "its predictions"):
        measures = without_nan(measured(load_arrays(path, lambda name: not name.endswith("_id"))))
    if all(record.get(key) == value for key, value in measures.items()):
        return False
    with writing_to(directory, ELSEWHERE):
        replace_json(directory / "record.json", record | measures | {"evaluated": present_code()})
    return True
