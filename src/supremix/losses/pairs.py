"""Pair mathematics shared by the losses: label relations, logits from Gram matrices, reductions.

Shapes: N rows in a batch (two views of B items are N = 2B rows), D features, T mixtures.
"""

import torch
from torch import Tensor

LABEL_TOLERANCE = 1e-6
"""Labels closer than this are the same label: binned labels such as 4.3 carry float noise."""


def check_batch(z_ND: Tensor, y_N: Tensor) -> tuple[Tensor, Tensor]:
    """Return embeddings in float32 or wider, and labels as `exact_labels` on their device.

    Raises ValueError where the shapes do not describe one batch.
    """
    if z_ND.ndim != 2 or z_ND.shape[0] == 0:
        raise ValueError(f"z_ND must be a non-empty matrix (N rows, D features), got shape {tuple(z_ND.shape)}")
    if y_N.shape != z_ND.shape[:1]:
        raise ValueError(f"y_N must hold one label for each of the {z_ND.shape[0]} rows, got shape {tuple(y_N.shape)}")
    return at_least_float32(z_ND), exact_labels(y_N.to(z_ND.device))


def exact_labels(y_N: Tensor) -> Tensor:
    """Labels in float64, where a label plus the tolerance is still another number (float32 on Apple's GPUs)."""
    return y_N.float() if y_N.device.type == "mps" else y_N.double()


def at_least_float32(x: Tensor) -> Tensor:
    """Half precisions cannot hold a log-sum-exp over thousands of pairs; float64 stays as it is."""
    return x if x.dtype in (torch.float32, torch.float64) else x.float()


def unit_rows(z_ND: Tensor) -> Tensor:
    """Rows scaled to norm 1; a row of zeros stays zero, with a zero gradient."""
    norm_N1 = z_ND.norm(dim=1, keepdim=True)
    usable_N1 = norm_N1 > 0
    return torch.where(usable_N1, z_ND / torch.where(usable_N1, norm_N1, 1.0), 0.0)


def label_distance(y_N: Tensor) -> Tensor:
    """|y_i − y_j| for all pairs, (N, N)."""
    return (y_N[:, None] - y_N[None, :]).abs()


def label_span(y_N: Tensor, label_range: float | None) -> Tensor | float:
    """R of eq. (5): the given range of the training labels, else the batch's; 1 where that is 0."""
    if label_range is not None:
        return label_range
    span = y_N.max() - y_N.min()
    return torch.where(span > LABEL_TOLERANCE, span, torch.ones_like(span))


def real_masks(distance_NN: Tensor) -> tuple[Tensor, Tensor]:
    """Masks (N, N) of same-label pairs without the diagonal (positives) and of all pairs but the diagonal."""
    others_NN = ~torch.eye(len(distance_NN), dtype=torch.bool, device=distance_NN.device)
    return (distance_NN <= LABEL_TOLERANCE) & others_NN, others_NN


def real_logits(z_ND: Tensor, y_N: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Inner products of unit embeddings, (N, N), and masks of positive and of negative pairs, each pair once.

    For reading how training goes (the paper's figures 3 and 5 plot them); no loss is computed from these.
    """
    z_ND, y_N = check_batch(z_ND, y_N)
    unit_ND = unit_rows(z_ND)
    positive_NN, others_NN = real_masks(label_distance(y_N))
    return unit_ND @ unit_ND.T, positive_NN.triu(), (others_NN & ~positive_NN).triu()


def log_weight(distance: Tensor, span: Tensor | float) -> Tensor:
    """log w of eq. (5), w = (1 + |label distance|) / R; 1/R at distance 0, the weight of every positive."""
    return torch.log1p(distance) - torch.as_tensor(span, dtype=distance.dtype, device=distance.device).log()


def mixture_logit(
    lam: Tensor,
    dot_j: Tensor,
    dot_k: Tensor,
    gram_jj: Tensor,
    gram_kk: Tensor,
    gram_jk: Tensor,
    renormalise: bool,
) -> Tensor:
    """⟨u, m⟩ of a unit anchor u with m = λ v_j + (1−λ) v_k, from inner products alone; shapes broadcast.

    ``dot_j`` = ⟨u, v_j⟩ and ``gram_jk`` = ⟨v_j, v_k⟩. With ``renormalise`` m is scaled to norm 1 first.
    A mixture of zero norm has no direction: its logit is 0.
    """
    dot = lam * dot_j + (1 - lam) * dot_k
    if not renormalise:
        return dot
    straight = lam.square() * gram_jj + (1 - lam).square() * gram_kk
    norm2 = straight + 2 * lam * (1 - lam) * gram_jk
    # What remains of `straight` after cancellation is rounding noise below this share of it: in float32 the
    # directions of mixtures of embeddings within 0.003 rad of opposite are lost, and their logits with them.
    usable = norm2 > 8 * torch.finfo(norm2.dtype).eps * straight
    return torch.where(usable, dot * torch.where(usable, norm2, 1.0).rsqrt(), 0.0)


def masked_logsumexp(logits_NM: Tensor, mask_NM: Tensor) -> Tensor:
    """log Σ exp over the masked entries of each row, (N,); −inf where a row has none."""
    return logits_NM.masked_fill(~mask_NM, -torch.inf).logsumexp(dim=1)


def reduce_anchors(
    log_denominator_N: Tensor,
    positive_sum_N: Tensor,
    positive_count_N: Tensor,
    reduction: str,
    label_count_N: Tensor | None = None,
) -> Tensor:
    """Combine −log(exp(s_ip/τ) / denominator_i) over positives p and anchors i into one scalar.

    ``mean``: over an anchor's positives, then over the anchors that have one (Khosla et al. 2020, L_out).
    ``label_sum``: eq. (6), Σ_i 1/k_{y_i} Σ_p, with ``label_count_N`` = k of each anchor's label.
    Anchors without a positive are left out; a batch without any gives 0.
    """
    has_N = positive_count_N > 0
    count_N = positive_count_N.to(positive_sum_N.dtype)
    if reduction == "label_sum":
        assert label_count_N is not None
        terms_N = (count_N * log_denominator_N - positive_sum_N) / label_count_N
        return torch.where(has_N, terms_N, 0.0).sum()
    terms_N = log_denominator_N - positive_sum_N / count_N.clamp(min=1)
    return torch.where(has_N, terms_N, 0.0).sum() / has_N.sum().clamp(min=1)


def positive_number(name: str, value: float) -> float:
    """Return ``value``; ValueError naming the argument unless it is a finite number above 0."""
    value = float(value)
    if not 0 < value < float("inf"):
        raise ValueError(f"{name} must be a finite number above 0, got {value:g}")
    return value
