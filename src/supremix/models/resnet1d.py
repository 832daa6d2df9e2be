"""18-layer 1D ResNet after Hong et al. (2020): the backbone for time series of varying length (paper section 4).

Shapes: N series, C channels, T frames of the longest series.

Frames beyond a series' length influence neither features nor gradients nor batch norm's statistics. They are zero after
every step, as is the padding at the border of a series alone: a series has the same features alone and in a batch.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

STAGES = (1, 2, 4, 8)
"""Channels of the four stages, as multiples of the first stage's."""


class ResNet18(nn.Module):
    """A convolution, eight pre-activation blocks of two convolutions, batch norm, ReLU, and the mean over frames.

    With the regression head that is 18 layers. Shortcuts have no weights: every second block halves time by max
    pooling, and the block after it doubles the channels by zeros. 400 channels, width 64 and kernel 16 give 19,951,040
    parameters.

    Args:
        in_channels: signals of a series; 400 parcels in the paper.
        width: channels of the first stage; 64 in Hong et al.'s code.
        kernel: frames that a convolution spans; 16 there.
        dropout: probability before each convolution but the first two; 0.5 there.
    """

    registered_name = "backbone/resnet18_1d"

    def __init__(self, in_channels: int, width: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.out_dim = STAGES[-1] * width
        self.stem = MaskedConv(in_channels, width, kernel, stride=1)
        self.stem_norm = MaskedBatchNorm(width)
        blocks: list[Block] = []
        channels = width
        for multiple in STAGES:
            wider = multiple * width
            blocks.append(Block(channels, wider, kernel, 1, dropout, activated=not blocks))
            blocks.append(Block(wider, wider, kernel, 2, dropout, activated=False))
            channels = wider
        self.blocks = nn.Sequential(*blocks)
        self.norm = MaskedBatchNorm(channels)

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        """Return features (N, 8·width).

        Args:
            batch: "x", series (N, in_channels, T), and "length", (N,) in 1…T.
        """
        x_NCT, length_N = batch["x"], batch["length"]
        mask_N1T = valid_frames(length_N, x_NCT.shape[-1])
        x_NCT = x_NCT.where(mask_N1T, 0)
        x_NCT = functional.relu(self.stem_norm(self.stem(x_NCT, mask_N1T), mask_N1T))
        for i, block in enumerate(self.blocks):
            mask_in_N1T = mask_N1T
            if i % 2:  # halves time
                length_N = (length_N + 1) // 2
                mask_N1T = valid_frames(length_N, (x_NCT.shape[-1] - 1) // 2 + 1)
            x_NCT = block(x_NCT, mask_in_N1T, mask_N1T)
        x_NCT = functional.relu(self.norm(x_NCT, mask_N1T))
        return x_NCT.sum(-1) / length_N[:, None]


class Block(nn.Module):
    """Batch norm, ReLU, dropout and convolution, twice, added to the input.

    Args:
        in_channels, channels: of input and output.
        kernel: frames that a convolution spans.
        stride: 2 halves time.
        dropout: probability before a convolution.
        activated: whether the input comes from batch norm and ReLU, so that the first round is only a convolution.
    """

    def __init__(
        self, in_channels: int, channels: int, kernel: int, stride: int, dropout: float, activated: bool
    ) -> None:
        super().__init__()
        self.stride, self.more_channels = stride, channels - in_channels
        self.norm1 = None if activated else MaskedBatchNorm(in_channels)
        self.conv1 = MaskedConv(in_channels, channels, kernel, stride)
        self.norm2 = MaskedBatchNorm(channels)
        self.conv2 = MaskedConv(channels, channels, kernel, stride=1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x_NCT: Tensor, mask_in_N1T: Tensor, mask_N1T: Tensor) -> Tensor:
        """Return (N, channels, ⌈T/stride⌉), zero outside `mask_N1T`; the input must be zero outside `mask_in_N1T`."""
        out = x_NCT
        if self.norm1 is not None:
            out = self.dropout(functional.relu(self.norm1(out, mask_in_N1T)))
        out = self.conv1(out, mask_N1T)
        out = self.dropout(functional.relu(self.norm2(out, mask_N1T)))
        out = self.conv2(out, mask_N1T)
        shortcut = x_NCT
        if self.stride == 2:  # an odd last frame is paired with 0, whatever the padding; an even one leaves the 0 out
            # In two dimensions, of which one is a single row: max_pool1d would fix the length of an exported graph.
            shortcut = functional.max_pool2d(functional.pad(shortcut, (0, 1))[:, :, None], (1, 2))[:, :, 0]
        return out + functional.pad(shortcut, (0, 0, 0, self.more_channels))


class MaskedConv(nn.Module):
    """Convolution (N, C, T) → (N, C', ⌈T/stride⌉) with "same" zero padding, and zeros outside a mask.

    Output frame t starts at input frame stride·t − (kernel−1)//2 for any T, so that padding shifts nothing.
    """

    def __init__(self, in_channels: int, channels: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.borders = ((kernel - 1) // 2, kernel // 2)
        self.conv = nn.Conv1d(in_channels, channels, kernel, stride)

    def forward(self, x_NCT: Tensor, mask_N1T: Tensor) -> Tensor:
        """Convolve `x_NCT`, which must be zero beyond each row's length; `mask_N1T` is the output's mask."""
        return self.conv(functional.pad(x_NCT, self.borders)).where(mask_N1T, 0)


class MaskedBatchNorm(nn.BatchNorm1d):
    """Batch norm over the frames in a mask, in at least float32; zero outside the mask."""

    def forward(self, x_NCT: Tensor, mask_N1T: Tensor) -> Tensor:  # type: ignore[override]
        """Apply BatchNorm1d to the frames in `mask_N1T`, (N, 1, T) bool, as if they were concatenated."""
        dtype = torch.promote_types(x_NCT.dtype, torch.float32)
        x = x_NCT.to(dtype)
        if self.training:
            mean_C11, var_C11 = self._statistics(x, mask_N1T)
        else:
            mean_C11, var_C11 = self.running_mean[:, None], self.running_var[:, None]  # type: ignore[index]
        scale = self.weight[:, None] * torch.rsqrt(var_C11 + self.eps)
        return ((x - mean_C11) * scale + self.bias[:, None]).where(mask_N1T, 0).to(x_NCT.dtype)

    def _statistics(self, x_NCT: Tensor, mask_N1T: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and biased variance, (C, 1) each; update the running ones, with unbiased variance."""
        frames = mask_N1T.sum()
        mean_C1 = x_NCT.where(mask_N1T, 0).sum((0, 2))[:, None] / frames
        var_C1 = ((x_NCT - mean_C1).where(mask_N1T, 0) ** 2).sum((0, 2))[:, None] / frames
        with torch.no_grad():
            momentum = self.momentum
            unbiased_C1 = var_C1 * frames / (frames - 1).clamp(min=1)
            self.running_mean.lerp_(mean_C1[:, 0].to(self.running_mean.dtype), momentum)  # type: ignore
            self.running_var.lerp_(unbiased_C1[:, 0].to(self.running_var.dtype), momentum)  # type: ignore
            self.num_batches_tracked.add_(1)  # type: ignore
        return mean_C1, var_C1


def valid_frames(length_N: Tensor, frames: int) -> Tensor:
    """Return the mask of frames within each row's length, (N, 1, frames) bool."""
    return (torch.arange(frames, device=length_N.device) < length_N[:, None])[:, None]
