"""Labels that are vectors: what is compared of them, and what refuses them. N rows, T targets."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from supremix.errors import UserError
from supremix.metrics.bias import BIAS
from supremix.metrics.regression import METRICS


@dataclass(frozen=True, eq=False)
class Vectors:
    """The T targets of rows, each to be compared in units of its own spread.

    Attributes:
        names: of the targets.
        mean_T, std_T: of the training labels, label units.
        direction_T: what contrastive losses compare, a direction of standardised labels; None compares the labels
            themselves, by the Euclidean norm.
    """

    names: tuple[str, ...]
    mean_T: np.ndarray
    std_T: np.ndarray
    direction_T: np.ndarray | None = None

    def __post_init__(self) -> None:
        metrics = (*METRICS, *BIAS)
        names = [*metrics, *(f"{metric}_{target}" for metric in metrics for target in self.names)]
        name, count = Counter(names).most_common(1)[0]
        if count > 1:
            raise UserError(f"targets {', '.join(self.names)}: two of their metrics would be {name}: rename a column")

    def standard(self, y_NT: np.ndarray) -> np.ndarray:
        """Return labels in standard deviations from the mean of the training labels, (N, T)."""
        return (y_NT - self.mean_T) / self.std_T

    def compared(self, y_NT: np.ndarray) -> np.ndarray:
        """Return what losses on label distances compare: standardised labels (N, T), or their direction's part (N,)."""
        standard_NT = self.standard(y_NT)
        return standard_NT if self.direction_T is None else standard_NT @ self.direction_T


def first_direction(standard_NT: np.ndarray) -> np.ndarray:
    """Return the first principal direction (T,) of standardised labels, its largest component above 0."""
    from sklearn.decomposition import PCA

    direction_T = PCA(n_components=1, svd_solver="full").fit(standard_NT).components_[0]
    return direction_T * np.sign(direction_T[np.abs(direction_T).argmax()])


def refuse_vectors(key: str, criterion: Any, y_N: np.ndarray, way_out: str) -> None:
    """Raise UserError where labels are vectors and a loss says, by ``numbers_only``, that it takes numbers alone.

    Args:
        key: of the loss in the config.
        criterion: the loss.
        y_N: labels as it would see them, (N,) or (N, T).
        way_out: what to do instead.
    """
    if y_N.ndim == 2 and getattr(criterion, "numbers_only", False):
        raise UserError(
            f"{key}: {type(criterion).__name__} takes labels that are numbers, and these are vectors of "
            f"{y_N.shape[1]}: {way_out}"
        )
