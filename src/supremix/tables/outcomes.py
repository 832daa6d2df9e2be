"""The test labels and predictions of a table's runs, small enough to be kept beside it."""

import io
import logging
from pathlib import Path

import numpy as np

from supremix.errors import UserError, means_damage
from supremix.store.files import load_arrays, reading
from supremix.store.folders import Store
from supremix.suite.plan import Cell
from supremix.tables.results import Outcomes, Place

log = logging.getLogger(__name__)

PREDICTIONS = "predictions.npz"
"""Its arrays, for each k of the different test sets: labels ``y_k`` (N,), ``lines_k`` (M,) of the records that have
them, counted from 0, and their predictions by the best epoch ``best_k`` (M, N), float32."""


def place_of(cell: Cell) -> Place:
    """Return where a cell stands in its table."""
    return cell.panel, cell.row, cell.seed


def of_store(store: Store, cells: list[Cell]) -> Outcomes:
    """Read labels and predictions of finished cells, where labels are numbers; warn of a file that cannot be read."""
    outcomes: Outcomes = {}
    for cell in cells:
        path = store.run(str(cell.run_id)) / PREDICTIONS
        try:
            with reading(path, "the predictions of a run"):
                arrays = load_arrays(path, ("test_y", "test_best").__contains__)
                if arrays["test_y"].ndim == 1:
                    outcomes[place_of(cell)] = arrays["test_y"], arrays["test_best"].astype(np.float32)
        except UserError as error:
            log.warning("%s: left out of what is compared by rows: %s", cell.label, error)
    return outcomes


def packed(outcomes: Outcomes, places: list[Place]) -> bytes:
    """Return the content of the file: labels that runs share once, and the predictions as float32."""
    sets: dict[bytes, list[int]] = {}
    for line, place in enumerate(places):
        if place in outcomes:
            sets.setdefault(outcomes[place][0].tobytes(), []).append(line)
    arrays: dict[str, np.ndarray] = {}
    for k, lines in enumerate(sets.values()):
        arrays[f"y_{k}"] = outcomes[places[lines[0]]][0]
        arrays[f"lines_{k}"] = np.array(lines)
        arrays[f"best_{k}"] = np.stack([outcomes[places[line]][1] for line in lines])
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    return file.getvalue()


def unpacked(path: Path, places: list[Place]) -> Outcomes:
    """Read the file beside a table; nothing where there is none. UserError where it does not fit the records."""
    if not path.is_file():
        return {}
    try:
        arrays = load_arrays(path)
        return {
            places[line]: (arrays[f"y_{k}"], best_N)
            for k in range(len(arrays) // 3)
            for line, best_N in zip(arrays[f"lines_{k}"], arrays[f"best_{k}"], strict=True)
        }
    except Exception as error:  # the libraries raise types of their own for each kind of damage
        if not means_damage(error):
            raise
        raise UserError(f"{path}: not the predictions of the records beside it ({error}): remove it") from None


def errors_on_one_test_set(outcomes: Outcomes, panel: str) -> dict[str, np.ndarray]:
    """Return a panel's errors, row → (seeds, N) in label units, where all its runs share one test set; else nothing.

    A row without the predictions of a seed that others have is left out.
    """
    if own_splits(outcomes, panel):
        return {}
    of_panel = {place: outcome for place, outcome in outcomes.items() if place[0] == panel}
    rows: dict[str, list[np.ndarray]] = {}
    for (_, row, _), (y_N, best_N) in sorted(of_panel.items(), key=lambda item: item[0]):
        rows.setdefault(row, []).append(best_N - y_N)
    seeds = {seed for _, _, seed in of_panel}
    return {row: np.stack(errors) for row, errors in rows.items() if len(errors) == len(seeds)}


def own_splits(outcomes: Outcomes, panel: str) -> bool:
    """Return whether a panel's runs are known to have test sets of their own."""
    return len({y_N.tobytes() for place, (y_N, _) in outcomes.items() if place[0] == panel}) > 1
