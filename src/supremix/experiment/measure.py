"""The metrics of a run from its labels and predictions, as they are stored: when it ends, and any time later."""

from collections.abc import Mapping

import numpy as np
from omegaconf import DictConfig

from supremix.data.dataset import Data
from supremix.data.rows import inside
from supremix.metrics.regression import VARIANTS, grouped, regression_metrics
from supremix.training.imbalance.bins import training_bins
from supremix.training.imbalance.shots import shots

SPLITS = ("val", "test")  # that are measured
Arrays = Mapping[str, np.ndarray]
Metrics = dict[str, dict[str, dict[str, float]]]  # split → variant → name → value


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


def measured(arrays: Arrays) -> Metrics:
    """Compute all metrics of both splits, over all rows and over groups of rows."""
    return {
        split: {
            variant: _metrics(arrays[f"{split}_y"], arrays[f"{split}_{variant}"], groups_in(arrays, split))
            for variant in VARIANTS
            if f"{split}_{variant}" in arrays
        }
        for split in SPLITS
    }


def _metrics(y_N: np.ndarray, prediction_N: np.ndarray, masks: dict[str, np.ndarray]) -> dict[str, float]:
    return regression_metrics(y_N, prediction_N) | grouped(y_N, prediction_N, masks)


def _groups(cfg: DictConfig, data: Data, y_N: np.ndarray) -> dict[str, np.ndarray]:
    """Return the groups of rows: shots of binned labels, and labels that ``dataset.subset`` took from training."""
    groups = {} if data.bin_size is None else shots(data.label_bins(y_N), training_bins(data))
    missing = cfg.dataset.subset.missing
    return groups if missing is None else groups | {"missing": inside(y_N, missing)}
