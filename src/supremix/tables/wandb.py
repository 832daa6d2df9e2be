"""A rendered table as a W&B table, beside the runs that it is made of."""

from typing import Any

from supremix.settings import identity
from supremix.tables.render import COLUMNS, numbers
from supremix.tables.results import Results
from supremix.tracking.mirror import Tracker, warn

TABLE_JOB = "table"
"""Job type of the W&B run that holds a table, where other runs have their protocol."""


def log_table(results: Results, settings: Any) -> None:
    """Log the numbers and the paper's as one ``wandb.Table``, in a W&B run of its own; offline like any other run.

    Args:
        settings: the config group ``tracking``; with ``mode: disabled`` nothing happens.

    Nothing that goes wrong here stops anything: it is a warning.
    """
    if settings.mode == "disabled":
        return
    rows, name = numbers(results), results.spec.label
    try:
        tracker = Tracker(settings, f"{name}-{identity.config_hash(rows)}", {"table": name}, [name])
        tracker.table(name, list(COLUMNS), rows)
        tracker.finish(None)
    except Exception as error:
        warn(f"W&B: {error}; the table on disk is complete without it")
