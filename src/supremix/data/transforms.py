"""Monotone maps of labels, applied before they are standardised and undone before anything is measured.

`LOG` and `QUANTILE` suit labels whose distances grow with them, such as prices.
"""

from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Protocol

import numpy as np

from supremix.errors import UserError

KNOTS = 1001
"""The most labels that a quantile map keeps; it is linear between them."""


class Transform(Protocol):
    """A strictly increasing map of labels (N,) and its inverse, and what a stored run keeps of it."""

    def encode(self, y_N: np.ndarray) -> np.ndarray:
        """Map label units to transformed ones."""

    def decode(self, t_N: np.ndarray) -> np.ndarray:
        """Map transformed units to label units."""

    def state(self) -> dict[str, Any]:
        """Return the name under ``name``, and the arguments: JSON values."""


@dataclass(frozen=True)
class Log:
    """The natural logarithm of label + shift."""

    shift: float

    def encode(self, y_N: np.ndarray) -> np.ndarray:
        """Map label units to their logarithm."""
        return np.log(y_N + self.shift)

    def decode(self, t_N: np.ndarray) -> np.ndarray:
        """Map logarithms to label units."""
        return np.exp(t_N) - self.shift

    def state(self) -> dict[str, Any]:
        """Return name and shift."""
        return {"name": "log", "shift": self.shift}


@dataclass(frozen=True)
class Quantile:
    """Labels to the normal scores of their ranks, linear between knots; what lies beyond them counts as the last knot.

    Args:
        labels: ascending, all different, label units.
        scores: of these labels, ascending.
    """

    labels: tuple[float, ...]
    scores: tuple[float, ...]

    def encode(self, y_N: np.ndarray) -> np.ndarray:
        """Map label units to normal scores."""
        return np.interp(y_N, self.labels, self.scores)

    def decode(self, t_N: np.ndarray) -> np.ndarray:
        """Map normal scores to label units."""
        return np.interp(t_N, self.scores, self.labels)

    def state(self) -> dict[str, Any]:
        """Return name and knots."""
        return {"name": "quantile", "labels": [*self.labels], "scores": [*self.scores]}


NAMES = ("none", "log", "quantile")


def fit_transform(dataset: str, name: str, y_N: np.ndarray) -> Transform | None:
    """Fit the transform of this name to training labels; None for "none".

    Args:
        dataset: name of the dataset, for messages.
        name: one of NAMES.
        y_N: training labels, label units.

    Raises:
        UserError: no such transform, or the labels have no logarithm.
    """
    if name not in NAMES:
        raise UserError(f"{dataset}: target_transform={name}: use one of {', '.join(NAMES)}")
    if name == "none":
        return None
    if name == "quantile":
        return _quantile(y_N)
    if y_N.min() < 0:
        raise UserError(
            f"{dataset}: target_transform=log: the label {y_N.min():g} is below 0 and has no logarithm: "
            "use target_transform=quantile, or none"
        )
    return Log(0.0 if y_N.min() > 0 else 1.0)


def restored_transform(state: dict[str, Any] | None) -> Transform | None:
    """Return the transform whose `state` this is."""
    if state is None:
        return None
    if state["name"] == "log":
        return Log(float(state["shift"]))
    return Quantile(tuple(state["labels"]), tuple(state["scores"]))


def _quantile(y_N: np.ndarray) -> Quantile:
    labels_U, count_U = np.unique(y_N, return_counts=True)
    middle_U = (np.cumsum(count_U) - count_U / 2) / len(y_N)  # of the ranks of equal labels, in (0, 1)
    at = np.unique(np.linspace(0, len(labels_U) - 1, KNOTS).round().astype(int))
    scores = [NormalDist().inv_cdf(float(share)) for share in middle_U[at]]
    return Quantile(tuple(float(label) for label in labels_U[at]), tuple(scores))
