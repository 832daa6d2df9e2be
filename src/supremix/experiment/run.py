"""One run, top to bottom: data → pre-training → adaptation → metrics → stored record. The one assembler.

Modules that are slow to import (Lightning Fabric, scikit-learn, W&B) are imported inside the functions that use
them, after everything that a user can have got wrong was checked.
"""

import logging
import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from omegaconf import DictConfig
from torch import nn

from supremix.data.dataset import Data
from supremix.experiment.stages import RunContext, encoder_run_config, learn, reference, where_to
from supremix.runtime import ranks
from supremix.runtime.imports import put_off_compiler
from supremix.runtime.log import FILE_ONLY, kept
from supremix.runtime.seeding import repeatable
from supremix.runtime.signals import stoppable
from supremix.settings import identity
from supremix.settings.build import build, contrastive_loss, loaded_data
from supremix.settings.check import check_bins, check_selection, settings_of
from supremix.settings.provenance import is_usable, other_code, present_code
from supremix.settings.schema import Contrastive, Settings
from supremix.settings.source import data_configs
from supremix.store.folders import Store, finished
from supremix.store.records import Record, read_record

if TYPE_CHECKING:
    from supremix.training.imbalance.fds import FDS
    from supremix.training.imbalance.lds import LDS

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Checked:
    """A config with the data and objects that it names: all that a user can have got wrong.

    Attributes:
        cfg, settings, science: the config, as settings, and what of it decides the result.
        loaded: the run's data; with transfer, then that of the encoder's pre-training.
        criteria: contrastive losses on those; None where there is no contrastive stage.
        lds, fds: what weights or smooths labels that are rare; None without.
        run_id: the run's name in the store.
    """

    cfg: DictConfig
    settings: Settings
    science: dict[str, Any]
    loaded: list[Data]
    criteria: list[nn.Module | None]
    lds: "LDS | None"
    fds: "FDS | None"
    run_id: str


def run(cfg: DictConfig, wait: bool = True, data: Data | None = None) -> Path:
    """Execute the composed config, or show the record where it is finished already; return the run's directory.

    A finished run that other code made is shown as such, and with ``rerun=true`` run anew. Where ``trainer.devices``
    are several, the run is executed by as many ranks, which this process starts. An interrupted run goes on from its
    last checkpoint. Where another process has the run in work this one waits for it, or raises Busy if ``wait`` is
    false. A stop signal saves, and raises Stopped.

    Args:
        cfg: the composed config.
        wait: for another process that has the run in work.
        data: what to run on in place of what ``dataset.load`` gives; for a run without transfer, in one process.
    """
    started = time.perf_counter()
    given = checked(cfg, data)
    store, trainer = Store(given.settings.paths.runs), given.settings.trainer
    directory = store.run(given.run_id)
    present_code()  # before the work: files may change while it lasts

    devices = 1 if given.settings.method.estimator is not None else trainer.devices
    if ranks.world_size() < devices and not (finished(directory) and is_usable(cfg, directory)):
        from supremix.runtime import spawn

        with stoppable():
            spawn.start(devices, run, cfg, wait)
        return directory

    put_off_compiler()
    from supremix.experiment import record

    status = None
    with stoppable(), store.making(directory, wait, partial(is_usable, cfg)) as work, kept(work):
        if work is not None:
            execute(context_of(given, store, work, data), given.run_id, started)
            status = "finished"
    report = read_record(directory)
    if trainer.progress != "off" and ranks.is_first():
        record.show(report, directory, status or _found(report))
    return directory


def checked(cfg: DictConfig, data: Data | None) -> Checked:
    """Read a config, load its data and build its losses, or raise UserError; arguments as of `run`."""
    settings = settings_of(cfg)
    science = identity.scientific(cfg)  # before data, which may take long to load: it names a wrong setting, too
    loaded = [data or loaded_data(each) for each in (settings, settings.transfer) if each is not None]
    method = settings.method
    criteria = [contrastive_loss(method, part) if isinstance(method, Contrastive) else None for part in loaded]
    check_bins(settings, loaded[0].bin_size, loaded[0].train.y)
    check_selection(settings, loaded[0].val.y)
    lds, fds = build("imbalance.lds", settings.imbalance.lds), build("imbalance.fds", settings.imbalance.fds)
    run_id = identity.run_id(science, *(part.sha256 for part in loaded))
    return Checked(cfg, settings, science, loaded, criteria, lds, fds, run_id)


