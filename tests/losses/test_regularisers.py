"""The regularisers against loops written from the equations, in value and gradient."""

import functools
import inspect

import numpy as np
import pytest
import torch

from supremix.losses import ConRLoss, OrdinalEntropyLoss, RankSimLoss, SRLLoss, regularisers
from tests.reference import batches
from tests.reference import regularisers as reference
from tests.reference.agreement import PRECISIONS, assert_agrees, embeddings, value_and_gradient

RANDOM = {"random": (np.random.default_rng(5).integers(0, 9, 24) * 0.5).tolist()}
NUMBERS, BATCHES = batches.NUMBERS | RANDOM, batches.BATCHES | RANDOM
LABELS = torch.tensor([43.0, 41.0, 40.0, 43.0, 42.0, 45.0, 42.0], dtype=torch.float64)
PREDICTIONS = LABELS + torch.tensor([0.0, 1.5, 2.0, -1.0, 0.3, -2.5, 0.1])
SRL = {"low": 40.0, "high": 45.0, "bin_size": 1.0, "temperature": 0.3}
CALLS = {
    "ranksim": lambda z, y, **given: RankSimLoss()(z, y, generator=torch.Generator().manual_seed(3)),
    "conr": lambda z, y, prediction=PREDICTIONS: ConRLoss()(z, y, prediction),
    "ordinal entropy": lambda z, y, **given: OrdinalEntropyLoss()(z, y),
    "srl": lambda z, y, **given: SRLLoss(**SRL)(z, y, generator=torch.Generator().manual_seed(3)),
}


def labels_of(name):
    return torch.tensor(BATCHES[name], dtype=torch.float64)


def seeded(seed=3):
    return torch.Generator().manual_seed(seed)


# RankSim


@pytest.mark.parametrize(("dtype", "tolerance"), PRECISIONS, ids=["float64", "float32"])
@pytest.mark.parametrize("interpolation", [2.0, 0.1])
@pytest.mark.parametrize("name", BATCHES)
def test_ranksim(name, interpolation, dtype, tolerance):
    """The gradient by cosines is that of the interpolation; how cosines depend on rows is autograd's."""
    y_N, z_ND = labels_of(name), embeddings(len(BATCHES[name]), dtype=dtype)
    rows = reference.drawn_rows(y_N, seeded())
    expected, by_cosine_MM = reference.ranksim(z_ND.double(), y_N, rows, interpolation=interpolation)

    def carried(z):
        unit_MD = torch.nn.functional.normalize(z[rows].double())
        return ((unit_MD @ unit_MD.T) * by_cosine_MM).sum()

    _, expected_ND = value_and_gradient(carried, z_ND.double())
    loss = RankSimLoss(interpolation)
    value, gradient_ND = value_and_gradient(lambda z: loss(z, y_N, generator=seeded()), z_ND)
    torch.testing.assert_close(value.double(), expected, rtol=tolerance, atol=tolerance)
    torch.testing.assert_close(gradient_ND.double(), expected_ND, rtol=tolerance, atol=tolerance)


def test_ranksim_draws_every_row_of_a_label_alike():
    """Of ten draws of a label's three rows, each is met; another label's row is always there."""
    y_N, met = torch.tensor([1.0, 1, 1, 2]), set()
    for seed in range(40):
        z_ND = embeddings(4).requires_grad_()
        by_row_N = reference.drawn_rows(y_N, seeded(seed))
        RankSimLoss()(z_ND, y_N, generator=seeded(seed))
        met.add(by_row_N[0])
        assert by_row_N[1] == 3
    assert met == {0, 1, 2}


def test_ranksim_steps_lower_the_disagreement_of_ranks():
    y_N, z_ND = torch.arange(12.0), embeddings(12)
    loss = RankSimLoss(2.0)
    before = loss(z_ND, y_N).item()
    for _ in range(60):
        _, gradient_ND = value_and_gradient(lambda z: 100 * loss(z, y_N), z_ND)
        z_ND = z_ND - 0.1 * gradient_ND
    assert before > 0.5
    assert loss(z_ND, y_N).item() < 0.5 * before


