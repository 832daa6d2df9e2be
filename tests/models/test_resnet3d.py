"""3D ResNet-18: the published architecture, its size, and what it makes of volumes."""

import pytest
import torch

from supremix.models.resnet3d import BasicBlock, ResNet18, pooled_by_planes


def test_parameters_are_counted_as_published():
    network = ResNet18(in_channels=1, width=64)
    assert sum(p.numel() for p in network.parameters()) == 32_986_176
    assert network.out_dim == 512
    # Hara et al. print 33.2 M: three input channels and 400 classes besides.
    rgb = ResNet18(in_channels=3, width=64)
    assert sum(p.numel() for p in rgb.parameters()) + 512 * 400 + 400 == 33_235_280


@pytest.mark.parametrize(("side", "before_pooling"), [(100, 4), (64, 2), (32, 1), (20, 1)])
def test_a_volume_is_halved_five_times(side, before_pooling):
    network = ResNet18(in_channels=1, width=1).eval()
    x = torch.rand(1, 1, side, side, side)
    assert network.blocks(network.stem(x)).shape == (1, 8, *[before_pooling] * 3)
    assert network(x).shape == (1, 8)


def test_shortcut_subsamples_and_adds_zero_channels():
    block = BasicBlock(in_channels=2, channels=5, stride=2).eval()
    torch.nn.init.zeros_(block.norm2.weight)  # the convolutions add nothing
    x = torch.rand(3, 2, 7, 6, 5)
    out = block(x)
    assert out.shape == (3, 5, 4, 3, 3)
    assert torch.equal(out[:, :2], x[:, :, ::2, ::2, ::2])
    assert not out[:, 2:].any()
    assert not any("shortcut" in name for name, _ in block.named_parameters())


def test_every_parameter_learns_and_rows_are_independent_in_evaluation():
    torch.manual_seed(0)
    network = ResNet18(in_channels=1, width=4)
    x = torch.rand(4, 1, 40, 40, 40)
    (network(x) * torch.randn(4, network.out_dim)).sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None
        assert parameter.grad.abs().max() > 0, name
    network.eval()
    with torch.no_grad():
        torch.testing.assert_close(network(x)[2:3], network(x[2:3]))


def test_width_scales_every_stage():
    small, large = (dict(ResNet18(1, width).named_parameters()) for width in (2, 4))
    assert small.keys() == large.keys()
    assert all(large[name].shape[0] == 2 * small[name].shape[0] for name in small)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last_3d])
def test_pooling_by_planes_is_pooling(layout):
    draw = torch.Generator().manual_seed(0)
    x = torch.randint(-3, 3, (2, 3, 9, 8, 7), generator=draw).float().relu()  # with many equal values
    x = x.contiguous(memory_format=layout).requires_grad_()
    out, expected = pooled_by_planes(x), torch.nn.functional.max_pool3d(x, 3, 2, 1)
    assert torch.equal(out, expected)
    weights = torch.randn(out.shape, generator=draw)
    gradients = [torch.autograd.grad(y, x, weights)[0] for y in (out, expected)]
    torch.testing.assert_close(*gradients, rtol=0, atol=1e-6)
