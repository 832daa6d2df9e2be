"""Divide a user's rows into training, validation and test rows, alike in their labels. N rows."""

from collections.abc import Mapping

import numpy as np

from supremix.data.prepared.folder import SPLITS
from supremix.data.splits import random_order
from supremix.errors import UserError

STRATA = 20
"""Quantiles of the labels from which each split gets its share."""


def split_rows(
    y_N: np.ndarray,
    fractions: Mapping[str, float],
    seed: int,
    split_N: np.ndarray | None = None,
    group_N: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """Return split → its row numbers, ascending.

    Args:
        y_N: labels, as `drawn` takes them.
        fractions: of "train", "val" and "test", above 0, with sum 1.
        seed: of the draw.
        split_N: the split of each row where the file says it; without "val" it is drawn from the training rows.
        group_N: rows with equal values stay together.

    Raises:
        UserError: the fractions do not fit, a split stays empty, or the file puts a group into two.
    """
    shares = _checked(fractions)
    if split_N is None:
        split_N = drawn(y_N, shares, seed, group_N)
    elif not (split_N == "val").any():
        train = np.flatnonzero(split_N == "train")
        whole = shares["train"] + shares["val"]
        part = {"train": shares["train"] / whole, "val": shares["val"] / whole}
        split_N = split_N.copy()
        split_N[train] = drawn(y_N[train], part, seed, None if group_N is None else group_N[train])
    if group_N is not None:
        _check_groups(split_N, group_N)
    rows = {split: np.flatnonzero(split_N == split) for split in SPLITS}
    for split, places in rows.items():
        if len(places) == 0:
            cause = f"{len(np.unique(group_N))} groups are too few" if group_N is not None else "too few rows"
            raise UserError(f"no row is left for the split {split}: {cause}; change dataset.fractions or dataset.group")
    return rows


def _check_groups(split_N: np.ndarray, group_N: np.ndarray) -> None:
    """Raise UserError where rows of one group are in two splits."""
    pairs = np.unique(np.stack([group_N, split_N]), axis=1)
    again = np.flatnonzero(pairs[0, 1:] == pairs[0, :-1])
    if again.size:
        group, splits = str(pairs[0, again[0]]), pairs[1, again[0] : again[0] + 2]
        count = len({*pairs[0, again].tolist()})
        raise UserError(
            f"dataset.group: the file has rows of {group!r} in {' and in '.join(splits)}, {count} groups are so: "
            "correct its split, or let it be drawn by dataset.split=null"
        )


def drawn(y_N: np.ndarray, shares: Mapping[str, float], seed: int, group_N: np.ndarray | None) -> np.ndarray:
    """Draw the split of each row (N,): strata of the labels in order, each unit to the split that lacks most.

    Args:
        y_N: labels, (N,), or (N, T), of which the first target counts.
        shares: split → its part of the rows.
        seed: of the draw.
        group_N: rows with equal values stay together.
    """
    unit_N = np.arange(len(y_N)) if group_N is None else np.unique(group_N, return_inverse=True)[1]
    size_U = np.bincount(unit_N)
    mean_U = np.bincount(unit_N, weights=y_N.reshape(len(y_N), -1)[:, 0]) / size_U
    random_U = np.argsort(random_order(len(size_U), f"{seed}/own split"))
    rank_U = np.empty(len(size_U), dtype=np.int64)
    rank_U[np.lexsort((random_U, mean_U))] = np.arange(len(size_U))
    stratum_U = rank_U * min(STRATA, len(size_U)) // len(size_U)
    names, share_S = [*shares], np.array([*shares.values()])
    given_S, done = np.zeros(len(names)), 0
    of_unit = np.empty(len(size_U), dtype="<U5")
    for unit in np.lexsort((random_U, stratum_U)):
        done += int(size_U[unit])
        split = int(np.argmax(share_S * done - given_S))
        given_S[split] += size_U[unit]
        of_unit[unit] = names[split]
    return of_unit[unit_N]


def _checked(fractions: Mapping[str, float]) -> dict[str, float]:
    try:
        shares = {split: float(fractions[split]) for split in SPLITS}
        fits = len(fractions) == len(SPLITS) and all(0 < share < 1 for share in shares.values())
        fits = fits and abs(sum(shares.values()) - 1) < 1e-6
    except (KeyError, TypeError, ValueError):
        fits, shares = False, {}
    if not fits:
        raise UserError(
            f"dataset.fractions={dict(fractions)}: give train, val and test as parts above 0 that sum to 1, as in "
            "{train: 0.7, val: 0.15, test: 0.15}"
        )
    return shares
