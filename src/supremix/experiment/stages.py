"""The stages of one run: a reference fitted, or an encoder pre-trained or taken from the store, and then adapted.

Modules that are slow to import are imported inside the functions that use them, after everything that a user can have
got wrong was checked.
"""

import logging
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from omegaconf import DictConfig
from torch import nn

from supremix.data.dataset import Data
from supremix.errors import UserError
from supremix.runtime.imports import import_sklearn
from supremix.runtime.log import FILE_ONLY
from supremix.runtime.seeding import initialising
from supremix.settings import identity
from supremix.settings.build import build, check_features, mixing, regression_loss, regulariser
from supremix.settings.check import bins_key
from supremix.settings.provenance import is_usable, other_code, present_code
from supremix.settings.schema import Settings
from supremix.store import files
from supremix.store.folders import Store
from supremix.store.records import Record, read_record

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from supremix.experiment.record import Outcome
    from supremix.tracking.choice import Mirror
    from supremix.training.checkpoint import Checkpoints
    from supremix.training.imbalance.fds import FDS
    from supremix.training.imbalance.lds import LDS
    from supremix.training.loop import EpochRow, Report

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunContext:
    """What the steps of one run share."""

    cfg: DictConfig
    settings: Settings
    science: dict[str, Any]
    data: Data
    criterion: nn.Module | None  # None where there is no contrastive stage
    lds: "LDS | None"
    fds: "FDS | None"
    store: Store
    fabric: "Fabric"
    tracker: "Mirror"
    work: Path  # the claimed run's folder for checkpoints
    encoder_run: Path | None  # with method.source: the finished run whose encoder is taken
    encoder_context: "RunContext | None" = None  # with transfer: the same on the dataset that the encoder comes from


def where_to(settings: Settings) -> dict[str, bool] | None:
    """Return where lines on a run go: to its log alone where it is one of many, which are summed up."""
    return FILE_ONLY if settings.trainer.progress == "off" else None


def reference(context: RunContext) -> "Outcome":
    """Fit a scikit-learn regressor on the inputs."""
    from supremix.experiment.record import Outcome
    from supremix.training.reference import fit_reference

    return Outcome(fit_reference(build("method.estimator", context.settings.method.estimator), context.data))


def learn(context: RunContext) -> "Outcome":
    """Pre-train (or take the stored encoder, or none), then adapt."""
    from supremix.experiment.record import Outcome
    from supremix.models.acceleration import accelerate
    from supremix.models.start import start_from
    from supremix.training import adapt
    from supremix.training.curves import representation_curve
    from supremix.training.loop import Hooks
    from supremix.training.progress import stage_progress

    settings, trainer = context.settings, context.settings.trainer
    protocol = settings.adapt
    optimizer = build("protocol.optimizer", protocol.optimizer)  # before pre-training: it may be wrong
    scheduler = build("protocol.scheduler", protocol.scheduler)
    backbone, encoder_context = new_backbone(context), context.encoder_context or context
    trained = protocol.train_backbone or encoder_context.criterion is not None
    check_features(backbone, context.data, settings.seed, context.fabric.device, trained)
    regression = regression_objects(context, backbone.out_dim)
    if encoder_context is not context and shapes(new_backbone(encoder_context)) != shapes(backbone):
        raise UserError(
            f"transfer={encoder_context.settings.dataset.name}: its inputs have another form than those of "
            f"dataset={settings.dataset.name}, so its encoder cannot read them: choose another source"
        )
    if encoder_context.criterion is not None and not any(True for _ in backbone.parameters()):
        raise UserError(
            f"backbone={settings.backbone.name} has no weights, so method={settings.method.name} has nothing to "
            "pre-train: use method=random for a probe on the inputs, or backbone=mlp to learn on them"
        )
    if settings.backbone.weights is not None:
        start_from(backbone, Path(settings.backbone.weights))
    accelerate(backbone, context.fabric.device, trainer.channels_last, trainer.compile)
    encoder = None
    if context.encoder_run is not None:
        encoder = trained_before(context.encoder_run, backbone)
    elif encoder_context.criterion is not None:
        encoder = pretrained(encoder_context, backbone, encoder_context.criterion)
    objects = adapt.Adaptation(backbone, optimizer, scheduler, context.lds, context.fds, **regression)
    import_sklearn()  # for the metrics; slow, so not before pre-training
    checkpoints = checkpoints_of("adapt", context.work, trainer.checkpoint.minutes)
    with stage_progress(trainer.progress, protocol.name, protocol.epochs, mirror(context, "adapt")) as report:
        every = trainer.representation_every if protocol.train_backbone else None  # else the features stay as they are
        curve = representation_curve(backbone, context.data, every, protocol.batch_size, context.fabric.device)
        hooks = Hooks(validated(report, protocol.select), checkpoints, measure=curve)
        adapted = adapt.adapt(context.fabric, context.data, objects, protocol, settings.seed, hooks)
    return Outcome(adapted.predictions, adapted, encoder)


