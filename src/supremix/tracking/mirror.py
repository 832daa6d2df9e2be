"""Mirror a run to Weights & Biases: config, curves and final metrics. Never stops a run, and is never read back."""

import logging
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from shlex import quote
from typing import Any, Literal

from supremix.errors import needs
from supremix.runtime import ranks
from supremix.tracking.background import Background
from supremix.tracking.uploads import mark_uploaded

log = logging.getLogger(__name__)

INIT_TIMEOUT = 5  # seconds; without a network, wandb 0.31 gives up after about 9
START_PATIENCE = 60.0  # seconds for a failed online start and the offline start after it, on a busy machine
GRACE = 5.0  # seconds on top of wandb's own time limits
_unreachable = False  # the service did not answer: later runs of this process start offline
_hung = False  # wandb's helper process could not be ended: later runs of this process do without


class Tracker:
    """One W&B run, from construction to ``finish``; each job of a sweep has its own.

    A thread talks to W&B, whose calls block while its helper process is stopped or an upload gets no answer. The
    training waits for it at the start and at the end only, and for a limited time.

    Args:
        settings: the config group ``tracking``.
        run_id: id of the run, in the store and in W&B.
        config: what W&B shows as the run's config.
        tags: W&B tags.
        name: that W&B shows; by default the id.
    """

    def __init__(
        self, settings: Any, run_id: str, config: dict[str, Any], tags: list[str], name: str | None = None
    ) -> None:
        self._finish_timeout, self._folder = settings.finish_timeout, str(settings.dir)
        self._run: Any = None
        self._background: Background | None = None
        if settings.mode == "disabled" or _hung or not ranks.is_first():
            return
        self._background = Background()
        self._background.put(lambda: self._start(settings, run_id, config, tags, name or run_id))
        # Waiting keeps imports and new processes out of the training, which may fork.
        if not self._background.caught_up(START_PATIENCE):
            self._give_up()

    def where(self) -> str:
        """Return in one line where W&B shows the run, or how it gets there."""
        if self._background is None or self._run is None:
            return ""
        if not self._run.offline:
            return f"W&B: {self._run.url}"
        usual = self._folder == os.environ.get("SUPREMIX_RUNS", "runs")
        return f"W&B is offline; to upload: supremix wandb sync{'' if usual else f' paths.runs={quote(self._folder)}'}"

    def log(self, stage: str, epoch: int, row: dict[str, float]) -> None:
        """Mirror an epoch's values as ``stage/name`` against ``stage/epoch``.

        Args:
            stage: pretrain or adapt.
            epoch: from 1.
            row: name → value.
        """
        named = {f"{stage}/{name}": value for name, value in row.items()} | {f"{stage}/epoch": epoch}
        self._later(lambda run: run.log(named))

    def table(self, name: str, columns: list[Any], rows: list[list[Any]]) -> None:
        """Mirror a table of columns and rows."""

        def log_table(run: Any) -> None:
            import wandb

            run.log({name: wandb.Table(columns=columns, data=rows)})

        self._later(log_table)

    def finish(self, summary: dict[str, Any] | None, exit_code: int = 0) -> None:
        """Mirror the final metrics and end the run, so that the next job can start its own.

        Waits ``tracking.finish_timeout`` seconds, and a little more, for uploads; the rest stays on disk, for
        `supremix wandb sync`.
        """
        if self._background is None:
            return
        if summary:
            self._later(lambda run: run.summary.update(summary))
        self._later(lambda run: _finish(run, exit_code))
        if self._background.caught_up(self._finish_timeout + GRACE):
            self._background.close()
            self._background = None
        else:
            self._give_up()

    def _start(self, settings: Any, run_id: str, config: dict[str, Any], tags: list[str], name: str) -> None:
        try:
            self._run = _init(settings, run_id, config, tags, name)
        except Exception as error:
            warn(f"W&B: {error}; the record on disk is complete without it")

    def _later(self, call: Callable[[Any], None]) -> None:
        """Queue a call on the W&B run; the first that fails is the last."""
        if self._background is not None:
            self._background.put(lambda: self._guarded(call))

    def _guarded(self, call: Callable[[Any], None]) -> None:
        run = self._run
        if run is None:
            return
        try:
            call(run)
        except Exception as error:
            self._run = None
            warn(f"W&B: {type(error).__name__} {error}; the record on disk is complete without it")
            _tear_down(run)

    def _give_up(self) -> None:
        """Go on without W&B, and leave nothing that would wait for it at the end of the process."""
        global _hung
        warn("W&B does not answer, going on without it; the record on disk is complete")
        assert self._background is not None
        _end_service()
        _hung = not self._background.caught_up(GRACE)
        self._background.close()
        self._background = None


