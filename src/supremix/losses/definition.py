"""SupReMix as the paper defines it, with autograd (Wu et al. 2023, section 3, eq. (6)).

No mixture is built: a mixture p v_j + q v_k is a combination of two rows, so its similarity to an anchor follows from
inner products of rows, or from squared distances. Blocks of anchors bound the memory; of several, each is computed
again in the backward pass. All is computed in float64, where the device has it.

Shapes: N rows in label order, D features; A anchors of a block, B rows below and C rows above each, W all of those.
"""

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from supremix.losses import pairs
from supremix.losses.windows import Block, Windows, blocks

PAIRS_AT_ONCE = 1 << 20
"""The most pairs of a block, real and mixed: bounds memory."""


class Cosine:
    """The paper's similarity: inner products of unit vectors."""

    def __init__(self, on_sphere: bool, renormalise: bool) -> None:
        self.on_sphere, self.renormalise = on_sphere, renormalise

    def rows(self, z_ND: Tensor, tiny: float) -> tuple[Tensor, Tensor]:
        """Return anchors, and what mixtures are made of."""
        unit_ND, norm_N1 = pairs.unit_and_norm(z_ND, tiny)
        if self.on_sphere:
            return unit_ND, unit_ND
        # Renormalised mixtures do not depend on a common factor, and this one keeps squares within range.
        return unit_ND, z_ND / norm_N1.detach().amax().clamp(min=tiny) if self.renormalise else z_ND

    def between(self, x_AD: Tensor, y_ND: Tensor) -> Tensor:
        """Return what is linear in a mixture: inner products."""
        return x_AD @ y_ND.T

    def real(self, between_AN: Tensor) -> Tensor:
        """Return the similarities of real pairs."""
        return between_AN

    def mixed(self, p: Tensor, q: Tensor, i_j: Tensor, i_k: Tensor, jj: Tensor, kk: Tensor, jk: Tensor) -> Tensor:
        """Return ⟨u_i, p v_j + q v_k⟩, over ‖p v_j + q v_k‖ where renormalised, from inner products of the three.

        A norm² that cancellation leaves below 8 ε of its parts is rounding noise: its similarity is 0.
        """
        inner = torch.addcmul(p * i_j, q, i_k)
        if not self.renormalise:
            return inner
        straight = torch.addcmul(p.square() * jj, q.square(), kk)
        norm2 = torch.addcmul(straight, p * q, jk, value=2)
        noise = norm2 <= 8 * torch.finfo(norm2.dtype).eps * straight
        return inner * norm2.masked_fill(noise, torch.inf).rsqrt()


class NegativeDistance:
    """The negative Euclidean distance of embeddings as they are. A distance of 0 passes no gradient on."""

    def rows(self, z_ND: Tensor, tiny: float = 0.0) -> tuple[Tensor, Tensor]:
        """Return anchors, and what mixtures are made of: the centred embeddings, which keep digits of distances."""
        centred_ND = z_ND - z_ND.mean(dim=0).detach()
        return centred_ND, centred_ND

    def between(self, x_AD: Tensor, y_ND: Tensor) -> Tensor:
        """Return squared distances; 0 where they are rounding noise."""
        straight_AN = x_AD.square().sum(1)[:, None] + y_ND.square().sum(1)
        square_AN = straight_AN - 2 * (x_AD @ y_ND.T)
        return square_AN.masked_fill(square_AN <= 8 * torch.finfo(square_AN.dtype).eps * straight_AN, 0.0)

    def real(self, between_AN: Tensor) -> Tensor:
        """Return the similarities of real pairs."""
        zero_AN = between_AN <= 0
        return -between_AN.masked_fill(zero_AN, 1.0).sqrt().masked_fill(zero_AN, 0.0)

    def mixed(self, p: Tensor, q: Tensor, i_j: Tensor, i_k: Tensor, jj: Tensor, kk: Tensor, jk: Tensor) -> Tensor:
        """Return −‖z_i − p z_j − q z_k‖, p + q = 1, from the squared distances of the three (Stewart's theorem)."""
        straight = torch.addcmul(p * i_j, q, i_k)
        square = torch.addcmul(straight, p * q, jk, value=-1)
        return self.real(square.masked_fill(square <= 8 * torch.finfo(square.dtype).eps * straight, 0.0))


