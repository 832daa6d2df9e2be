"""Records with all that one must hold, for stores that no run made."""

import json
from pathlib import Path
from typing import Any

from supremix.store.records import METRICS, RECORD_SCHEMA

METRIC = dict.fromkeys(METRICS, 0.5)


def whole(name: str) -> dict[str, Any]:
    """A record with all that one must hold."""
    code = {"version": "1", "digest": "c0de"}
    metrics = {split: {"best": METRIC | {"pearson": None}} for split in ("val", "test")}
    data = {"sha256": "da7a", "sizes": {"train": 3, "val": 2, "test": 1}}
    return {
        "schema": RECORD_SCHEMA, "id": name, "config": {"method": {}}, "code": code, "weights": {}, "dataset": "d",
        "method": "m", "protocol": "p", "seed": 0, "synthetic": False, "data": data, "metrics": metrics,
        "selection": {"split": "val", "metric": "mae", "best_epoch": 1, "epochs": 2},
        "pretrain": {"epochs": 2, "final_loss": None, "seconds": 1.0}, "pretrain_id": None, "pretrain_code": None,
        "seconds": {"adapt": 1, "total": 2.0}, "environment": {},
    }  # fmt: skip


def stored(root: Path, name: str, record: Any) -> Path:
    """Write a finished run with this record."""
    (root / name).mkdir(parents=True)
    (root / name / "record.json").write_text(record if isinstance(record, str) else json.dumps(record))
    (root / name / "DONE").touch()
    return root / name
