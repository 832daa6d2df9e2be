"""Random views of a batch of square colour images, each image with parameters of its own, on any device.

Every parameter is a function of uniform numbers that the caller draws, so a view depends on the image and its
numbers alone. Operations and distributions are those of torchvision's transforms of the same names, on values in
[0, 1] that are not rounded in between. B images, C = 3 channels, H = W = S pixels a side, P uniform numbers an image.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from supremix.data.loading import to_device
from supremix.data.views.colours import CHANGES, luma, wide

ATTEMPTS = 10  # at a crop that fits; torchvision's number
ORDERS = list(itertools.permutations(range(4)))  # of brightness 0, contrast 1, saturation 2, hue 3
AT_ONCE = 2**18  # pixels that a core treats at once: few, to be near it, and enough to be worth the call


def normalised(x: Tensor) -> Tensor:
    """Map uint8 0 to 255 to float32 -1 to 1: to [0, 1], then less 0.5 and over 0.5."""
    return x.to(torch.float32, copy=True).div_(127.5).sub_(1)


class ColourViews:
    """Crop at random and resize to full size, mirror, jitter colours, take colours away (Chen et al. 2020).

    Maps (B, 3, S, S) uint8 and (B, draws) in [0, 1) to (B, 3, S, S) float32 in [-1, 1].

    Args:
        crop_scale: smallest and largest share of the image's area that a crop has.
        crop_ratio: smallest and largest ratio of a crop's width to its height.
        jitter: probability of a change of colours, by the four strengths that follow.
        brightness, contrast, saturation: largest relative change.
        hue: largest turn, as a share of the colour circle.
        flip: probability of mirroring.
        grey: probability of taking the colours away.
    """

    registered_name = "views/colours"
    draws = 2 * ATTEMPTS + 2 + 1 + 1 + 4 + 1 + 1

    def __init__(
        self,
        crop_scale: Sequence[float],
        crop_ratio: Sequence[float],
        jitter: float,
        brightness: float,
        contrast: float,
        saturation: float,
        hue: float,
        flip: float,
        grey: float,
    ) -> None:
        shares = {"jitter": jitter, "flip": flip, "grey": grey}
        strengths = {"brightness": brightness, "contrast": contrast, "saturation": saturation}
        for name, value in (shares | strengths).items():
            if not 0 <= value <= 1:
                raise ValueError(f"{name}={value}: give a number from 0 to 1")
        if not 0 <= hue <= 1 / 6:
            raise ValueError(f"hue={hue}: give a number from 0 to 1/6 of the colour circle")
        for name, bounds, limit in (("crop_scale", crop_scale, 1), ("crop_ratio", crop_ratio, math.inf)):
            if len(bounds) != 2 or not 0 < bounds[0] <= bounds[1] <= limit:
                raise ValueError(f"{name}={list(bounds)}: give two numbers, 0 < smallest ≤ largest ≤ {limit}")
        self.crop_scale, self.crop_ratio = tuple(crop_scale), tuple(crop_ratio)
        self.jitter, self.strengths = jitter, (brightness, contrast, saturation, hue)
        self.flip, self.grey = flip, grey

    def __call__(self, x: Tensor, uniform_BP: Tensor) -> Tensor:
        """Return a view of each image."""
        crop, flip, apply, factors, order, grey = uniform_BP.split([2 * ATTEMPTS + 2, 1, 1, 4, 1, 1], dim=1)
        factor_B4, order_B = jitter_parameters(factors, order[:, 0], self.strengths)
        order_B = torch.where(apply[:, 0] < self.jitter, order_B, len(ORDERS))
        box_B4 = crop_boxes(crop, x.shape[-1], self.crop_scale, self.crop_ratio)
        flip_B, grey_B = flip[:, 0] < self.flip, grey[:, 0] < self.grey
        make = by_group if x.device.type == "cpu" else by_turn
        return make(x, Drawn(box_B4, flip_B, factor_B4, order_B, grey_B))


class ShiftedViews:
    """Put images on a black border, cut them out at a random place, and mirror some (Yang et al. 2021).

    Maps (B, 3, S, S) uint8 and (B, 3) in [0, 1) to (B, 3, S, S) float32 in [-1, 1].

    Args:
        padding: width of the border, pixels.
        flip: probability of mirroring.
    """

    draws = 3

    def __init__(self, padding: int, flip: float) -> None:
        if not 0 <= flip <= 1:
            raise ValueError(f"flip={flip}: give a number from 0 to 1")
        self.padding, self.flip = padding, flip

    def __call__(self, x: Tensor, uniform_BP: Tensor) -> Tensor:
        """Return a view of each image."""
        size = x.shape[-1]
        corner_B2 = (uniform_BP[:, :2] * (2 * self.padding + 1)).long()
        padded = F.pad(x, [self.padding] * 4).permute(0, 2, 3, 1)  # rows of pixels are copied whole
        parts = zip(padded, corner_B2.tolist(), strict=True)
        view = torch.stack([image[top : top + size, left : left + size] for image, (top, left) in parts])
        view = view.permute(0, 3, 1, 2)
        at = to_device((uniform_BP[:, 2] < self.flip).nonzero()[:, 0], x.device)
        view[at] = taken(view, at).flip(3)
        return normalised(view)


def crop_boxes(uniform_BP: Tensor, size: int, scale: Sequence[float], ratio: Sequence[float]) -> Tensor:
    """Return a random box for each image, (B, 4) int64: top, left, height, width.

    The area's share is uniform between its bounds, and so is the logarithm of width over height; the first of ten
    attempts that fits is taken, the whole image if none does.

    Args:
        uniform_BP: (B, 22) in [0, 1).
        size: side of the images, pixels.
        scale: bounds of the area's share.
        ratio: bounds of width over height.
    """
    share, shape, place = uniform_BP.split([ATTEMPTS, ATTEMPTS, 2], dim=1)
    area = size * size * (scale[0] + share * (scale[1] - scale[0]))
    low, high = (math.log(bound) for bound in ratio)
    shape = (low + shape * (high - low)).exp()
    width, height = (area * shape).sqrt().round().long(), (area / shape).sqrt().round().long()
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


def jitter_parameters(uniform_B4: Tensor, order_B: Tensor, strengths: Sequence[float]) -> tuple[Tensor, Tensor]:
    """Return factors (B, 4) and which of ORDERS, (B,) int64.

    Args:
        uniform_B4: in [0, 1), for the factors of brightness, contrast, saturation (around 1) and hue (around 0).
        order_B: in [0, 1).
        strengths: largest distance of the four factors from their middle.
    """
    middle_4, half_4 = torch.tensor([1.0, 1.0, 1.0, 0.0]), torch.tensor(strengths)
    return middle_4 + half_4 * (2 * uniform_B4 - 1), (order_B * len(ORDERS)).long()


class Drawn(NamedTuple):
    """What was drawn for each image, on the CPU.

    Attributes:
        box_B4, flip_B: as of `crop_resize`.
        factor_B4: of the four changes.
        order_B: which of ORDERS the changes have; the number of ORDERS for an image without changes.
        grey_B: whether to take the colours away.
    """

    box_B4: Tensor
    flip_B: Tensor
    factor_B4: Tensor
    order_B: Tensor
    grey_B: Tensor


def by_group(x: Tensor, drawn: Drawn) -> Tensor:
    """Make views on a processor: few images at a time, all their changes while the cores have them near."""
    box_B4, flip_B, factor_B4, order_B, grey_B = drawn
    group_B = 2 * order_B + grey_B
    place_B = group_B.argsort(stable=True)  # what is done alike stands together
    at_once = torch.get_num_threads() * max(1, AT_ONCE // x[0, 0].numel())
    view = torch.empty(x.shape)
    for group, run in runs(group_B[place_B], at_once):
        at = place_B[run]
        part = crop_resize(taken(x, at).float().div_(255), box_B4[at], flip_B[at])
        for kind in [*ORDERS, ()][group // 2]:
            CHANGES[kind](part, factor_B4[at, kind])
        part = luma(part) if group % 2 else part
        view[at] = part.mul_(2).sub_(1)
    return view


def by_turn(x: Tensor, drawn: Drawn) -> Tensor:
    """Make views on a GPU by few large operations: in each of four turns, images with the same change stand together.

    A turn is one place in the images' orders of changes.
    """
    box_B4, flip_B, factor_B4, order_B, grey_B = drawn
    none = len(CHANGES)
    kind_4B, image_4B = torch.tensor([*ORDERS, [none] * 4])[order_B].T.contiguous().sort(dim=1, stable=True)
    start_45 = torch.searchsorted(kind_4B, torch.arange(none + 1).repeat(4, 1)).tolist()
    place_4B = image_4B.argsort(dim=1)
    # Where the images of a turn stand in the turn before, and at the end those of the batch in the last turn.
    from_5B = torch.cat([image_4B[:1], place_4B[:-1].gather(1, image_4B[1:]), place_4B[-1:]])
    factor_4B = factor_B4[image_4B, kind_4B.clamp(max=none - 1)]
    moved = (from_5B, factor_4B, box_B4[image_4B[0]], flip_B[image_4B[0]])
    from_5B, factor_4B, box_B4, flip_B = (to_device(values, x.device) for values in moved)
    view = crop_resize(taken(x, from_5B[0]).float().div_(255), box_B4, flip_B)
    for turn, starts in enumerate(start_45):
        view = view.index_select(0, from_5B[turn]) if turn else view
        for change, start, stop in zip(CHANGES, starts, starts[1:], strict=False):
            if start < stop:
                change(view[start:stop], factor_4B[turn, start:stop])
    view = view.index_select(0, from_5B[-1])
    if grey_B.any():
        view = torch.where(wide(to_device(grey_B, x.device)), luma(view), view)
    return view.mul_(2).sub_(1)


def taken(x: Tensor, at_R: Tensor) -> Tensor:
    """Select images by their places; quick where the memory is channels-last, as `Split.fetch` gives it."""
    return x.permute(0, 2, 3, 1).index_select(0, at_R).permute(0, 3, 1, 2)


def runs(group_B: Tensor, most: int) -> Iterator[tuple[int, slice]]:
    """Yield each group of a sorted list with its place; a group of more than `most` in parts."""
    first = 0
    for group, count in zip(*(part.tolist() for part in group_B.unique_consecutive(return_counts=True)), strict=True):
        for start in range(first, first + count, most):
            yield group, slice(start, min(start + most, first + count))
        first += count
