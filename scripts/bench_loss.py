"""What computing SupReMix from Gram matrices saves over building every mixture, as a ratio of times.

One process, one thread, forward and backward, integer labels 0 to 89, the same λ for both; the losses must
agree before they are timed. At N = 128, d = 128 the materialised version needs 3 GB.
"""

import statistics
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from supremix.losses import SupReMixLoss

WINDOW = 5.0
AGES = 90


def materialised_loss(
    z_ND: Tensor, y_N: Tensor, lam_NN: Tensor, temperature: float, window: float, label_range: float
) -> Tensor:
    """SupReMix by its class defaults, every mixture a vector: N³ places for Mix-pos, N² for Mix-neg.

    All mixtures are written by one scatter and meet their anchors in one batched product.
    """
    n = len(z_ND)
    unit_ND = F.normalize(z_ND, dim=1)
    gap_NN = y_N[None, :] - y_N[:, None]  # of row k (column) above anchor i (row)
    different_NN = gap_NN != 0
    below_NN, above_NN = (gap_NN < 0) & (gap_NN >= -window), (gap_NN > 0) & (gap_NN <= window)
    i_T, j_T, k_T = (below_NN[:, :, None] & above_NN[:, None, :]).nonzero(as_tuple=True)
    lam_T = (gap_NN[i_T, k_T] / (y_N[k_T] - y_N[j_T]))[:, None]

    mix_pos_TD = F.normalize(lam_T * z_ND[j_T] + (1 - lam_T) * z_ND[k_T], dim=1)
    mix_pos_NNND = z_ND.new_zeros(n, n, n, z_ND.shape[1]).index_put_((i_T, j_T, k_T), mix_pos_TD)
    mix_neg_NND = F.normalize(lam_NN[:, :, None] * z_ND[:, None] + (1 - lam_NN[:, :, None]) * z_ND, dim=2)
    in_mix_pos_NNN = torch.zeros(n, n, n, dtype=torch.bool).index_put_((i_T, j_T, k_T), torch.tensor(True))

    # An anchor's row: N real pairs, N Mix-neg, N² Mix-pos, of which the masks keep those that exist.
    real_NN = unit_ND @ unit_ND.T
    neg_NN = torch.bmm(mix_neg_NND, unit_ND[:, :, None]).squeeze(2)
    pos_NM = torch.bmm(mix_pos_NNND.flatten(1, 2), unit_ND[:, :, None]).squeeze(2)
    logits_NM = torch.cat([real_NN, neg_NN, pos_NM], dim=1) / temperature
    distance_NM = torch.cat([gap_NN.abs(), (1 - lam_NN) * gap_NN.abs(), torch.zeros_like(pos_NM)], dim=1)
    others_NN = ~torch.eye(n, dtype=torch.bool)
    pair_NM = torch.cat([others_NN, different_NN, in_mix_pos_NNN.flatten(1)], dim=1)
    positive_NM = torch.cat([others_NN & ~different_NN, different_NN & False, in_mix_pos_NNN.flatten(1)], dim=1)

    weighted_NM = logits_NM + torch.log((1 + distance_NM) / label_range)
    log_denominator_N = weighted_NM.masked_fill(~pair_NM, -torch.inf).logsumexp(dim=1)
    count_N = positive_NM.sum(dim=1)
    mean_positive_N = logits_NM.masked_fill(~positive_NM, 0).sum(dim=1) / count_N.clamp(min=1)
    return (log_denominator_N - mean_positive_N)[count_N > 0].mean()


def forward_backward(loss: Callable[[Tensor], Tensor], z_ND: Tensor) -> tuple[float, Tensor]:
    """The loss and its gradient (N, D)."""
    z_ND = z_ND.detach().requires_grad_()
    value = loss(z_ND)
    (gradient_ND,) = torch.autograd.grad(value, z_ND)
    return value.item(), gradient_ND


def seconds(step: Callable[[], object], repeats: int) -> list[float]:
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        step()
        taken.append(time.perf_counter() - start)
    return taken


def measure_loss(n: int, d: int, rounds: int = 5, seed: int = 0) -> dict:
    """Median seconds of both versions' forward and backward passes in float32, and how the results differ.

    A round is one run of the materialised version and ten of the other, so that a busy machine slows both.
    Raises ValueError where values or gradients differ by more than 1e-4, relative to the largest.
    """
    generator = torch.Generator().manual_seed(seed)
    z_ND = torch.randn(n, d, generator=generator)
    y_N = torch.randint(AGES, (n,), generator=generator).float()
    lam_NN = torch.rand(n, n, generator=generator)
    criterion = SupReMixLoss(temperature=0.5, window=WINDOW, label_range=AGES - 1.0)
    versions: dict[str, Callable[[Tensor], Tensor]] = {
        "gram": lambda z_ND: criterion(z_ND, y_N, lam_NN),
        "materialised": lambda z_ND: materialised_loss(z_ND, y_N, lam_NN, 0.5, WINDOW, AGES - 1.0),
    }
    # Both are warm after this.
    value, gradient_ND = forward_backward(versions["gram"], z_ND)
    expected, expected_ND = forward_backward(versions["materialised"], z_ND)
    value_error = abs(value - expected) / abs(expected)
    gradient_error = ((gradient_ND - expected_ND).abs().max() / expected_ND.abs().max()).item()
    if not max(value_error, gradient_error) <= 1e-4:
        raise ValueError(f"the versions disagree: value by {value_error:.1e}, gradient by {gradient_error:.1e}")

    gram, materialised = [], []
    for _ in range(rounds):
        materialised += seconds(lambda: forward_backward(versions["materialised"], z_ND), 1)
        gram += seconds(lambda: forward_backward(versions["gram"], z_ND), 10)
    return {
        "n": n,
        "d": d,
        "window": WINDOW,
        "threads": torch.get_num_threads(),
        "mix_pos": int(SupReMixLoss(0.5, WINDOW).count_positives(y_N).sum() - (y_N[:, None] == y_N).sum() + n),
        "value_error": value_error,
        "gradient_error": gradient_error,
        "gram_seconds": statistics.median(gram),
        "materialised_seconds": statistics.median(materialised),
        "ratio": statistics.median(materialised) / statistics.median(gram),
        "repeats": {"gram": len(gram), "materialised": len(materialised)},
        "torch": torch.__version__,
    }


def table(measured: dict) -> str:
    return "\n".join(
        [
            f"SupReMix, forward + backward, N = {measured['n']}, d = {measured['d']}, "
            f"{measured['mix_pos']} Mix-pos, {measured['threads']} thread, median",
            f"  materialised  {measured['materialised_seconds'] * 1e3:10.2f} ms",
            f"  from Gram     {measured['gram_seconds'] * 1e3:10.2f} ms",
            f"  ratio         {measured['ratio']:10.0f} ×   (relative difference: value "
            f"{measured['value_error']:.0e}, gradient {measured['gradient_error']:.0e})",
        ]
    )