def regression_objects(context: RunContext, width: int) -> dict[str, Any]:
    """Return what ``method.regression`` describes, by the names of `Adaptation`.

    Args:
        context: of the run.
        width: of the features.
    """
    from supremix.training.preflight import check_positives, in_adaptation
    from supremix.training.regression import Regulariser

    settings, regression, terms = context.settings, context.settings.method.regression, {}
    if regression is None:
        return {}
    views = regression.views or 1
    for name, term in (regression.regularisers or {}).items():
        with initialising(settings.seed, "init", "projection", name):
            key = f"method.regression.regularisers.{name}.projection"
            head = build(key, term.projection, in_features=width) if term.projection else nn.Identity()
        terms[name] = Regulariser(regulariser(name, term, context.data), term.weight, term.labels, head)
        seen = in_adaptation(context.data, settings.adapt, name, term.labels, views, settings.seed)
        check_positives(terms[name].loss, context.data, seen, bins_key(settings))
    return {
        "loss": regression_loss(regression.loss, context.data),
        "regularisers": terms,
        "mixing": mixing(regression.mixing, context.data),
        "views": views,
    }


def new_backbone(context: RunContext) -> Any:
    """Build the run's backbone with the seed's random weights."""
    with initialising(context.settings.seed, "init", "backbone"):
        return build("backbone.build", context.settings.backbone.build, **context.data.input_spec)


def shapes(module: nn.Module) -> dict[str, torch.Size]:
    """Return the shapes of a module's weights; modules of equal shapes can exchange weights."""
    return {key: value.shape for key, value in module.state_dict().items()}


def encoder_run_config(cfg: DictConfig) -> DictConfig:
    """Return the config of the run that ``method.source`` names, whose encoder is taken."""
    cfg = cfg.copy()
    cfg.protocol, cfg.method = cfg.method.source.protocol, cfg.method.source.method
    cfg.imbalance = dict.fromkeys(cfg.imbalance)  # LDS and FDS act on this run's adaptation, not on its encoder
    return cfg


def trained_before(directory: Path, backbone: Any) -> Record:
    """Give the backbone the weights that a finished run chose; return what a record says of its encoder."""
    record = read_record(directory)
    files.load_weights(backbone, directory / "best.safetensors", record["weights"], "backbone.")
    return {"id": record["id"], "code": record["code"], "pretrain": None}


def pretrained(context: RunContext, backbone: Any, criterion: nn.Module) -> Record:
    """Give the backbone its pre-trained weights, from the store where it has them; return the encoder's record."""
    pretrain_id = identity.pretrain_id(context.science, context.data.sha256)
    directory = context.store.encoder(pretrain_id)
    with context.store.making(directory, usable=partial(is_usable, context.cfg)) as work:
        if work is not None:
            return train_encoder(context, backbone, criterion, pretrain_id, work)
    encoder = read_record(directory)
    other = other_code(encoder)
    made = f"{other}: rerun=true makes it anew" if other else "not trained again"
    extra = None if other else where_to(context.settings)
    log.info("pre-trained encoder: %s (stored, %s)", directory, made, extra=extra)
    files.load_weights(backbone, directory / "backbone.safetensors", encoder["weights"])
    report = mirror(context, "pretrain")
    for row in files.read_history(directory):
        report(int(row.pop("epoch")), row)
    return encoder


