"""A batch as the losses see it, in label order: unit rows, their cosines, and how a gradient goes back through them.

Mixtures are made of sources v = ρ u, unit rows u times the norms ρ of the embeddings, or times 1 where the mixing is
done on the sphere. All inner products follow from the cosines c: e_ij = ⟨u_i, v_j⟩ = c_ij ρ_j, and
m_jk = ⟨v_j, v_k⟩ = ρ_j c_jk ρ_k. Shapes: N rows in label order, D features.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from supremix.losses.mixtures import Windows
from supremix.losses.pairs import exact_dtype


@dataclass(frozen=True)
class Batch:
    """Rows in label order; ``inverse_N`` are the inverse norms, 0 for a row of zeros, whose unit row is zeros too."""

    found: Windows
    order_N: Tensor
    label_N: Tensor
    unit_ND: Tensor
    inverse_N: Tensor
    cos_NN: Tensor
    rho_N: Tensor
    scale: Tensor | None
    """What norms were multiplied by to give ρ; None where ρ has nothing to do with them."""


def sort_batch(z_ND: Tensor, found: Windows, on_sphere: bool, scaled: bool) -> Batch:
    """Sort embeddings (N, D) by label, and take their cosines.

    Norms are ``scaled`` to at most 1 where the mixtures
    are renormalised: a common scale drops out then, and cannot overflow.
    """
    order_N = torch.from_numpy(found.order_N).to(z_ND.device)
    label_N = torch.from_numpy(found.label_N).to(z_ND.device, exact_dtype(z_ND.device))
    z_ND = z_ND[order_N]
    norm_N = torch.linalg.vector_norm(z_ND, dim=1)
    usable_N = norm_N.sign()
    tiny = torch.finfo(norm_N.dtype).tiny
    inverse_N = usable_N / norm_N.clamp(min=tiny)
    unit_ND = z_ND * inverse_N[:, None]
    scale = None
    if not on_sphere:
        scale = norm_N.amax().clamp_(min=tiny).reciprocal_() if scaled else torch.ones_like(norm_N[0])
    rho_N = usable_N if scale is None else norm_N * scale
    return Batch(found, order_N, label_N, unit_ND, inverse_N, unit_ND @ unit_ND.T, rho_N, scale)


@dataclass(frozen=True)
class Gradient:
    """Derivatives of a loss by the cosines of real pairs, by e_ij and by m_jk, each (N, N), anchors in rows."""

    cos_NN: Tensor
    e_NN: Tensor
    m_NN: Tensor

    @classmethod
    def zeros(cls, batch: Batch) -> "Gradient":
        """Derivatives to add to."""
        return cls(*batch.cos_NN.new_zeros(3, *batch.cos_NN.shape))

    def by_embedding(self, batch: Batch, detached: bool) -> Tensor:
        """The gradient by the embeddings in the order they came in, (N, D); none through ``detached`` sources."""
        by_unit_NN = (self.cos_NN + self.cos_NN.T).addcmul_(self.e_NN, batch.rho_N)
        by_unit_ND = by_unit_NN @ batch.unit_ND
        by_z_ND = torch.zeros_like(by_unit_ND)
        if not detached:
            by_source_NN = (self.m_NN + self.m_NN.T).mul_(batch.rho_N).add_(self.e_NN.T)
            by_source_ND = by_source_NN @ batch.unit_ND
            if batch.scale is None:
                by_unit_ND += by_source_ND
            else:
                by_z_ND = by_source_ND.mul_(batch.scale)
        # A unit row moves only at right angles to itself.
        radial_N1 = torch.linalg.vecdot(by_unit_ND, batch.unit_ND)[:, None]
        by_unit_ND.addcmul_(batch.unit_ND, radial_N1, value=-1)
        by_z_ND.addcmul_(by_unit_ND, batch.inverse_N[:, None])
        return torch.empty_like(by_z_ND).index_copy_(0, batch.order_N, by_z_ND)


def inverse_norm(a: Tensor, b: Tensor, cos: Tensor) -> Tensor:
    """1/‖a u + b w‖ for unit vectors with ⟨u, w⟩ = cos; 0 where that norm is 0 but for rounding. Shapes broadcast.

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
