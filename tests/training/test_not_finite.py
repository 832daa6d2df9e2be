"""A loss or gradient that is not finite stops the run in either stage and precision, and the message says where."""

import itertools
import re

import pytest
import torch
from torch import nn

from supremix.errors import UserError
from supremix.experiment import run as experiment
from supremix.losses import SupReMixLoss
from supremix.training.not_finite import largest_gradient
from tests.running import config

STEPS = 9  # of an epoch: 266 rows in batches of 32


class Poison(torch.autograd.Function):
    """The identity, with a gradient that is not a number."""

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, upstream):
        return upstream * float("nan")


def spoilt(loss, what, at_call):
    """The loss function, spoilt the ``at_call``-th time."""
    calls = itertools.count(1)

    def forward(*args, **kwargs):
        value = loss(*args, **kwargs)
        if next(calls) != at_call:
            return value
        return value * float("nan") if what == "loss" else Poison.apply(value)

    return forward


@pytest.mark.parametrize("what", ["loss", "gradient"])
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
@pytest.mark.parametrize("stage", ["pretrain", "adapt"])
def test_the_run_stops_and_names_step_rows_and_checkpoint(tmp_path, monkeypatch, stage, precision, what):
    owner, name = (SupReMixLoss, "forward") if stage == "pretrain" else (nn.functional, "l1_loss")
    monkeypatch.setattr(owner, name, spoilt(getattr(owner, name), what, at_call=STEPS + 5))
    cfg = config(tmp_path, "method=supremix", f"trainer.precision={precision}", "trainer.checkpoint.minutes=0")
    with pytest.raises(UserError) as error:
        experiment.run(cfg)
    message = str(error.value)
    assert message.startswith(f"the {what} became nan in epoch 2, step 5, on the rows ")
    named = re.search(r"on the rows (.*) and 24 more", message).group(1).split(", ")
    assert set(named) <= set(experiment.build("dataset.load", cfg.dataset.load).train.ids)
    # Saved after every step: the last one before the trouble is step 4.
    assert re.search(r"last good checkpoint: .*-epoch-000002-step-000000004\.ckpt$", message), message
    assert len(list(tmp_path.rglob("DONE"))) == (stage == "adapt")  # the encoder


@pytest.mark.parametrize(
    ("gradients", "largest"),
    [([[1.0, -3.0], [2.0]], 3.0), ([[1.0], [float("nan")]], float("nan")), ([[-float("inf")], [0.0]], float("inf"))],
)
def test_the_largest_gradient_shows_what_is_not_finite(gradients, largest):
    parameters = [nn.Parameter(torch.zeros(len(values))) for values in gradients] + [nn.Parameter(torch.zeros(2))]
    for parameter, values in zip(parameters, gradients, strict=False):
        parameter.grad = torch.tensor(values)
    assert torch.allclose(largest_gradient(parameters), torch.tensor(largest), equal_nan=True)
    assert torch.equal(parameters[0].grad, torch.tensor(gradients[0]))  # read, not changed


def test_the_largest_gradient_of_a_complex_weight_is_its_absolute_value():
    weight = nn.Parameter(torch.zeros(2, dtype=torch.cfloat))
    weight.grad = torch.tensor([3 + 4j, 1 + 0j])
    assert largest_gradient([weight]) == 5