def train_encoder(context: RunContext, backbone: Any, criterion: nn.Module, pretrain_id: str, work: Path) -> Record:
    """Pre-train the backbone in place and store it; return the encoder's record."""
    from supremix.experiment import record
    from supremix.training import pretrain
    from supremix.training.curves import representation_curve
    from supremix.training.loop import Hooks
    from supremix.training.preflight import check_positives, in_pretraining
    from supremix.training.progress import stage_progress

    settings, method = context.settings, context.settings.contrastive
    transferred = "" if context.cfg.transfer is None else "transfer."
    seen = in_pretraining(context.data, method, settings.seed)
    check_positives(criterion, context.data, seen, f"{transferred}{bins_key(settings)}")
    projection: nn.Module = nn.Identity()
    if method.projection_head:
        with initialising(settings.seed, "init", "projection"):
            width = embedding_width(settings, backbone)
            projection = build("method.projection", method.projection, in_features=width)
    optimizer = build("method.pretrain.optimizer", method.pretrain.optimizer)
    scheduler = build("method.pretrain.scheduler", method.pretrain.scheduler)
    objects = pretrain.Pretraining(backbone, projection, criterion, optimizer, scheduler)
    checkpoints = checkpoints_of("pretrain", work, settings.trainer.checkpoint.minutes)
    epochs = method.pretrain.epochs
    with stage_progress(settings.trainer.progress, "pretrain", epochs, mirror(context, "pretrain")) as report:
        every, batch_size = settings.trainer.representation_every, method.pretrain.batch_size
        curve = representation_curve(backbone, context.data, every, batch_size, context.fabric.device)
        hooks = Hooks(report, checkpoints, log_every=settings.trainer.log_every, measure=curve)
        fitted = pretrain.pretrain(context.fabric, context.data, objects, method, settings.seed, hooks)
    return record.write_encoder(context.store, pretrain_id, context.science, backbone, projection, fitted)


def checkpoints_of(stage: str, work: Path, minutes: float | None) -> "Checkpoints":
    """Return the stage's checkpoints in a work folder: of the present code alone, so that one code makes a whole run.

    Args:
        minutes: least time between two, as `Checkpoints` has it.
    """
    from supremix.training.checkpoint import Checkpoints

    folder = work / present_code()["digest"]
    others = {path.parent for path in work.glob(f"*/{stage}-*.ckpt")} - {folder}
    if others:
        left = ", ".join(sorted(map(str, others)))
        log.info("%s does not go on from checkpoints of other code, which are left: %s", stage, left)
    return Checkpoints(folder, stage, minutes)


def embedding_width(settings: Settings, backbone: Any) -> int:
    """Return the width of the projection head's input."""
    if settings.contrastive.embed == "items":
        return backbone.out_dim
    if not hasattr(backbone, "sentences"):
        raise UserError(
            f"method={settings.method.name} compares sentences, and backbone={settings.backbone.name} has none: "
            "use a dataset of sentence pairs"
        )
    return backbone.sentence_dim


def validated(report: "Report", metric: str) -> "Report":
    """Return a report function that hands rows on with the name of the metric that was validated."""

    def named(epoch: int, row: "EpochRow") -> None:
        report(epoch, {f"val_{metric}" if name == "val" else name: value for name, value in row.items()})

    return named


def mirror(context: RunContext, stage: str) -> "Report":
    """Return a report function that hands epoch rows to the run's mirror."""
    return lambda epoch, row: context.tracker.log(stage, epoch, row)