def context_of(given: Checked, store: Store, work: Path, data: Data | None) -> RunContext:
    """Make this process ready for a run, and return what its steps share; run the one whose encoder is taken first.

    Args:
        given: the config, with what it names.
        store, work: the store, and the claimed run's folder for checkpoints.
        data: as of `run`.
    """
    from supremix.tracking.choice import mirror_of

    settings, trainer = given.settings, given.settings.trainer
    if trainer.threads is not None:
        torch.set_num_threads(trainer.threads)
    repeatable(trainer.deterministic)
    encoder_cfg = data_configs(given.cfg)[-1]  # with transfer, on the dataset that the encoder comes from
    # Before this run's own mirror: W&B has one run in work at a time.
    encoder_run = run(encoder_run_config(encoder_cfg), data=data) if settings.method.source is not None else None
    context = RunContext(
        cfg=given.cfg,
        settings=settings,
        science=given.science,
        data=replace(given.loaded[0], synthetic=any(part.synthetic for part in given.loaded)),
        criterion=given.criteria[0],
        lds=given.lds,
        fds=given.fds,
        store=store,
        fabric=ranks.fabric(trainer.accelerator, trainer.precision),
        tracker=mirror_of(given.cfg, given.run_id, given.science),
        work=work,
        encoder_run=encoder_run,
    )
    if settings.transfer is None:
        return context
    return with_transfer(context, settings.transfer, encoder_cfg, given.loaded[1], given.criteria[1])


def with_transfer(
    context: RunContext, settings: Settings, cfg: DictConfig, data: Data, criterion: nn.Module | None
) -> RunContext:
    """Return the context with that of the encoder's pre-training beside it, which reads another dataset.

    Args:
        settings, cfg, data, criterion: of the dataset that the encoder comes from.
    """
    science = identity.scientific(cfg)
    encoder_context = replace(context, settings=settings, science=science, data=data, criterion=criterion)
    return replace(context, encoder_context=encoder_context)


def execute(context: RunContext, run_id: str, started: float) -> None:
    """Train, measure and write the run's directory; with several ranks the first one measures and writes."""
    from supremix.experiment import record

    cfg, store = context.cfg, context.store
    choice = [f"{key}={cfg[key].name}" for key in ("dataset", "backbone", "method", "protocol")]
    log.info("%s", " ".join([*choice, f"seed={cfg.seed}"]), extra=FILE_ONLY)
    log.info("%s", " ".join(f"{k}={v}" for k, v in record.environment(context.fabric).items()), extra=FILE_ONLY)
    announce(context, run_id)
    try:
        outcome = reference(context) if context.settings.method.estimator is not None else learn(context)
        if not ranks.is_first():
            return
        seconds = {"adapt": outcome.adapted.seconds if outcome.adapted else 0.0, "total": time.perf_counter() - started}
        about = {"seconds": seconds, "environment": record.environment(context.fabric)}
        report = record.write(store, cfg, context.science, run_id, context.data, outcome, about)
    except BaseException:
        context.tracker.finish(None, exit_code=1)
        raise
    for doubt in record.doubts(report):
        log.warning("%s", doubt, extra=where_to(context.settings))
    context.tracker.finish(record.mirrored(report) | {"record": str(store.run(run_id).absolute())})


def announce(context: RunContext, run_id: str) -> None:
    """Say which run begins, on what device and how many rows, and where it can be watched."""
    extra = where_to(context.settings)
    rows = "{train} rows to train on, {val} to validate, {test} to test".format(**context.data.sizes)
    log.info("run %s on %s: %s", run_id, context.fabric.device.type, rows, extra=extra)
    if watched := context.tracker.where():
        log.info("%s", watched, extra=extra)


def _found(report: Record) -> str:
    """Return the status of a run that was finished before."""
    other = other_code(report)
    return f"finished before, {other}: rerun=true runs it anew" if other else "finished before, nothing to do"
