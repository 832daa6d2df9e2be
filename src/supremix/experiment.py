"""One run, top to bottom: data → pre-training → adaptation → metrics → stored record. The one assembler.

Modules that are slow to import (Lightning Fabric, scikit-learn, W&B) are imported inside the functions that use
them, after everything that a user can have got wrong was checked.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from torch import nn

from supremix import identity, ranks
from supremix.commandline import one_line
from supremix.data.contract import Data, read_ahead
from supremix.data.permutation import permute_labels
from supremix.data.subset import training_subset
from supremix.errors import UserError
from supremix.seeding import initialising, repeatable
from supremix.settings import check, check_bins
from supremix.stopping import stoppable
from supremix.store import Store, read_record, settled
from supremix.transfer import data_configs

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from supremix.engine import Report
    from supremix.imbalance.fds import FDS
    from supremix.imbalance.lds import LDS
    from supremix.record import Outcome
    from supremix.tracking import Tracker


@dataclass(frozen=True)
class Job:
    """What the steps of one run share."""

    cfg: DictConfig
    science: dict[str, Any]
    data: Data
    criterion: nn.Module | None  # None where there is no contrastive stage
    lds: "LDS | None"
    fds: "FDS | None"
    store: Store
    fabric: "Fabric"
    tracker: "Tracker"
    unfinished: Path  # the claimed run's folder for checkpoints
    origin: "Job | None" = None  # with transfer: the same on the dataset that the encoder comes from


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
    if ranks.count() < devices and not settled(directory):
        from supremix import launching

        with stoppable():
            launching.start(devices, run, cfg, wait)
        return directory

    from supremix import record
    from supremix.tracking import Tracker, run_tags

    status = "finished before, nothing to do"
    with stoppable(), store.making(directory, wait) as unfinished:
        if unfinished is not None:
            if cfg.trainer.threads is not None:
                torch.set_num_threads(cfg.trainer.threads)
            repeatable(cfg.trainer.deterministic)
            fabric = ranks.fabric(cfg.trainer.accelerator, cfg.trainer.precision)
            tracker = Tracker(cfg.tracking, run_id, science, run_tags(cfg))
            job = Job(cfg, science, data, criteria[0], lds, fds, store, fabric, tracker, unfinished)
            if cfg.transfer is not None:
                origin = replace(job, cfg=configs[1], data=loaded[1], criterion=criteria[1])
                job = replace(job, origin=replace(origin, science=identity.scientific(configs[1])))
            execute(job, run_id, started)
            status = "finished"
    quiet = cfg.trainer.progress == "off" or not ranks.first()
    record.show(read_record(directory), directory, status, quiet)
    return directory


def execute(job: Job, run_id: str, started: float) -> None:
    """Train, measure and write the run's directory; of several ranks the first one measures and writes."""
    from supremix import record

    cfg, directory = job.cfg, job.store.run(run_id)
    try:
        outcome = reference(job) if cfg.method.estimator is not None else learn(job)
        if not ranks.first():
            return
        seconds = time.perf_counter() - started
        report = record.compose(cfg, job.science, run_id, job.data, job.fabric, outcome, seconds)
        record.write(job.store, directory, cfg, report, job.data, outcome)
    except BaseException:
        job.tracker.finish(None, exit_code=1)
        raise
    job.tracker.finish(record.mirrored(report) | {"record": str(directory.absolute())})


def reference(job: Job) -> "Outcome":
    """A scikit-learn regressor on the inputs."""
    from supremix.record import Outcome
    from supremix.reference import fit_reference

    return Outcome(fit_reference(build("method.estimator", job.cfg.method.estimator), job.data))


def learn(job: Job) -> "Outcome":
    """Pre-train (or take the stored encoder, or none), then adapt."""
    from supremix import adapt
    from supremix.acceleration import accelerate
    from supremix.checkpoint import Checkpoints
    from supremix.progress import stage_progress
    from supremix.record import Outcome

    cfg, protocol = job.cfg, job.cfg.protocol
    optimizer = build("protocol.optimizer", protocol.optimizer)  # before the work of stage 1: it may be wrong
    scheduler = build("protocol.scheduler", protocol.scheduler)
    backbone, origin = new_backbone(job), job.origin or job
    if job.origin is not None and shapes(new_backbone(origin)) != shapes(backbone):
        raise UserError(
            f"transfer={origin.cfg.dataset.name}: its inputs have another form than those of "
            f"dataset={cfg.dataset.name}, so its encoder cannot read them: choose another source"
        )
    accelerate(backbone, job.fabric.device, cfg.trainer.channels_last, cfg.trainer.compile)
    encoder = None
    if cfg.method.source is not None:
        encoder = trained_before(origin, backbone)
    elif origin.criterion is not None:
        encoder = pretrained(origin, backbone, origin.criterion)
    stage = adapt.Stage2(
        train_backbone=protocol.train_backbone,
        epochs=protocol.epochs,
        batch_size=protocol.batch_size,
        loss=protocol.loss,
        bias_init=protocol.bias_init,
        select=protocol.select,
        seed=cfg.seed,
        clip=protocol.clip,
        lds=job.lds,
        fds=job.fds,
    )
    checkpoints = Checkpoints(job.unfinished, "adapt", cfg.trainer.checkpoint.minutes)
    with stage_progress(cfg.trainer.progress, protocol.name, protocol.epochs, mirror(job, "adapt")) as report:
        adapted = adapt.adapt(job.fabric, job.data, backbone, optimizer, scheduler, stage, report, checkpoints)
    return Outcome(adapted.predictions, adapted, encoder)


def new_backbone(job: Job) -> Any:
    """The job's backbone with the seed's random weights."""
    with initialising(job.cfg.seed, "init", "backbone"):
        return build("backbone.build", job.cfg.backbone.build, **job.data.input_spec)


