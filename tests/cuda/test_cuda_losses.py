"""The losses on a GPU: values and gradients of the processor's, draws, precisions, and no waiting."""

import pytest
import torch

from supremix.losses import SupConLoss, SupCRLoss, SupReMixLoss, gpu
from tests.reference.agreement import draws, embeddings, value_and_gradient

LOSSES = {
    "supremix": SupReMixLoss(0.5, 5.0, label_range=89.0, reduction="label_sum"),
    "supremix release": SupReMixLoss(
        0.5, 5.0, mix_space="sphere", renormalise=False, detach_mixtures=True, window_inclusive=False
    ),
    "supremix, wide window": SupReMixLoss(0.5, 30.0),
    "supremix, detached": SupReMixLoss(0.5, 5.0, detach_mixtures=True),
    "supremix, on the sphere": SupReMixLoss(0.5, 5.0, mix_space="sphere", reduction="mean"),
    "supremix, distances": SupReMixLoss(0.5, 5.0, similarity="l2"),
    "supremix, infinite window": SupReMixLoss(0.5, float("inf"), label_range=89.0),
    "supcon": SupConLoss(0.5),
    "supcr": SupCRLoss(2.0),
}


def ages(n, seed=0):
    """Labels of which some are equal."""
    return torch.randint(min(90, n // 2 + 1), (n,), generator=torch.Generator().manual_seed(seed)).double()


def call(name, z_ND, y_N, lam_NN):
    return LOSSES[name](z_ND, y_N, lam_NN) if name.startswith("supremix") else LOSSES[name](z_ND, y_N)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize(("n", "dtype", "tolerance"), [
    (7, torch.float64, 1e-10), (64, torch.float64, 1e-10), (64, torch.float32, 1e-5), (256, torch.float32, 1e-5),
])  # fmt: skip
def test_value_and_gradient_are_the_processors(device, name, n, dtype, tolerance):
    if n > 64 and "infinite" in name:
        pytest.skip("takes the processor half a minute")
    z_ND, y_N, lam_NN = embeddings(n, 16), ages(n), draws(n)
    expected, expected_ND = value_and_gradient(lambda z: call(name, z, y_N, lam_NN), z_ND)
    moved = z_ND.to(device, dtype), lam_NN.to(device, dtype)
    for labels in (y_N, y_N.to(device)):
        value, gradient_ND = value_and_gradient(lambda z, y_N=labels: call(name, z, y_N, moved[1]), moved[0])
        assert value.device.type == gradient_ND.device.type == device.type
        torch.testing.assert_close(value.cpu().double(), expected, rtol=tolerance, atol=tolerance)
        largest = max(expected_ND.abs().max().item(), 1.0)
        torch.testing.assert_close(gradient_ND.cpu().double(), expected_ND, rtol=tolerance, atol=tolerance * largest)


@pytest.mark.parametrize("name", LOSSES)
def test_under_bfloat16_autocast_the_loss_is_that_of_float32(device, name):
    y_N, lam_NN = ages(32), draws(32).to(device, torch.float32)
    weight = embeddings(16, 16, dtype=torch.float32).to(device)
    x_ND = embeddings(32, 16, dtype=torch.float32).to(device)
    with torch.autocast(device.type, torch.bfloat16):
        z_ND = x_ND @ weight
        assert z_ND.dtype == torch.bfloat16
        value, gradient_ND = value_and_gradient(lambda z: call(name, z, y_N, lam_NN), z_ND)
    assert value.dtype == torch.float32
    expected, expected_ND = value_and_gradient(lambda z: call(name, z, y_N, lam_NN), z_ND.float())
    torch.testing.assert_close(value, expected, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(gradient_ND.float(), expected_ND, rtol=1e-2, atol=1e-2 * expected_ND.abs().max().item())


def test_drawn_mixtures_depend_on_the_generator_alone(device):
    z_ND, y_N = embeddings(64, 16, dtype=torch.float32).to(device), ages(64)
    values = [LOSSES["supremix"](z_ND, y_N, generator=torch.Generator(device).manual_seed(s)) for s in (1, 1, 2)]
    assert torch.equal(values[0], values[1])
    assert not torch.equal(values[0], values[2])


@pytest.mark.parametrize("name", LOSSES)
def test_with_labels_on_the_host_the_gpu_is_not_waited_for(device, waits_for_nothing, name):
    z_ND, y_N = embeddings(64, 16, dtype=torch.float32).to(device).requires_grad_(), ages(64)
    given = {"generator": torch.Generator(device).manual_seed(0)} if name.startswith("supremix") else {}
    LOSSES[name](z_ND, y_N, **given).backward()  # what is set up once may wait
    waits_for_nothing()
    LOSSES[name](z_ND, y_N, **given).backward()


@pytest.mark.parametrize("name", ["supremix", "supcr"])
def test_a_compiled_step_has_the_same_loss(device, name):
    z_ND, y_N, lam_NN = embeddings(32, 16, dtype=torch.float32).to(device), ages(32), draws(32).to(device).float()
    backend = "inductor" if device.type == "cuda" else "eager"
    step = torch.compile(lambda z: call(name, z.sin() + z, y_N, lam_NN), backend=backend)
    value, gradient_ND = value_and_gradient(step, z_ND)
    expected, expected_ND = value_and_gradient(lambda z: call(name, z.sin() + z, y_N, lam_NN), z_ND)
    torch.testing.assert_close(value, expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(gradient_ND, expected_ND, rtol=1e-4, atol=1e-4)


def test_kernels_work_here_and_rows_of_zeros_are_the_definitions(device):
    assert gpu.works(device) == (device.type == "cuda")
    z_ND, y_N, lam_NN = embeddings(33, 16), ages(33), draws(33)
    z_ND[[0, 5]] = 0
    expected, expected_ND = value_and_gradient(lambda z: call("supremix", z, y_N, lam_NN), z_ND)
    value, gradient_ND = value_and_gradient(lambda z: call("supremix", z, y_N, lam_NN.to(device)), z_ND.to(device))
    torch.testing.assert_close(value.cpu(), expected, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(gradient_ND.cpu(), expected_ND, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", ["supremix", "supremix release", "supcon"])
def test_the_same_batch_gives_the_same_bits(device, name):
    z_ND, y_N, lam_NN = embeddings(256, 16, dtype=torch.float32).to(device), ages(256), draws(256).to(device).float()
    values = [value_and_gradient(lambda z: call(name, z, y_N, lam_NN), z_ND) for _ in range(3)]
    assert all(torch.equal(value, values[0][0]) and torch.equal(g_ND, values[0][1]) for value, g_ND in values)


def test_second_derivatives_are_the_processors(device):
    y_N, lam_NN, found = ages(16), draws(16), []
    for place in (device, torch.device("cpu")):
        z_ND = embeddings(16, 4).to(place).requires_grad_()
        value = call("supremix", z_ND, y_N, lam_NN.to(place))
        (gradient_ND,) = torch.autograd.grad(value, z_ND, create_graph=True)
        found.append(torch.autograd.grad(gradient_ND.square().sum(), z_ND)[0].cpu())
    torch.testing.assert_close(*found, rtol=1e-8, atol=1e-8)