class Batch(NamedTuple):
    """A batch in label order, on its device.

    Attributes:
        anchor_ND, source_ND: what is contrasted, and what mixtures are made of.
        own_N: squared norms of sources.
        label_N, share_N, pull_N: labels above the lowest, (N, T) of vectors, and the weights of `anchor_weights`.
        low_N, same_N, high_N, end_N: bounds as in `Windows`.
        similarity: `Cosine` or `NegativeDistance`.
        loss: the `SupReMixLoss` whose settings apply.
    """

    anchor_ND: Tensor
    source_ND: Tensor
    own_N: Tensor
    label_N: Tensor
    share_N: Tensor
    pull_N: Tensor
    low_N: Tensor
    same_N: Tensor
    high_N: Tensor
    end_N: Tensor
    similarity: Any
    loss: Any


class Mixed(NamedTuple):
    """Mix-pos of a block of anchors: rows below and above, the share of the row below, and which are padding."""

    j_AB: Tensor
    k_AC: Tensor
    p_ABC: Tensor
    absent_ABC: Tensor


def supremix(z_ND: Tensor, lam_NN: Tensor | None, windows: Windows, weights_2N: np.ndarray, loss: Any) -> Tensor:
    """Compute the loss, a scalar.

    Args:
        z_ND: embeddings, in the order of the batch.
        lam_NN: λ of each anchor and negative, in label order; None without Mix-neg.
        windows: the batch's labels, sorted.
        weights_2N: their `anchor_weights`.
        loss: the `SupReMixLoss` whose settings apply.
    """
    exact = pairs.exact_dtype(z_ND.device)
    similarity: Any = NegativeDistance()
    if loss.similarity == "cosine":
        similarity = Cosine(loss.mix_space == "sphere", loss.renormalise)
    order_N, *bounds = on_device_of(z_ND, np.array([windows.order_N, *windows[3:]]))
    labels = (windows.label_N - windows.label_N[0]).reshape(len(z_ND), -1).T
    numbers = on_device_of(z_ND, np.array([*labels, *weights_2N])).to(exact)
    label_N = numbers[0] if len(labels) == 1 else numbers[:-2].T
    anchor_ND, source_ND = similarity.rows(z_ND.index_select(0, order_N).to(exact), torch.finfo(z_ND.dtype).tiny)
    if loss.detach_mixtures:
        source_ND = source_ND.detach()
    columns: Any = (label_N, *numbers[-2:], *bounds, similarity, loss)
    batch = Batch(anchor_ND, source_ND, source_ND.square().sum(1), *columns)
    parts = [
        (batch, block, None if lam_NN is None else lam_NN[block.start : block.stop])
        for block in blocks(windows, loss.mix_pos, PAIRS_AT_ONCE)
    ]
    if len(parts) == 1:
        total = block_loss(*parts[0])
    else:
        again: Any = {"use_reentrant": False, "preserve_rng_state": False}
        total = torch.stack([checkpoint(block_loss, *part, **again) for part in parts]).sum()
    if loss.weight:  # R of eq. (5) divides every weight
        total = total - float(weights_2N[0].sum()) * math.log(loss.label_range or windows.span)
    return total.to(z_ND.dtype)


def block_loss(batch: Batch, block: Block, lam_AN: Tensor | None) -> Tensor:
    """Compute the terms of a block of anchors, but for R: log Σ w exp(s/τ) − s_p/τ. Pairs are columns, (A, M)."""
    similarity, rows = batch.similarity, slice(block.start, block.stop)
    whole = block.stop - block.start == len(batch.own_N)  # a slice's gradient is a tensor of its own
    anchor_AD, source_AD = (x_ND if whole else x_ND[rows] for x_ND in (batch.anchor_ND, batch.source_ND))
    lam_AN = None if lam_AN is None else lam_AN.to(anchor_AD.dtype)
    mixed = mix_pos(batch, block) if block.below and block.above else None
    with torch.no_grad():
        log_weight_AM, positive_AM = weights_and_positives(batch, rows, lam_AN, mixed)

    s = [similarity.real(similarity.between(anchor_AD, batch.anchor_ND))]
    i_k_AN = similarity.between(anchor_AD, batch.source_ND)
    if lam_AN is not None:
        own_A1, i_i_A1 = batch.own_N[rows, None], i_k_AN.diagonal(block.start)[:, None]
        between_AN = similarity.between(source_AD, batch.source_ND)
        s.append(similarity.mixed(lam_AN, 1 - lam_AN, i_i_A1, i_k_AN, own_A1, batch.own_N, between_AN))
    if mixed is not None:
        s.append(similarity_of_mix_pos(batch, block, mixed, i_k_AN).flatten(1))
    s_AM = torch.cat(s, dim=1) / batch.loss.temperature
    log_denominator_A = (s_AM + log_weight_AM).logsumexp(dim=1)
    return (log_denominator_A * batch.share_N[rows]).sum() - (s_AM * positive_AM).sum()


