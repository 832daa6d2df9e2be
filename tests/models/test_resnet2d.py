"""Residual networks for images: at full width torchvision's, narrower the same with fewer channels."""

import pytest
import torch
import torchvision

from supremix.models.heads import FaceProjectionHead
from supremix.models.resnet2d import ResNet2d


def count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(("depth", "parameters", "out_dim"), [(50, 23_508_032, 2048), (18, 11_176_512, 512)])
def test_full_width_is_torchvisions_network(depth, parameters, out_dim):
    ours = ResNet2d(depth, 64)
    assert count(ours) == parameters
    assert ours.out_dim == out_dim
    theirs = getattr(torchvision.models, f"resnet{depth}")(weights=None)
    theirs.fc = torch.nn.Identity()
    ours.load_state_dict(theirs.state_dict())
    image = torch.randn(2, 3, 64, 64)
    for mode in (True, False):
        torch.testing.assert_close(ours.train(mode)(image), theirs.train(mode)(image))


def test_initialisation_is_torchvisions():
    torch.manual_seed(0)
    ours = ResNet2d(50, 64).state_dict()
    theirs = torchvision.models.resnet50(weights=None).state_dict()
    for name, weight in ours.items():
        if weight.ndim == 4:
            assert weight.std() == pytest.approx(theirs[name].std().item(), rel=0.1), name
        elif weight.is_floating_point():
            torch.testing.assert_close(weight, theirs[name])


@pytest.mark.parametrize(("depth", "expansion"), [(18, 1), (50, 4)])
@pytest.mark.parametrize("width", [1, 8, 16])
def test_narrower_network(depth, expansion, width):
    network = ResNet2d(depth, width)
    assert network.out_dim == 8 * width * expansion
    features = network(torch.randn(2, 3, 64, 64))
    assert features.shape == (2, network.out_dim)
    features.sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
    assert count(network) < count(ResNet2d(depth, 64)) * (width / 64) ** 2 * 1.6 + 500


@pytest.mark.parametrize("size", [32, 65, 96])
def test_any_image_size(size):
    assert ResNet2d(18, 8).eval()(torch.randn(1, 3, size, size)).shape == (1, 64)


@pytest.mark.parametrize(("depth", "width"), [(34, 64), (50, 0)])
def test_impossible_network(depth, width):
    with pytest.raises(ValueError, match=f"depth={depth}, width={width}"):
        ResNet2d(depth, width)


def test_face_projection_head():
    head = FaceProjectionHead(2048, hidden=2048, out=128)
    kinds = [type(layer).__name__ for layer in head]
    assert kinds == ["Linear", "BatchNorm1d", "ReLU", "Linear", "BatchNorm1d"]
    assert count(head) == 2048 * 2048 + 2048 + 2 * 2048 + 2048 * 128 + 128 + 2 * 128
    z = head(torch.randn(64, 2048))
    assert z.shape == (64, 128)
    torch.testing.assert_close(z.mean(dim=0), torch.zeros(128), atol=1e-5, rtol=0)
    torch.testing.assert_close(z.std(dim=0, unbiased=False), torch.ones(128), atol=1e-2, rtol=0)
