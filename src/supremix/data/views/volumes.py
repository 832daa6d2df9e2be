"""Random views of volumes: the transformations of Taleb et al. (2020), 3D Exemplar, for whole batches on any device.

The paper adopts them for its baselines on volumes (section 4). The probabilities and ranges are those of Taleb et
al.'s published code; where that chains four resamplings, here one trilinear resampling does flips, turns and zoom.

B volumes of S³ voxels; axes D, H, W; positions in [−1, 1] across the cube, so that 0 is its centre.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

from supremix.data.loading import to_device

PLANES = ((0, 1), (1, 2), (0, 2))
"""Axes of the three turns, in their order."""
TOGETHER = 8
"""Volumes that are resampled together: 100³ voxels need 20 MB each."""


class Exemplar3D:
    """Flip, turn, change brightness and contrast, and zoom.

    Maps (B, S, S, S) and (B, 22) uniform numbers in [0, 1) to (B, 1, S, S, S) float32.

    Args:
        flip: probability for each axis.
        turn: probability for each plane.
        quarter: share of turns by 0, 90, 180 or 270 degrees; the others are by any angle.
        intensity: probability of a change of brightness and contrast.
        brightness: largest shift, in units of the values, which lie in [0, 1].
        contrast: largest relative change of the values' distance to their mean.
        zoom: probability of a zoom.
        zoom_range: largest relative change of size, drawn for each axis. Of a larger volume a random part is seen,
            a smaller one is padded with zeros.
    """

    registered_name = "views/exemplar_3d"

    draws = 22

    def __init__(
        self,
        flip: float,
        turn: float,
        quarter: float,
        intensity: float,
        brightness: float,
        contrast: float,
        zoom: float,
        zoom_range: float,
    ) -> None:
        probabilities = {"flip": flip, "turn": turn, "quarter": quarter, "intensity": intensity, "zoom": zoom}
        for name, value in probabilities.items() | {("contrast", contrast)}:
            if not 0 <= value <= 1:
                raise ValueError(f"{name}={value}: give a number from 0 to 1")
        if not 0 <= zoom_range < 1 or brightness < 0:
            raise ValueError(
                f"zoom_range={zoom_range}, brightness={brightness}: use 0 ≤ zoom_range < 1, brightness ≥ 0"
            )
        self.flip, self.turn, self.quarter, self.intensity, self.zoom = flip, turn, quarter, intensity, zoom
        self.brightness, self.contrast, self.zoom_range = brightness, contrast, zoom_range

    def __call__(self, x_BDHW: Tensor, uniform_BP: Tensor) -> Tensor:
        """Return a view of each volume, decided by its row of uniform numbers alone."""
        if len(set(x_BDHW.shape[1:])) != 1 or uniform_BP.shape != (len(x_BDHW), self.draws):
            raise ValueError(
                f"cubes (B, S, S, S) and uniforms (B, {self.draws}), not {x_BDHW.shape}, {uniform_BP.shape}"
            )
        uniform_BP = to_device(uniform_BP, x_BDHW.device)
        affine_B34 = self.affine(uniform_BP)
        volumes = x_BDHW.unsqueeze(1)
        parts = zip(volumes.split(TOGETHER), affine_B34.split(TOGETHER), strict=True)
        turned = torch.cat([resample(part.float(), affine) for part, affine in parts])
        return self.recolour(turned, uniform_BP)

    def affine(self, uniform_BP: Tensor) -> Tensor:
        """Return where each position of the view, a column (D, H, W, 1), lies in the volume, (B, 3, 4)."""
        u = uniform_BP.float()
        batch = len(u)
        sign_B3 = 1 - 2 * (u[:, 0:3] < self.flip).float()
        matrix_B33 = torch.diag_embed(sign_B3)
        for i, plane in enumerate(PLANES):
            matrix_B33 = matrix_B33 @ rotation(self.angle(*u[:, 3 + 3 * i : 6 + 3 * i].unbind(1)), plane)
        zoomed_B1 = u[:, 15:16] < self.zoom
        factor_B3 = torch.where(zoomed_B1, 1 + self.zoom_range * (2 * u[:, 16:19] - 1), 1.0)
        offset_B3 = (factor_B3 - 1).clamp(min=0) * (2 * u[:, 19:22] - 1)
        zoom_B34 = torch.cat([torch.diag_embed(1 / factor_B3), (offset_B3 / factor_B3).unsqueeze(2)], dim=2)
        return (matrix_B33 @ zoom_B34).reshape(batch, 3, 4)

    def angle(self, turned_B: Tensor, quarter_B: Tensor, angle_B: Tensor) -> Tensor:
        """Return radians in [0, 2π), (B,), 0 where nothing is turned."""
        steps_B = torch.where(quarter_B < self.quarter, (4 * angle_B).floor(), 4 * angle_B)
        return torch.where(turned_B < self.turn, steps_B * (math.pi / 2), 0.0)

    def recolour(self, x_B1DHW: Tensor, uniform_BP: Tensor) -> Tensor:
        """Change brightness, then contrast about the volume's mean."""
        u = uniform_BP.float()[:, :, None, None, None, None]
        changed = u[:, 12] < self.intensity
        shift = torch.where(changed, self.brightness * (2 * u[:, 13] - 1), 0.0)
        factor = torch.where(changed, 1 + self.contrast * (2 * u[:, 14] - 1), 1.0)
        mean = x_B1DHW.mean((1, 2, 3, 4), keepdim=True)  # the shift moves values and mean alike
        return (x_B1DHW - mean) * factor + (mean + shift)


def rotation(angle_B: Tensor, plane: tuple[int, int]) -> Tensor:
    """Return the matrices (B, 3, 3) that turn by an angle from a plane's first axis to its second."""
    first, second = plane
    # Rounded so that quarter turns are exact: cos(π/2) is 6e-17, not 0.
    cos_B, sin_B = angle_B.cos().round(decimals=6), angle_B.sin().round(decimals=6)
    matrix_B33 = torch.eye(3, device=angle_B.device).repeat(len(angle_B), 1, 1)
    matrix_B33[:, first, first] = matrix_B33[:, second, second] = cos_B
    matrix_B33[:, first, second], matrix_B33[:, second, first] = sin_B, -sin_B
    return matrix_B33


def resample(x_B1DHW: Tensor, affine_B34: Tensor) -> Tensor:
    """Read the volumes at the affine's positions, trilinear, zero outside, (B, 1, S, S, S)."""
    size = x_B1DHW.shape[-1]
    line_S = (2 * torch.arange(size, device=x_B1DHW.device) + 1) / size - 1  # the voxels' centres
    affine_B34 = affine_B34.flip(1)  # grid_sample counts axes from the last
    d_B3S, h_B3S, w_B3S = (affine_B34[:, :, :3, None] * line_S).unbind(2)  # what each axis adds to a position
    plane_B3HW = h_B3S[..., None] + w_B3S[:, :, None] + affine_B34[:, :, 3, None, None]
    grid_B3DHW = d_B3S[..., None, None] + plane_B3HW[:, :, None]
    grid = grid_B3DHW.permute(0, 2, 3, 4, 1)
    return functional.grid_sample(x_B1DHW, grid, padding_mode="zeros", align_corners=False)
