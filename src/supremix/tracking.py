"""Weights & Biases mirrors a run: config, curves and final metrics. It never stops a run and is never read back."""

import os
import sys
from pathlib import Path
from typing import Any, Literal

from supremix import ranks
from supremix.errors import UserError

MODES = ("auto", "online", "offline", "disabled")
INIT_TIMEOUT = 5  # seconds; wandb 0.31 without a network takes about three times as long to give up
_unreachable = False  # once the service did not answer, later runs of this process go offline at once


class Tracker:
    """One W&B run, from construction to ``finish``; one for each job of a sweep."""

    def __init__(self, settings: Any, run_id: str, config: dict[str, Any], tags: list[str]) -> None:
        mode = settings.mode
        if mode not in MODES:
            raise UserError(f"tracking.mode={mode!r}: use one of {', '.join(MODES)}")
        self._run: Any = None
        if mode != "disabled" and ranks.first():
            self._run = _init(settings, run_id, config, tags)

    def log(self, stage: str, epoch: int, row: dict[str, float]) -> None:
        """Mirror one epoch's row as ``stage/name`` against ``stage/epoch``."""
        if self._run is not None:
            self._guard(self._run.log, {f"{stage}/{name}": v for name, v in row.items()} | {f"{stage}/epoch": epoch})

    def table(self, name: str, columns: list[Any], rows: list[list[Any]]) -> None:
        """Mirror a table."""
        if self._run is not None:
            import wandb

            self._guard(self._run.log, {name: wandb.Table(columns=columns, data=rows)})

    def finish(self, summary: dict[str, Any] | None, exit_code: int = 0) -> None:
        """Mirror the final metrics and end the run, so that the next job starts its own."""
        if self._run is not None:
            if summary:
                self._guard(self._run.summary.update, summary)
            self._guard(self._run.finish, exit_code=exit_code)
            self._run = None

    def _guard(self, call: Any, *args: Any, **kwargs: Any) -> None:
        try:
            call(*args, **kwargs)
        except Exception as error:
            warn(f"W&B: {error}; the record on disk is complete without it")
            self._run = None


def _init(settings: Any, run_id: str, config: dict[str, Any], tags: list[str]) -> Any:
    global _unreachable
    os.environ.setdefault("WANDB_SILENT", "true")
    import wandb

    offline = settings.mode == "offline" or (settings.mode == "auto" and (_unreachable or not has_key()))
    directory = Path(settings.dir).absolute()
    directory.mkdir(parents=True, exist_ok=True)
    arguments = {
        "project": settings.project,
        "dir": str(directory),
        "id": run_id,
        "name": run_id,
        "group": settings.group,
        "job_type": settings.job_type,
        "tags": tags,
        "config": config,
        "reinit": "finish_previous",
    }
    modes: tuple[Literal["online", "offline"], ...] = ("offline",) if offline else ("online", "offline")
    for mode in modes:
        try:
            run = wandb.init(mode=mode, settings=wandb.Settings(init_timeout=INIT_TIMEOUT, silent=True), **arguments)
        except Exception as error:
            _unreachable = _unreachable or mode == "online"
            warn(f"W&B: {mode} start failed ({type(error).__name__}: {error})")
            wandb.teardown()  # its service still holds the run's id, and would refuse it to the offline start
            continue
        for stage in ("pretrain", "adapt"):
            run.define_metric(f"{stage}/*", step_metric=f"{stage}/epoch")
        return run
    return None


def has_key() -> bool:
    """Whether a W&B key is set up, in the environment or by ``wandb login``; asks nobody, and no server."""
    import wandb

    if os.environ.get("WANDB_MODE") in ("offline", "disabled"):
        return False
    return wandb.login(prompt=False, verify=False)


def warn(message: str) -> None:
    """One line on stderr."""
    print(f"warning: {' '.join(message.split())}", file=sys.stderr)
