"""A batch as the losses see it, in label order: unit rows, their cosines, and how a gradient goes back through them.

Mixtures are made of sources v = ρ u, unit rows u times the norms ρ of the embeddings, or times 1 where the mixing is
done on the sphere. All inner products follow from the cosines c: ⟨u_i, v_j⟩ = c_ij ρ_j, ⟨v_j, v_k⟩ = ρ_j c_jk ρ_k.
A mixture x = p v_j + q v_k has the inner product ŝ = p ⟨u_i, v_j⟩ + q ⟨u_i, v_k⟩ with anchor i; p and q hold the factor
1/‖x‖ where it is renormalised. Shapes: N rows in label order, D features.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from supremix.losses.mixtures import Windows
from supremix.losses.pairs import exact_dtype, norms


@dataclass(frozen=True)
class Batch:
    """Rows in label order; ``inverse_N1`` are the inverse norms, 0 for a row of zeros, whose unit row is zeros too."""

    found: Windows
    order_N: Tensor
    label_N: Tensor
    unit_ND: Tensor
    inverse_N1: Tensor
    cos_NN: Tensor
    rho_N: Tensor
    scale: Tensor | None
    """What norms were multiplied by to give ρ; None where ρ has nothing to do with them."""


def on_device_of(z: Tensor, array: np.ndarray, dtype: torch.dtype | None = None) -> Tensor:
    """The array as a tensor beside ``z``, which is not waited for."""
    return torch.from_numpy(array).to(z.device, dtype, non_blocking=True)


def sort_batch(z_ND: Tensor, found: Windows, on_sphere: bool, scaled: bool) -> Batch:
    """Sort embeddings (N, D) by label, and take their cosines.

    Norms are ``scaled`` to at most 1 where the mixtures are renormalised: a common scale drops out then, and cannot
    overflow. Norms below the smallest normal number count as 0, as their inverse would overflow.
    """
    exact, tiny = exact_dtype(z_ND.device), torch.finfo(z_ND.dtype).tiny
    order_N, label_N = on_device_of(z_ND, found.order_N), on_device_of(z_ND, found.label_N, exact)
    z_ND = z_ND.index_select(0, order_N)
    norm_N = norms(z_ND)
    usable_N = torch.ge(norm_N, tiny, out=torch.empty_like(norm_N))
    inverse_N1 = (usable_N / norm_N.clamp(min=tiny))[:, None]
    unit_ND = z_ND * inverse_N1
    scale = None
    if not on_sphere:
        scale = norm_N.amax().clamp_(min=tiny).reciprocal_() if scaled else torch.ones_like(norm_N[0])
    rho_N = usable_N if scale is None else norm_N * scale
    return Batch(found, order_N, label_N, unit_ND, inverse_N1, unit_ND @ unit_ND.T, rho_N, scale)


@dataclass(frozen=True)
class Gradient:
    """Derivatives of a loss that are added up. By ŝ = r ⟨u_i, p v_j + q v_k⟩ with derivative g they are:

    g p to place (i, j) and g q to (i, k) of ``e_NN``, the derivatives by ⟨u_i, v_j⟩ and ⟨u_i, v_k⟩; and, where the
    mixture is renormalised, what its norm takes back: g ŝ p q to (j, k) of ``m_NN``, by −⟨v_j, v_k⟩, and −g ŝ p² ρ_j
    and −g ŝ q² ρ_k to ``own_N``, by the source's own unit row. ``cos_NN`` is the derivative by cosines of real pairs.
    """

    cos_NN: Tensor
    e_NN: Tensor
    m_NN: Tensor
    own_N: Tensor

    @classmethod
    def zeros(cls, batch: Batch) -> "Gradient":
        """Derivatives to add to."""
        cos_NN, e_NN, m_NN = batch.cos_NN.new_zeros(3, *batch.cos_NN.shape)
        return cls(cos_NN, e_NN, m_NN, torch.zeros_like(batch.rho_N))

    def by_embedding(self, batch: Batch, detached: bool) -> Tensor:
        """The gradient by the embeddings in label order, (N, D); none through ``detached`` sources.

        Each row is a combination of the unit rows, of which the matrices below hold the coefficients.
        """
        by_unit_NN = (self.cos_NN + self.cos_NN.T).addcmul_(self.e_NN, batch.rho_N)
        by_source_NN = torch.addcmul(self.e_NN.T, self.m_NN + self.m_NN.T, batch.rho_N, value=-1)
        by_source_NN.diagonal().add_(self.own_N)
        if not detached and batch.scale is None:
            by_unit_NN.add_(by_source_NN)
        # A unit row moves only at right angles to itself.
        by_unit_NN.diagonal().sub_((by_unit_NN * batch.cos_NN).sum(1))
        by_z_NN = by_unit_NN.mul_(batch.inverse_N1)
        if not detached and batch.scale is not None:
            by_z_NN.addcmul_(by_source_NN, batch.scale)
        return by_z_NN @ batch.unit_ND


def inverse_norm(a: Tensor, b: Tensor, cos: Tensor) -> Tensor:
    """1/‖a u + b w‖ for unit vectors with ⟨u, w⟩ = cos; 0 where that norm is 0 but for rounding.

    What remains of a² + b² after cancellation is rounding noise below this share of it: in float32 the directions of
    mixtures of embeddings within 0.003 rad of opposite are lost, and their logits with them.
    """
    straight = (a * a).addcmul_(b, b)
    norm2 = torch.addcmul(straight, a * b, cos, value=2)
    limits = torch.finfo(norm2.dtype)
    kept = torch.gt(norm2, straight.mul_(8 * limits.eps), out=straight)
    return norm2.clamp_(min=limits.tiny).rsqrt_().mul_(kept)


def exp_below_(difference: Tensor) -> Tensor:
    """exp in place, of differences to the largest of those that are summed up.

    The floor is far below the rounding of such a sum; without it exp is many times slower, in numbers that underflow.
    """
    return difference.clamp_(min=math.log(torch.finfo(difference.dtype).tiny) / 2).exp_()
