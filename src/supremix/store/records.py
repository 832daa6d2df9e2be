"""Records of runs and encoders: what one must hold, checked when it is read."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from supremix.errors import UserError
from supremix.runtime.disk import put

RECORD_SCHEMA = 2
SUPERSEDED = "superseded"
"""Folder of a store for finished runs that were made anew, as <id>-<n>."""
Record = dict[str, Any]

NOTHING = type(None)
NUMBER = (int, float)
METRICS = ("mae", "rmse", "mse", "gm", "pearson", "spearman", "r2")
"""Those that each record of this schema has; what was added to the project's metrics later may be missing."""
MEASURED = {"metrics": 3, "representation": 1, "interval": 2}
"""What metrics of a run stand under → how many keys lead to a number; the last two are null or missing in many."""
PRETRAIN = {
    "pretrain.epochs": (int,),
    "pretrain.final_loss": (*NUMBER, NOTHING),
    "pretrain.seconds": NUMBER,
}
ENCODER = {
    "config": (dict,),
    "code": (dict,),
    "code.version": (str,),
    "code.digest": (str,),
    "weights": (dict,),
    "pretrain": (dict,),
    **PRETRAIN,
}
"""Keys of an encoder's record, dotted, and the types that their values may have; where a parent is null none is."""
RUN = {key: types for key, types in ENCODER.items() if key not in PRETRAIN} | {
    "dataset": (str,),
    "method": (str,),
    "protocol": (str,),
    "seed": (int,),
    "synthetic": (bool,),
    "data": (dict,),
    "data.sha256": (str,),
    "data.sizes": (dict,),
    "data.sizes.train": (int,),
    "data.sizes.val": (int,),
    "data.sizes.test": (int,),
    "selection": (dict, NOTHING),
    "selection.split": (str,),
    "selection.metric": (str,),
    "selection.best_epoch": (int,),
    "selection.epochs": (int,),
    "pretrain": (dict, NOTHING),
    **PRETRAIN,
    "pretrain_id": (str, NOTHING),
    "pretrain_code": (str, NOTHING),
    "seconds": (dict,),
    "seconds.adapt": NUMBER,
    "seconds.total": NUMBER,
    "environment": (dict,),
}


