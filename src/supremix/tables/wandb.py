"""Log a rendered table to W&B, beside its runs."""

from typing import Any

from supremix.settings import identity
from supremix.tables.render import COLUMNS, numbers
from supremix.tables.results import Results
from supremix.tracking.mirror import Tracker, warn

TABLE_JOB = "table"
"""Job type of the W&B run that holds a table; that of other runs is their protocol."""


def log_table(results: Results, settings: Any) -> None:
    """Log a table's numbers beside the paper's as one ``wandb.Table``, in a W&B run of its own.

    Errors become warnings.

    Args:
        results: the table.
        settings: the config group ``tracking``; only W&B shows a table.
    """
    if settings.mode in ("disabled", "tensorboard", "trackio"):
        return
    rows, name = numbers(results), results.spec.label
    try:
        tracker = Tracker(settings, f"{name}-{identity.config_hash(rows)}", {"table": name}, [name])
        tracker.table(name, list(COLUMNS), rows)
        tracker.finish(None)
    except Exception as error:
        warn(f"W&B: {error}; the table on disk is complete without it")
