"""Residual networks for images (He et al. 2016), built of torchvision's blocks, with random weights."""

from typing import TYPE_CHECKING

from torch import Tensor, nn

from supremix.errors import needs

if TYPE_CHECKING:
    from torchvision.models.resnet import BasicBlock, Bottleneck

DEPTHS = {18: ("BasicBlock", (2, 2, 2, 2)), 50: ("Bottleneck", (3, 4, 6, 3))}
"""Layers → torchvision's block, and how many of it each stage has."""


class ResNet2d(nn.Module):
    """ResNet-18 or ResNet-50 without the classifier; features are the mean of the last stage over the image.

    Args:
        depth: 18 or 50 layers.
        width: channels of the stem and of the first stage's blocks; each further stage doubles them. With 64, the
            network, its initialisation and the names of its weights are torchvision's.
    """

    registered_name = "backbone/resnet2d"

    def __init__(self, depth: int, width: int) -> None:
        super().__init__()
        if depth not in DEPTHS or width < 1:
            raise ValueError(f"depth={depth}, width={width}: depth must be one of {list(DEPTHS)}, width 1 or more")
        needs("torchvision", "images")
        from torchvision.models import resnet

        name, blocks = DEPTHS[depth]
        block = getattr(resnet, name)
        self.conv1 = nn.Conv2d(3, width, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        channels = width
        for i, count in enumerate(blocks):
            planes = width * 2**i
            self.add_module(f"layer{i + 1}", _stage(block, channels, planes, count, stride=1 if i == 0 else 2))
            channels = planes * block.expansion
        self.out_dim = channels
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return features (B, out_dim) of images (B, 3, H, W)."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x_BCHW))))
        for i in range(1, 5):
            x = self.get_submodule(f"layer{i}")(x)
        return x.mean(dim=(2, 3))


def _stage(
    block: "type[BasicBlock] | type[Bottleneck]", channels: int, planes: int, count: int, stride: int
) -> nn.Sequential:
    out = planes * block.expansion
    shortcut = None
    if stride != 1 or channels != out:
        shortcut = nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out))
    first = block(channels, planes, stride, shortcut)
    return nn.Sequential(first, *(block(out, planes) for _ in range(count - 1)))
