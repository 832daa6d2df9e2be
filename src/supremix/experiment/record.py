"""What a finished run leaves on disk, and how it is shown at the terminal."""

import math
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn

from supremix import __version__
from supremix.data.dataset import Data
from supremix.data.own.stored import save_state, state_of
from supremix.experiment.measure import SPLITS, arrays_of, groups_in, measured
from supremix.metrics.regression import LOWER_IS_BETTER, METRICS, VARIANTS
from supremix.runtime import ranks
from supremix.runtime.output import say
from supremix.runtime.terminal import shown
from supremix.settings.identity import of_pretraining
from supremix.settings.provenance import present_code
from supremix.settings.source import resolved
from supremix.store.files import save_weights, write_history
from supremix.store.folders import Store
from supremix.store.records import RECORD_SCHEMA, Record, measured_on_test, write_json
from supremix.training.adapt import Adapted
from supremix.training.loop import Fitted, state_on_cpu

LEARNT_BELOW = 0.99
"""Part of a constant's MAE from which on a run is no better: choosing the epoch on validation may gain as much."""

LOOKED_AT = ("mae", "rmse", "pearson", "r2")

BETA_MEAN = "method/beta_mean"  # of the Beta distribution that a mixture's share of its anchor is drawn from


@dataclass(frozen=True)
class Outcome:
    """What the stages of a run leave.

    predictions: split → variant → (N,) or (N, T), label units. adapted: of the adaptation, and encoder: the encoder's
    record, where there was one.
    """

    predictions: dict[str, dict[str, np.ndarray]]
    adapted: Adapted | None = None
    encoder: Record | None = None


def compose(
    cfg: DictConfig,
    science: dict[str, Any],
    run_id: str,
    data: Data,
    arrays: dict[str, np.ndarray],
    outcome: Outcome,
) -> Record:
    """Compose the run's record, except what is known later: its times, its environment, and its weights.

    Args:
        science: the config that identifies the run.
        arrays: as `measured` takes them.
    """
    adapted, encoder = outcome.adapted, outcome.encoder
    facts = {"sha256": data.sha256, "sizes": data.sizes, "label_range": data.label_range, **data.extras}
    facts["groups"] = {
        split: {name: int(mask_N.sum()) for name, mask_N in groups_in(arrays, split).items()} for split in SPLITS
    }
    facts["constant_mae"] = constant_mae(data)
    selection: Record | None = {"split": "val", "metric": cfg.protocol.select} if adapted else None
    if adapted and selection:
        selection |= {"best_epoch": adapted.best_epoch, "epochs": len(adapted.history)}
        if math.isinf(adapted.history[adapted.best_epoch - 1]["val"]):
            selection["undefined"] = True  # in every epoch, so that the last one was taken
    return {
        "schema": RECORD_SCHEMA,
        "id": run_id,
        "code": present_code(),
        "pretrain_id": encoder["id"] if encoder else None,
        "pretrain_code": encoder["code"]["digest"] if encoder else None,
        "dataset": cfg.dataset.name,
        "method": cfg.method.name,
        "protocol": cfg.protocol.name,
        "seed": cfg.seed,
        "synthetic": data.synthetic,
        "config": science,
        "data": facts,
        **measured(arrays),
        "selection": selection,
        "pretrain": encoder["pretrain"] if encoder else None,
    }


def constant_mae(data: Data) -> float:
    """Return the validation MAE of the mean or the median of the training labels, the lower one.

    Of vectors the mean over targets, each in its standard deviations.
    """
    train_y, val_y = (
        split.y if data.vectors is None else data.vectors.standard(split.y) for split in (data.train, data.val)
    )
    constants = train_y.mean(axis=0), np.median(train_y, axis=0)
    return float(np.mean(np.min([np.abs(val_y - constant).mean(axis=0) for constant in constants], axis=0)))


def doubts(report: Record) -> list[str]:
    """Return what a network's run says at its end of its own worth: a choice by nothing, nothing learnt."""
    selection, texts = report["selection"], []
    if selection is None:
        return []
    run = f"dataset={report['dataset']} method={report['method']} seed={report['seed']}"
    if selection.get("undefined"):
        texts.append(
            f"{run}: the validation {selection['metric']} was undefined in every epoch, since the predictions were all "
            "equal, so the last epoch counts as the best: lower the learning rate, or choose by protocol.select=mae"
        )
    mae, constant = report["metrics"]["val"]["best"]["mae"], report["data"]["constant_mae"]
    if mae >= LEARNT_BELOW * constant:
        unscaled = report["config"]["dataset"].get("scaling", "standard") != "standard"  # texts have one fixed unit
        way_out = "set dataset.scaling=standard, train longer" if unscaled else "train longer"
        texts.append(
            f"{run}: nothing was learnt: the validation MAE is {mae:.4g}, and that of a constant, the mean or median "
            f"of the training labels, {constant:.4g}: {way_out}, change the rate, or check inputs and labels"
        )
    return texts


def environment(fabric: Fabric) -> dict[str, Any]:
    """Return the versions and the hardware behind the numbers."""
    device = fabric.device
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    versions = {"supremix": __version__, "python": platform.python_version(), "torch": torch.__version__}
    return versions | {
        "device": f"{device.type} {name}",
        "devices": ranks.world_size(),
        "threads": torch.get_num_threads(),
    }


