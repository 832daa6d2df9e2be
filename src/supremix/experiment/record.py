"""What a finished run leaves on disk, and how it is shown at the terminal."""

import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from omegaconf import DictConfig, OmegaConf
from torch import nn

from supremix import __version__
from supremix.data.dataset import Data
from supremix.data.rows import inside
from supremix.metrics.regression import METRICS, VARIANTS, grouped, regression_metrics
from supremix.runtime import ranks
from supremix.settings.identity import stage_1
from supremix.settings.source import resolved
from supremix.store.files import save_weights, write_history
from supremix.store.folders import RECORD_SCHEMA, Store, write_json
from supremix.training.adapt import Adapted
from supremix.training.imbalance.bins import training_bins
from supremix.training.imbalance.shots import shots
from supremix.training.loop import Fitted, state_on_cpu

BETA_MEAN = "method/beta_mean"  # of the Beta distribution that a mixture's share of its anchor is drawn from


@dataclass(frozen=True)
class Outcome:
    """Predictions of a run; what stage 2 left, and the encoder's record, where there was one."""

    predictions: dict[str, dict[str, np.ndarray]]
    adapted: Adapted | None = None
    encoder: dict[str, Any] | None = None


def compose(
    cfg: DictConfig,
    science: dict[str, Any],
    run_id: str,
    data: Data,
    fabric: Fabric,
    outcome: Outcome,
    seconds: float,
) -> dict[str, Any]:
    """The run's record: identity, config, metrics of both splits, how the epoch was chosen, time, environment."""
    adapted, encoder = outcome.adapted, outcome.encoder
    labels = {"val": data.val.y, "test": data.test.y}
    groups = {split: groups_of(cfg, data, y_N) for split, y_N in labels.items()}
    metrics = {
        split: {
            variant: regression_metrics(labels[split], y_N) | grouped(labels[split], y_N, groups[split])
            for variant, y_N in by_variant.items()
        }
        for split, by_variant in outcome.predictions.items()
    }
    facts = {"sha256": data.sha256, "sizes": data.sizes, "label_range": data.label_range, **data.extras}
    facts["groups"] = {
        split: {name: int(mask_N.sum()) for name, mask_N in masks.items()} for split, masks in groups.items()
    }
    selection = {"split": "val", "metric": cfg.protocol.select} if adapted else None
    if adapted and selection:
        selection |= {"best_epoch": adapted.best_epoch, "epochs": len(adapted.history)}
    return {
        "schema": RECORD_SCHEMA,
        "id": run_id,
        "pretrain_id": encoder["id"] if encoder else None,
        "dataset": cfg.dataset.name,
        "method": cfg.method.name,
        "protocol": cfg.protocol.name,
        "seed": cfg.seed,
        "synthetic": data.synthetic,
        "config": science,
        "data": facts,
        "metrics": metrics,
        "selection": selection,
        "pretrain": encoder["pretrain"] if encoder else None,
        "seconds": {"adapt": adapted.seconds if adapted else 0.0, "total": seconds},
        "environment": environment(fabric),
    }


def groups_of(cfg: DictConfig, data: Data, y_N: np.ndarray) -> dict[str, np.ndarray]:
    """Name → (N,) mask of the rows that are measured by themselves too.

    The shots, where labels have bins; the labels that training lacks, where ``dataset.subset`` took some away.
    """
    groups = {} if data.bin_size is None else shots(data.label_bins(y_N), training_bins(data))
    missing = cfg.dataset.subset.missing
    return groups if missing is None else groups | {"missing": inside(y_N, missing)}


def environment(fabric: Fabric) -> dict[str, Any]:
    """Versions and hardware behind the numbers."""
    device = fabric.device
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    versions = {"supremix": __version__, "python": platform.python_version(), "torch": torch.__version__}
    return versions | {
        "device": f"{device.type} {name}",
        "devices": ranks.world_size(),
        "threads": torch.get_num_threads(),
    }


def write(store: Store, directory: Path, cfg: DictConfig, report: dict[str, Any], data: Data, outcome: Outcome) -> None:
    """Write the run's directory: config, record, predictions, and where there is a network history and weights."""
    arrays: dict[str, Any] = {}
    for name, split in (("val", data.val), ("test", data.test)):
        arrays |= {f"{name}_id": split.ids, f"{name}_y": split.y}
        arrays |= {f"{name}_{variant}": y_N for variant, y_N in outcome.predictions[name].items()}
    with store.writing(directory) as folder:
        OmegaConf.save(OmegaConf.create(resolved(cfg)), folder / "config.yaml")
        write_json(folder / "record.json", report)
        if outcome.adapted is not None:
            arrays["test_features"] = outcome.adapted.features
            write_history(folder, outcome.adapted.history)
            for which, state in outcome.adapted.states.items():
                save_weights(state, folder / f"{which}.safetensors")
        np.savez_compressed(folder / "predictions.npz", **arrays)


def write_encoder(
    store: Store,
    encoder_id: str,
    science: dict[str, Any],
    backbone: nn.Module,
    projection: nn.Module,
    fitted: Fitted,
) -> dict[str, Any]:
    """Write a pre-trained encoder's directory, of several ranks on the first, and return its record."""
    last = fitted.history[-1]
    report = {
        "schema": RECORD_SCHEMA,
        "id": encoder_id,
        "config": stage_1(science),
        "pretrain": {
            "epochs": len(fitted.history),
            "final_loss": last["loss"],
            "anchors_without_positive": last["anchors_without_positive"],
            "seconds": fitted.seconds,
        },
    }
    if ranks.is_first():
        with store.writing(store.encoder(encoder_id)) as folder:
            write_json(folder / "record.json", report)
            write_history(folder, fitted.history)
            if fitted.readings:
                np.savez_compressed(folder / "logits.npz", **fitted.readings)  # type: ignore[arg-type]
            save_weights(state_on_cpu(backbone), folder / "backbone.safetensors")
            save_weights(state_on_cpu(projection), folder / "projection.safetensors")
    return report


def mirrored(report: dict[str, Any]) -> dict[str, Any]:
    """What W&B shows of a finished run besides its config: the metrics, and numbers for settings that are none."""
    beta = report["config"]["method"].get("beta")
    return flat(report["metrics"]) | ({BETA_MEAN: beta[0] / sum(beta)} if beta else {})


def flat(metrics: dict[str, Any]) -> dict[str, float]:
    """Metrics as ``split/variant/name`` → value."""
    return {
        f"{split}/{variant}/{name}": value
        for split, variants in metrics.items()
        for variant, values in variants.items()
        for name, value in values.items()
    }


def show(report: dict[str, Any], directory: Path, status: str, quiet: bool) -> None:
    """Print the test metrics and the path of the record, unless quiet."""
    if quiet:
        return
    print(f"{report['dataset']} · {report['method']} · {report['protocol']} · seed {report['seed']}: {status}")
    print(f"  {'test':<6}" + "".join(f"{name:>10}" for name in METRICS))
    for variant in VARIANTS:
        values = report["metrics"]["test"].get(variant)
        if values is not None:
            cells = (
                "undefined" if values[m] is None or values[m] != values[m] else f"{values[m]:.4f}" for m in METRICS
            )
            print(f"  {variant:<6}" + "".join(f"{cell:>10}" for cell in cells))
    if report["selection"]:
        print(
            "  best: epoch {best_epoch} of {epochs}, lowest {split} {metric}; last: last epoch".format(
                **report["selection"]
            )
        )
    print(f"  record: {directory / 'record.json'}")