def mix_pos(batch: Batch, block: Block) -> Mixed:
    """Return the Mix-pos of a block of anchors; by eq. (3) a mixture has the label of its anchor."""
    rows, device = slice(block.start, block.stop), batch.label_N.device
    j_AB = batch.low_N[rows, None] + torch.arange(block.below, device=device)
    k_AC = batch.high_N[rows, None] + torch.arange(block.above, device=device)
    absent_ABC = (j_AB >= batch.same_N[rows, None])[:, :, None] | (k_AC >= batch.end_N[rows, None])[:, None]
    j_AB, k_AC = j_AB.clamp(max=block.end - 1), k_AC.clamp(max=block.end - 1)
    label_A1 = batch.label_N[rows, None]
    down_AB1, up_A1C = (label_A1 - batch.label_N[j_AB])[:, :, None], (batch.label_N[k_AC] - label_A1)[:, None]
    return Mixed(j_AB, k_AC, up_A1C / (up_A1C + down_AB1).masked_fill(absent_ABC, 1.0), absent_ABC)


def weights_and_positives(
    batch: Batch, rows: slice, lam_AN: Tensor | None, mixed: Mixed | None
) -> tuple[Tensor, Tensor]:
    """Return log(R w) of each pair, −∞ where there is none, and how often its logit is subtracted; (A, M) both."""
    gap = batch.label_N[rows, None] - batch.label_N
    gap_AN = gap.abs() if gap.ndim == 2 else torch.linalg.vector_norm(gap, dim=2)
    place_N = torch.arange(len(batch.own_N), device=gap_AN.device)
    same_AN = (place_N >= batch.same_N[rows, None]) & (place_N < batch.high_N[rows, None])
    itself_AN = place_N[rows, None] == place_N
    weight, positive = batch.loss.weight, [same_AN ^ itself_AN]
    log_weight = [(gap_AN if weight else torch.zeros_like(gap_AN)).log1p().masked_fill(itself_AN, -torch.inf)]
    if lam_AN is not None:
        # The label of a Mix-neg is λ y_i + (1−λ) y_k, (1−λ) |y_i − y_k| away from the anchor's.
        log_weight.append((gap_AN * (1 - lam_AN) * weight).log1p().masked_fill(same_AN, -torch.inf))
        positive.append(torch.zeros_like(same_AN))
    if mixed is not None:
        absent_AM = mixed.absent_ABC.flatten(1)
        log_weight.append(torch.zeros_like(absent_AM, dtype=gap_AN.dtype).masked_fill(absent_AM, -torch.inf))
        positive.append(~absent_AM)
    return torch.cat(log_weight, 1), torch.cat(positive, 1) * batch.pull_N[rows, None]


def similarity_of_mix_pos(batch: Batch, block: Block, mixed: Mixed, i_k_AN: Tensor) -> Tensor:
    """Return the similarities of Mix-pos to their anchors (A, B, C), of which padding is some number.

    Args:
        batch: the batch.
        block: its anchors.
        mixed: their Mix-pos.
        i_k_AN: what `between` gives of anchors and sources.
    """
    window_WD, (j_AB, k_AC, p_ABC, _) = batch.source_ND[block.low : block.end], mixed
    j_k_M = batch.similarity.between(window_WD, window_WD).flatten()
    at_ABC = (j_AB[:, :, None] - block.low) * len(window_WD) + (k_AC[:, None] - block.low)
    own_AB, own_AC = (batch.own_N.index_select(0, at.flatten()).view(at.shape) for at in (j_AB, k_AC))
    return batch.similarity.mixed(
        p_ABC,
        1 - p_ABC,
        i_k_AN.gather(1, j_AB)[:, :, None],
        i_k_AN.gather(1, k_AC)[:, None],
        own_AB[:, :, None],
        own_AC[:, None],
        j_k_M.index_select(0, at_ABC.flatten()).view(at_ABC.shape),
    )


def on_device_of(z: Tensor, array: np.ndarray) -> Tensor:
    """Copy an array to the device of ``z`` without waiting for what the device does."""
    host = torch.from_numpy(array)
    return (host.pin_memory() if z.is_cuda else host).to(z.device, non_blocking=True)
