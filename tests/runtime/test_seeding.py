"""Named random streams, and torch's global generators."""

import pytest
import torch

from supremix.runtime.seeding import derive, initialising, seed_global


def test_global_generators_get_the_bits_of_torchs_own_seeding():
    torch.manual_seed(derive(3, "adapt", "dropout", 2))
    expected = torch.rand(5)
    seed_global(torch.device("cpu"), 3, "adapt", "dropout", 2)
    assert torch.equal(torch.rand(5), expected)


def test_seeding_for_a_cpu_leaves_other_devices_alone(monkeypatch):
    """Torch would keep the stack of each call, for a GPU that is never used: 500 epochs, 1,500 stacks."""
    for module in (torch.cuda, torch.mps, torch.xpu):
        name = "manual_seed" if module is torch.mps else "manual_seed_all"
        monkeypatch.setattr(module, name, lambda seed: pytest.fail("seeded a device that is not the model's"))
    seed_global(torch.device("cpu"), 0, "pretrain", "dropout", 1)


def test_seeding_for_a_gpu_seeds_every_generator(monkeypatch):
    seen = []
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seen.append)
    seed_global(torch.device("cuda"), 0, "pretrain", "dropout", 1)
    drawn = torch.rand(3)
    torch.default_generator.manual_seed(derive(0, "pretrain", "dropout", 1))
    assert seen == [derive(0, "pretrain", "dropout", 1)]
    assert torch.equal(torch.rand(3), drawn)


def test_initialising_restores_the_global_generator():
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    with initialising(0, "init"):
        torch.rand(7)
    assert torch.equal(torch.rand(3), expected)