def test_ranksim_is_0_where_cosines_and_labels_have_the_same_order():
    angle_N = torch.tensor([0.0, 0.1, 0.25, 0.6, 1.4])
    z_ND = torch.stack([angle_N.cos(), angle_N.sin()], dim=1)
    assert RankSimLoss()(z_ND, angle_N).item() == 0
    assert RankSimLoss()(z_ND, angle_N[[1, 0, 2, 3, 4]]).item() > 0


def test_ranksim_labels_at_the_same_distance_share_a_rank():
    """0.1 + 0.2 and 0.3 are as far from 0.2 as 0.1 is, but for rounding; the cosines are equal too."""
    z_ND = torch.tensor([[1.0, 1.0], [1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    value = RankSimLoss()(z_ND, [0.2, 0.1, 0.1 + 0.2])
    assert value.item() == 0


# ConR


@pytest.mark.parametrize(("dtype", "tolerance"), PRECISIONS, ids=["float64", "float32"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", BATCHES)
def test_conr(name, weighted, dtype, tolerance):
    y_N, n = labels_of(name), len(BATCHES[name])
    prediction_N = y_N + 2 * torch.randn(y_N.shape, generator=seeded(), dtype=torch.float64)
    weight_N = 0.2 + 3 * torch.rand(n, generator=seeded(), dtype=torch.float64) if weighted else None
    for omega, eps in ((1.0, 0.01), (0.6, 0.7)):
        options = {"omega": omega, "eps": eps, "temperature": 0.3}
        assert_agrees(
            lambda z, o=options: ConRLoss(**o)(z, y_N, prediction_N, weight_N),
            lambda z, o=options: reference.conr_loss(z, y_N, prediction_N, weight_N, **o),
            embeddings(n, dtype=dtype),
            tolerance,
        )


@pytest.mark.parametrize(
    ("labels", "predictions"),
    [
        ([1.0, 1.0, 5.0, 5.0], [1.0, 1.0, 5.0, 5.0]),  # no negative: far labels are predicted far
        ([0.0, 3.0, 6.0], [2.0, 2.0, 2.0]),  # no positive
        ([3.0], [3.0]),
    ],
)
def test_conr_without_positives_or_without_negatives_is_0(labels, predictions):
    z_ND = embeddings(len(labels))
    value, gradient_ND = value_and_gradient(lambda z: ConRLoss()(z, labels, torch.tensor(predictions)), z_ND)
    assert value.item() == 0
    assert torch.equal(gradient_ND, torch.zeros_like(z_ND))
    assert ConRLoss()(z_ND * torch.nan, labels, torch.tensor(predictions)).isnan()


def test_conr_distances_of_tenths_count_as_tenths():
    """0.1 + 0.2 is as far from 0.2 as 0.3 is: a positive at ω = 0.1."""
    y_N, prediction_N = [0.2, 0.1 + 0.2, 0.9], torch.zeros(3)
    assert ConRLoss(omega=0.1)(embeddings(3), y_N, prediction_N) > 0


def test_conr_passes_no_gradient_through_predictions_and_takes_a_column_of_them():
    prediction_N = PREDICTIONS.clone().requires_grad_()
    loss = ConRLoss()(embeddings(7).requires_grad_(), LABELS, prediction_N)
    assert torch.autograd.grad(loss, prediction_N, allow_unused=True)[0] is None
    assert torch.equal(ConRLoss()(embeddings(7), LABELS, PREDICTIONS[:, None]), loss)


def test_conr_of_rows_of_weight_0_has_no_negatives_in_its_sum():
    value, gradient_ND = value_and_gradient(lambda z: ConRLoss()(z, LABELS, PREDICTIONS, torch.zeros(7)), embeddings(7))
    expected, _ = value_and_gradient(
        lambda z: reference.conr_loss(z, LABELS, PREDICTIONS, torch.zeros(7), temperature=0.2), embeddings(7)
    )
    torch.testing.assert_close(value, expected)
    assert gradient_ND.isfinite().all()


# Ordinal entropy


@pytest.mark.parametrize(("dtype", "tolerance"), PRECISIONS, ids=["float64", "float32"])
@pytest.mark.parametrize("name", BATCHES)
def test_ordinal_entropy(name, dtype, tolerance):
    y_N = labels_of(name)
    expected = functools.partial(reference.ordinal_entropy_loss, y_N=y_N)
    assert_agrees(lambda z: OrdinalEntropyLoss()(z, y_N), expected, embeddings(len(y_N), dtype=dtype), tolerance)


def test_ordinal_entropy_of_equal_rows_passes_no_gradient_of_rounding_on():
    """The centres of labels 1 to 7, each of another number of equal rows, differ by rounding alone."""
    y_N = torch.arange(1.0, 8.0).repeat_interleave(torch.arange(1, 8))
    value, gradient_ND = value_and_gradient(lambda z: OrdinalEntropyLoss()(z, y_N), embeddings(1).expand(28, 5))
    assert abs(value.item()) < 1e-15
    assert gradient_ND.abs().max() < 1e-12


# SRL


@pytest.mark.parametrize(("dtype", "tolerance"), PRECISIONS, ids=["float64", "float32"])
@pytest.mark.parametrize("name", NUMBERS)
def test_srl(name, dtype, tolerance):
    """Three batches after one another: the whole, some rows, and others, so that stored surrogates count."""
    y_N, n = labels_of(name), len(NUMBERS[name])
    low = float(y_N.min())
    settings = {"low": low, "bin_size": 0.5, "temperature": 0.3}
    settings |= {"momentum": 0.7, "enveloping": 2.0, "homogeneity": 0.3, "contrast": 1.5}
    loss, stored = SRLLoss(high=float(y_N.max()), points=20, **settings), {}
    for step, rows in enumerate([slice(0, n // 2 + 1), slice(n // 2, n), slice(0, n)]):
        z_ND = embeddings(n, seed=step, dtype=dtype)[rows]
        point_PD = torch.randn(20, 5, generator=seeded(step), dtype=torch.float64)
        known = dict(stored)
        value, gradient_ND = value_and_gradient(
            lambda z, step=step, rows=rows: loss(z, y_N[rows], generator=seeded(step)), z_ND
        )
        expected, expected_ND = value_and_gradient(
            lambda z, rows=rows, points=point_PD, known=known: reference.srl_loss(
                z, y_N[rows], points, known, bins=len(loss.surrogate_KD), **settings
            ),
            z_ND.double(),
        )
        stored = known
        torch.testing.assert_close(value.double(), expected, rtol=tolerance, atol=tolerance)
        largest = max(expected_ND.abs().max().item(), 1.0)
        torch.testing.assert_close(gradient_ND.double(), expected_ND, rtol=tolerance, atol=tolerance * largest)
    for b, row_D in enumerate(loss.surrogate_KD):
        torch.testing.assert_close(row_D, stored.get(b, torch.zeros(5).double()), rtol=tolerance, atol=tolerance)


def test_srl_has_a_bin_for_the_highest_label_though_steps_of_a_tenth_are_rounded():
    assert 0.3 / 0.1 < 3
    loss = SRLLoss(low=0.0, high=0.3, bin_size=0.1, temperature=1.0)
    assert len(loss.surrogate_KD) == 4
    assert loss(embeddings(2), [0.0, 0.3]).isfinite()


def test_srl_goes_on_from_its_saved_state():
    first, second = SRLLoss(**SRL, points=5), SRLLoss(**SRL, points=5)
    for seed in range(3):
        first(embeddings(7, seed=seed), LABELS, generator=seeded(seed))
    second.load_state_dict(first.state_dict())
    assert torch.equal(second.surrogate_KD, first.surrogate_KD)
    rows = [0, 3]  # the other bins are as stored
    losses = [loss(embeddings(7)[rows], LABELS[rows], generator=seeded(9)) for loss in (first, second)]
    assert torch.equal(*losses)
    assert torch.equal(second.surrogate_KD, first.surrogate_KD)
    assert not torch.equal(losses[0], SRLLoss(**SRL, points=5)(embeddings(7)[rows], LABELS[rows], generator=seeded(9)))
    fresh = SRLLoss(**SRL)
    fresh.load_state_dict(SRLLoss(**SRL).state_dict())  # before any batch
    assert fresh.surrogate_KD.shape == (6, 0)
    with pytest.raises(RuntimeError, match="size mismatch for surrogate_KD"):
        SRLLoss(**SRL | {"high": 60.0}).load_state_dict(first.state_dict())


def test_srl_stores_in_training_alone():
    loss = SRLLoss(**SRL)
    loss.eval()(embeddings(7), LABELS)
    assert loss.surrogate_KD.shape == (6, 0)
    loss.train()(embeddings(7), LABELS)
    stored_KD = loss.surrogate_KD
    assert (stored_KD.norm(dim=1) > 0).tolist() == [True, True, True, True, False, True]
    loss.eval()(embeddings(7, seed=1), LABELS)
    assert torch.equal(loss.surrogate_KD, stored_KD)
    assert not stored_KD.requires_grad


def test_srl_names_a_label_without_a_bin_and_features_of_another_size():
    loss = SRLLoss(**SRL)
    loss(embeddings(2), [40.0, 45.4])
    with pytest.raises(ValueError, match=r"^y_N\[1\] is 46, outside low=40 to high=45$"):
        loss(embeddings(2), [40.0, 46.0])
    with pytest.raises(ValueError, match="z_ND has 4 features, those before had 5"):
        loss(embeddings(2, d=4), [40.0, 45.0])


# All of them


@pytest.mark.parametrize("name", ["conr", "ordinal entropy", "srl"])
def test_gradients_are_those_of_finite_differences(name):
    assert torch.autograd.gradcheck(lambda z: CALLS[name](z, LABELS), embeddings(7).requires_grad_())


@pytest.mark.parametrize("name", ["conr", "ordinal entropy", "srl"])
def test_the_order_of_the_rows_does_not_matter(name):
    z_ND, order_N = embeddings(7), torch.tensor([4, 2, 6, 0, 5, 1, 3])
    value, gradient_ND = value_and_gradient(lambda z: CALLS[name](z, LABELS), z_ND)
    moved, moved_ND = value_and_gradient(
        lambda z: CALLS[name](z, LABELS[order_N], prediction=PREDICTIONS[order_N]), z_ND[order_N]
    )
    torch.testing.assert_close(moved, value, rtol=1e-12, atol=0)
    torch.testing.assert_close(moved_ND, gradient_ND[order_N], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", CALLS)
def test_inputs_and_generator_decide_a_loss(name):
    state = torch.get_rng_state()
    first, second = (value_and_gradient(lambda z: CALLS[name](z, LABELS), embeddings(7)) for _ in range(2))
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_computed_in_full(name, dtype):
    def under_autocast(z_ND):
        with torch.autocast("cpu", dtype=dtype):
            return CALLS[name](z_ND, LABELS)

    z_ND = embeddings(7, dtype=dtype)
    value, gradient_ND = value_and_gradient(under_autocast, z_ND)
    expected, expected_ND = value_and_gradient(lambda z: CALLS[name](z, LABELS), z_ND.float())
    torch.testing.assert_close(value, expected, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(gradient_ND.float(), expected_ND, rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize("name", CALLS)
def test_rows_of_zeros_keep_gradients_finite_and_what_is_not_finite_shows(name):
    z_ND = embeddings(7)
    z_ND[3] = 0
    value, gradient_ND = value_and_gradient(lambda z: CALLS[name](z, LABELS), z_ND)
    assert value.isfinite()
    assert gradient_ND.isfinite().all()
    z_ND[1] = float("nan")
    assert not CALLS[name](z_ND, LABELS).isfinite()


@pytest.mark.parametrize("name", CALLS)
def test_with_labels_on_the_host_nothing_on_the_device_is_waited_for(name):
    """A tensor on the meta device has no data: reading any of it back is an error."""
    calls = CALLS | {"ranksim": lambda z, y: RankSimLoss()(z, y), "srl": lambda z, y: SRLLoss(**SRL)(z, y)}
    value, gradient_ND = value_and_gradient(lambda z: calls[name](z, LABELS), embeddings(7).to("meta"))
    assert value.is_meta
    assert gradient_ND.is_meta


@pytest.mark.parametrize("name", CALLS)
def test_what_is_no_batch_is_named(name):
    for z_ND, y_N, named in (
        (embeddings(7)[0], LABELS, "z_ND must be a non-empty matrix"),
        (embeddings(6), LABELS, "y_N must hold one label for each of the 6 rows"),
        (embeddings(7), [1.0, float("nan"), 2, 3, 4, 5, 6], r"^y_N\[1\] is nan"),
    ):
        with pytest.raises(ValueError, match=named):
            CALLS[name](z_ND, y_N)


def test_the_text_of_a_loss_has_all_its_settings():
    assert repr(RankSimLoss()) == "RankSimLoss(interpolation=2.0)"
    assert repr(ConRLoss()) == "ConRLoss(omega=1.0, eps=0.01, temperature=0.2)"
    assert repr(OrdinalEntropyLoss()) == "OrdinalEntropyLoss()"
    assert repr(SRLLoss(0, 5, 0.1, 0.3)) == (
        "SRLLoss(low=0.0, high=5.0, bin_size=0.1, temperature=0.3, momentum=0.9, points=2000, enveloping=1.0, "
        "homogeneity=1.0, contrast=1.0)"
    )


def test_inputs_beside_features_and_labels_have_the_names_that_training_knows():
    known = {"self", "z_ND", "y_N", "prediction_N", "weight_N", "generator"}
    for name in regularisers.__all__:
        assert set(inspect.signature(getattr(regularisers, name).forward).parameters) <= known


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: RankSimLoss(0), "interpolation must be"),
        (lambda: ConRLoss(omega=-1), "omega must be"),
        (lambda: ConRLoss(eps=-0.1), "eps must be"),
        (lambda: ConRLoss(temperature=0), "temperature must be"),
        (lambda: ConRLoss()(embeddings(7), LABELS, PREDICTIONS[:6]), "prediction_N must have the shape of the labels"),
        (lambda: ConRLoss()(embeddings(7), LABELS, PREDICTIONS, torch.ones(6)), r"weight_N must have shape \(7,\)"),
        (lambda: SRLLoss(5, 0, 1, 0.1), "low and high must be"),
        (lambda: SRLLoss(0, float("inf"), 1, 0.1), "low and high must be"),
        (lambda: SRLLoss(0, 5, 0, 0.1), "bin_size must be"),
        (lambda: SRLLoss(0, 5, 1, 0), "temperature must be"),
        (lambda: SRLLoss(0, 5, 1, 0.1, momentum=1.0), "momentum must be"),
        (lambda: SRLLoss(0, 5, 1, 0.1, points=0), "points must be"),
        (lambda: SRLLoss(0, 5, 1, 0.1, contrast=-1), "contrast must be"),
        (lambda: SRLLoss(0, 5, 1, 0.1)(embeddings(2), [[1.0], [2.0]]), "y_N must hold one label"),
    ],
)
def test_an_invalid_argument_is_named(call, named):
    with pytest.raises(ValueError, match=named):
        call()
