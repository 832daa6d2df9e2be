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
from supremix.metrics.shots import shots
from supremix.metrics.targets import Arrays, in_deviations, over_targets
from supremix.training.imbalance.bins import training_bins

SPLITS = ("val", "test")  # that are measured


def arrays_of(cfg: DictConfig, data: Data, predictions: Mapping[str, Arrays]) -> dict[str, np.ndarray]:
    """Gather what metrics depend on, as ``predictions.npz`` has it.

    Args:
        predictions: split → variant → (N,), label units.

    Returns:
        For each split ``<split>_id``, ``<split>_y``, ``<split>_<variant>`` and ``<split>_group_<name>``, each (N,); the
        last are masks of the rows that are measured by themselves too. Labels and predictions are (N, T) where labels
        are vectors; then also ``target_name``, ``target_mean`` and ``target_std``, (T,), of the training labels.
    """
    arrays: dict[str, np.ndarray] = {}
    if (vectors := data.vectors) is not None:
        arrays |= {"target_name": np.array(vectors.names), "target_mean": vectors.mean_T, "target_std": vectors.std_T}
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
        ``metrics``: split → variant → name → value, over all rows, of vectors of each target and the mean over targets
        (`over_targets`), and over groups of rows; ``representation``: name → value, of the test features;
        ``interval``: split → name → value. The last two are None without such arrays.
    """
    metrics: dict[str, dict[str, dict[str, float]]] = {}
    for split in SPLITS:
        masks, variants = groups_in(arrays, split), [name for name in VARIANTS if f"{split}_{name}" in arrays]
        metrics[split] = {
            variant: over_targets(regression_metrics, arrays, f"{split}_y", f"{split}_{variant}")
            | grouped(arrays[f"{split}_y"], arrays[f"{split}_{variant}"], masks)
            for variant in variants
        }
    for variant, values in metrics["test"].items():
        values |= over_targets(
            bias_metrics, arrays, *(f"{split}_{of}" for split in ("test", "val") for of in ("y", variant))
        )
    features_ND, y_N = arrays.get("test_features"), in_deviations(arrays, "test_y")
    return {
        "metrics": metrics,
        "representation": None if features_ND is None else representation_metrics(features_ND, y_N),
        "interval": {split: _interval(arrays, split) for split in SPLITS} if "coverage" in arrays else None,
    }


def _interval(arrays: Arrays, split: str) -> dict[str, float]:
    y_N, low_N, high_N = (arrays[f"{split}_{of}"] for of in ("y", "low", "high"))
    return interval_metrics(y_N, low_N, high_N, float(arrays["coverage"]))


def _groups(cfg: DictConfig, data: Data, y_N: np.ndarray) -> dict[str, np.ndarray]:
    """Return the groups of rows: shots of binned labels, and labels that ``dataset`` took from training."""
    groups = {} if data.bin_size is None else shots(training_bins(data).rows_at(data.label_bins(y_N)))
    stress = cfg.dataset.load.get("stress") or {}
    missing = [*(cfg.dataset.subset.missing or []), *(stress.get("missing") or [])]
    return groups | {"missing": inside(y_N, missing)} if missing else groups
