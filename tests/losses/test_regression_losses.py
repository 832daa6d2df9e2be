"""The losses of a regression against loops; predictions, intervals, starts; extremes; what is refused."""

import math
import re
from functools import partial
from itertools import pairwise
from statistics import NormalDist

import numpy as np
import pytest
import torch
from torch import Tensor

from supremix.losses import BalancedMSELoss, GaussianNLL, HLGaussLoss, QuantileLoss
from tests.reference import regression_losses as reference
from tests.reference.agreement import embeddings, value_and_gradient

TARGETS = torch.tensor([0.3, -1.2, 2.5, 0.3, 0.0, 1.7, -0.4], dtype=torch.float64)
QUANTILES = [0.1, 0.3, 0.5, 0.9]


def hl_gauss(**options) -> HLGaussLoss:
    loss = HLGaussLoss(bins=12, **options)
    loss.fit(TARGETS.numpy())
    return loss


def balanced_mse(**options) -> BalancedMSELoss:
    loss = BalancedMSELoss(noise=0.7, **options).double()
    loss.log_noise.data.fill_(math.log(0.7))  # which float32 has rounded
    return loss


LOSSES = {
    "balanced_mse": balanced_mse,
    "gaussian": GaussianNLL,
    "quantile": partial(QuantileLoss, QUANTILES),
    "hl_gauss": hl_gauss,
}
REFERENCES = {
    "balanced_mse": partial(reference.balanced_mse, noise=0.7),
    "gaussian": reference.gaussian_nll,
    "quantile": partial(reference.quantile, quantiles=QUANTILES),
    "hl_gauss": partial(reference.hl_gauss, edges=hl_gauss().edge_L.tolist(), smoothing=0.75),
}
each = pytest.mark.parametrize("name", LOSSES)


def outputs_of(name: str, dtype: torch.dtype = torch.float64) -> Tensor:
    """Random outputs of the head, of the form that the loss takes."""
    width = getattr(LOSSES[name](), "outputs", 1)
    return embeddings(len(TARGETS), d=width, dtype=dtype).squeeze(1)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-5)], ids=str)
@each
def test_value_and_gradient_are_those_of_the_loops(name, dtype, tolerance):
    loss = LOSSES[name]().double()
    expected, expected_N = value_and_gradient(lambda z: REFERENCES[name](z, TARGETS).mean(), outputs_of(name))
    value, gradient_N = value_and_gradient(lambda z: loss(z, TARGETS), outputs_of(name, dtype))
    torch.testing.assert_close(value.double(), expected, rtol=tolerance, atol=tolerance)
    torch.testing.assert_close(gradient_N.double(), expected_N, rtol=tolerance, atol=tolerance)


