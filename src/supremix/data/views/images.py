"""Random views of a batch of square colour images, each image with parameters of its own, on any device.

Every parameter is a function of uniform numbers that the caller draws, so a view depends on the image and its
numbers alone. Operations and distributions are those of torchvision's transforms of the same names, on values in
[0, 1] that are not rounded in between. B images, C = 3 channels, H = W = S pixels a side.
"""

import itertools
import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from supremix.data.loading import to_device
from supremix.data.views.colours import CHANGES, luma

ATTEMPTS = 10  # at a crop that fits; torchvision's number
CROP_SCALE = (0.2, 1.0)
CROP_RATIO = (3 / 4, 4 / 3)
JITTER = (0.4, 0.4, 0.4, 0.1)  # brightness, contrast, saturation, hue
JITTER_PROBABILITY = 0.8
ORDERS = list(itertools.permutations(range(4)))  # of brightness 0, contrast 1, saturation 2, hue 3
AT_ONCE = 2**18  # pixels that a core treats at once: few, to be near it, and enough to be worth the call


def normalised(x: Tensor) -> Tensor:
    """uint8 0 to 255 → float32 -1 to 1: to [0, 1], then less 0.5 and over 0.5."""
    return x.to(torch.float32, copy=True).div_(127.5).sub_(1)


