"""What SupReMix and SupCR save over their plain counterparts, as ratios of times in one run.

One process, one thread, forward and backward in float32, integer labels drawn evenly from 0 to 89, window 5. Times are
CPU time, so that other programs count less. The losses must agree before they are timed. The materialised SupReMix
holds every mixture and needs 3 GB at N = 128, d = 128.
"""

import statistics
import time
from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from supremix.losses import SupCRLoss, SupReMixLoss

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
    return (count_N.to(z_ND) / (gap_NN == 0).sum(dim=1) * (log_denominator_N - mean_positive_N)).sum()


def column_supcr(z_ND: Tensor, y_N: Tensor, temperature: float) -> Tensor:
    """SupCR as its authors compute it: for each column of the pairs, those at least as far, and their log-sum-exp."""
    n = len(z_ND)
    others_NN = ~torch.eye(n, dtype=torch.bool)
    s_NM = (-torch.cdist(z_ND, z_ND) / temperature)[others_NN].view(n, n - 1)
    gap_NM = (y_N[:, None] - y_N).abs()[others_NN].view(n, n - 1)
    exp_NM = (s_NM - s_NM.detach().amax(dim=1, keepdim=True)).exp()
    total = s_NM.new_zeros(())
    for column in range(n - 1):
        as_far_NM = (gap_NM >= gap_NM[:, column, None]).float()
        total = total + ((as_far_NM * exp_NM).sum(dim=1).log() - exp_NM[:, column].log()).sum()
    return total / (n * (n - 1))


def forward_backward(loss: Callable[[Tensor], Tensor], z_ND: Tensor) -> tuple[float, Tensor]:
    """The loss and its gradient (N, D)."""
    z_ND = z_ND.detach().requires_grad_()
    value = loss(z_ND)
    (gradient_ND,) = torch.autograd.grad(value, z_ND)
    return value.item(), gradient_ND


def seconds(step: Callable[[], object], repeats: int) -> list[float]:
    """CPU seconds of each call."""
    taken = []
    for _ in range(repeats):
        start = time.process_time()
        step()
        taken.append(time.process_time() - start)
    return taken


