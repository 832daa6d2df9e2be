"""Batches that are embedded in parts: the gradient of the whole batch, in the memory of a part."""

import logging

import pytest
import torch
from lightning_fabric import Fabric
from torch import nn

from supremix.losses import SupCRLoss, SupReMixLoss
from supremix.models.mlp import MLP
from supremix.training.microbatch import backward_in_parts
from tests.running import run_small

ROWS = 23
FABRIC = Fabric(accelerator="cpu", devices=1)


class OfDict(nn.Module):
    """A backbone of a dict, as that of time series."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(5, 4)

    def forward(self, x):
        return self.layer(x["x"]) * x["length"][:, None]


class WithDropout(MLP):
    """A backbone that ends in dropout."""

    def __init__(self, **settings):
        super().__init__(**settings)
        self.dropout = nn.Dropout(0.2)

    def forward(self, x):
        return self.dropout(super().forward(x))


def trained(model, x, size, loss):
    """Gradients of all parameters, and the buffers, after one step; ``size`` None takes the batch as a whole."""
    y_N = torch.arange(ROWS) // 2

    def loss_of(z_ND):
        draws = {"generator": torch.Generator().manual_seed(5)} if isinstance(loss, SupReMixLoss) else {}
        return z_ND, loss(z_ND, y_N, **draws)

    torch.manual_seed(3)
    wrapped = FABRIC.setup(model)
    wrapped.zero_grad()
    if size is None:
        FABRIC.backward(loss_of(wrapped(x))[1])
    else:
        output, value = backward_in_parts(FABRIC, wrapped, x, size, loss_of)
        assert output.shape[0] == ROWS
        assert not value.requires_grad
    return [parameter.grad.clone() for parameter in model.parameters()], [buffer.clone() for buffer in model.buffers()]


def made(kind):
    torch.manual_seed(0)
    if kind == "dict":
        return OfDict().double()
    extra = {"plain": [], "norm": [nn.BatchNorm1d(8)], "dropout": [nn.Dropout(0.5)]}[kind]
    return nn.Sequential(nn.Linear(5, 8), *extra, nn.ReLU(), nn.Linear(8, 4)).double()


def batch(kind):
    x_NF = torch.randn(ROWS, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return {"x": x_NF, "length": torch.arange(1, ROWS + 1)} if kind == "dict" else x_NF


@pytest.mark.parametrize("size", [1, 4, ROWS, 100])
@pytest.mark.parametrize("kind", ["plain", "dict"])
@pytest.mark.parametrize("loss", [SupReMixLoss(0.5, 3.0), SupCRLoss()], ids=["supremix", "supcr"])
def test_gradients_are_those_of_the_whole_batch(kind, size, loss):
    (whole, _), (in_parts, _) = (trained(made(kind), batch(kind), at, loss) for at in (None, size))
    for one, other in zip(whole, in_parts, strict=True):
        torch.testing.assert_close(other, one, rtol=1e-9, atol=1e-12)


def test_dropout_draws_the_same_in_both_passes():
    # One part: the same draws as of the whole batch. Two passes with draws of their own would have other gradients.
    (whole, _), (in_parts, _) = (
        trained(made("dropout"), batch("plain"), at, SupReMixLoss(0.5, 3.0)) for at in (None, ROWS)
    )
    for one, other in zip(whole, in_parts, strict=True):
        torch.testing.assert_close(other, one, rtol=1e-9, atol=1e-12)


def test_running_statistics_take_a_part_in_once():
    _, buffers = trained(made("norm"), batch("plain"), 8, SupReMixLoss(0.5, 3.0))
    model = made("norm")
    with torch.no_grad():
        for part in batch("plain").split(8):
            model(part)
    for one, other in zip(model.buffers(), buffers, strict=True):
        torch.testing.assert_close(other, one)


def test_the_graph_of_one_part_alone_is_there_at_a_time():
    """What autograd keeps for the backward pass, in rows, never exceeds a part's."""
    kept, most = [0], [0]

    def pack(tensor):
        kept[0] += tensor.shape[0] if tensor.shape[:1] and tensor.shape[0] <= ROWS else 0
        most[0] = max(most[0], kept[0])
        return tensor

    def unpack(tensor):
        kept[0] -= tensor.shape[0] if tensor.shape[:1] and tensor.shape[0] <= ROWS else 0
        return tensor

    peaks = {}
    for size in (None, 4):
        kept[0] = most[0] = 0
        with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
            trained(made("plain"), batch("plain"), size, lambda z_ND, y_N: z_ND.square().sum())
        peaks[size] = most[0]
    assert peaks[4] < peaks[None]


def test_a_run_in_parts_ends_as_one_without(tmp_path, caplog):
    caplog.set_level(logging.WARNING, "supremix")
    maes = []
    for at, folder in (("null", "a"), ("5", "b")):
        _, record = run_small(tmp_path / folder, "method=supremix", f"method.pretrain.microbatch={at}")
        maes.append(record["metrics"]["test"]["best"]["mae"])
    assert maes[1] == pytest.approx(maes[0], rel=1e-4)
    assert "microbatch" not in caplog.text  # no layer sees parts


def test_what_sees_parts_is_named(tmp_path, capfd):
    over = "backbone.build._target_=tests.training.test_microbatch.WithDropout"
    run_small(tmp_path, "method=supremix", "method.pretrain.microbatch=5", over)
    said = capfd.readouterr().err
    assert "method.pretrain.microbatch=5: with Dropout, gradients are not those of the whole batch" in said