class ColourViews:
    """Random crop resized to full size, mirrored, colours jittered, or grey (Chen et al. 2020; paper table 13).

    Args:
        flip, grey: probabilities of mirroring and of taking the colour away.

    (B, 3, S, S) uint8 and (B, draws) in [0, 1) → (B, 3, S, S) float32 in [-1, 1].
    """

    draws = 2 * ATTEMPTS + 2 + 1 + 1 + 4 + 1 + 1

    def __init__(self, flip: float, grey: float) -> None:
        self.flip, self.grey = flip, grey

    def __call__(self, x: Tensor, uniform_BP: Tensor) -> Tensor:
        """Views of the images."""
        crop, flip, apply, factors, order, grey = uniform_BP.split([2 * ATTEMPTS + 2, 1, 1, 4, 1, 1], dim=1)
        factor_B4, order_B = jitter_parameters(factors, order[:, 0])
        order_B = torch.where(apply[:, 0] < JITTER_PROBABILITY, order_B, len(ORDERS))
        group_B = 2 * order_B + (grey[:, 0] < self.grey)
        place_B = group_B.argsort(stable=True)  # what is done alike stands together
        box_B4, flip_B = crop_boxes(crop, x.shape[-1]), flip[:, 0] < self.flip
        moved_B = [to_device(one[place_B], x.device) for one in (torch.arange(len(x)), box_B4, flip_B, factor_B4)]
        view = torch.empty(x.shape, device=x.device)
        for group, run in runs(group_B[place_B], images_at_once(x)):
            at, box_B4, flip_B, factor_B4 = (values_B[run] for values_B in moved_B)
            part = crop_resize(taken(x, at).float().div_(255), box_B4, flip_B)
            for kind in [*ORDERS, ()][group // 2]:
                CHANGES[kind](part, factor_B4[:, kind])
            part = luma(part) if group % 2 else part
            view[at] = part.mul_(2).sub_(1)
        return view


class ShiftedViews:
    """Images on a black border, cut out at a random place and mirrored or not (Yang et al. 2021).

    Args:
        padding: width of the border, pixels.

    (B, 3, S, S) uint8 and (B, 3) in [0, 1) → (B, 3, S, S) float32 in [-1, 1].
    """

    draws = 3

    def __init__(self, padding: int) -> None:
        self.padding = padding

    def __call__(self, x: Tensor, uniform_BP: Tensor) -> Tensor:
        """Views of the images."""
        size = x.shape[-1]
        corner_B2 = (uniform_BP[:, :2] * (2 * self.padding + 1)).long()
        padded = F.pad(x, [self.padding] * 4).permute(0, 2, 3, 1)  # rows of pixels are copied whole
        parts = zip(padded, corner_B2.tolist(), strict=True)
        view = torch.stack([one[top : top + size, left : left + size] for one, (top, left) in parts])
        view = view.permute(0, 3, 1, 2)
        at = to_device((uniform_BP[:, 2] < 0.5).nonzero()[:, 0], x.device)
        view[at] = taken(view, at).flip(3)
        return normalised(view)


def crop_boxes(uniform_BP: Tensor, size: int) -> Tensor:
    """(B, 22) in [0, 1) → boxes (B, 4) int64: top, left, height, width, in an image of side `size`.

    The area's share is uniform in 0.2 to 1, the logarithm of width over height in that of 3/4 to 4/3; the first of
    ten attempts that fits is taken, the whole image if none does.
    """
    share, ratio, place = uniform_BP.split([ATTEMPTS, ATTEMPTS, 2], dim=1)
    area = size * size * (CROP_SCALE[0] + share * (CROP_SCALE[1] - CROP_SCALE[0]))
    low, high = (math.log(bound) for bound in CROP_RATIO)
    ratio = (low + ratio * (high - low)).exp()
    width, height = (area * ratio).sqrt().round().long(), (area / ratio).sqrt().round().long()
    fits = (width > 0) & (width <= size) & (height > 0) & (height <= size)
    first_B1 = fits.long().argmax(dim=1, keepdim=True)  # 0 where none fits
    extent_B2 = torch.cat([height.gather(1, first_B1), width.gather(1, first_B1)], dim=1)
    extent_B2 = torch.where(fits.any(dim=1, keepdim=True), extent_B2, size)
    corner_B2 = (place * (size - extent_B2 + 1)).long()
    return torch.cat([corner_B2, extent_B2], dim=1)


def crop_resize(x: Tensor, box_B4: Tensor, flip_B: Tensor) -> Tensor:
    """Cut out each image's box, resize it bilinearly to the image's own size, mirror it where `flip_B`.

    Boxes are never larger than the image, so nothing is scaled down and no antialiasing is needed.
    """
    pixels = x.shape[-1]
    corner_B2, extent_B2 = box_B4.to(x.dtype).split(2, dim=1)
    centre_S = torch.arange(pixels, device=x.device, dtype=x.dtype) + 0.5
    # Kept inside the box, so that pixels next to it do not bleed in.
    inside = (centre_S[None, :, None] * (extent_B2 / pixels)[:, None, :] - 0.5).clamp(min=0)
    position_BS2 = corner_B2[:, None, :] + torch.minimum(inside, (extent_B2 - 1)[:, None, :])
    position_BS2 = position_BS2 * (2 / (pixels - 1)) - 1
    row_BS, column_BS = position_BS2.unbind(dim=2)
    column_BS = torch.where(flip_B[:, None], column_BS.flip(1), column_BS)
    grid = x.new_empty(len(x), 2, pixels, pixels)
    grid[:, 0], grid[:, 1] = column_BS[:, None, :], row_BS[:, :, None]
    return F.grid_sample(x, grid.permute(0, 2, 3, 1), mode="bilinear", padding_mode="border", align_corners=True)


def jitter_parameters(uniform_B4: Tensor, order_B: Tensor) -> tuple[Tensor, Tensor]:
    """Factors (B, 4) of brightness, contrast, saturation (around 1) and hue (around 0); which of ORDERS (B,) int64."""
    middle_4, half_4 = torch.tensor([1.0, 1.0, 1.0, 0.0]), torch.tensor(JITTER)
    return middle_4 + half_4 * (2 * uniform_B4 - 1), (order_B * len(ORDERS)).long()


def images_at_once(x: Tensor) -> int:
    """How many images are treated at once: on a processor what its cores keep near, else all."""
    if x.device.type != "cpu":
        return len(x)
    return torch.get_num_threads() * max(1, AT_ONCE // x[0, 0].numel())


def taken(x: Tensor, at_R: Tensor) -> Tensor:
    """Images by their places; quick where the memory is channels-last, as `Split.fetch` gives it."""
    return x.permute(0, 2, 3, 1).index_select(0, at_R).permute(0, 3, 1, 2)


def runs(group_B: Tensor, most: int) -> Iterator[tuple[int, slice]]:
    """The groups of a sorted list, and where each stands; those of more than `most` in parts."""
    first = 0
    for group, count in zip(*(part.tolist() for part in group_B.unique_consecutive(return_counts=True)), strict=True):
        for start in range(first, first + count, most):
            yield group, slice(start, min(start + most, first + count))
        first += count