def write(
    store: Store, cfg: DictConfig, science: dict[str, Any], run_id: str, data: Data, outcome: Outcome, about: Record
) -> Record:
    """Write the run's directory: config, record, predictions, how rows are read; of a network its history and weights.

    Args:
        science: the config that identifies the run.
        about: what else the record holds.

    Returns:
        The record.
    """
    arrays = arrays_of(cfg, data, outcome.predictions)
    if outcome.adapted is not None:
        arrays |= adapted_arrays(outcome.adapted)
    report = compose(cfg, science, run_id, data, arrays, outcome) | about
    with store.writing(store.run(run_id)) as folder:
        OmegaConf.save(OmegaConf.create(resolved(cfg)), folder / "config.yaml")
        states: dict[str, dict[str, Tensor]] = {}
        if outcome.adapted is not None:
            write_history(folder, outcome.adapted.history)
            states = outcome.adapted.states
        report["weights"] = save_weights(states, folder)
        write_json(folder / "record.json", report)
        save_state(folder, state_of(data))
        np.savez_compressed(folder / "predictions.npz", **arrays)  # type: ignore[arg-type]
    return report


def adapted_arrays(adapted: Adapted) -> dict[str, np.ndarray]:
    """Return what a network leaves beside predictions: test features, and the ends of intervals where it has any."""
    arrays = {"test_features": adapted.features}
    for split, (low_N, high_N) in adapted.intervals.items():
        arrays |= {f"{split}_low": low_N, f"{split}_high": high_N}
    return arrays | ({} if adapted.coverage is None else {"coverage": np.array(adapted.coverage)})


def write_encoder(
    store: Store,
    pretrain_id: str,
    science: dict[str, Any],
    backbone: nn.Module,
    projection: nn.Module,
    fitted: Fitted,
) -> Record:
    """Write a pre-trained encoder's directory, with several ranks on the first one, and return its record."""
    last = fitted.history[-1]
    report: Record = {
        "schema": RECORD_SCHEMA,
        "id": pretrain_id,
        "code": present_code(),
        "config": of_pretraining(science),
        "pretrain": {
            "epochs": len(fitted.history),
            "final_loss": last["loss"],
            "anchors_without_positive": last.get("anchors_without_positive"),
            "above_bound": last.get("above_bound"),
            "seconds": fitted.seconds,
        },
    }
    if ranks.is_first():
        with store.writing(store.encoder(pretrain_id)) as folder:
            write_history(folder, fitted.history)
            if fitted.histograms:
                np.savez_compressed(folder / "logits.npz", **fitted.histograms)  # type: ignore[arg-type]
            states = {"backbone": state_on_cpu(backbone), "projection": state_on_cpu(projection)}
            report["weights"] = save_weights(states, folder)
            write_json(folder / "record.json", report)
    return report


def mirrored(report: Record) -> dict[str, Any]:
    """Return what W&B shows of a finished run besides its config.

    By itself what people look at: `LOOKED_AT` on test, and the validation of the metric that chose the epoch; below
    ``metrics/`` all metrics; and numbers for settings that are none.
    """
    selection, beta = report["selection"] or {"metric": "mae"}, report["config"]["method"].get("beta")
    val, test = (
        variants.get("best") or variants["last"] for variants in (report["metrics"][split] for split in ("val", "test"))
    )
    first = {
        f"val_{selection['metric']}": val[selection["metric"]],
        **{f"test_{name}": test[name] for name in LOOKED_AT},
    }
    first |= {"best_epoch": selection["best_epoch"]} if "best_epoch" in selection else {}
    every = flat(report["metrics"] | {"test": measured_on_test(report)})
    return (
        first
        | {f"metrics/{name}": value for name, value in every.items()}
        | ({BETA_MEAN: beta[0] / sum(beta)} if beta else {})
    )


def flat(metrics: dict[str, Any]) -> dict[str, float]:
    """Flatten metrics to ``split/variant/name`` → value."""
    return {
        f"{split}/{variant}/{name}": value
        for split, variants in metrics.items()
        for variant, values in variants.items()
        for name, value in values.items()
    }


def show(report: Record, directory: Path, status: str) -> None:
    """Print the test metrics and the path of the record, which the next run of a sweep does not wait for."""
    say(f"{report['dataset']} · {report['method']} · {report['protocol']} · seed {report['seed']}: {status}")
    targets = report["data"].get("targets", [])
    if targets:
        say(f"  mean over {', '.join(targets)}, each in its standard deviations; then each in its own units")
    say(f"  {'test':<6}" + "".join(f"{name:>10}" for name in METRICS))
    tested = report["metrics"]["test"]
    for variant in VARIANTS:
        if (values := tested.get(variant)) is not None:
            say(f"  {variant:<6}" + _cells(values))
    for target in targets:
        say(f"  {'best':<6}" + _cells(tested["best"], f"_{target}") + f"  {target}")
    if of_features := report.get("representation"):
        texts = {"spearman": "Spearman of distances", "rank": "effective rank"}
        cells = (
            f"{text} {'undefined' if of_features[name] is None else format(of_features[name], '.4g')}"
            for name, text in texts.items()
        )
        say(f"  features: {', '.join(cells)}")
    if selection := report["selection"]:
        extreme = "lowest" if selection["metric"] in LOWER_IS_BETTER else "highest"
        chosen = "best: epoch {best_epoch} of {epochs}, {extreme} {split} {metric}".format(**selection, extreme=extreme)
        chosen += ", undefined in every epoch" if selection.get("undefined") else ""
        longer = selection["best_epoch"] == selection["epochs"] and not selection.get("undefined")
        say(f"  {chosen}{', so that more epochs may do better' * longer}; last: last epoch")
    say(f"  record: {directory / 'record.json'}")
    if selection and "columns" in report["data"]:  # a file of the user's
        say(f"  new rows: supremix predict {directory} NEW.csv -o predictions.csv")


def _cells(values: dict[str, Any], ending: str = "") -> str:
    return "".join(f"{shown(values.get(f'{name}{ending}')):>10}" for name in METRICS)
