"""Run a table's missing cells through a Hydra launcher, so that a laptop and a cluster run the same table."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from hydra import initialize_config_dir
from hydra._internal.callbacks import Callbacks
from hydra.core.global_hydra import GlobalHydra
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus
from hydra.errors import HydraException
from hydra.types import HydraContext, RunMode
from omegaconf import DictConfig

from supremix.errors import Busy, UserError, one_line
from supremix.runtime import ranks
from supremix.runtime.log import show, warnings_alone
from supremix.settings.compose import search_path
from supremix.store.folders import Store
from supremix.store.records import replace_json
from supremix.suite.launchers import Launcher
from supremix.suite.plan import Cell, Checksums, ids
from supremix.suite.watch import watched


def launch(cells: list[Cell], conf: Path, launcher: Launcher, done: Callable[[Cell], bool]) -> list[str]:
    """Run the cells; the failure of one does not stop the others.

    Cells that another process has in work come last, so that several processes share a table's work.

    Args:
        cells: the runs.
        conf: the config folder.
        launcher: what starts the runs.
        done: returns whether a cell's run is finished; called meanwhile, for the progress lines.

    Returns:
        One message per failed run.
    """
    ranks.check_alone()
    GlobalHydra.instance().clear()
    with initialize_config_dir(version_base="1.3", config_dir=str(conf), job_name="supremix"):
        hydra = GlobalHydra.instance().hydra
        assert hydra is not None
        try:
            cfg = hydra.compose_config(
                "config", ["hydra.mode=MULTIRUN", *search_path(), *launcher.overrides], run_mode=RunMode.MULTIRUN
            )
        except HydraException as error:
            way = "joblib, submitit and Slurm need pip install 'supremix[sweep]', Ray 'supremix[ray]'"
            raise UserError(f"{' '.join(launcher.overrides)}: {one_line(error)} ({way})") from None
        context = HydraContext(config_loader=hydra.config_loader, callbacks=Callbacks(cfg))

        def launched(job: Callable[[DictConfig], str], some: list[Cell]) -> Iterator[tuple[Cell, JobReturn]]:
            plugin = Plugins.instance().instantiate_launcher(context, job, cfg)
            size = launcher.at_once or len(some)
            for part in (some[first : first + size] for first in range(0, len(some), size)):
                try:
                    ended = plugin.launch([cell.overrides for cell in part], initial_job_idx=0)
                except Exception as error:  # a process died, or a queue refused: it returns none of its runs
                    yield from ((cell, _lost(error)) for cell in part if not done(cell))
                else:
                    yield from zip(part, ended, strict=True)

        with watched(cells, done, Store(cfg.paths.runs)):
            ended = list(launched(run_free_cell, cells))
            busy = [cell for cell, job in ended if isinstance(job._return_value, Busy)]
            if busy:
                ended += launched(run_cell, busy)
    outcomes = ((cell, job) for cell, job in ended if not isinstance(job._return_value, Busy))
    return [f"{cell.label}: {mistake}" for cell, job in outcomes if (mistake := _mistake(cell, job))]


def _mistake(cell: Cell, job: JobReturn) -> Any:
    """Return why a run failed; None where it is finished as it was planned."""
    if job.status != JobStatus.COMPLETED:
        return job._return_value
    run_id = Path(job._return_value).name
    if run_id == cell.run_id:
        return None
    return (
        f"finished as run {run_id}, planned as {cell.run_id}: the checksum of its data changed; Data.sha256 is that of "
        "the content, whatever seed and split"
    )


def _lost(error: Exception) -> JobReturn:
    """Return a failed job for a run that the launcher lost."""
    return JobReturn(status=JobStatus.FAILED, _return_value=UserError(f"{type(error).__name__}: {error}"))


def run_free_cell(cfg: DictConfig) -> str:
    """Run one cell in a process that the launcher starts; raise Busy if another process has it in work."""
    return _run(cfg, wait=False)


def run_cell(cfg: DictConfig) -> str:
    """Run one cell; wait for another process that has it in work."""
    return _run(cfg, wait=True)


def _run(cfg: DictConfig, wait: bool) -> str:
    """Run a cell; note a failure in the store until the run is finished."""
    from supremix.experiment.run import run

    show()
    store = Store(cfg.paths.runs)
    try:
        with warnings_alone("supremix.data"):  # what is understood of the data is the same for many runs
            directory = run(cfg, wait)
    except Busy:
        raise
    except Exception as error:
        with suppress(Exception):  # the failure itself must be reported
            _note(store, cfg, error)
        raise
    store.failure(directory.name).unlink(missing_ok=True)
    return str(directory)


def _note(store: Store, cfg: DictConfig, error: Exception) -> None:
    sums, absent = Checksums().all(cfg)
    if absent is None:
        run_id, _ = ids(cfg, sums)
        message = one_line(error) if isinstance(error, UserError) else f"{type(error).__name__}: {one_line(error)}"
        store.root.mkdir(parents=True, exist_ok=True)
        replace_json(store.failure(run_id), {"error": message})
