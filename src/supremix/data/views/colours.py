"""Changes of colour in batches of images, in place, each image with a factor of its own, on any device.

The operations are torchvision's of the same purpose on values in [0, 1], not rounded in between. A processor is held up
by memory and by branches here, not by arithmetic: few, small temporaries, and no selection by a mask.
B images of shape (3, H, W).
"""

import torch
from torch import Tensor

LUMA = (0.2989, 0.587, 0.114)


def brighten(x: Tensor, factor_B: Tensor) -> None:
    """Move each pixel away from black or towards it."""
    x.mul_(wide(factor_B)).clamp_(0, 1)


def contrast(x: Tensor, factor_B: Tensor) -> None:
    """Move each pixel away from the image's mean grey or towards it."""
    mean_B111 = luma(x.mean(dim=(2, 3), keepdim=True))
    x.mul_(wide(factor_B)).add_((1 - wide(factor_B)) * mean_B111).clamp_(0, 1)


def saturate(x: Tensor, factor_B: Tensor) -> None:
    """Move each pixel away from its own grey or towards it."""
    torch.lerp(luma(x), x, wide(factor_B), out=x).clamp_(0, 1)


def turn_hue(x: Tensor, turn_B: Tensor) -> None:
    """Turn the hue by a share of the colour circle, -1/6 to 1/6; leave value and saturation.

    Hue is measured in sixths of the circle from red, green at 2 and blue at -2, and everything here is that times the
    chroma, so that nothing is divided and greys need no care. A channel lies at the top within one sixth of its own
    hue, at the bottom beyond two, and on a line in between (https://en.wikipedia.org/wiki/HSL_and_HSV).
    """
    red, green, blue = x.unbind(dim=1)
    low, high = torch.minimum(green, blue), torch.maximum(green, blue)
    top, bottom = torch.maximum(high, red), torch.minimum(low, red)
    chroma = top - bottom
    # |hue| = |green - blue| + (top - red) + 2 (min(green, blue) - bottom): one or two of the three are 0.
    hue = high.sub_(low).add_(top).sub_(red)
    hue.add_(low.sub_(bottom), alpha=2).copysign_(torch.sub(green, blue, out=low))
    hue.addcmul_(chroma, 6 * turn_B[:, None, None])

    double, top = torch.mul(chroma, 2, out=bottom), top.add_(chroma)

    def write(channel: int, distance: Tensor) -> None:
        torch.sub(top, torch.clamp(distance, chroma, double, out=distance), out=x[:, channel])

    write(0, torch.abs(hue, out=low))
    for channel, opposite in ((1, -1), (2, 1)):  # 3 less the distance from the opposite hue, either way round
        write(channel, torch.sub(hue, chroma, alpha=opposite, out=low).abs_().sub_(chroma, alpha=3).abs_())


def luma(x: Tensor) -> Tensor:
    """Return grey values (B, 1, H, W)."""
    red, green, blue = x.split(1, dim=1)
    return (red * LUMA[0]).add_(green, alpha=LUMA[1]).add_(blue, alpha=LUMA[2])


def wide(values_B: Tensor) -> Tensor:
    """Shape one number an image so that it multiplies all its pixels, (B, 1, 1, 1)."""
    return values_B[:, None, None, None]


CHANGES = (brighten, contrast, saturate, turn_hue)
