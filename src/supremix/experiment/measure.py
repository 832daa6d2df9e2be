"""The metrics of a run from its labels, predictions and features as stored: when it ends, and any time later."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from omegaconf import DictConfig

from supremix.data.dataset import Data
from supremix.data.rows import inside
from supremix.metrics.bias import bias_metrics
from supremix.metrics.calibration import interval_metrics
from supremix.metrics.regression import VARIANTS, grouped, regression_metrics
from supremix.metrics.representation import representation_metrics
from supremix.training.imbalance.bins import training_bins
from supremix.training.imbalance.shots import shots

SPLITS = ("val", "test")  # that are measured
Arrays = Mapping[str, np.ndarray]


def arrays_of(cfg: DictConfig, data: Data, predictions: Mapping[str, Arrays]) -> dict[str, np.ndarray]:
    """Gather what metrics depend on, as ``predictions.npz`` has it.

    Args:
        predictions: split → variant → (N,), label units.

    Returns:
        For each split ``<split>_id``, ``<split>_y``, ``<split>_<variant>`` and ``<split>_group_<name>``, each (N,); the
        last are masks of the rows that are measured by themselves too.
    """
    arrays: dict[str, np.ndarray] = {}
    for name in SPLITS:
        split = getattr(data, name)
        arrays |= {f"{name}_id": split.ids, f"{name}_y": split.y}
        arrays |= {f"{name}_{variant}": prediction_N for variant, prediction_N in predictions[name].items()}
        arrays |= {f"{name}_group_{group}": mask_N for group, mask_N in _groups(cfg, data, split.y).items()}
    return arrays


def groups_in(arrays: Arrays, split: str) -> dict[str, np.ndarray]:
    """Name → (N,) mask of a split's groups."""
    prefix = f"{split}_group_"
    return {key.removeprefix(prefix): arrays[key] for key in arrays if key.startswith(prefix)}


def measured(arrays: Arrays) -> dict[str, Any]:
    """Compute what a record has of a run's arrays.

    Args:
        arrays: as `arrays_of` gathers them; where there are some, with ``test_features``, (N, D), and with the ends of
            intervals, ``<split>_low`` and ``<split>_high``, (N,) in label units, and their nominal ``coverage``, ().

    Returns:
        ``metrics``: split → variant → name → value, over all rows and over groups of rows; ``representation``: name →
        value, of the test features; ``interval``: split → name → value. The last two are None without such arrays.
    """
    metrics: dict[str, dict[str, dict[str, float]]] = {}
    for split in SPLITS:
        masks, y_N = groups_in(arrays, split), arrays[f"{split}_y"]
        predictions = {variant: arrays[f"{split}_{variant}"] for variant in VARIANTS if f"{split}_{variant}" in arrays}
        metrics[split] = {
            variant: regression_metrics(y_N, prediction_N) | grouped(y_N, prediction_N, masks)
            for variant, prediction_N in predictions.items()
        }
    for variant, values in metrics["test"].items():
        values |= bias_metrics(*(arrays[f"{split}_{of}"] for split in ("test", "val") for of in ("y", variant)))
    features_ND = arrays.get("test_features")
    return {
        "metrics": metrics,
        "representation": None if features_ND is None else representation_metrics(features_ND, arrays["test_y"]),
        "interval": {split: _interval(arrays, split) for split in SPLITS} if "coverage" in arrays else None,
    }


def _interval(arrays: Arrays, split: str) -> dict[str, float]:
    y_N, low_N, high_N = (arrays[f"{split}_{of}"] for of in ("y", "low", "high"))
    return interval_metrics(y_N, low_N, high_N, float(arrays["coverage"]))


def _groups(cfg: DictConfig, data: Data, y_N: np.ndarray) -> dict[str, np.ndarray]:
    """Return the groups of rows: shots of binned labels, and labels that ``dataset.subset`` took from training."""
    groups = {} if data.bin_size is None else shots(data.label_bins(y_N), training_bins(data))
    missing = cfg.dataset.subset.missing
    return groups if missing is None else groups | {"missing": inside(y_N, missing)}
