"""Loops compiled anew: the same bits as from the cache."""

import subprocess
import sys

import pytest

pytest.importorskip("numba")

ANEW = """
from hashlib import sha256
import torch
from supremix.losses import SupReMixLoss
from tests.reference.agreement import draws, embeddings, value_and_gradient
loss, y_N = SupReMixLoss(0.5, 50.0), torch.arange(32.0) * 7 % 100
value, gradient_ND = value_and_gradient(lambda z: loss(z, y_N, draws(32)), embeddings(32, dtype=torch.float32))
print(value.item(), sha256(gradient_ND.numpy().tobytes()).hexdigest())
"""


def test_a_process_that_compiles_and_one_that_finds_the_cache_give_the_same_bits(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    command = [sys.executable, "-c", ANEW]
    compiling, cached = (subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(2))
    assert list(tmp_path.rglob("*.nbc"))
    assert compiling == cached != ""
