"""Shots: how many training rows a label's bin has (Yang et al. 2021; the paper's table 7)."""

import numpy as np

MANY_ABOVE, FEW_BELOW = 100, 20  # training rows in a bin; medium lies between, both ends included
SHOTS = ("many", "medium", "few")


def shots(rows_M: np.ndarray) -> dict[str, np.ndarray]:
    """Return a mask (M,) by shot, of the rows whose label's bin is in it. A mask may be empty.

    Args:
        rows_M: numbers of training rows in the labels' bins.
    """
    many_M, few_M = rows_M > MANY_ABOVE, rows_M < FEW_BELOW
    return dict(zip(SHOTS, (many_M, ~many_M & ~few_M, few_M), strict=True))