def shapes(module: nn.Module) -> dict[str, torch.Size]:
    """What a module's weights must be like for another one to take them over."""
    return {key: value.shape for key, value in module.state_dict().items()}


def trained_before(job: Job, backbone: Any) -> dict[str, Any]:
    """Give the backbone the weights that the run named by ``method.source`` chose; return what stands for stage 1."""
    from supremix import record

    cfg = job.cfg.copy()
    cfg.protocol, cfg.method = cfg.method.source.protocol, cfg.method.source.method
    cfg.imbalance = dict.fromkeys(cfg.imbalance)  # as for a pre-trained encoder: it acts on the last stage alone
    directory = run(cfg)
    record.load_weights(backbone, directory / "best.safetensors", "backbone.")
    return {"id": read_record(directory)["id"], "pretrain": None}


def pretrained(job: Job, backbone: Any, criterion: nn.Module) -> dict[str, Any]:
    """Give the backbone its stage-1 weights, from the store where they are finished; return the encoder's record."""
    from supremix import record

    encoder_id = identity.encoder_id(job.science, job.data.sha256)
    directory = job.store.encoder(encoder_id)
    with job.store.making(directory) as unfinished:
        if unfinished is not None:
            return train_encoder(job, backbone, criterion, encoder_id, unfinished)
    if ranks.first():
        print(f"pre-trained encoder: {directory} (stored, not trained again)", file=sys.stderr)
    record.load_weights(backbone, directory / "backbone.safetensors")
    report = mirror(job, "pretrain")
    for row in record.read_history(directory):
        report(int(row.pop("epoch")), row)
    return read_record(directory)


def train_encoder(job: Job, backbone: Any, criterion: nn.Module, encoder_id: str, unfinished: Path) -> dict[str, Any]:
    """Pre-train the backbone in place and store it; return the encoder's record."""
    from supremix import pretrain, record
    from supremix.checkpoint import Checkpoints
    from supremix.progress import stage_progress
    from supremix.readings import Histograms

    cfg, method = job.cfg, job.cfg.method
    projection: nn.Module = nn.Identity()
    if method.projection_head:
        with initialising(cfg.seed, "init", "projection"):
            projection = build("method.projection", method.projection, in_features=embedding_width(cfg, backbone))
    stage = pretrain.Stage1(
        labels=method.labels,
        embed=method.embed,
        views=method.pretrain.views,
        epochs=method.pretrain.epochs,
        batch_size=method.pretrain.batch_size,
        seed=cfg.seed,
        log_every=cfg.trainer.log_every,
        clip=method.pretrain.clip,
        histograms=Histograms(**method.pretrain.histograms) if method.pretrain.histograms else None,
    )
    optimizer = build("method.pretrain.optimizer", method.pretrain.optimizer)
    scheduler = build("method.pretrain.scheduler", method.pretrain.scheduler)
    checkpoints = Checkpoints(unfinished, "pretrain", cfg.trainer.checkpoint.minutes)
    with stage_progress(cfg.trainer.progress, "pretrain", stage.epochs, mirror(job, "pretrain")) as report:
        fitted = pretrain.pretrain(
            job.fabric, job.data, backbone, projection, criterion, optimizer, scheduler, stage, report, checkpoints
        )
    return record.write_encoder(job.store, encoder_id, job.science, backbone, projection, fitted)


def embedding_width(cfg: DictConfig, backbone: Any) -> int:
    """Width of what the projection head is given."""
    if cfg.method.embed == "items":
        return backbone.out_dim
    if not hasattr(backbone, "sentences"):
        raise UserError(
            f"method={cfg.method.name} compares sentences, and backbone={cfg.backbone.name} has none: "
            "use a dataset of sentence pairs"
        )
    return backbone.sentence_dim


def loaded_data(cfg: DictConfig) -> Data:
    """The dataset with what its config says of its rows: which of them are used, and with whose labels."""
    subset: Any = OmegaConf.to_container(cfg.dataset.subset)
    data = training_subset(build("dataset.load", cfg.dataset.load), seed=cfg.seed, **subset)
    data = read_ahead(data, cfg.trainer.workers)
    return data if cfg.dataset.permute_labels is None else permute_labels(data, cfg.dataset.permute_labels)


def contrastive_loss(cfg: DictConfig, data: Data) -> nn.Module | None:
    """The method's loss; ``label_range: train`` in its config stands for the range of the training labels."""
    node = cfg.method.loss
    if node is None:
        return None
    derived = {"label_range": data.label_range} if node.get("label_range") == "train" else {}
    return build("method.loss", node, **derived)


def mirror(job: Job, stage: str) -> "Report":
    """A report function that hands epoch rows to W&B."""
    return lambda epoch, row: job.tracker.log(stage, epoch, row)


def build(key: str, node: DictConfig | None, **derived: Any) -> Any:
    """Instantiate a config node with values derived from the data; a wrong value becomes one line naming the key.

    No node gives None. What is built in part, an optimizer that waits for its parameters, does the same when called.
    """
    with naming(key):
        built = instantiate(node, **derived)
    if not isinstance(built, partial):
        return built

    def completed(*arguments: Any) -> Any:
        with naming(key):
            return built(*arguments)

    return completed


@contextmanager
def naming(key: str) -> Iterator[None]:
    """What a config node's values make its target raise, as a UserError that names the node."""
    try:
        yield
    except (InstantiationException, ValueError, TypeError) as error:
        cause = error.__cause__ if isinstance(error, InstantiationException) and error.__cause__ else error
        if isinstance(cause, UserError):
            raise cause from None
        raise UserError(f"{key}: {one_line(cause)}; `python -m supremix.train --cfg job` shows its settings") from error