def run_name(cfg: Any) -> str:
    """Return a run's name for the eye, as in uci_airfoil-supremix-s0; runs that differ otherwise share it."""
    return f"{cfg.dataset.name}-{cfg.method.name}-s{cfg.seed}"


def run_tags(cfg: Any) -> list[str]:
    """Return the tags of a run: dataset, method, protocol, its table or sweep, and the user's own."""
    sweep = [] if cfg.tracking.sweep is None else [cfg.tracking.sweep]
    return sorted({cfg.dataset.name, cfg.method.name, cfg.protocol.name, *cfg.tracking.tags, *sweep})


def _init(settings: Any, run_id: str, config: dict[str, Any], tags: list[str], name: str) -> Any:
    global _unreachable
    needs("wandb", "tracking")
    os.environ.setdefault("WANDB_SILENT", "true")
    import wandb

    offline = settings.mode == "offline" or (settings.mode == "auto" and (_unreachable or not has_key()))
    directory = Path(settings.dir).absolute()
    directory.mkdir(parents=True, exist_ok=True)
    arguments = {
        "project": settings.project,
        "dir": str(directory),
        "id": run_id,
        "name": name,
        "group": settings.group,
        "job_type": settings.job_type,
        "tags": tags,
        "config": config,
        "reinit": "finish_previous",
    }
    limits = wandb.Settings(
        init_timeout=INIT_TIMEOUT,
        finish_timeout=settings.finish_timeout,
        finish_timeout_raises=True,
        silent=True,
    )
    modes: tuple[Literal["online", "offline"], ...] = ("offline",) if offline else ("online", "offline")
    for mode in modes:
        try:
            run = wandb.init(mode=mode, settings=limits, **arguments)
        except Exception as error:
            _unreachable = _unreachable or mode == "online"
            warn(f"W&B: {mode} start failed ({type(error).__name__}: {error})")
            wandb.teardown()  # its service still holds the run's id, and would refuse it to the offline start
            continue
        for stage in ("pretrain", "adapt"):
            run.define_metric(f"{stage}/*", step_metric=f"{stage}/epoch")
        return run
    return None


def _finish(run: Any, exit_code: int) -> None:
    run.finish(exit_code=exit_code)
    if not run.offline:
        mark_uploaded(Path(run.settings.sync_dir))


def _tear_down(run: Any) -> None:
    """Close what is left of a broken run, so that the next job starts afresh and the exit is clean."""
    import wandb

    for call in (lambda: run.finish(exit_code=1), wandb.teardown):
        with suppress(Exception, SystemExit):
            call()


def _end_service() -> None:
    """Kill wandb's helper process: waiting calls then fail, and this process can end."""
    with suppress(Exception):
        from wandb.sdk import wandb_setup

        wandb_setup.singleton()._connection._proc._process.kill()  # type: ignore[union-attr]


def has_key() -> bool:
    """Return whether a W&B key is set, in the environment or by ``wandb login``; asks neither user nor server."""
    needs("wandb", "tracking")
    import wandb

    if os.environ.get("WANDB_MODE") in ("offline", "disabled"):
        return False
    return wandb.login(prompt=False, verify=False)


def warn(message: str) -> None:
    """Log a warning."""
    log.warning("%s", message)