@each
def test_without_reduction_each_row_has_the_loss_of_the_loop(name):
    rows, mean = LOSSES[name](reduction="none").double(), LOSSES[name]().double()
    loss_N = rows(outputs_of(name), TARGETS)
    torch.testing.assert_close(loss_N, REFERENCES[name](outputs_of(name), TARGETS), rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(loss_N.mean(), mean(outputs_of(name), TARGETS), rtol=1e-12, atol=0)


@each
def test_derivatives_are_those_of_finite_differences(name):
    loss = LOSSES[name](reduction="none").double()
    assert torch.autograd.gradcheck(lambda z: loss(z, TARGETS), outputs_of(name).requires_grad_())


def test_the_noise_of_balanced_mse_learns_by_the_cross_entropy_alone():
    """2σ² passes no gradient on: the gradient by log σ is 2σ² times that of the cross-entropy."""
    output_N, log_noise = outputs_of("balanced_mse"), torch.tensor(np.log(0.7), requires_grad=True)
    logits_NN = -((output_N[:, None] - TARGETS) ** 2) / (2 * log_noise.exp() ** 2)
    cross_entropy = torch.nn.functional.cross_entropy(logits_NN, torch.arange(len(TARGETS)))
    (expected,) = torch.autograd.grad(cross_entropy, log_noise)
    loss = balanced_mse()
    loss(output_N, TARGETS).backward()
    assert loss.log_noise.grad.item() == pytest.approx(2 * 0.49 * expected.item(), rel=1e-10)


def test_a_large_noise_drives_predictions_of_balanced_mse_outwards():
    _, gradient_N = value_and_gradient(lambda z: BalancedMSELoss(1e4).double()(z, TARGETS), outputs_of("balanced_mse"))
    torch.testing.assert_close(gradient_N * len(TARGETS), 2 * (TARGETS.mean() - TARGETS), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("noise", [1e-3, 1e3])
@pytest.mark.parametrize("far", [1e-20, 1.0, 1e4])
def test_balanced_mse_stays_finite(far, noise):
    loss = BalancedMSELoss(noise)
    value, gradient_N = value_and_gradient(lambda z: loss(z, TARGETS), outputs_of("balanced_mse", torch.float32) * far)
    assert value.isfinite()
    assert gradient_N.isfinite().all()
    loss(outputs_of("balanced_mse", torch.float32) * far, TARGETS).backward()
    assert loss.log_noise.grad.isfinite()


@pytest.mark.parametrize("name", ["gaussian", "quantile", "hl_gauss"])
@pytest.mark.parametrize("size", [0.0, 1e3])
def test_large_outputs_stay_finite(name, size):
    output_NK = outputs_of(name, torch.float32) * size
    value, gradient_NK = value_and_gradient(lambda z: LOSSES[name]()(z, TARGETS), output_NK)
    assert value.isfinite()
    assert gradient_NK.isfinite().all()
    assert all(part.isfinite().all() for part in (LOSSES[name]().point(output_NK), *LOSSES[name]().interval(output_NK)))


@each
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_computed_in_float32(name, dtype):
    output = outputs_of(name, dtype)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = LOSSES[name]()(output, TARGETS)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, LOSSES[name]()(output.float(), TARGETS), rtol=1e-6, atol=0)


def test_gaussian_interval_has_its_coverage_and_the_floor_of_the_variance():
    output_N2 = torch.tensor([[2.0, np.log(9.0)], [1.0, -200.0]], dtype=torch.float64)
    low_N, high_N = GaussianNLL(coverage=0.8).interval(output_N2)
    parts = [NormalDist(2.0, 3.0).cdf(float(end)) for end in (low_N[0], high_N[0])]
    assert parts == pytest.approx([0.1, 0.9])
    assert float(high_N[1] - low_N[1]) == pytest.approx(2 * 1.2815515655 * 1e-3)
    assert GaussianNLL().point(output_N2).tolist() == [2.0, 1.0]
    diverged_12 = torch.tensor([[-1.5e6, 5e6]])  # as batch statistics of a first epoch may leave it
    assert all(end_N.isfinite().all() for end_N in GaussianNLL().interval(diverged_12))


def test_a_variance_that_counts_as_smaller_is_still_drawn_back():
    output_N2 = torch.tensor([[0.0, 1e3]], requires_grad=True)
    GaussianNLL()(output_N2, torch.zeros(1)).backward()
    assert output_N2.grad[0, 1] == 0.5


def test_quantiles_give_median_and_outer_quantiles_sorted_where_they_cross():
    loss, output_NK = QuantileLoss([0.05, 0.5, 0.9]), torch.tensor([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]])
    assert (loss.outputs, loss.coverage) == (3, pytest.approx(0.85))
    assert loss.point(output_NK).tolist() == [2.0, 2.0]
    assert [end_N.tolist() for end_N in loss.interval(output_NK)] == [[1.0, 1.0], [3.0, 3.0]]


