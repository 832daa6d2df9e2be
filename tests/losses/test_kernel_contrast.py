"""y-aware, threshold and exp against loops written from the equations, and what they are for."""

import functools

import numpy as np
import pytest
import torch

from supremix.losses import KernelContrastLoss, SupConLoss
from tests.reference.agreement import PRECISIONS, assert_agrees, embeddings, value_and_gradient
from tests.reference.batches import BATCHES
from tests.reference.kernel import kernel_contrast_loss, kernel_positives

FORMS = ["y_aware", "threshold", "exp"]


def agree(labels, z_ND, tolerance, **options):
    y_N = torch.tensor(labels, dtype=torch.float64)
    expected = functools.partial(kernel_contrast_loss, y_N=y_N, **options)
    assert_agrees(lambda z: KernelContrastLoss(**options)(z, y_N), expected, z_ND, tolerance)


@pytest.mark.parametrize(("dtype", "tolerance"), PRECISIONS, ids=["float64", "float32"])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", BATCHES)
def test_batches(name, form, dtype, tolerance):
    z_ND = embeddings(len(BATCHES[name]), dtype=dtype)
    for temperature, bandwidth in ((0.1, 2.0), (2.0, 1.0)):
        agree(BATCHES[name], z_ND, tolerance, temperature=temperature, bandwidth=bandwidth, form=form)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("n", [2, 3, 17, 30])
def test_random_batches_with_ties(n, form):
    labels = np.random.default_rng(n).integers(0, n // 2 + 1, n) * 0.1
    agree(labels, embeddings(n, seed=n), 1e-10, temperature=0.3, bandwidth=0.5, form=form)


@pytest.mark.parametrize("form", FORMS)
def test_gradients_are_those_of_finite_differences(form):
    y_N = torch.tensor([3.0, 1.0, 0.0, 3.0, 2.0])
    assert torch.autograd.gradcheck(
        lambda z: KernelContrastLoss(0.5, 1.0, form)(z, y_N), embeddings(5).requires_grad_()
    )


@pytest.mark.parametrize("bandwidth", [1e-3, 1e-16])
def test_y_aware_with_a_narrow_kernel_is_supcon_where_every_label_repeats(bandwidth):
    labels = np.random.default_rng(0).permutation(np.repeat([0.1, 0.2, 0.1 + 0.2, 1.0, 7.0], [2, 3, 3, 4, 2]))
    labels[labels == 0.1 + 0.2] += [0.0, 1e-16, 2e-16]  # the same label, but for its rounding
    y_N = torch.from_numpy(labels)
    value, gradient_ND = value_and_gradient(lambda z: KernelContrastLoss(0.2, bandwidth)(z, y_N), embeddings(14))
    expected, expected_ND = value_and_gradient(lambda z: SupConLoss(0.2)(z, y_N), embeddings(14))
    torch.testing.assert_close(value, expected, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(gradient_ND, expected_ND, rtol=1e-10, atol=1e-10)


def test_y_aware_with_a_wide_kernel_weighs_all_alike():
    first, second = torch.arange(6.0), torch.tensor([9.0, 0, 2, 2, 1, 7])
    wide = KernelContrastLoss(0.2, 1e6)
    torch.testing.assert_close(wide(embeddings(6), first), wide(embeddings(6), second), rtol=1e-9, atol=0)


def test_exp_repels_no_row_of_the_anchors_label():
    """Of two rows of one label alone, exp(s (1 − w)) is 1."""
    loss = KernelContrastLoss(0.5, 1.0, "exp")
    z_ND = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    assert loss(z_ND, [4.0, 4.0]).item() == 0  # −(s − log exp 0), s = 0
    assert loss(z_ND[[0, 0]], [4.0, 4.0]).item() == -2  # s = 1/0.5


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", BATCHES)
def test_counts_positives(name, form):
    y_N = torch.tensor(BATCHES[name], dtype=torch.float64)
    count_N = KernelContrastLoss(0.5, 1.0, form).count_positives(y_N)
    assert count_N.dtype == torch.int64
    assert count_N.tolist() == kernel_positives(y_N, form)


def test_the_text_of_a_loss_has_all_its_settings():
    assert repr(KernelContrastLoss(0.5, 2)) == "KernelContrastLoss(temperature=0.5, bandwidth=2.0, form='y_aware')"


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ((0.0, 1.0), "temperature must be"),
        ((0.1, 0.0), "bandwidth must be"),
        ((0.1, float("nan")), "bandwidth must be"),
        ((0.1, 1.0, "gauss"), "form must be 'y_aware' or 'threshold' or 'exp', got 'gauss'"),
    ],
)
def test_an_invalid_argument_is_named(settings, named):
    with pytest.raises(ValueError, match=named):
        KernelContrastLoss(*settings)
