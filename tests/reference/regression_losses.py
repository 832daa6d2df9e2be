"""The losses of a regression as loops over rows, from their equations; each returns the loss of each row, (N,)."""

import math

import torch
from torch import Tensor


def balanced_mse(output_N: Tensor, target_N: Tensor, *, noise: float) -> Tensor:
    """−log of the own target's part among the Gaussians of the batch's targets, times 2σ² (Ren et al. 2022, BMC)."""
    losses = []
    for i in range(len(target_N)):
        density = [torch.exp(-((output_N[i] - target) ** 2) / (2 * noise**2)) for target in target_N]
        losses.append(-2 * noise**2 * torch.log(density[i] / sum(density)))
    return torch.stack(losses)


def gaussian_nll(output_N2: Tensor, target_N: Tensor) -> Tensor:
    """−log of the Gaussian density, without ½ log 2π."""
    return torch.stack(
        [(s + (y - mean) ** 2 / torch.exp(s)) / 2 for (mean, s), y in zip(output_N2, target_N, strict=True)]
    )


def quantile(output_NK: Tensor, target_N: Tensor, *, quantiles: list[float]) -> Tensor:
    """q of what a target is above its quantile, 1 − q of what it is below."""
    losses = []
    for row_K, y in zip(output_NK, target_N, strict=True):
        costs = [q * (y - at) if y > at else (1 - q) * (at - y) for q, at in zip(quantiles, row_K, strict=True)]
        losses.append(sum(costs) / len(costs))
    return torch.stack(losses)


def hl_gauss(output_NK: Tensor, target_N: Tensor, *, edges: list[float], smoothing: float) -> Tensor:
    """Cross-entropy to the Gaussian's mass in each bin, over its mass in all of them."""
    sigma = smoothing * (edges[-1] - edges[0]) / (len(edges) - 1)

    def below(edge: float, y: float) -> float:
        return (1 + math.erf((edge - y) / (sigma * math.sqrt(2)))) / 2

    losses = []
    for row_K, y in zip(output_NK, target_N.tolist(), strict=True):
        mass = [below(edges[k + 1], y) - below(edges[k], y) for k in range(len(row_K))]
        log_sum = torch.log(sum(torch.exp(logit) for logit in row_K))
        losses.append(sum(m / sum(mass) * (log_sum - logit) for m, logit in zip(mass, row_K, strict=True)))
    return torch.stack(losses)


def histogram_quantile(part_K: list[float], edges: list[float], q: float) -> float:
    """Where the cumulative histogram, linear inside a bin, reaches q."""
    reached = 0.0
    for k, part in enumerate(part_K):
        if reached + part >= q:
            return edges[k] + (q - reached) / part * (edges[k + 1] - edges[k])
        reached += part
    return edges[-1]