@pytest.mark.parametrize("coverage", [0.5, 0.9, 0.999])
def test_histogram_gives_mean_and_quantiles(coverage):
    loss, output_NK = hl_gauss(coverage=coverage), outputs_of("hl_gauss")
    edges, part_NK = loss.edge_L.tolist(), output_NK.softmax(dim=1).tolist()
    centres = [(low + high) / 2 for low, high in pairwise(edges)]
    means = [sum(p * c for p, c in zip(row, centres, strict=True)) for row in part_NK]
    assert loss.point(output_NK).tolist() == pytest.approx(means, rel=1e-6, abs=1e-6)
    for end_N, q in zip(loss.interval(output_NK), [(1 - coverage) / 2, (1 + coverage) / 2], strict=True):
        expected = [reference.histogram_quantile(row, edges, q) for row in part_NK]
        assert end_N.tolist() == pytest.approx(expected, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(("coverage", "dtype"), [(1 - 1e-9, torch.float32), (0.99, torch.bfloat16)])
def test_an_interval_of_a_histogram_ends_at_the_outer_edge_where_rounding_would_pass_it(coverage, dtype):
    loss = HLGaussLoss(bins=200, coverage=coverage)
    loss.fit(np.arange(100.0))
    output_NK = 3 * torch.randn(200, 200, generator=torch.Generator().manual_seed(0)).to(dtype)
    output_NK[:, -1] = -40.0
    low_N, high_N = loss.interval(output_NK)
    assert (low_N >= loss.edge_L[0].to(dtype)).all()
    assert (low_N <= high_N).all()
    assert (high_N <= loss.edge_L[-1].to(dtype)).all()


def test_bins_leave_three_deviations_beyond_the_targets_so_that_their_mean_is_the_target():
    loss = HLGaussLoss(bins=50)
    loss.fit(np.array([20.0, 60.0, 101.0]))
    width = float(loss.edge_L[1] - loss.edge_L[0])
    assert (len(loss.edge_L), loss.outputs) == (51, 50)
    assert width == pytest.approx(81 / 45.5, rel=1e-5)
    assert loss.edge_L[[0, -1]].tolist() == pytest.approx([20 - 2.25 * width, 101 + 2.25 * width], rel=1e-5)
    target_N = torch.tensor([20.0, 33.3, 60.0, 101.0], dtype=torch.float64)
    histogram_NK = loss.histogram(target_N)
    torch.testing.assert_close(histogram_NK.sum(dim=1), torch.ones(4, dtype=torch.float64), rtol=1e-12, atol=0)
    assert loss.point(histogram_NK.log()).tolist() == pytest.approx(target_N.tolist(), abs=0.01 * width)


def test_targets_that_are_all_equal_or_beyond_the_edges_have_a_histogram():
    loss = HLGaussLoss(bins=10)
    loss.fit(np.full(3, 5.0))
    histogram_NK = loss.histogram(torch.tensor([5.0, -1e9, 1e9]))
    assert histogram_NK.isfinite().all()
    assert histogram_NK.argmax(dim=1).tolist()[1:] == [0, 9]
    assert loss.point(histogram_NK.log())[0].item() == pytest.approx(5.0, abs=1e-3)


def test_heads_start_at_the_distribution_of_the_training_targets():
    target_N = np.array([1.0, 2.0, 3.0, 10.0])
    assert GaussianNLL().start(target_N) == pytest.approx([4.0, np.log(12.5)])
    assert GaussianNLL().start(np.ones(3)) == pytest.approx([1.0, np.log(1e-6)])
    assert QuantileLoss([0.25, 0.5, 0.75]).start(target_N) == pytest.approx([1.75, 2.5, 4.75])
    assert HLGaussLoss(bins=7).start(target_N).tolist() == [0.0] * 7


def test_a_linear_head_on_the_quantile_loss_finds_the_quantiles():
    """The loss is lowest at the empirical quantiles: any other constant costs more."""
    target_N = torch.from_numpy(np.random.default_rng(0).normal(size=99))
    loss = QuantileLoss([0.2, 0.5, 0.8])
    best_K = torch.from_numpy(loss.start(target_N.numpy()))
    lowest = loss(best_K.expand(99, 3), target_N)
    for k in range(3):
        for shift in (-0.2, 0.2):
            moved_K = best_K.clone()
            moved_K[k] += shift
            assert loss(moved_K.expand(99, 3), target_N) > lowest


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: BalancedMSELoss(noise=0), "noise must be a finite number above 0, got 0"),
        (lambda: BalancedMSELoss(reduction="sum"), "reduction must be 'mean' or 'none', got 'sum'"),
        (lambda: GaussianNLL(coverage=1), "coverage must lie between 0 and 1, got 1"),
        (lambda: QuantileLoss([0.1, 0.9]), "quantiles must ascend, with 0.5 between the first and the last"),
        (lambda: QuantileLoss([0.5, 0.9]), "quantiles must ascend"),
        (lambda: QuantileLoss([0.9, 0.5, 0.1]), "quantiles must ascend"),
        (lambda: QuantileLoss([0.1, 0.5, 0.5, 0.9]), "quantiles must ascend"),
        (lambda: QuantileLoss([0.0, 0.5, 1.0]), "each of quantiles must lie between 0 and 1, got 0.0"),
        (lambda: HLGaussLoss(bins=4), "bins must be a whole number above 4.5, 6 × smoothing, got 4"),
        (lambda: HLGaussLoss(bins=6, smoothing=1), "bins must be a whole number above 6, 6 × smoothing, got 6"),
        (lambda: HLGaussLoss(bins=10.5), "bins must be a whole number above 4.5"),
        (lambda: HLGaussLoss(smoothing=-1), "smoothing must be a finite number above 0"),
        (lambda: HLGaussLoss()(torch.zeros(2, 50), torch.zeros(2)), "the bins are not set: call fit"),
        (lambda: HLGaussLoss().fit(np.array([1.0, np.nan])), "the training targets must be finite numbers (N,)"),
        (lambda: GaussianNLL()(torch.zeros(3), torch.zeros(3)), "must be a tensor (N, 2), N ≥ 1, got shape (3,)"),
        (lambda: BalancedMSELoss()(torch.zeros(3, 1), torch.zeros(3)), "(N,), N ≥ 1, got shape (3, 1)"),
        (lambda: BalancedMSELoss()(torch.zeros(0), torch.zeros(0)), "got shape (0,)"),
        (lambda: BalancedMSELoss()(torch.zeros(3), torch.zeros(2)), "target_N must be a tensor (3,), got shape (2,)"),
        (lambda: BalancedMSELoss()(torch.zeros(3), [1, 2, 3]), "target_N must be a tensor (3,), got list"),
    ],
)  # fmt: skip
def test_refused(make, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        make()


@each
def test_settings_are_shown(name):
    assert "reduction='mean'" in repr(LOSSES[name]())
