"""What callers of the losses rely on beside the numbers: draws, precisions, invariances, errors."""

import math
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
import torch
import yaml

from supremix.losses import KernelContrastLoss, SupConLoss, SupCRLoss, SupReMixLoss
from supremix.losses.pairs import unit_rows
from tests.reference.agreement import draws, embeddings, value_and_gradient

LABELS = torch.tensor([43.0, 41.0, 40.0, 43.0, 42.0, 45.0, 42.0])
LOSSES = {
    "supremix": SupReMixLoss(0.5, 2.0),
    "supremix release": SupReMixLoss.as_released(0.5, 2.0),
    "supremix l2": SupReMixLoss(0.5, 2.0, similarity="l2"),
    "supcon": SupConLoss(0.5),
    "supcr": SupCRLoss(2.0),
    "y-aware": KernelContrastLoss(0.5, 2.0),
    "threshold": KernelContrastLoss(0.5, 2.0, "threshold"),
    "exp": KernelContrastLoss(0.5, 2.0, "exp"),
}


def call(name, z_ND, y_N, lam_NN):
    return LOSSES[name](z_ND, y_N, lam_NN) if name.startswith("supremix") else LOSSES[name](z_ND, y_N)


@pytest.mark.parametrize("name", LOSSES)
def test_the_order_of_the_rows_does_not_matter(name):
    z_ND, lam_NN, order_N = embeddings(7), draws(7), torch.tensor([4, 2, 6, 0, 5, 1, 3])
    value, gradient_ND = value_and_gradient(lambda z: call(name, z, LABELS, lam_NN), z_ND)
    moved_NN = lam_NN[order_N][:, order_N]
    moved, moved_ND = value_and_gradient(lambda z: call(name, z, LABELS[order_N], moved_NN), z_ND[order_N])
    torch.testing.assert_close(moved, value, rtol=1e-12, atol=0)
    torch.testing.assert_close(moved_ND, gradient_ND[order_N], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", LOSSES)
def test_a_call_leaves_nothing_behind(name):
    z_ND, y_N, lam_NN = embeddings(7), LABELS.clone(), draws(7)
    before = call(name, z_ND, y_N, lam_NN)
    call(name, embeddings(3), torch.tensor([1.0, 1.0, 2.0]), draws(3))
    assert torch.equal(call(name, z_ND, y_N, lam_NN), before)
    assert torch.equal(z_ND, embeddings(7))
    assert torch.equal(y_N, LABELS)
    assert torch.equal(lam_NN, draws(7))


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("y_dtype", [torch.int64, torch.float32, torch.float64])
@pytest.mark.parametrize("z_dtype", [torch.float32, torch.float64])
def test_the_type_of_the_labels_does_not_matter(name, z_dtype, y_dtype):
    z_ND, lam_NN = embeddings(7, dtype=z_dtype), draws(7).to(z_dtype)
    value = call(name, z_ND, LABELS.to(y_dtype), lam_NN)
    assert value.dtype == z_dtype
    torch.testing.assert_close(value, call(name, z_ND, LABELS, lam_NN), rtol=1e-6, atol=0)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_embeddings_are_computed_in_float32(name, dtype):
    z_ND, lam_NN = embeddings(7, dtype=dtype), draws(7).float()
    value, gradient_ND = value_and_gradient(lambda z: call(name, z, LABELS, lam_NN), z_ND)
    expected, expected_ND = value_and_gradient(lambda z: call(name, z, LABELS, lam_NN), z_ND.float())
    torch.testing.assert_close(value.float(), expected, rtol=1e-5, atol=0)
    torch.testing.assert_close(gradient_ND.float(), expected_ND, rtol=1e-2, atol=1e-4)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_does_not_lower_the_precision(name, dtype):
    z_ND, lam_NN = embeddings(7, dtype=torch.float32), draws(7).float()

    def under_autocast(z_ND):
        with torch.autocast("cpu", dtype=dtype):
            return call(name, z_ND, LABELS, lam_NN)

    value, gradient_ND = value_and_gradient(under_autocast, z_ND)
    expected, expected_ND = value_and_gradient(lambda z: call(name, z, LABELS, lam_NN), z_ND)
    torch.testing.assert_close(value, expected, rtol=1e-6, atol=0)
    torch.testing.assert_close(gradient_ND, expected_ND, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["supremix", "supremix release", "supcon"])
def test_large_embeddings_and_small_temperatures_stay_finite(name):
    z_ND = embeddings(7, dtype=torch.float32) * 1e6
    sharp = {"supcon": SupConLoss(1e-3), "supremix": SupReMixLoss(1e-3, 2.0)}.get(name, LOSSES[name])
    value, gradient_ND = value_and_gradient(lambda z: sharp(z, LABELS), z_ND)
    assert value.isfinite()
    assert gradient_ND.isfinite().all()


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_zero_embedding_keeps_every_gradient_finite(name, dtype):
    z_ND = embeddings(7, dtype=dtype)
    z_ND[3] = 0
    value, gradient_ND = value_and_gradient(lambda z: call(name, z, LABELS, draws(7)), z_ND)
    assert value.isfinite()
    assert gradient_ND.abs().max() < 100


def test_a_batch_of_zeros_whose_labels_are_vectors_keeps_every_gradient_finite():
    loss = SupReMixLoss(0.5, 2.0, mix_pos=False)
    labels = [[0.0, 1.0], [0.0, 1.0], [1.0, 1.0]]
    value, gradient_ND = value_and_gradient(lambda z: loss(z, labels, draws(3)), torch.zeros(3, 2))
    assert value.isfinite()
    assert gradient_ND.isfinite().all()


def test_a_row_whose_norm_is_no_normal_number_becomes_zeros():
    z_ND = torch.tensor([[1e-40, 0.0], [0.0, 2e-38], [3.0, 4.0]])
    assert unit_rows(z_ND).tolist() == [[0.0, 0.0], [0.0, 1.0], [pytest.approx(0.6), pytest.approx(0.8)]]


@pytest.mark.parametrize("name", LOSSES)
def test_evaluation_without_gradients_gives_the_same_value(name):
    with torch.no_grad():
        value = call(name, embeddings(7), LABELS, draws(7))
    expected, _ = value_and_gradient(lambda z: call(name, z, LABELS, draws(7)), embeddings(7))
    assert torch.equal(value, expected)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", LOSSES)
def test_cuda_gives_the_same_value_and_gradient(name):
    z_ND = embeddings(7)
    value, gradient_ND = value_and_gradient(lambda z: call(name, z, LABELS.cuda(), draws(7).cuda()), z_ND.cuda())
    expected, expected_ND = value_and_gradient(lambda z: call(name, z, LABELS, draws(7)), z_ND)
    torch.testing.assert_close(value.cpu(), expected, rtol=1e-10, atol=0)
    torch.testing.assert_close(gradient_ND.cpu(), expected_ND, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("name", LOSSES)
def test_with_labels_on_the_host_nothing_on_the_device_is_waited_for(name):
    """A tensor on the meta device has no data: reading any of it back is an error."""
    value, gradient_ND = value_and_gradient(lambda z: LOSSES[name](z, LABELS), embeddings(7).to("meta"))
    assert value.is_meta
    assert gradient_ND.is_meta


@pytest.mark.parametrize("beta", [(2.0, 8.0), (0.5, 2.5)], ids=["by uniform numbers", "by gamma variates"])
def test_draws_follow_the_generator_and_leave_the_global_one_alone(beta):
    loss, z_ND, state = SupReMixLoss(0.5, 2.0, beta=beta), embeddings(7), torch.get_rng_state()
    first, again, other = (loss(z_ND, LABELS, generator=torch.Generator().manual_seed(s)) for s in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), state)


def test_draws_without_a_generator_follow_the_global_seed_and_change_from_call_to_call():
    loss, z_ND = SupReMixLoss(0.5, 2.0), embeddings(7)
    torch.manual_seed(0)
    first, second = loss(z_ND, LABELS), loss(z_ND, LABELS)
    torch.manual_seed(0)
    assert torch.equal(loss(z_ND, LABELS), first)
    assert not torch.equal(second, first)


def test_given_draws_are_used_only_where_the_labels_differ():
    lam_NN, same_NN = draws(7), LABELS[:, None] == LABELS
    loss, z_ND = SupReMixLoss(0.5, float("inf"), label_range=5.0), embeddings(7)
    has_positive_N = loss.count_positives(LABELS) > 0
    assert has_positive_N.sum() == 5
    value = loss(z_ND, LABELS, lam_NN)
    assert torch.equal(loss(z_ND, LABELS, torch.where(same_NN, 0.123, lam_NN)), value)
    for i, k in (~same_NN).nonzero().tolist():
        changed_NN = lam_NN.clone()
        changed_NN[i, k] = 1 - changed_NN[i, k]
        assert torch.equal(loss(z_ND, LABELS, changed_NN), value) != has_positive_N[i]


@pytest.mark.parametrize("beta", [(2.0, 8.0), (0.5, 0.5), (8.0, 2.0)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_draws_have_the_beta_distribution(beta, dtype):
    """Anchor e1, its positive 0, one negative e2: the loss is (log(2 + exp λ) + log 3)/2, so it tells λ."""
    loss = SupReMixLoss(1.0, 1.0, beta, mix_pos=False, weight=False, mix_space="sphere", renormalise=False)
    z_ND, y_N = torch.tensor([[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]], dtype=dtype), torch.tensor([0.0, 0.0, 9.0])
    generator = torch.Generator().manual_seed(0)
    losses = np.array([loss(z_ND, y_N, generator=generator).item() for _ in range(1500)])
    lam = np.log(np.maximum(np.exp(2 * losses - math.log(3)) - 2, 1e-12))
    assert scipy.stats.kstest(lam, scipy.stats.beta(*beta).cdf).pvalue > 1e-3
    assert lam.mean() == pytest.approx(beta[0] / sum(beta), abs=0.03)


def test_draws_are_independent_for_every_pair():
    """At a high temperature the loss is linear in the mean λ of the 800 pairs, whose variance tells."""
    mixing = {"mix_pos": False, "mix_space": "sphere", "renormalise": False, "reduction": "mean"}
    loss = SupReMixLoss(1e4, 1.0, (2.0, 8.0), weight=False, **mixing)
    z_ND = torch.eye(2, dtype=torch.float64).repeat_interleave(20, 0)
    y_N = torch.arange(2.0).repeat_interleave(20)
    generator = torch.Generator().manual_seed(0)
    # 59 terms for an anchor: 19 positives (similarity 1), 20 negatives (0) and 20 Mix-neg (λ).
    losses = np.array([loss(z_ND, y_N, generator=generator).item() for _ in range(400)])
    mean_lam = ((losses - math.log(59)) * 1e4 * 59 - 19 + 59) / 20
    assert mean_lam.mean() == pytest.approx(0.2, abs=2e-3)
    assert mean_lam.var() == pytest.approx(0.2 * 0.8 / 11 / 800, rel=0.3)


def test_the_text_of_a_loss_has_all_its_settings():
    assert repr(SupReMixLoss(0.5, 2.0)) == (
        "SupReMixLoss(temperature=0.5, window=2.0, beta=(2.0, 8.0), label_range=None, mix_neg=True, mix_pos=True, "
        "weight=True, similarity='cosine', mix_space='embedding', renormalise=True, detach_mixtures=False, "
        "window_inclusive=True, reduction='label_sum', on_no_positive='raise')"
    )
    assert repr(SupConLoss(0.5, "zero")) == "SupConLoss(temperature=0.5, on_no_positive='zero')"
    assert repr(SupCRLoss()) == "SupCRLoss(temperature=2.0)"


def test_the_paper_and_the_release_are_read_as_their_configs_do():
    for name, criterion in (
        ("paper", SupReMixLoss.as_written(0.5, 5, label_range=9.0)),
        ("release", SupReMixLoss.as_released(0.5, 5, label_range=9.0)),
    ):
        text = (Path(__file__).parents[2] / "conf" / "method" / "fidelity" / f"{name}.yaml").read_text()
        settings = {key: value for key, value in yaml.safe_load(text).items() if key != "name"}
        assert repr(criterion) == repr(SupReMixLoss(0.5, 5, label_range=9.0, **settings))
    assert repr(SupReMixLoss.as_written(0.5, 5)) == repr(SupReMixLoss(0.5, 5))
    assert SupReMixLoss.as_released(0.5, 5, detach_mixtures=False).detach_mixtures is False


ARGUMENTS = {"temperature": 0.5, "window": 2.0}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", 0.0),
        ("temperature", -1.0),
        ("temperature", float("nan")),
        ("window", -1.0),
        ("window", float("nan")),
        ("beta", (0.0, 8.0)),
        ("beta", (2.0, -8.0)),
        ("mix_space", "spheres"),
        ("reduction", "sum"),
        ("similarity", "euclidean"),
        ("on_no_positive", "skip"),
        ("label_range", 0.0),
        ("label_range", -5.0),
    ],
)
def test_an_invalid_argument_is_named(name, value):
    with pytest.raises(ValueError, match=name):
        SupReMixLoss(**(ARGUMENTS | {name: value}))


@pytest.mark.parametrize("loss_class", [SupConLoss, SupCRLoss])
@pytest.mark.parametrize("temperature", [0.0, -1.0, 1e-7, 1e7, float("nan")])
def test_an_invalid_temperature_is_named(loss_class, temperature):
    with pytest.raises(ValueError, match="temperature"):
        loss_class(temperature)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize(
    ("z_shape", "y_shape", "named"),
    [((4, 3), (5,), "y_N"), ((4, 3), (4, 1, 1), "y_N"), ((4,), (4,), "z_ND"), ((2, 4, 3), (4,), "z_ND")],
)
def test_shapes_that_do_not_fit_are_named(name, z_shape, y_shape, named):
    with pytest.raises(ValueError, match=named):
        LOSSES[name](torch.ones(z_shape), torch.ones(y_shape))


def test_draws_of_the_wrong_shape_are_named():
    with pytest.raises(ValueError, match="lam_NN"):
        LOSSES["supremix"](embeddings(7), LABELS, draws(6))
