"""Load a model from a finished run, or from a folder that `Model.save` wrote."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf
from safetensors.torch import load_file
from torch import Tensor, nn

from supremix import __version__
from supremix.data.own.stored import State, load_state, restored
from supremix.errors import UserError
from supremix.inference.model import CONFIG, PREFIXES, WEIGHTS, Model
from supremix.models.heads import HistogramHead, RegressionHead
from supremix.settings.build import build
from supremix.store.files import load_weights
from supremix.store.folders import finished
from supremix.store.records import Record, read_record

FORMAT = 1
"""Version of a model folder's config.json."""
OWN = "supremix.models."
"""Begins the addresses of classes that a model folder may name without trust in its sender."""


def load(path: str | Path, device: str = "cpu", trust_code: bool = False) -> Model:
    """Load a trained model.

    Args:
        path: a finished run's folder, as ``runs/<id>``, or a folder that `Model.save` wrote.
        device: where it computes, such as "cpu" or "cuda".
        trust_code: allow a saved folder to name a backbone outside supremix, whose code is then run.

    Raises:
        UserError: there is no model, or it is damaged.
    """
    folder = Path(path)
    if (folder / CONFIG).is_file():
        model = _from_folder(folder, trust_code)
    elif finished(folder):
        model = _from_run(folder)
    else:
        raise UserError(f"{path}: no finished run and no saved model: give runs/<id>, or a folder that .save() wrote")
    for part in (model.backbone, model.heads):
        part.to(device).eval().requires_grad_(False)
    return model


def _from_run(folder: Path) -> Model:
    record = read_record(folder)
    if record["selection"] is None:
        raise UserError(
            f"{folder}: method={record['method']} is a reference regressor, which is not stored: load a network's run"
        )
    about = _about(folder, record) | {"bins": _bins(folder / "best.safetensors")}
    model = _read(folder, about, with_ridge="ridge.safetensors" in record["weights"])
    sums = record["weights"]
    load_weights(model.backbone, folder / "best.safetensors", sums, "backbone.")
    load_weights(model.heads["trained"], folder / "best.safetensors", sums, "head.")
    if "ridge" in model.heads:
        load_weights(model.heads["ridge"], folder / "ridge.safetensors", sums)
    return model


def _from_folder(folder: Path, trust_code: bool) -> Model:
    path = folder / CONFIG
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
        version, build_node, sums = about["format"], about["backbone"]["build"], about["weights"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: not a model's config ({error!r}): save the model again") from None
    if version != FORMAT:
        raise UserError(f"{path}: format {version}, this version reads {FORMAT}: save the model again")
    foreign = [target for target in _targets(build_node) if not target.startswith(OWN)]
    if foreign and not trust_code:
        raise UserError(
            f"{path}: it names code outside supremix, {foreign[0]}: if you trust who sent it, load(…, trust_code=True)"
        )
    model = _read(folder, about, with_ridge="ridge.weight" in _weights(folder / WEIGHTS))
    load_weights(model.backbone, folder / WEIGHTS, sums, "backbone.")
    for name, head in model.heads.items():
        load_weights(head, folder / WEIGHTS, sums, f"{PREFIXES[name]}.")
    return model


def _about(folder: Path, record: Record) -> dict[str, Any]:
    """Return what a model of a run is, as the config.json of a model folder has it."""
    config: Any = OmegaConf.to_container(OmegaConf.load(folder / "config.yaml"))
    protocol = config["protocol"]
    return {
        "format": FORMAT,
        "supremix": __version__,
        "backbone": {key: config["backbone"][key] for key in ("name", "build")},
        "train_backbone": protocol["train_backbone"],
        "precision": config["trainer"]["precision"],
        "run": {key: record[key] for key in ("id", "dataset", "method", "protocol", "seed", "synthetic", "code")},
        "selection": record["selection"],
        "data": record["data"],
        "metrics": record["metrics"],
    }


def _read(folder: Path, about: dict[str, Any], with_ridge: bool) -> Model:
    """Return the model with weights that are still to be loaded."""
    state = load_state(folder)
    if not state:
        raise UserError(
            f"{folder}: it does not hold how rows are read (data.json), since a version before 0.2.0 made it or its "
            "dataset's loader gives no reader: run it again with rerun=true"
        )
    return _assembled(about, state, with_ridge)


def _assembled(about: dict[str, Any], state: State, with_ridge: bool) -> Model:
    """Return the model of a config and a state, with random weights."""
    intake = restored(state)
    with torch.random.fork_rng(devices=[]):
        backbone = build("backbone.build", about["backbone"]["build"], **intake.input_spec)
        bins = about.get("bins")
        new = partial(RegressionHead, backbone.out_dim, 0.0, len(intake.labels))
        head = new() if bins is None else HistogramHead(backbone.out_dim, bins)
        heads: dict[str, nn.Module] = {"trained": head}
    if with_ridge:
        heads["ridge"] = new().double()
    return Model(backbone, nn.ModuleDict(heads), intake, state, about)


def plain(model: Model) -> dict[str, Any]:
    """Return a model as JSON values and arrays, for a pickle that holds no code."""
    parts = {"backbone": model.backbone, "heads": model.heads}
    weights = {
        name: {key: value.cpu().numpy() for key, value in part.state_dict().items()} for name, part in parts.items()
    }
    return {"about": model.about, "state": model.state, "weights": weights}


def from_plain(parts: dict[str, Any]) -> Model:
    """Return the model that `plain` took apart, in the type of its weights."""
    weights = {
        name: {key: torch.from_numpy(value) for key, value in part.items()} for name, part in parts["weights"].items()
    }
    model = _assembled(parts["about"], parts["state"], "ridge.weight" in weights["heads"])
    for name, part in (("backbone", model.backbone), ("heads", model.heads)):
        part.to(weights["heads"]["trained.weight"].dtype).load_state_dict(weights[name])
        part.eval().requires_grad_(False)
    return model


def _bins(path: Path) -> int | None:
    """Return the bins of a head whose output is a histogram; None for a linear one."""
    centre = _weights(path).get("head.centre")
    return None if centre is None else len(centre)


def _weights(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except Exception as error:  # safetensors raises types of its own for each kind of damage
        raise UserError(f"{path}: not its weights ({error}): save the model again") from None


def _targets(node: Any) -> list[str]:
    """Return every ``_target_`` in a config node."""
    if isinstance(node, dict):
        own = [str(node["_target_"])] if "_target_" in node else []
        return own + [target for value in node.values() for target in _targets(value)]
    return [target for value in node for target in _targets(value)] if isinstance(node, list) else []
