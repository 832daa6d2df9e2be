"""SimCSE for scored pairs against its loop, and what callers rely on beside the numbers."""

import math

import pytest
import torch

from supremix.losses import SimCSELoss
from tests.reference.agreement import assert_agrees, embeddings, value_and_gradient
from tests.reference.simcse import simcse_loss

SCORES = {
    "mixed": [0.0, 4.2, 2.0, 2.1, 5.0, 1.9, 3.3],
    "all above": [3.0, 4.0, 5.0, 2.5],
    "none above": [2.0, 0.0, 1.3],
    "one above": [0.0, 2.0, 4.0, 1.0],
    "one pair": [4.0],
    "one pair below": [1.0],
    "ties": [3.0, 3.0, 0.0, 3.0],
}


def pairs_of(n: int, d: int = 5, seed: int = 0, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return embeddings(2 * n, d, seed, dtype).view(n, 2, d)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
@pytest.mark.parametrize("temperature", [0.05, 1.0])
@pytest.mark.parametrize("name", SCORES)
def test_simcse(name, temperature, dtype, tolerance):
    y_N = torch.tensor(SCORES[name], dtype=torch.float64)
    assert_agrees(
        lambda z: SimCSELoss(temperature)(z, y_N),
        lambda z: simcse_loss(z, y_N, temperature=temperature),
        pairs_of(len(y_N), dtype=dtype),
        tolerance,
    )


@pytest.mark.parametrize("threshold", [-1.0, 3.0, 4.2])
def test_another_threshold(threshold):
    y_N = torch.tensor(SCORES["mixed"])
    assert_agrees(
        lambda z: SimCSELoss(0.3, threshold)(z, y_N),
        lambda z: simcse_loss(z, y_N, temperature=0.3, threshold=threshold),
        pairs_of(7),
        1e-10,
    )


def test_without_a_pair_above_the_threshold_it_is_zero_and_passes_no_gradient():
    value, gradient = value_and_gradient(lambda z: SimCSELoss(0.5)(z, torch.tensor([2.0, 0.0, 1.0])), pairs_of(3))
    assert value.item() == 0
    assert torch.equal(gradient, torch.zeros(3, 2, 5, dtype=torch.float64))


def test_pairs_at_or_below_the_threshold_are_candidates_only():
    """Identical embeddings: chance among all N candidates, whatever the share of positives."""
    z_N2D = torch.ones(8, 2, 3, dtype=torch.float64)
    assert SimCSELoss(0.1)(z_N2D, torch.tensor([5.0] + [0.0] * 7)).item() == pytest.approx(math.log(8), abs=1e-12)
    _, gradient = value_and_gradient(lambda z: SimCSELoss(0.5)(z, torch.tensor([5.0, 0.0])), pairs_of(2))
    assert (gradient[1].norm(dim=1) > 0).all()  # they are pushed away


def test_counts_the_pairs_above_the_threshold():
    count_N = SimCSELoss(0.5).count_positives(torch.tensor(SCORES["mixed"]))
    assert count_N.dtype == torch.int64
    assert count_N.tolist() == [0, 1, 0, 1, 1, 0, 1]


def test_swapping_the_sentences_does_not_matter():
    y_N = torch.tensor(SCORES["mixed"])
    value, gradient = value_and_gradient(lambda z: SimCSELoss(0.3)(z, y_N), pairs_of(7))
    swapped, swapped_gradient = value_and_gradient(lambda z: SimCSELoss(0.3)(z, y_N), pairs_of(7).flip(1))
    torch.testing.assert_close(swapped, value, rtol=1e-12, atol=0)
    torch.testing.assert_close(swapped_gradient.flip(1), gradient, rtol=1e-10, atol=1e-12)


def test_the_order_of_the_pairs_does_not_matter():
    y_N, order_N = torch.tensor(SCORES["mixed"]), torch.tensor([4, 2, 6, 0, 5, 1, 3])
    value, gradient = value_and_gradient(lambda z: SimCSELoss(0.3)(z, y_N), pairs_of(7))
    moved, moved_gradient = value_and_gradient(lambda z: SimCSELoss(0.3)(z, y_N[order_N]), pairs_of(7)[order_N])
    torch.testing.assert_close(moved, value, rtol=1e-12, atol=0)
    torch.testing.assert_close(moved_gradient, gradient[order_N], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_and_half_precision_are_computed_in_float32(dtype):
    y_N, z_N2D = torch.tensor(SCORES["mixed"]), pairs_of(7, dtype=torch.float32)

    def under_autocast(z):
        with torch.autocast("cpu", dtype=dtype):
            return SimCSELoss(0.05)(z, y_N)

    value, gradient = value_and_gradient(under_autocast, z_N2D)
    expected, expected_gradient = value_and_gradient(lambda z: SimCSELoss(0.05)(z, y_N), z_N2D)
    torch.testing.assert_close(value, expected, rtol=1e-6, atol=0)
    torch.testing.assert_close(gradient, expected_gradient, rtol=1e-5, atol=1e-6)
    half = SimCSELoss(0.05)(z_N2D.to(dtype), y_N)
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, SimCSELoss(0.05)(z_N2D.to(dtype).float(), y_N), rtol=1e-6, atol=0)


def test_a_zero_embedding_keeps_every_gradient_finite():
    z_N2D = pairs_of(7)
    z_N2D[1, 0], z_N2D[4] = 0, 0
    value, gradient = value_and_gradient(lambda z: SimCSELoss(0.3)(z, torch.tensor(SCORES["mixed"])), z_N2D)
    assert value.isfinite()
    assert gradient.abs().max() < 100


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan")])
def test_an_invalid_temperature_is_named(temperature):
    with pytest.raises(ValueError, match="temperature"):
        SimCSELoss(temperature)


@pytest.mark.parametrize(
    ("z_shape", "y_shape", "named"),
    [((4, 3), (4,), "z_N2D"), ((4, 3, 5), (4,), "z_N2D"), ((4, 2, 5), (3,), "y_N"), ((0, 2, 5), (0,), "empty")],
)
def test_shapes_that_do_not_fit_are_named(z_shape, y_shape, named):
    with pytest.raises(ValueError, match=named):
        SimCSELoss(0.5)(torch.ones(z_shape), torch.ones(y_shape))
