"""RankSim, ConR, ordinal entropy and SRL as loops over rows, labels and bins."""

import itertools
import math

import torch
from torch import Tensor

from tests.reference.kernel import label_distances
from tests.reference.supremix import unit


def norm(v_D: Tensor) -> Tensor:
    """‖v‖; rounding makes a direction of what is none, of differences of vectors of at most norm 1."""
    length = v_D.norm()
    return length if length > 1e-14 else (0 * v_D).sum()


def drawn_rows(y_N: Tensor, generator: torch.Generator) -> list[int]:
    """The row of each distinct label that is first in a random order of all rows, by label."""
    d, near = label_distances(y_N)
    rows = []
    for row in torch.randperm(len(d), generator=generator).tolist():
        if all(d[row][other] > near for other in rows):
            rows.append(row)
    return sorted(rows, key=lambda row: y_N[row].tolist())


def rank(values: list[float], near: float = 0.0) -> list[float]:
    """1 + the number of values above, over how many there are."""
    return [(1 + sum(other > value + near for other in values)) / len(values) for value in values]


def ranksim(z_ND: Tensor, y_N: Tensor, rows: list[int], *, interpolation: float) -> tuple[Tensor, Tensor]:
    """The loss of the drawn rows, and its gradient by blackbox interpolation with respect to their cosines."""
    d, near = label_distances(y_N)
    m, total = len(rows), 0.0
    gradient_MM = torch.zeros(m, m, dtype=torch.float64)
    for place, i in enumerate(rows):
        s = [float(unit(z_ND[i]) @ unit(z_ND[k])) for k in rows]
        mine, wanted = rank(s), rank([-d[i][k] for k in rows], near)
        total += sum((a - b) ** 2 for a, b in zip(mine, wanted, strict=True)) / m
        g = [2 * (a - b) / m for a, b in zip(mine, wanted, strict=True)]
        moved = rank([a + interpolation * b for a, b in zip(s, g, strict=True)])
        gradient_MM[place] = z_ND.new_tensor([-(a - b) / interpolation for a, b in zip(mine, moved, strict=True)])
    return torch.tensor(total, dtype=torch.float64), gradient_MM


def conr_loss(
    z_ND: Tensor,
    y_N: Tensor,
    prediction_N: Tensor,
    weight_N: Tensor | None = None,
    *,
    omega: float = 1.0,
    eps: float = 0.01,
    temperature: float = 0.2,
) -> Tensor:
    d, near = label_distances(y_N)
    apart, _ = label_distances(prediction_N.detach())
    n, total = len(d), (z_ND * 0.0).sum()
    for i in range(n):
        s = [unit(z_ND[i]) @ unit(z_ND[k]) / temperature for k in range(n)]
        positives = [k for k in range(n) if k != i and d[i][k] <= omega + near]
        negatives = [k for k in range(n) if d[i][k] > omega + near and apart[i][k] <= omega]
        if not positives or not negatives:
            continue
        eta = 1.0 if weight_N is None else float(weight_N[i])
        denominator = sum(torch.exp(s[p]) for p in positives)
        denominator = denominator + sum(eta * math.exp(eps * d[i][q]) * torch.exp(s[q]) for q in negatives)
        total = total - sum(torch.log(torch.exp(s[p]) / denominator) for p in positives) / len(positives)
    return total / n


def ordinal_entropy_loss(z_ND: Tensor, y_N: Tensor) -> Tensor:
    d, near = label_distances(y_N)
    n = len(d)
    same = [[k for k in range(n) if d[i][k] <= near] for i in range(n)]
    center = [sum(unit(z_ND[k]) for k in same[i]) / len(same[i]) for i in range(n)]
    loss = sum(norm(unit(z_ND[i]) - center[i]) for i in range(n)) / n
    first = [i for i in range(n) if same[i][0] == i]
    pairs = [(u, v) for u in first for v in first if u < v]
    widest = max((d[u][v] for u, v in pairs), default=None)
    return loss - sum(d[u][v] / widest * norm(center[u] - center[v]) for u, v in pairs) / max(len(pairs), 1)


def srl_loss(
    z_ND: Tensor,
    y_N: Tensor,
    point_PD: Tensor,
    stored: dict[int, Tensor],
    *,
    low: float,
    bin_size: float,
    bins: int,
    temperature: float,
    momentum: float = 0.9,
    enveloping: float = 1.0,
    homogeneity: float = 1.0,
    contrast: float = 1.0,
) -> Tensor:
    """`stored` holds surrogates by bin, and is changed as a call in training changes it."""
    bin_of = [round((float(label) - low) / bin_size) for label in y_N]
    surrogate = {b: unit(stored[b]) for b in stored}
    for b in set(bin_of):
        rows = [unit(z_ND[i]) for i in range(len(bin_of)) if bin_of[i] == b]
        surrogate[b] = unit(sum(rows) / len(rows))
        mine = surrogate[b].detach()
        stored[b] = momentum * stored[b] + (1 - momentum) * mine if b in stored else mine
    known = [b for b in range(bins) if b in surrogate]

    nearest = [torch.stack([surrogate[b] @ unit(p_D) for b in known]).max() for p_D in point_PD]
    loss = enveloping * (1 - sum(nearest) / len(nearest))
    for u, v in itertools.pairwise(known):
        gap = (low + v * bin_size) - (low + u * bin_size)
        loss = loss + homogeneity * ((surrogate[v] - surrogate[u]) ** 2).sum() / gap
    for i, b in enumerate(bin_of):
        logits = {k: unit(z_ND[i]) @ surrogate[k] / temperature for k in known}
        log_sum = torch.logsumexp(torch.stack(list(logits.values())), dim=0)
        loss = loss + contrast * (log_sum - logits[b]) / len(bin_of)
    return loss
