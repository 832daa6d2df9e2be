"""From config nodes to objects: the one place that instantiates them."""

import inspect
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from torch import Tensor, nn

from supremix.data.check import check_data
from supremix.data.dataset import Data, read_ahead
from supremix.data.geometry import find_geometry
from supremix.data.loading import to_device
from supremix.data.own.stored import forms_of
from supremix.data.prepared.folder import SPLITS
from supremix.data.rows import permute_labels, training_subset, with_label_noise
from supremix.data.vectors import refuse_vectors
from supremix.errors import UserError, one_line
from supremix.runtime.seeding import initialising

if TYPE_CHECKING:
    from supremix.settings.schema import Contrastive, Regulariser, Settings


NEEDED = {
    "load": ("train", "val", "test"),
    "build": ("forward", "out_dim"),
    "loss": ("forward", "parameters"),
    "projection": ("forward", "parameters"),
    "estimator": ("fit", "predict"),
    "optimizer": ("step", "zero_grad", "param_groups"),
    "scheduler": ("step", "get_last_lr"),
    "lds": ("row_weights",),
    "fds": ("calibrated",),
    "mixing": ("fit", "partners", "layer"),
}
"""Attributes of what a node makes, by the last part of its key."""

COMPARE_VECTORS = (
    "set dataset.label_unit=pca, which compares their first principal direction, or use a method that compares "
    "vectors: supcr, y_aware, threshold or exp; or, of supremix, method.mix_pos=false"
)
PART_OF_RANGE = re.compile(r"range/([1-9]\d*)")
BINS_WITHOUT_SIZE = 50
"""Bins of the labels' range for what counts bins, where the data has no width of its own."""

MADE_LATER = tuple(
    f"{stage}.{part}" for stage in ("method.pretrain", "protocol") for part in ("optimizer", "scheduler")
)


def build(key: str, node: Mapping[str, Any] | None, **derived: Any) -> Any:
    """Make the object that a config node describes. Raises UserError naming the key where a value is wrong.

    Args:
        key: the node's place in the config.
        node: with a ``_target_`` and its arguments; None gives None. With ``_partial_`` the result is called with the
            arguments that are left, and raises the same.
        derived: further arguments, derived from the data.
    """
    with naming(key):
        built = instantiate(node, **derived)
    if not isinstance(built, partial):
        if node is not None and key in MADE_LATER:
            raise UserError(f"{key}: it is made of what a run has: add _partial_: true to its group")
        return _fitting(key, node, built)

    def completed(*arguments: Any) -> Any:
        with naming(key):
            return _fitting(key, node, built(*arguments))

    return completed


def _fitting(key: str, node: Mapping[str, Any] | None, built: Any) -> Any:
    """Return an object that has what is asked of it at this place of the config; UserError for another."""
    for name in NEEDED.get(key.rpartition(".")[2], ()):
        if node is not None and not hasattr(built, name):
            raise UserError(
                f"{key}: {node.get('_target_')} makes {type(built).__name__}, which has no {name!r}: name a _target_ "
                f"that has {', '.join(NEEDED[key.rpartition('.')[2]])}"
            )
    return built


@contextmanager
def naming(key: str) -> Iterator[None]:
    """Turn what a node's values make its target raise into UserError that names the node."""
    try:
        yield
    except (InstantiationException, ValueError, TypeError, RuntimeError, ArithmeticError) as error:
        cause = error.__cause__ if isinstance(error, InstantiationException) and error.__cause__ else error
        if isinstance(cause, UserError):
            raise cause from None
        raise UserError(f"{key}: {one_line(cause)}; `supremix train --cfg job` shows its settings") from error


def check_features(backbone: nn.Module, data: Data, seed: int, device: torch.device, trained: bool) -> None:
    """Raise UserError where a backbone's features of two rows are not (2, out_dim), or cannot be trained.

    Splits whose inputs have the form of the training rows' are passed over.

    Args:
        backbone: as it was built; moved to the device, and given the weights that it makes at its first call.
        data: of the run.
        seed: of the run.
        device: on which it will be trained.
        trained: whether a stage trains it.
    """
    key, mode, forms = "backbone.build", backbone.training, list[Any]()
    backbone.to(device).eval()
    for name in SPLITS:
        split = getattr(data, name)
        row_B = np.arange(min(2, len(split)))
        x = to_device(data.to_input(split.fetch(row_B)), device)
        if (form := forms_of(x)) in forms:
            continue
        forms.append(form)
        where = key if name == "train" else f"{key} on the {name} split"
        with naming(where), initialising(seed, "init", "backbone", "first call"), torch.set_grad_enabled(trained):
            h_BD, wanted = backbone(x), (len(row_B), backbone.out_dim)
            if not isinstance(h_BD, Tensor) or h_BD.shape != wanted:
                shape = tuple(h_BD.shape) if isinstance(h_BD, Tensor) else type(h_BD).__name__
                raise UserError(f"{where}: features of two rows are {shape}, and by its out_dim {wanted} is wanted")
            if trained and not _learns(backbone, x, h_BD):
                raise UserError(
                    f"{key}: no gradient reaches its weights from its features, so that nothing would be learnt: leave "
                    "out detach or no_grad in its forward"
                )
    backbone.train(mode)


def _learns(backbone: nn.Module, x: Any, h_BD: Tensor) -> bool:
    """Return whether a gradient reaches the weights from features, in training at least; also where all are frozen."""
    if h_BD.requires_grad or not any(weight.requires_grad for weight in backbone.parameters()):
        return True
    return deepcopy(backbone).train()(x).requires_grad


