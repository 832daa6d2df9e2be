"""The kernels for GPUs, interpreted on a processor, against the definition; where Triton does not work."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from supremix.losses import gpu

INTERPRETED = """
import torch
from supremix.losses import SupReMixLoss, definition, kernels
from supremix.losses.labels import read_labels
from supremix.losses.windows import anchor_weights, find_windows
from tests.reference.agreement import draws, embeddings

kernels.BLOCK = 4
sphere = {"mix_space": "sphere"}
for settings in (
    {}, {"detach_mixtures": True, "reduction": "mean"}, {"mix_pos": False, "mix_neg": False},
    {**sphere, "weight": False},
    {**sphere, "renormalise": False, "window_inclusive": False, "mix_neg": False},
):
    loss = SupReMixLoss(0.3, 2.0, **settings)
    z_ND, y_N = embeddings(7), torch.tensor([3.0, 1.0, 2.0, 2.0, 5.0, 4.0, 3.0])
    z_ND[[2, 4]] = 0  # of two labels: their mixtures are nothing, too
    windows, lam_NN = find_windows(read_labels(y_N), loss.window, loss.window_inclusive), draws(7)
    weights_2N = anchor_weights(windows, loss)
    given = z_ND.requires_grad_(), lam_NN if loss.mix_neg else None, windows, weights_2N, loss
    expected = definition.supremix(*given)
    value, gradient_ND = kernels.value_and_gradient(z_ND.detach(), *given[1:])
    torch.testing.assert_close(value, expected.detach(), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(gradient_ND, torch.autograd.grad(expected, z_ND)[0], rtol=1e-12, atol=1e-12)
    print(settings)
"""


@pytest.mark.whole
@pytest.mark.skipif(find_spec("triton") is None, reason="needs Triton")
def test_interpreted_kernels_are_the_definition():
    """In a process of its own: Triton decides how to run when it is imported."""
    root = Path(__file__).parents[2]
    path = os.pathsep.join([str(root / "src"), str(root)])
    environment = os.environ | {"TRITON_INTERPRET": "1", "PYTHONPATH": path}
    ended = subprocess.run([sys.executable, "-c", INTERPRETED], env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("\n") == 5


def test_where_triton_does_not_work_one_line_says_so(monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "supremix.losses.kernels", None)
    assert not gpu.works.__wrapped__(torch.device("cpu"))
    (record,) = caplog.records
    assert "\n" not in record.getMessage()
    assert record.getMessage().startswith("Triton does not work here (")
