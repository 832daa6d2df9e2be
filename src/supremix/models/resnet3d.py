"""3D ResNet-18 (Hara, Kataoka and Satoh 2018): the backbone for volumes (paper section 4).

Shapes: N volumes of S³ voxels, C channels, D × H × W voxels inside the network.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

STAGES = (1, 2, 4, 8)
"""Channels of the four stages, as multiples of the first stage's."""


class ResNet18(nn.Module):
    """A 7×7×7 convolution, max pooling, four stages of two basic blocks, and the mean over space.

    Where a stage widens, the shortcut is of type A as in Hara et al.'s ResNet-18: it subsamples and adds zero channels,
    without weights. The first convolution has stride 2 in all three axes, which are alike in a volume; Hara et al. keep
    the time axis of their 16-frame clips. One input channel and width 64 give 32,986,176 parameters.

    Args:
        in_channels: 1 for a T1 scan.
        width: channels of the first stage; 64 in Hara et al.
    """

    registered_name = "backbone/resnet18_3d"

    def __init__(self, in_channels: int, width: int) -> None:
        super().__init__()
        self.out_dim = STAGES[-1] * width
        self.stem = nn.Sequential(
            Convolution(in_channels, width, 7, stride=2, padding=3, bias=False),
            nn.BatchNorm3d(width),
            nn.ReLU(inplace=True),
            MaxPool(),
        )
        blocks: list[nn.Module] = []
        channels = width
        for multiple in STAGES:
            wider = multiple * width
            blocks += [BasicBlock(channels, wider, stride=1 if wider == width else 2), BasicBlock(wider, wider, 1)]
            channels = wider
        self.blocks = nn.Sequential(*blocks)
        for module in self.modules():
            if isinstance(module, nn.Conv3d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x_NCDHW: Tensor) -> Tensor:
        """Return features (N, 8·width) of volumes (N, in_channels, S, S, S)."""
        return self.blocks(self.stem(x_NCDHW)).mean((2, 3, 4))


class BasicBlock(nn.Module):
    """Two 3×3×3 convolutions with batch norm, added to the input; a `stride` of 2 halves space."""

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.stride, self.more_channels = stride, channels - in_channels
        self.conv1 = Convolution(in_channels, channels, 3, stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm3d(channels)
        self.conv2 = Convolution(channels, channels, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm3d(channels)

    def forward(self, x_NCDHW: Tensor) -> Tensor:
        """Return (N, channels, ⌈D/stride⌉, ⌈H/stride⌉, ⌈W/stride⌉)."""
        out = functional.relu(self.norm1(self.conv1(x_NCDHW)), inplace=True)
        out = self.norm2(self.conv2(out))
        shortcut = x_NCDHW[:, :, :: self.stride, :: self.stride, :: self.stride]
        if self.more_channels:
            zeros = shortcut.new_zeros(()).expand(shortcut.shape[0], self.more_channels, *shortcut.shape[2:])
            shortcut = torch.cat([shortcut, zeros], dim=1)
        return functional.relu(out + shortcut, inplace=True)


class Convolution(nn.Conv3d):
    """A 3D convolution that stays in float32 on processors, also under autocast.

    PyTorch's bfloat16 kernels for processors give a weight gradient of NaN at times where a volume has few voxels
    (seen from 1×1×1 to 3×3×3, in 2.11 and 2.15, with AMX and with AVX-512 alone).
    """

    def forward(self, x_NCDHW: Tensor) -> Tensor:
        """Channels and space as `torch.nn.Conv3d` has them; float32 on a processor, autocast's type elsewhere."""
        if x_NCDHW.device.type != "cpu" or not torch.is_autocast_enabled("cpu"):
            return super().forward(x_NCDHW)
        with torch.autocast("cpu", enabled=False):
            return super().forward(x_NCDHW.float())


class MaxPool(nn.Module):
    """3D max pooling over windows of 3×3×3 voxels with stride 2."""

    def forward(self, x_NCDHW: Tensor) -> Tensor:
        """Return (N, C, ⌈D/2⌉, ⌈H/2⌉, ⌈W/2⌉)."""
        # PyTorch before 2.14 has no deterministic gradient of 3D pooling on a GPU.
        if x_NCDHW.is_cuda and torch.are_deterministic_algorithms_enabled():
            return pooled_by_planes(x_NCDHW)
        return functional.max_pool3d(x_NCDHW, 3, stride=2, padding=1)


def pooled_by_planes(x_NCDHW: Tensor) -> Tensor:
    """Take the maximum over windows of planes, then over depth; of equal values the first one, as in one step."""
    plane = functional.max_pool2d(x_NCDHW.transpose(1, 2).flatten(0, 1), 3, stride=2, padding=1)
    plane = plane.unflatten(0, (len(x_NCDHW), -1)).transpose(1, 2)
    depth = functional.max_pool2d(plane.flatten(3), (3, 1), stride=(2, 1), padding=(1, 0))
    return depth.unflatten(3, plane.shape[3:])
