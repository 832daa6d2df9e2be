"""1D ResNet-18: padding influences neither features, nor gradients, nor batch norm; its size and architecture."""

import pytest
import torch
from torch import nn

from supremix.models.resnet1d import Block, MaskedBatchNorm, MaskedConv, ResNet18, valid_frames

LENGTHS = (1, 2, 5, 16, 31, 32, 33, 64, 77)


def network(dropout: float = 0.0, kernel: int = 16) -> ResNet18:
    """A narrow network whose batch norms do something in evaluation, too."""
    torch.manual_seed(0)
    made = ResNet18(in_channels=6, width=3, kernel=kernel, dropout=dropout).double()
    for module in made.modules():
        if isinstance(module, nn.BatchNorm1d):
            nn.init.normal_(module.bias)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.running_mean)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    return made


def series(*lengths: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(6, length, generator=generator, dtype=torch.float64) + 0.5 for length in lengths]


def batch(rows: list[torch.Tensor], frames: int, fill: float = 0.0) -> dict[str, torch.Tensor]:
    x = torch.full((len(rows), 6, frames), fill, dtype=torch.float64)
    for i, row in enumerate(rows):
        x[i, :, : row.shape[1]] = row
    return {"x": x.requires_grad_(), "length": torch.tensor([row.shape[1] for row in rows])}


def test_parameters_are_counted():
    full = ResNet18(in_channels=400, width=64, kernel=16, dropout=0.5)
    counts = {"stem": 400 * 64 * 16 + 64, "norms": 0, "convolutions": 0}
    channels = 64
    for wider in (64, 128, 256, 512):
        for a, b in ((channels, wider), (wider, wider), (wider, wider), (wider, wider)):
            counts["convolutions"] += a * b * 16 + b
        channels = wider
    norms = [64, 64, 64, 64, 64, 128, 128, 128, 128, 256, 256, 256, 256, 512, 512, 512, 512]
    counts["norms"] = 2 * sum(norms)
    assert sum(p.numel() for p in full.parameters()) == sum(counts.values()) == 19_951_040
    assert full.out_dim == 512
    assert sum(isinstance(m, nn.Conv1d) for m in full.modules()) == 17  # and the regression head: 18 layers
    assert full({"x": torch.zeros(2, 400, 40), "length": torch.tensor([40, 33])}).shape == (2, 512)


@pytest.mark.parametrize("kernel", [16, 3])
@pytest.mark.parametrize("fill", [0.0, 1e6, float("nan")])
def test_features_are_the_same_alone_and_padded_in_a_batch(kernel, fill):
    net = network(kernel=kernel).eval()
    rows = series(*LENGTHS)
    together = net(batch(rows, frames=90, fill=fill))
    for i, row in enumerate(rows):
        torch.testing.assert_close(together[i : i + 1], net(batch([row], frames=row.shape[1])))


def test_gradients_are_the_same_alone_and_padded_in_a_batch():
    net = network().eval()
    rows = series(*LENGTHS)
    padded = batch(rows, frames=90)
    net(padded).square().sum().backward()
    parameters = {name: p.grad.clone() for name, p in net.named_parameters()}
    net.zero_grad()
    for i, row in enumerate(rows):
        alone = batch([row], frames=row.shape[1])
        net(alone).square().sum().backward()
        torch.testing.assert_close(padded["x"].grad[i, :, : row.shape[1]], alone["x"].grad[0])
        assert not padded["x"].grad[i, :, row.shape[1] :].any()
    for name, p in net.named_parameters():
        torch.testing.assert_close(p.grad, parameters[name], msg=name)


def test_training_is_the_same_however_far_a_batch_is_padded():
    rows = series(20, 31, 48, 7)
    results = []
    for frames, fill in ((48, 0.0), (61, -1e3), (200, float("nan"))):
        net = network().train()
        features = net(batch(rows, frames, fill))
        features.square().sum().backward()
        results.append((features, [p.grad for p in net.parameters()], list(net.buffers())))
    for features, gradients, statistics in results[1:]:
        torch.testing.assert_close(features, results[0][0])
        torch.testing.assert_close(gradients, results[0][1])
        torch.testing.assert_close(statistics, results[0][2])


def test_masked_batch_norm_is_batch_norm_of_the_valid_frames():
    torch.manual_seed(0)
    x = torch.randn(4, 3, 9, dtype=torch.float64) * 3 + 7
    length = torch.tensor([9, 1, 4, 6])
    mask = valid_frames(length, 9)
    masked, plain = MaskedBatchNorm(3).double(), nn.BatchNorm1d(3).double()
    for _ in range(2):
        out = masked(x, mask)
        frames = x.transpose(1, 2)[mask[:, 0]]
        torch.testing.assert_close(out.transpose(1, 2)[mask[:, 0]], plain(frames))
        assert not out.masked_select(~mask).any()
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(masked.state_dict()[name], value)
    masked.eval(), plain.eval()
    torch.testing.assert_close(masked(x, mask).transpose(1, 2)[mask[:, 0]], plain(frames))


def test_masked_batch_norm_is_precise_where_the_mean_is_large():
    x = torch.randn(2, 1, 500, generator=torch.Generator().manual_seed(0)) + 1e4
    out = MaskedBatchNorm(1)(x, torch.ones(2, 1, 500, dtype=torch.bool))
    torch.testing.assert_close(out.std(unbiased=False), torch.tensor(1.0), atol=1e-3, rtol=0)


@pytest.mark.parametrize(("kernel", "stride"), [(16, 1), (16, 2), (3, 2), (1, 1)])
@pytest.mark.parametrize("frames", [1, 2, 15, 16])
def test_convolution_keeps_its_place(kernel, stride, frames):
    conv = MaskedConv(1, 1, kernel, stride)
    out = conv(torch.zeros(1, 1, frames), torch.ones(1, 1, -(-frames // stride), dtype=torch.bool))
    assert out.shape[-1] == -(-frames // stride)
    x = torch.zeros(1, 1, 64)
    x[..., 32] = 1
    seen = conv(x, torch.ones(1, 1, 64 // stride, dtype=torch.bool)) - conv.conv.bias
    touched = seen[0, 0].nonzero().flatten() * stride
    assert touched.min() >= 32 - kernel // 2
    assert touched.max() <= 32 + (kernel - 1) // 2


def test_block_shortcut_pools_time_and_adds_zero_channels():
    block = Block(2, 5, kernel=3, stride=2, dropout=0.0, activated=False)
    nn.init.zeros_(block.conv2.conv.weight), nn.init.zeros_(block.conv2.conv.bias)
    x = torch.rand(1, 2, 7)
    out = block(x, torch.ones(1, 1, 7, dtype=torch.bool), torch.ones(1, 1, 4, dtype=torch.bool))
    torch.testing.assert_close(out[0, :2, :3], x[0, :, :6].reshape(2, 3, 2).amax(-1))
    torch.testing.assert_close(out[0, :2, 3], x[0, :, 6])
    assert not out[0, 2:].any()


def test_dropout_acts_in_training_only():
    net = network(dropout=0.5)
    rows = batch(series(32, 40), frames=40)
    assert not torch.equal(net(rows), net(rows))
    net.eval()
    assert torch.equal(net(rows), net(rows))


def test_bfloat16_autocast_runs_and_keeps_statistics_in_float32():
    net = network().float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        net({"x": torch.randn(3, 6, 50), "length": torch.tensor([50, 20, 33])}).sum().backward()
    assert net.norm.running_mean.dtype == torch.float32
    assert all(torch.isfinite(p.grad).all() for p in net.parameters())