def loaded_data(settings: "Settings") -> Data:
    """Load the dataset, with the rows and labels that its settings choose."""
    dataset = settings.dataset
    data = build("dataset.load", dataset.load)
    check_data(data)
    subset = dataset.subset
    if subset.train_size is not None and subset.part is not None:
        raise UserError("dataset.subset.part and train_size both say how many training rows stay: set one to null")
    size = subset.train_size if subset.part is None else max(2, round(subset.part * len(data.train)))
    data = training_subset(data, train_size=size, missing=subset.missing, skew=subset.skew, seed=settings.seed)
    if dataset.label_unit is not None and data.geometry is None and data.vectors is None:
        data = by_rank(data, dataset.label_unit, settings)
    if dataset.label_noise:
        data = with_label_noise(data, dataset.label_noise, settings.seed)
    data = read_ahead(data, settings.trainer.workers)
    return data if dataset.permute_labels is None else permute_labels(data, dataset.permute_labels)


def by_rank(data: Data, unit: str, settings: "Settings") -> Data:
    """Return packaged data whose labels are compared by their ranks, in bins for the batches that are compared."""
    if unit != "rank":
        raise UserError(f"dataset.label_unit={unit}: labels of {data.name} are compared as they are: use rank, or null")
    compares = settings.method.pretrain if settings.method.loss is not None else settings.protocol
    batch_size = getattr(compares, "batch_size", len(data.train))  # a reference has no batches
    return replace(data, geometry=find_geometry(data.name, data.train.y, batch_size, "auto", unit))


def contrastive_loss(method: "Contrastive", data: Data) -> nn.Module:
    """Build the method's loss."""
    targets = data.compared().train.y.shape[1:]
    if targets and method.pretrain.sampler == "paired":
        raise UserError(
            f"method.pretrain.sampler=paired pairs rows by a label that is a number, and these are vectors of "
            f"{targets[0]}: use shuffled, or set dataset.label_unit=pca"
        )
    return _loss("method.loss", method.loss, data, method.labels)


def regulariser(name: str, term: "Regulariser", data: Data) -> nn.Module:
    """Build a regulariser's loss."""
    return _loss(
        f"method.regression.regularisers.{name}.loss", term.loss, data, term.labels, "prediction_N", "weight_N"
    )


def regression_loss(node: Mapping[str, Any] | None, data: Data) -> Any:
    """Build the loss of predictions; None for None."""
    criterion = build("method.regression.loss", node)
    refuse_vectors(
        "method.regression.loss", criterion, data.train.y, "train one run a label, or use method=vanilla or huber"
    )
    return criterion


def mixing(node: Mapping[str, Any] | None, data: Data) -> Any:
    """Build what mixes training rows; None for None."""
    return node and build("method.regression.mixing", node, **_derived(node, data, "raw"))


def _loss(key: str, node: Mapping[str, Any], data: Data, labels: str, *known: str) -> nn.Module:
    """Build a loss of embeddings, labels and what else is known of rows, by these names."""
    criterion = build(key, node, **_derived(node, data, labels))
    refuse_vectors(
        key,
        criterion,
        data.compared().train.y,
        COMPARE_VECTORS,
    )
    if hasattr(criterion, "on_no_positive") and "on_no_positive" not in node:
        criterion.on_no_positive = "zero"  # a single batch may have none; `preflight` stops a run where no batch has
    signature = inspect.signature(criterion.forward)
    try:
        signature.bind(None, None, **dict.fromkeys({*known} & {*signature.parameters}))
    except TypeError:
        raise UserError(
            f"{key}: {node['_target_']} is not called with embeddings and labels: name a loss whose "
            "forward takes (z_ND, y_N)"
        ) from None
    return criterion


def _derived(node: Mapping[str, Any], data: Data, labels: str) -> dict[str, Any]:
    """Return the values of arguments that stand for what follows from the training labels.

    These are ``label_range: train``, the labels' range; ``window: auto``, the window of the data's geometry; ``low``,
    ``high`` and ``bin_size: train``, the least and the largest label and the width of bins; and of any argument that is
    a length in label units ``range/10``, that part of the labels' range; of vectors, of the diagonal of their ranges.

    Args:
        node: whose arguments.
        data: gives the labels.
        labels: as the loss sees them, "raw" or "binned".
    """
    data = data.compared()
    derived: dict[str, Any] = {"label_range": data.contrast_range} if node.get("label_range") == "train" else {}
    if node.get("window") == "auto" and data.train.y.ndim == 2 and not node.get("mix_pos", True):
        derived |= {"window": 0.0}  # nothing asks for it
    elif node.get("window") == "auto":
        if data.train.y.ndim == 2:
            raise UserError(
                "method.window=auto: Mix-pos lie between labels that are numbers, and these are vectors of "
                f"{data.train.y.shape[1]}: {COMPARE_VECTORS}"
            )
        if data.geometry is None:
            raise UserError(f"method.window=auto: dataset={data.name} has a window of its own: give a number")
        derived |= {"window": data.geometry.window}
    seen_N = data.training_labels(labels)
    low, high = float(seen_N.min()), float(seen_N.max())
    span = high - low if seen_N.ndim == 1 else float(np.linalg.norm(np.ptp(seen_N, axis=0)))
    ranks = data.geometry.ranks if data.geometry is not None and labels == "binned" else None
    width = data.bin_size if ranks is None else ranks.bin_size
    known = {"low": low, "high": high, "bin_size": width or (high - low) / BINS_WITHOUT_SIZE}
    derived |= {name: value for name, value in known.items() if node.get(name) == "train"}
    for name, value in node.items():
        if isinstance(value, str) and (part := PART_OF_RANGE.fullmatch(value)):
            derived[name] = span / float(part[1])
    return derived
