"""Sort a batch by label, take the cosines of its rows, and carry a gradient back through them.

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
    """A batch in label order.

    Attributes:
        windows: the sorted labels, and which rows each anchor mixes.
        order_N: positions in label order → rows of the batch.
        label_N: labels in float64.
        unit_ND: rows of norm 1; a row of zeros stays zeros.
        inverse_N1: inverse norms; 0 for a row of zeros.
        cos_NN: cosines of all pairs.
        rho_N: norms ρ of the sources of mixtures.
        scale: the factor from norms to ρ; None where ρ does not depend on the norms.
    """

    windows: Windows
    order_N: Tensor
    label_N: Tensor
    unit_ND: Tensor
    inverse_N1: Tensor
    cos_NN: Tensor
    rho_N: Tensor
    scale: Tensor | None


def on_device_of(z: Tensor, array: np.ndarray, dtype: torch.dtype | None = None) -> Tensor:
    """Copy an array to the device of ``z`` without waiting for the copy."""
    return torch.from_numpy(array).to(z.device, dtype, non_blocking=True)


def sort_batch(z_ND: Tensor, windows: Windows, on_sphere: bool, scaled: bool) -> Batch:
    """Sort embeddings (N, D) by label, and take their cosines.

    Norms below the smallest normal number count as 0, since their inverse would overflow.

    Args:
        z_ND: embeddings, in any order.
        windows: the batch's labels, sorted.
        on_sphere: whether unit rows are mixed instead of embeddings.
        scaled: divide norms by the largest, so that nothing overflows. Renormalised mixtures do not depend on the
            common factor.
    """
    exact, tiny = exact_dtype(z_ND.device), torch.finfo(z_ND.dtype).tiny
    order_N, label_N = on_device_of(z_ND, windows.order_N), on_device_of(z_ND, windows.label_N, exact)
    z_ND = z_ND.index_select(0, order_N)
    norm_N = norms(z_ND)
    usable_N = torch.ge(norm_N, tiny, out=torch.empty_like(norm_N))
    inverse_N1 = (usable_N / norm_N.clamp(min=tiny))[:, None]
    unit_ND = z_ND * inverse_N1
    scale = None
    if not on_sphere:
        scale = norm_N.amax().clamp_(min=tiny).reciprocal_() if scaled else torch.ones_like(norm_N[0])
    rho_N = usable_N if scale is None else norm_N * scale
    return Batch(windows, order_N, label_N, unit_ND, inverse_N1, unit_ND @ unit_ND.T, rho_N, scale)


@dataclass(frozen=True)
class Gradient:
    """Sums of a loss's derivatives.

    A mixture's ŝ = r ⟨u_i, p v_j + q v_k⟩ with derivative g adds g p at (i, j) and g q at (i, k) of ``e_NN``. Where the
    mixture is renormalised, its norm takes a part back: g ŝ p q at (j, k) of ``m_NN``, and −g ŝ p² ρ_j and −g ŝ q² ρ_k
    at j and k of ``own_N``.

    Attributes:
        cos_NN: derivative by the cosines of real pairs.
        e_NN: derivative by ⟨u_i, v_j⟩.
        m_NN: derivative by −⟨v_j, v_k⟩.
        own_N: derivative by a source along its own unit row.
    """

    cos_NN: Tensor
    e_NN: Tensor
    m_NN: Tensor
    own_N: Tensor

    @classmethod
    def zeros(cls, batch: Batch) -> "Gradient":
        """Start all sums at zero."""
        cos_NN, e_NN, m_NN = batch.cos_NN.new_zeros(3, *batch.cos_NN.shape)
        return cls(cos_NN, e_NN, m_NN, torch.zeros_like(batch.rho_N))

    def by_embedding(self, batch: Batch, detached: bool) -> Tensor:
        """Return the gradient by the embeddings in label order, (N, D).

        Each row of it is a combination of unit rows; the matrices below hold the coefficients.

        Args:
            batch: the batch that the sums belong to.
            detached: whether the sources of mixtures pass no gradient on.
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
    """Return 1/‖a u + b w‖ for unit vectors with ⟨u, w⟩ = ``cos``; 0 where the norm is rounding noise.

    The norm is noise where cancellation leaves less than 8 ε of a² + b². In float32 that concerns mixtures of
    embeddings within 0.003 rad of opposite: their directions are lost, and their logits become 0.
    """
    straight = (a * a).addcmul_(b, b)
    norm2 = torch.addcmul(straight, a * b, cos, value=2)
    limits = torch.finfo(norm2.dtype)
    exact = torch.gt(norm2, straight.mul_(8 * limits.eps), out=straight)
    return norm2.clamp_(min=limits.tiny).rsqrt_().mul_(exact)


def exp_below_(difference: Tensor) -> Tensor:
    """Take exp in place of differences to a sum's largest exponent, all 0 or less.

    Differences are cut off far below what changes the sum: exp is many times slower where it underflows.
    """
    return difference.clamp_(min=math.log(torch.finfo(difference.dtype).tiny) / 2).exp_()
