"""Records of runs and encoders: what one must hold, checked when it is read."""

import json
import math
import os
from pathlib import Path
from typing import Any

from supremix.errors import UserError

RECORD_SCHEMA = 2
Record = dict[str, Any]

NOTHING = type(None)
ENCODER = {
    "config": (dict,),
    "code": (dict,),
    "code.version": (str,),
    "code.digest": (str,),
    "weights": (dict,),
    "pretrain": (dict,),
}
"""Keys of an encoder's record, dotted, and the types that their values may have."""
RUN = ENCODER | {
    "dataset": (str,),
    "method": (str,),
    "protocol": (str,),
    "seed": (int,),
    "synthetic": (bool,),
    "data": (dict,),
    "metrics": (dict,),
    "metrics.val": (dict,),
    "metrics.val.best": (dict,),
    "metrics.test": (dict,),
    "metrics.test.best": (dict,),
    "selection": (dict, NOTHING),
    "pretrain": (dict, NOTHING),
    "pretrain_id": (str, NOTHING),
    "pretrain_code": (str, NOTHING),
    "seconds": (dict,),
    "seconds.adapt": (int, float),
    "seconds.total": (int, float),
    "environment": (dict,),
}


def read_record(directory: Path) -> Record:
    """Read ``record.json`` of a finished run or encoder; raise UserError if it is incomplete or of another schema."""
    path = directory / "record.json"
    again = f"remove {directory} and run again"
    try:
        record = json.loads(path.read_text())
        schema, name = record["schema"], record["id"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: not a readable record ({error}); {again}") from None
    if schema != RECORD_SCHEMA:
        raise UserError(f"{path}: record schema {schema}, this version reads {RECORD_SCHEMA}; {again}")
    if name != directory.name:
        raise UserError(f"{path}: the record of {name}, which does not belong here; {again}")
    is_encoder = directory.parent.name == "encoders"
    for key, types in (ENCODER if is_encoder else RUN).items():
        if mistake := _mistake(record, key, types):
            raise UserError(f"{path}: not a whole record ({mistake}); {again}")
    if not is_encoder and (mistake := _wrong_metric(record["metrics"])):
        raise UserError(f"{path}: not a whole record ({mistake}); {again}")
    return record


def check_schema(store: Path) -> None:
    """Raise UserError where a folder is the store of another schema; the first record that is there tells."""
    for pattern in ("*/record.json", "encoders/*/record.json"):
        for path in store.glob(pattern):
            try:
                schema = json.loads(path.read_text())["schema"]
            except (OSError, ValueError, KeyError, TypeError):
                return  # which is said once that record is needed
            if schema != RECORD_SCHEMA:
                raise UserError(
                    f"{store}: a store with records of schema {schema}, and this version has schema {RECORD_SCHEMA}: "
                    "set paths.runs, or the environment variable SUPREMIX_RUNS, to another folder; nothing was changed"
                )
            return


def write_json(path: Path, value: Any) -> None:
    """Write JSON with NaN and infinities as null, so that any reader can parse it."""
    path.write_text(json.dumps(without_nan(value), indent=1, allow_nan=False) + "\n")


def replace_json(path: Path, value: Any) -> None:
    """Replace a JSON file; it is complete at every moment."""
    scratch = path.with_name(f".{path.name}.new")
    try:
        write_json(scratch, value)
        os.replace(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)


def _mistake(record: Record, key: str, types: tuple[type, ...]) -> str | None:
    """Return what is wrong with the value at a dotted key, whose parents are checked."""
    value: Any = record
    for part in key.split("."):
        if part not in value:
            return f"it has no {key}"
        value = value[part]
    return None if type(value) in types else f"{key} is {value!r:.40}"


def _wrong_metric(metrics: Record) -> str | None:
    """Return what is wrong with metrics, split → variant → name → number or null."""
    for split, variants in metrics.items():
        for variant, values in variants.items() if isinstance(variants, dict) else [(None, None)]:
            if not isinstance(values, dict):
                return f"metrics.{split} is {variants!r:.40}"
            for name, value in values.items():
                if type(value) not in (int, float, NOTHING):
                    return f"metrics.{split}.{variant}.{name} is {value!r:.40}"
    return None


def without_nan(value: Any) -> Any:
    """Replace NaN and infinities by None, as in the project's JSON files."""
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