def read_record(directory: Path, metrics: bool = True) -> Record:
    """Read ``record.json`` of a finished run or encoder; raise UserError if it is incomplete or of another schema.

    Args:
        directory: of the run or encoder.
        metrics: whether metrics are needed; without, they may be anything, to be computed again.
    """
    path = directory / "record.json"
    again = f"remove {directory} and run again"
    try:
        record = json.loads(path.read_text())
        schema, name = record["schema"], record["id"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(f"{path}: not a readable record ({error}); {again}") from None
    if schema != RECORD_SCHEMA:
        raise UserError(f"{path}: record schema {schema}, this version reads {RECORD_SCHEMA}; {again}")
    if name != directory.name and not (
        directory.parent.name == SUPERSEDED and directory.name.startswith(f"{name}-")  # by a run of other code
    ):
        raise UserError(
            f"{path}: the record of {name}, which does not belong here: rename the folder to {name}, or {again}"
        )
    is_encoder = directory.parent.name == "encoders"
    without_metrics = {key: value for key, value in record.items() if key not in MEASURED}
    if mistake := wrong_value(without_metrics, ENCODER if is_encoder else RUN):
        raise UserError(f"{path}: not a whole record ({mistake}); {again}")
    if metrics and not is_encoder and (mistake := wrong_metric(record, METRICS)):
        anew = f"`supremix evaluate {name} --store {directory.parent}` computes the metrics anew"
        raise UserError(f"{path}: not a whole record ({mistake}); {anew}, or {again}")
    return record


def check_schema(store: Path) -> None:
    """Raise UserError where a folder is the store of another schema, and so has no record of this one."""
    others = set()
    for pattern in ("*/record.json", "encoders/*/record.json"):
        for path in store.glob(pattern):
            try:
                schema = json.loads(path.read_text())["schema"]
            except (OSError, ValueError, KeyError, TypeError, RecursionError):
                continue  # which is said once that record is needed
            if schema == RECORD_SCHEMA:
                return
            others.add(str(schema))
    if others:
        raise UserError(
            f"{store}: a store with records of schema {', '.join(sorted(others))}, and this version has schema "
            f"{RECORD_SCHEMA}: set paths.runs, or the environment variable SUPREMIX_RUNS, to another folder; nothing "
            "was changed"
        )


def write_json(path: Path, value: Any) -> None:
    """Write JSON with NaN and infinities as null, so that any reader can parse it."""
    path.write_text(json.dumps(without_nan(value), indent=1, allow_nan=False) + "\n")


def replace_json(path: Path, value: Any) -> None:
    """Replace a JSON file; it is complete at every moment."""
    scratch = path.with_name(f".{path.name}.new")
    try:
        write_json(scratch, value)
        put(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)


def wrong_value(record: Record, types: dict[str, tuple[type, ...]]) -> str | None:
    """Return what is wrong with a record: a key that is missing, a type, a number that is not finite.

    Args:
        record: as it was read.
        types: dotted key → types that its value may have; a key comes after its parents.
    """
    return next(
        filter(None, (_mistake(record, key, its_types) for key, its_types in types.items())), not_finite(record)
    )


def wrong_metric(record: Record, needed: Sequence[str] = ()) -> str | None:
    """Return what is wrong with the numbers of a record that were measured.

    Args:
        needed: names that "best" of validation and test must have.
    """
    if record.get("metrics") is None:
        return "it has no metrics"
    for key, depth in MEASURED.items():
        value = record.get(key)
        if value is not None and (mistake := _no_numbers(value, key, depth) or not_finite(value, key)):
            return mistake
    keys = (("metrics", split, "best", name) for split in ("val", "test") for name in needed)
    return next((f"it has no {'.'.join(key)}" for key in keys if not _has(record, key)), None)


def measured_on_test(record: Record) -> dict[str, dict[str, Any]]:
    """Return what was measured on the test rows: variant of predictions, "representation" or "interval" → metrics."""
    others = {"representation": record.get("representation"), "interval": (record.get("interval") or {}).get("test")}
    return record["metrics"]["test"] | {name: values for name, values in others.items() if values}


def _no_numbers(value: Any, at: str, depth: int) -> str | None:
    """Return the first value that is neither a number nor null where as many keys lead to numbers."""
    if depth == 0:
        return None if type(value) in (*NUMBER, NOTHING) else f"{at} is {value!r:.40}"
    if not isinstance(value, dict):
        return f"{at} is {value!r:.40}"
    return next(filter(None, (_no_numbers(item, f"{at}.{key}", depth - 1) for key, item in value.items())), None)


def not_finite(value: Any, at: str = "") -> str | None:
    """Return the first number in nested values that is not finite, as ``key is nan``; None where there is none."""
    if isinstance(value, float) and not math.isfinite(value):
        return f"{at} is {value}"
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return next(filter(None, (not_finite(item, f"{at}.{key}".lstrip(".")) for key, item in items)), None)


def _has(record: Record, key: Sequence[str]) -> bool:
    """Return whether nested dicts have a key."""
    return not key or (key[0] in record and _has(record[key[0]], key[1:]))


def _mistake(record: Record, key: str, types: tuple[type, ...]) -> str | None:
    """Return what is wrong with the value at a dotted key, whose parents are checked."""
    value: Any = record
    for part in key.split("."):
        if value is None:
            return None
        if part not in value:
            return f"it has no {key}"
        value = value[part]
    return None if type(value) in types else f"{key} is {value!r:.40}"


def without_nan(value: Any) -> Any:
    """Replace NaN and infinities by None, as in the project's JSON files."""
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
