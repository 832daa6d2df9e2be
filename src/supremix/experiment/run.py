"""One run, top to bottom: data → pre-training → adaptation → metrics → stored record. The one assembler.

Modules that are slow to import (Lightning Fabric, scikit-learn, W&B) are imported inside the functions that use
them, after everything that a user can have got wrong was checked.
"""

import time
from dataclasses import replace
from pathlib import Path

import torch
from omegaconf import DictConfig

from supremix.experiment.stages import Job, learn, reference, source_config
from supremix.runtime import ranks
from supremix.runtime.seeding import repeatable
from supremix.runtime.signals import stoppable
from supremix.settings import identity
from supremix.settings.build import build, contrastive_loss, loaded_data
from supremix.settings.schema import check, check_bins
from supremix.settings.source import data_configs
from supremix.store.folders import Store, read_record, settled


def run(cfg: DictConfig, wait: bool = True) -> Path:
    """Execute the composed config, or show the record where it is finished already; return the run's directory.

    Where ``trainer.devices`` are several, the run is executed by as many ranks, which this process starts.
    An interrupted run goes on from its last checkpoint. Where another process has the run in work this one waits for
    it, or raises Busy if ``wait`` is false. A stop signal saves, and raises Stopped.
    """
    started = time.perf_counter()
    check(cfg)
    science = identity.scientific(cfg)
    configs = data_configs(cfg)
    loaded = [loaded_data(one) for one in configs]
    data = replace(loaded[0], synthetic=any(one.synthetic for one in loaded))
    criteria = [contrastive_loss(*pair) for pair in zip(configs, loaded, strict=True)]
    check_bins(cfg, data.bin_size)
    lds, fds = build("imbalance.lds", cfg.imbalance.lds), build("imbalance.fds", cfg.imbalance.fds)
    store = Store(cfg.paths.runs)
    run_id = identity.run_id(science, *(one.sha256 for one in loaded))
    directory = store.run(run_id)

    devices = 1 if cfg.method.estimator is not None else cfg.trainer.devices
    if ranks.world_size() < devices and not settled(directory):
        from supremix.runtime import spawn

        with stoppable():
            spawn.start(devices, run, cfg, wait)
        return directory

    from supremix.experiment import record
    from supremix.tracking.mirror import Tracker, run_tags

    status = "finished before, nothing to do"
    with stoppable(), store.making(directory, wait) as unfinished:
        if unfinished is not None:
            if cfg.trainer.threads is not None:
                torch.set_num_threads(cfg.trainer.threads)
            repeatable(cfg.trainer.deterministic)
            # Before this run's own mirror: W&B has one run in work at a time.
            source = run(source_config(configs[-1])) if cfg.method.source is not None else None
            fabric = ranks.fabric(cfg.trainer.accelerator, cfg.trainer.precision)
            tracker = Tracker(cfg.tracking, run_id, science, run_tags(cfg))
            job = Job(cfg, science, data, criteria[0], lds, fds, store, fabric, tracker, unfinished, source)
            if cfg.transfer is not None:
                origin = replace(job, cfg=configs[1], data=loaded[1], criterion=criteria[1])
                job = replace(job, origin=replace(origin, science=identity.scientific(configs[1])))
            execute(job, run_id, started)
            status = "finished"
    quiet = cfg.trainer.progress == "off" or not ranks.is_first()
    record.show(read_record(directory), directory, status, quiet)
    return directory


def execute(job: Job, run_id: str, started: float) -> None:
    """Train, measure and write the run's directory; of several ranks the first one measures and writes."""
    from supremix.experiment import record

    cfg, directory = job.cfg, job.store.run(run_id)
    try:
        outcome = reference(job) if cfg.method.estimator is not None else learn(job)
        if not ranks.is_first():
            return
        seconds = time.perf_counter() - started
        report = record.compose(cfg, job.science, run_id, job.data, job.fabric, outcome, seconds)
        record.write(job.store, directory, cfg, report, job.data, outcome)
    except BaseException:
        job.tracker.finish(None, exit_code=1)
        raise
    job.tracker.finish(record.mirrored(report) | {"record": str(directory.absolute())})
