"""LDS, FDS and shots (Yang et al. 2021) as loops over rows, bins and channels, in float64."""

import math

import numpy as np


def kernel(name, distance, size, sigma):
    """Weight of a bin at a whole distance; 0 beyond the window."""
    if abs(distance) > size // 2:
        return 0.0
    if name == "gaussian":
        return math.exp(-(distance**2) / (2 * sigma**2))
    if name == "laplace":
        return math.exp(-abs(distance) / sigma)
    return 1 - abs(distance) / (size // 2 + 1)


def lds_weights(bin_of, name, size, sigma, reweight):
    """One weight a row: 1 / the smoothed number of rows in its bin, or its root; their mean is 1."""
    weights = []
    for b in bin_of:
        density = sum(kernel(name, other - b, size, sigma) for other in bin_of)
        weights.append(1 / math.sqrt(density) if reweight == "sqrt_inv" else 1 / density)
    mean = sum(weights) / len(weights)
    return np.array([weight / mean for weight in weights])


def own_statistics(z, bin_of):
    """Bin → (rows, mean, variance) of one channel; the variance, unbiased, is None below two rows."""
    found = {}
    for b in sorted(set(bin_of)):
        rows = [value for value, other in zip(z, bin_of, strict=True) if other == b]
        mean = sum(rows) / len(rows)
        spread = sum((value - mean) ** 2 for value in rows) / (len(rows) - 1) if len(rows) > 1 else None
        found[b] = (len(rows), mean, spread)
    return found


def running_statistics(before, epoch, momentum):
    """The running statistics after an epoch; the first epoch's are taken as they are."""
    if before is None:
        return epoch

    def mix(old, new):
        return None if new is None else momentum * old + (1 - momentum) * new

    return {b: (epoch[b][0], mix(before[b][1], epoch[b][1]), mix(before[b][2], epoch[b][2])) for b in epoch}


def fds_calibrated(z, bin_of, statistics, name, size, sigma):
    """One channel's features, each moved and scaled to the smoothed statistics of its bin."""

    def smoothed(b, which):
        known = [
            (kernel(name, other - b, size, sigma), s[which]) for other, s in statistics.items() if s[which] is not None
        ]
        return sum(w * value for w, value in known) / sum(w for w, _ in known)

    out = []
    for value, b in zip(z, bin_of, strict=True):
        _, mean, spread = statistics[b]
        scale = 1.0
        if spread is not None and spread > 0:
            scale = math.sqrt(min(max(smoothed(b, 2) / spread, 0.1), 10.0))
        out.append((value - mean) * scale + smoothed(b, 1))
    return np.array(out)


def shot(rows):
    """Name of the shot of a bin with this number of training rows."""
    if rows > 100:
        return "many"
    return "few" if rows < 20 else "medium"
