"""Tests of what a GPU computes: marked ``cuda``, skipped where there is none.

``SUPREMIX_CUDA_TESTS_ON=cpu`` runs them on a processor, which tries the tests themselves.
"""

import os
from pathlib import Path

import pytest
import torch

ON = os.environ.get("SUPREMIX_CUDA_TESTS_ON", "cuda")
THERE = ON == "cpu" or torch.cuda.is_available()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.cuda)
            item.add_marker(pytest.mark.skipif(not THERE, reason="needs a CUDA device"))


@pytest.fixture
def device() -> torch.device:
    """The device under test."""
    return torch.device(ON)


@pytest.fixture(autouse=True)
def exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """No TensorFloat-32, so that float32 is float32."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)


@pytest.fixture
def waits_for_nothing(device: torch.device):
    """From here on an operation that waits for the GPU is an error."""
    if device.type != "cuda":
        pytest.skip("a processor computes at once")
    torch.cuda.synchronize()
    yield lambda: torch.cuda.set_sync_debug_mode("error")
    torch.cuda.set_sync_debug_mode("default")
