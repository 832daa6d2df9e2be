"""y-aware (Dufumier et al. 2021), threshold and exp (Barbano et al. 2023) as loops."""

import math

import torch
from torch import Tensor

from tests.reference.supremix import unit


def label_distances(y_N: Tensor) -> tuple[list[list[float]], float]:
    """Distances of labels, numbers or vectors, and the distance up to which labels are the same."""
    rows = [[float(number) for number in (label if label.ndim else [label])] for label in y_N]
    near = 0.0
    for column in zip(*rows, strict=True):
        one = max(1e-9 * (max(column) - min(column)), 2.0**-52 * max(map(abs, column)))
        near = math.hypot(near, one)
    return [[math.dist(a, b) for b in rows] for a in rows], near


def kernel_contrast_loss(z_ND: Tensor, y_N: Tensor, *, temperature: float, bandwidth: float, form: str) -> Tensor:
    """The mean over anchors; every exponential is written out."""
    d, near = label_distances(y_N)
    n, total = len(d), (z_ND * 0.0).sum()
    for i in range(n):
        others = [k for k in range(n) if k != i]
        s = {k: unit(z_ND[i]) @ unit(z_ND[k]) / temperature for k in others}
        w = {k: math.exp(-(d[i][k] ** 2) / (2 * bandwidth**2)) for k in others}
        for k in others:
            if form == "threshold":
                competing = [t for t in others if d[i][t] > d[i][k] + near]
                if not competing:
                    continue
            else:
                competing = others
            share = w[k] / sum(w[t] for t in competing)
            denominator = sum(torch.exp(s[t] * (1 - w[t] if form == "exp" else 1)) for t in competing)
            total = total - share * (s[k] - torch.log(denominator))
    return total / n


def kernel_positives(y_N: Tensor, form: str) -> list[int]:
    d, near = label_distances(y_N)
    rows = range(len(d))
    return [
        sum(k != i and (form != "threshold" or any(d[i][t] > d[i][k] + near for t in rows if t != i)) for k in rows)
        for i in rows
    ]
