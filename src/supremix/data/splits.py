"""Draw random splits that depend on the seed alone, on every platform and NumPy release."""

import hashlib
from collections.abc import Mapping

import numpy as np

from supremix.data.prepared.folder import SPLITS
from supremix.errors import UserError


def draw_split(n: int, sizes: Mapping[str, int], split_seed: int) -> dict[str, np.ndarray]:
    """Divide the row numbers 0..n-1 at random.

    Args:
        n: number of rows.
        sizes: rows of "train", "val" and "test", each at least 1, with sum n.
        split_seed: seed of the draw.

    Returns:
        Split → its row numbers, (size,) int64, ascending.

    Raises:
        UserError: the sizes do not fit.
    """
    _check_sizes(n, sizes)
    order_N = random_order(n, f"{split_seed}/split")
    ends = np.cumsum([sizes[split] for split in SPLITS])[:-1]
    parts = np.split(order_N, ends)
    return {split: np.sort(rows).astype(np.int64) for split, rows in zip(SPLITS, parts, strict=True)}


def random_order(n: int, stream: str) -> np.ndarray:
    """Return the row numbers 0..n-1, (n,) int64, in the random order of the named stream."""
    return np.argsort(_random_words(n, stream), kind="stable")


def random_uniforms(n: int, stream: str) -> np.ndarray:
    """Return n numbers from [0, 1), (n,) float64, of the named stream."""
    return (_random_words(n, stream) >> 11) * 2.0**-53


def _random_words(n: int, stream: str) -> np.ndarray:
    # The generator's raw words, which NumPy keeps the same in all releases, unlike permutation().
    seed = int.from_bytes(hashlib.sha256(stream.encode()).digest(), "big")
    return np.random.PCG64(seed).random_raw(n)


def _check_sizes(n: int, sizes: Mapping[str, int]) -> None:
    if not isinstance(sizes, Mapping):
        raise UserError(f"split sizes {sizes}: give them as {{train: …, val: …, test: …}}")
    shown = ", ".join(f"{split}={size}" for split, size in sizes.items())
    if set(sizes) != set(SPLITS):
        raise UserError(f"split sizes ({shown}): give exactly train, val and test")
    for split, size in sizes.items():
        if isinstance(size, bool) or not isinstance(size, int | np.integer) or size < 1:
            raise UserError(f"split sizes ({shown}): {split}={size!r} is not a whole number of 1 or more")
    if sum(sizes.values()) != n:
        raise UserError(
            f"split sizes ({shown}) sum to {sum(sizes.values())}, but the data has {n} rows: "
            "change the sizes so that every row is in exactly one split"
        )