def batch(n: int, d: int, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Normal embeddings (n, d), ages (n,), and λ (n, n)."""
    generator = torch.Generator().manual_seed(seed)
    z_ND = torch.randn(n, d, generator=generator)
    y_N = torch.randint(AGES, (n,), generator=generator).float()
    return z_ND, y_N, torch.rand(n, n, generator=generator)


def supremix(window: float = WINDOW) -> SupReMixLoss:
    """The loss that is timed."""
    return SupReMixLoss(temperature=0.5, window=window, label_range=AGES - 1.0, on_no_positive="zero")


def compare(
    plain: Callable[[Tensor], Tensor], fast: Callable[[Tensor], Tensor], z_ND: Tensor, rounds: int, each: int
) -> dict:
    """Median seconds of both versions' forward and backward passes, and how the results differ.

    A round is one run of the plain version and ``each`` of the other, so that a busy machine slows both.
    Raises ValueError where values or gradients differ by more than 1e-4, relative to the largest.
    """
    # Both are warm after this.
    value, gradient_ND = forward_backward(fast, z_ND)
    expected, expected_ND = forward_backward(plain, z_ND)
    value_error = abs(value - expected) / abs(expected)
    gradient_error = ((gradient_ND - expected_ND).abs().max() / expected_ND.abs().max()).item()
    if not max(value_error, gradient_error) <= 1e-4:
        raise ValueError(f"the versions disagree: value by {value_error:.1e}, gradient by {gradient_error:.1e}")

    fast_seconds, plain_seconds = [], []
    for _ in range(rounds):
        plain_seconds += seconds(lambda: forward_backward(plain, z_ND), 1)
        fast_seconds += seconds(lambda: forward_backward(fast, z_ND), each)
    return {
        "n": len(z_ND),
        "d": z_ND.shape[1],
        "threads": torch.get_num_threads(),
        "value_error": value_error,
        "gradient_error": gradient_error,
        "seconds": statistics.median(fast_seconds),
        "plain_seconds": statistics.median(plain_seconds),
        "ratio": statistics.median(plain_seconds) / statistics.median(fast_seconds),
        "repeats": {"plain": len(plain_seconds), "fast": len(fast_seconds)},
        "torch": torch.__version__,
    }


def measure_loss(n: int, d: int, rounds: int = 5) -> dict:
    """SupReMix against its materialised version, with the same λ for both, and with λ drawn besides."""
    z_ND, y_N, lam_NN = batch(n, d)
    criterion = supremix()
    measured = compare(
        lambda z: materialised_loss(z, y_N, lam_NN, criterion.temperature, WINDOW, AGES - 1.0),
        lambda z: criterion(z, y_N, lam_NN),
        z_ND,
        rounds,
        each=20,
    )
    drawn = seconds(lambda: forward_backward(lambda z: criterion(z, y_N), z_ND), 20 * rounds)
    mix_pos = int(criterion.count_positives(y_N).sum() - (y_N[:, None] == y_N).sum() + n)
    return measured | {"window": WINDOW, "mix_pos": mix_pos, "drawn_seconds": statistics.median(drawn)}


BATCHES = {
    "N = 32": (WINDOW, 0.92 / 5),
    "N = 128": (WINDOW, 1.65 / 5),
    "N = 256": (WINDOW, 4.5 / 4),
    "N = 512": (WINDOW, 25.9 / 4),
    "N = 1024": (WINDOW, 113 / 4),
    "N = 4096": (WINDOW, 800.0),
    "N = 512, window ∞": (float("inf"), 50.0),
}
"""Window, and a goal in milliseconds. To N = 1024 it is a fifth or a fourth of what the tensor code before the loops
took on a quiet machine."""


def bare(z_ND: Tensor, temperature: float = 0.5) -> Tensor:
    """Return the least that a contrastive loss computes: cosines and their log-sum-exps."""
    u_ND = F.normalize(z_ND)
    return (u_ND @ u_ND.T / temperature).logsumexp(dim=1).sum()


def measure_batches(d: int, rounds: int = 5) -> dict[str, dict[str, float]]:
    """Milliseconds of SupReMix with λ given, and with λ drawn, beside the goal and the bare log-sum-exp.

    The three take turns, so that a busy machine slows them alike.
    """
    measured = {}
    for name, (window, goal) in BATCHES.items():
        z_ND, y_N, lam_NN = batch(int(name.split(",")[0].split()[-1]), d)
        criterion, repeats = supremix(window), max(10, 4000 // len(y_N)) * rounds // 5
        calls: dict[str, Callable[[Tensor], Tensor]] = {
            "given": partial(criterion, y_N=y_N, lam_NN=lam_NN),
            "drawn": partial(criterion, y_N=y_N),
            "bare": bare,
        }
        steps = {key: partial(forward_backward, call, z_ND) for key, call in calls.items()}
        taken: dict[str, list[float]] = {key: [] for key in calls}
        for turn in range(repeats + 1):
            for key, step in steps.items():
                taken[key] += seconds(step, 1)[: turn > 0]  # not the first, which warms up
        median = {key: 1e3 * statistics.median(each) for key, each in taken.items()}
        ratio = statistics.median(given / least for given, least in zip(taken["given"], taken["bare"], strict=True))
        measured[name] = median | {"over_bare": ratio, "goal": goal}
    return measured


def batches_table(measured: dict[str, dict[str, float]]) -> str:
    """The times of batches as text."""
    lines = [
        "SupReMix, forward + backward, milliseconds of CPU time: λ given, λ drawn, bare log-sum-exp, given over bare"
    ]
    for name, row in measured.items():
        times = f"{row['given']:9.2f} {row['drawn']:9.2f} {row['bare']:9.2f} {row['over_bare']:9.2f} ×"
        lines.append(f"  {name:18s} {times}")
    return "\n".join(lines)


def measure_supcr(n: int, d: int, rounds: int = 5) -> dict:
    """SupCR against the loop over columns."""
    z_ND, y_N, _ = batch(n, d)
    return compare(lambda z: column_supcr(z, y_N, 2.0), lambda z: SupCRLoss(2.0)(z, y_N), z_ND, rounds, each=5)


def table(name: str, plain: str, measured: dict) -> str:
    """A comparison as text."""
    draws = f"  with draws    {measured['drawn_seconds'] * 1e3:10.2f} ms\n" if "drawn_seconds" in measured else ""
    return (
        f"{name}, forward + backward, N = {measured['n']}, d = {measured['d']}, {measured['threads']} thread, "
        f"median CPU time\n"
        f"  {plain:13s} {measured['plain_seconds'] * 1e3:10.2f} ms\n"
        f"  one pass      {measured['seconds'] * 1e3:10.2f} ms\n{draws}"
        f"  ratio         {measured['ratio']:10.0f} ×   (relative difference: value "
        f"{measured['value_error']:.0e}, gradient {measured['gradient_error']:.0e})"
    )
