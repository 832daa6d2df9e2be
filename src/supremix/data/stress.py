"""Splits that stress a regression: labels that training has few of, or none. N rows, U different labels, K draws."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from supremix.data.rows import inside
from supremix.data.splits import random_order, random_uniforms
from supremix.errors import UserError

DRAWS = 4
"""Draws that the labels share by their weights, for each row; a label is drawn no more often than it has rows."""

VALIDATION = 0.1
"""Part of the training rows that validates."""


@dataclass(frozen=True)
class Stress:
    """A protocol of Puetz et al. (Artificial Intelligence Review 59(6), 2026), which divides all rows anew.

    Training rows are drawn label by label, with replacement: a label is drawn as often as it has rows, or less often
    where its weight is small. Rows that are never drawn are held out, and test. The draw is ours, not the authors'
    file, and each row counts once: where they repeat a training row that is drawn twice, it stands once, and where they
    draw test rows with replacement, we draw different ones.

    Args:
        peaks: labels about which training concentrates, by weights Σ exp(−decay (y − peak)²); None for equal weights.
        decay: of the weights, 1 / squared label units.
        labels: [low, high] that the rows are from, ends included; None for all.
        held_out: largest number of test rows of a label.
        balanced: whether labels with fewer held-out rows than that are left out of the test.
        cut: whether training labels outside the test's range are left out.
        missing: ranges [low, high] of labels, ends included, left out of training and validation; None for none.
        seed: of the draw.
    """

    peaks: Sequence[float] | None
    decay: float
    labels: tuple[float, float] | None
    held_out: int
    balanced: bool
    cut: bool
    missing: Sequence[Sequence[float]] | None
    seed: int
    registered_name: ClassVar[str] = "split/stress"

    def split(self, name: str, label_N: np.ndarray) -> dict[str, np.ndarray]:
        """Divide rows by their labels (N,). Returns split → row numbers, ascending.

        Raises:
            UserError: no row is left to test on.
        """
        rows_N = np.arange(len(label_N)) if self.labels is None else np.flatnonzero(inside(label_N, [self.labels]))
        by_label_N = rows_N[label_N[rows_N].argsort(kind="stable")]
        drawn_N = np.isin(by_label_N, self._drawn(by_label_N, label_N[by_label_N]))
        test = self._test(by_label_N[~drawn_N], label_N)
        if not len(test):
            raise UserError(
                f"{name}: no label has {self.held_out} rows beside its training rows to test on: give a smaller "
                "held_out in dataset.recipe.stress, or use dataset.stress=null"
            )
        train = np.sort(by_label_N[drawn_N])
        if self.cut:
            train = train[inside(label_N[train], [(label_N[test].min(), label_N[test].max())])]
        order = random_order(len(train), f"{self.seed}/stress/val")
        ends = max(1, round(VALIDATION * len(train)))
        parts = {"train": train[order[ends:]], "val": train[order[:ends]]}
        if self.missing is not None:
            parts = {split: rows[~inside(label_N[rows], self.missing)] for split, rows in parts.items()}
        return {split: np.sort(rows) for split, rows in (parts | {"test": test}).items()}

    def _drawn(self, by_label_N: np.ndarray, label_N: np.ndarray) -> np.ndarray:
        """Draw training rows (K,), some of them repeatedly, from rows (N,) in the order of their labels."""
        label_U, first_U, rows_U = np.unique(label_N, return_index=True, return_counts=True)
        weight_U = np.ones(len(label_U))
        if self.peaks is not None:
            weight_U = np.exp(-self.decay * np.subtract.outer(label_U, self.peaks) ** 2).sum(axis=1)
        draws_U = np.minimum(rows_U, (DRAWS * len(label_N) * weight_U / weight_U.sum()).astype(int))
        first_K, rows_K = np.repeat(first_U, draws_U), np.repeat(rows_U, draws_U)
        uniform_K = random_uniforms(len(first_K), f"{self.seed}/stress/train")
        return by_label_N[first_K + (uniform_K * rows_K).astype(int)]

    def _test(self, rows_N: np.ndarray, label_N: np.ndarray) -> np.ndarray:
        """Draw test rows from those that are held out."""
        drawn_N = rows_N[random_order(len(rows_N), f"{self.seed}/stress/test")]
        drawn_N = drawn_N[label_N[drawn_N].argsort(kind="stable")]
        _, first_U, rows_U = np.unique(label_N[drawn_N], return_index=True, return_counts=True)
        place_N = np.arange(len(drawn_N)) - np.repeat(first_U, rows_U)
        enough_N = np.repeat(rows_U, rows_U) >= (self.held_out if self.balanced else 1)
        return drawn_N[(place_N < self.held_out) & enough_N]
