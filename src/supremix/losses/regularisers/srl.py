"""SRL, surrogate-driven representation learning (Dong, Wu et al. 2025): one trace of label bins around the sphere.

K label bins, of which U have a surrogate; P random points of the unit sphere.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from supremix.losses import pairs
from supremix.losses.labels import Labels


class SRLLoss(nn.Module):
    """Let the surrogates of label bins envelop the sphere in even steps, and draw rows to that of their bin.

    The surrogate c_b of a bin is the unit centroid of its rows in the batch, else the one that is stored; bins that no
    batch had yet are left out. With random unit points p_m and the label y_b in the middle of a bin, the loss is the
    sum of three terms, each times its weight:

    - enveloping: 1 − mean_m max_b ⟨c_b, p_m⟩
    - homogeneity: Σ_b ‖c_{b+1} − c_b‖²/(y_{b+1} − y_b) over successive bins
    - contrast: −mean_i log softmax_b(⟨z_i, c_b⟩/τ) at the bin of row i

    In training mode each call stores surrogates: momentum · stored + (1 − momentum) · batch's, and the batch's where
    none is stored. They are a buffer, ``surrogate_KD``, and saved with the module. The authors' code stores once an
    epoch, has zeros for bins not yet met, passes no gradient through surrogates in the contrast, and in place of the
    homogeneity takes sums of cosines of successive bins, of opposite signs in two of its folders.

    Args:
        low, high: lowest and highest label, label units.
        bin_size: width of a bin; a label is in the bin of the nearest low + b · bin_size.
        temperature: τ > 0 of the contrast.
        momentum: share of a stored surrogate that a call leaves, from 0 to below 1.
        points: number of random points a call.
        enveloping, homogeneity, contrast: weights ≥ 0 of the terms.
    """

    registered_name = "regulariser/srl"
    numbers_only = True
    surrogate_KD: Tensor

    def __init__(
        self,
        low: float,
        high: float,
        bin_size: float,
        temperature: float,
        momentum: float = 0.9,
        points: int = 2000,
        enveloping: float = 1.0,
        homogeneity: float = 1.0,
        contrast: float = 1.0,
    ) -> None:
        super().__init__()
        self.low, self.high = pairs.number(low), pairs.number(high)
        self.bin_size = pairs.positive_number("bin_size", bin_size)
        if not 0 <= self.high - self.low < float("inf"):
            raise ValueError(f"low and high must be finite labels, low the lower, got {low} and {high}")
        self.temperature = pairs.in_range("temperature", temperature, *pairs.TEMPERATURES)
        self.momentum = pairs.number(momentum)
        if not 0 <= self.momentum < 1:
            raise ValueError(f"momentum must be from 0 to below 1, got {momentum}")
        if isinstance(points, bool) or not isinstance(points, int) or points < 1:
            raise ValueError(f"points must be a whole number above 0, got {points}")
        self.points = points
        weights = {"enveloping": enveloping, "homogeneity": homogeneity, "contrast": contrast}
        for name, weight in weights.items():
            if not 0 <= pairs.number(weight) < float("inf"):
                raise ValueError(f"{name} must be a finite number, 0 or more, got {weight}")
        self.enveloping, self.homogeneity, self.contrast = map(float, weights.values())
        bins = 1 + round((self.high - self.low) / self.bin_size)
        self.register_buffer("surrogate_KD", torch.zeros(bins, 0))  # zeros where none is stored; D is not yet known

    @pairs.without_compiling
    def forward(self, z_ND: Tensor, y_N: Any, generator: torch.Generator | None = None) -> Tensor:
        """Return the loss of a batch, a scalar.

        Args:
            z_ND: features; normalised inside.
            y_N: labels: a tensor, an array or a list. The host reads them.
            generator: source of the random points, on the device of ``z_ND``; None takes torch's global one.

        Raises:
            ValueError: the shapes are not those of one batch, or a label is not finite or in no bin.
        """
        z_ND, labels = pairs.check_batch(z_ND, y_N)
        device, exact = z_ND.device, pairs.exact_dtype(z_ND.device)
        with pairs.full_precision(device):
            unit_ND = pairs.exact_unit_rows(z_ND)
            stored_KD = self._stored(unit_ND)
            bin_N = torch.from_numpy(self._bins(labels)).to(device, non_blocking=True)
            in_batch_KD = pairs.exact_unit_rows(torch.zeros_like(stored_KD).index_add(0, bin_N, unit_ND))
            has_K1 = torch.zeros_like(stored_KD[:, :1]).index_fill(0, bin_N, 1.0) > 0
            if self.training:
                with torch.no_grad():
                    self._store(in_batch_KD, has_K1)

            center_KD = torch.where(has_K1, in_batch_KD, pairs.exact_unit_rows(stored_KD))
            known_K = has_K1[:, 0] | (stored_KD != 0).any(dim=1)
            point_PD = torch.randn(self.points, z_ND.shape[1], generator=generator, device=device, dtype=exact)
            cosine_KP = center_KD @ pairs.exact_unit_rows(point_PD).T
            enveloping = 1 - cosine_KP.masked_fill(~known_K[:, None], -torch.inf).amax(dim=0).mean()
            logits_NK = (unit_ND @ center_KD.T / self.temperature).masked_fill(~known_K, -torch.inf)
            contrast = torch.nn.functional.cross_entropy(logits_NK, bin_N)
            terms = (enveloping, self.enveloping), (self._homogeneity(center_KD, known_K), self.homogeneity)
            return sum((term * weight for term, weight in terms), contrast * self.contrast).to(z_ND.dtype)

    def extra_repr(self) -> str:
        """Show all settings."""
        return pairs.settings_of(self)

    def _bins(self, labels: Labels) -> np.ndarray:
        bin_N = np.rint((labels.y_N - self.low) / self.bin_size).astype(np.int64)
        outside_N = (bin_N < 0) | (bin_N >= len(self.surrogate_KD))
        if outside_N.any():
            row = int(outside_N.argmax())
            raise ValueError(f"y_N[{row}] is {labels.y_N[row]:g}, outside low={self.low:g} to high={self.high:g}")
        return bin_N

    def _stored(self, unit_ND: Tensor) -> Tensor:
        """Return the stored surrogates, zeros before the first call."""
        shape = len(self.surrogate_KD), unit_ND.shape[1]
        if self.surrogate_KD.shape[1] == 0:
            return unit_ND.new_zeros(shape)
        if self.surrogate_KD.shape != shape:
            raise ValueError(f"z_ND has {shape[1]} features, those before had {self.surrogate_KD.shape[1]}")
        return self.surrogate_KD.to(unit_ND.device, unit_ND.dtype)

    def _store(self, in_batch_KD: Tensor, has_K1: Tensor) -> None:
        stored_KD = self._stored(in_batch_KD)
        mixed_KD = self.momentum * stored_KD + (1 - self.momentum) * in_batch_KD
        new_KD = torch.where((stored_KD != 0).any(dim=1, keepdim=True), mixed_KD, in_batch_KD)
        self.surrogate_KD = torch.where(has_K1, new_KD, stored_KD)

    def _homogeneity(self, center_KD: Tensor, known_K: Tensor) -> Tensor:
        """Return Σ ‖c_v − c_u‖²/(y_v − y_u) over successive bins u, v with a surrogate."""
        place_K = torch.arange(len(known_K), device=known_K.device)
        # The bin with a surrogate before each one; of the first bin and the first known one it is -1.
        latest_K = torch.where(known_K, place_K, -1).cummax(dim=0).values
        before_K = torch.nn.functional.pad(latest_K[:-1], (1, 0), value=-1)
        pair_K = known_K & (before_K >= 0)
        square_K = (center_KD - center_KD[before_K.clamp(min=0)]).square().sum(dim=1)
        return torch.where(pair_K, square_K / (place_K - before_K), 0.0).sum() / self.bin_size

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        """Take the number of features from the saved surrogates."""
        saved = state_dict.get(f"{prefix}surrogate_KD")
        if saved is not None and saved.ndim == 2 and len(saved) == len(self.surrogate_KD):
            self.surrogate_KD = self.surrogate_KD.new_zeros(saved.shape, dtype=saved.dtype)
        super()._load_from_state_dict(state_dict, prefix, *args)
