"""The losses against loops written from the equations, in value and gradient."""

import functools
import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from scripts.bench.bench_loss import materialised_loss, measure_loss
from supremix.losses import SupConLoss, SupCRLoss, SupReMixLoss
from tests.reference import supremix as reference
from tests.reference.agreement import PRECISIONS, assert_agrees, draws, embeddings, value_and_gradient
from tests.reference.supcon import supcon_loss
from tests.reference.supcr import supcr_loss

# Every batch in an order that is not sorted; the windows are in the unit of the labels.
BATCHES = {
    "ties": ([32, 30, 31, 32, 30, 35, 32], 2.0),
    "all distinct": ([4, 0, 3, 1, 6, 2, 5], 2.0),
    "continuous": ([0.731, -1.2, 0.05, 2.41, 1.111, 0.4, -0.63, 1.87], 0.9),
    "one label": ([4, 4, 4, 4, 4], 5.0),
    "mostly without a positive": ([90, 51, 0, 50, 52, 50, 200], 5.0),
    "no anchor with a positive": ([0, 300, 100, 200], 5.0),
    "two rows, one label": ([7, 7], 5.0),
    "two rows, two labels": ([8, 7], 5.0),
    "a single mixture": ([1, 2, 0], 1.0),
    "tenths": ([3.3, 2.3, 4.3, 0.3, 0.1 + 0.2, 1.3, 0.7, 1.7], 1.0),
    "window of one tenth": ([0.7, 0.6, 0.8, 0.1, 0.2, 0.1 + 0.2], 0.1),
    "everything in the window": ([3, 0, 9, 9, 1, 40], float("inf")),
    "window 0": ([3, 1, 2, 3, 2], 0.0),
    "window between two labels": ([3, 1, 2, 3, 4], 1.5),
    "one row": ([3], 1.0),
}


def every_flag_combination():
    """All that differ: without mixtures nothing about mixing matters, without Mix-pos the window does not."""
    for neg, pos, weight, reduction in itertools.product([0, 1], [0, 1], [0, 1], ["mean", "label_sum"]):
        flags = {"mix_neg": bool(neg), "mix_pos": bool(pos), "weight": bool(weight), "reduction": reduction}
        spaces = itertools.product(["embedding", "sphere"], [True, False])
        how = (
            [{"mix_space": space, "renormalise": renormalise} for space, renormalise in spaces] if neg or pos else [{}]
        )
        for mixing, inclusive in itertools.product([*how, {"similarity": "l2"}], [True, False] if pos else [True]):
            for detached in [True, False] if neg or pos else [False]:
                yield flags | mixing | {"detach_mixtures": detached, "window_inclusive": inclusive}


def compare_supremix(labels, z_ND, tolerance, **options):
    y_N, lam_NN = torch.tensor(labels, dtype=torch.float64), draws(len(labels))
    assert_agrees(
        lambda z: SupReMixLoss(**options, on_no_positive="zero")(z, y_N, lam_NN.to(z.dtype)),
        lambda z: reference.supremix_loss(z, y_N, lam_NN.to(z_ND.dtype), **options),
        z_ND,
        tolerance,
    )


@pytest.mark.parametrize("flags", list(every_flag_combination()), ids=str)
def test_supremix_every_flag_combination(flags):
    compare_supremix([3, 1, 0, 3, 2, 5, 2], embeddings(7), 1e-10, temperature=0.3, window=2.0, **flags)


@pytest.mark.parametrize("similarity", ["cosine", "l2"])
@pytest.mark.parametrize("reduction", ["mean", "label_sum"])
@pytest.mark.parametrize("label_range", [None, 100.0])
@pytest.mark.parametrize(("dtype", "tolerance"), PRECISIONS, ids=["float64", "float32"])
@pytest.mark.parametrize("name", BATCHES)
def test_supremix_batches(name, dtype, tolerance, label_range, reduction, similarity):
    labels, window = BATCHES[name]
    options = {"temperature": 0.5, "window": window, "label_range": label_range, "reduction": reduction}
    options["similarity"] = similarity
    compare_supremix(labels, embeddings(len(labels), dtype=dtype), tolerance, **options)


@pytest.mark.parametrize("name", BATCHES)
def test_supremix_batches_with_an_exclusive_window(name):
    labels, window = BATCHES[name]
    options = {"temperature": 0.5, "window": window, "window_inclusive": False}
    compare_supremix(labels, embeddings(len(labels)), 1e-10, **options)


@pytest.mark.parametrize("mix_space", ["embedding", "sphere"])
@pytest.mark.parametrize("temperature", [0.02, 2.0])
@pytest.mark.parametrize("n", [2, 3, 5, 13, 24])
def test_supremix_random_batches(n, temperature, mix_space):
    labels = np.random.default_rng(n).integers(20, 20 + n, n).tolist()
    options = {"temperature": temperature, "window": 4.0, "mix_space": mix_space}
    compare_supremix(labels, embeddings(n, d=3, seed=n), 1e-10, **options)


@pytest.mark.parametrize("detach_mixtures", [False, True])
def test_supremix_every_triplet_of_a_larger_batch(detach_mixtures):
    labels = np.random.default_rng(0).normal(size=36).tolist()
    options = {"temperature": 0.2, "window": float("inf"), "detach_mixtures": detach_mixtures}
    compare_supremix(labels, embeddings(36), 1e-10, **options)


@pytest.mark.parametrize("detach_mixtures", [False, True])
@pytest.mark.parametrize("pairs_at_once", [1, 60, 300, 10_000])
def test_supremix_in_blocks(monkeypatch, pairs_at_once, detach_mixtures):
    monkeypatch.setattr("supremix.losses.definition.PAIRS_AT_ONCE", pairs_at_once)
    labels = np.random.default_rng(1).integers(0, 9, 13).tolist()
    options = {"temperature": 0.2, "window": 3.0, "detach_mixtures": detach_mixtures}
    compare_supremix(labels, embeddings(13), 1e-10, **options)


@pytest.mark.parametrize("n", [13, 48])
def test_the_benchmark_times_the_same_loss(n):
    """The loops at 13 rows, the package at 48, against the version that builds all mixtures in one tensor."""
    y_N = torch.from_numpy(np.random.default_rng(n).integers(0, 20, n)).double()
    options = {"temperature": 0.5, "window": 5.0, "label_range": 89.0}
    fast = SupReMixLoss(**options) if n > 13 else functools.partial(reference.supremix_loss, **options)
    assert_agrees(
        lambda z: materialised_loss(z, y_N, draws(n), **options),
        lambda z: fast(z, y_N, draws(n)),
        embeddings(n),
        1e-10,
    )
    assert measure_loss(n, 4, rounds=1)["ratio"] > 0


@pytest.mark.parametrize("detach_mixtures", [False, True])
def test_distances_of_embeddings_that_are_equal_or_far_from_the_origin(detach_mixtures):
    """Rows 1 and 3 are equal to the mixture between them, and row 5 to row 4: distances of 0 pass no gradient on."""
    z_ND = embeddings(7)
    z_ND[3], z_ND[5] = z_ND[1], z_ND[4]
    z_ND[2] = z_ND[1]
    options = {"temperature": 0.5, "window": 3.0, "similarity": "l2", "detach_mixtures": detach_mixtures}
    compare_supremix([3.0, 1.0, 2.0, 3.0, 2.0, 5.0, 2.0], z_ND, 1e-7, **options)
    compare_supremix([3.0, 1.0, 0.0, 3.0, 2.0, 5.0, 2.0], embeddings(7) + 1e3, 1e-9, **options)
    near = (1e-3 * embeddings(7) + 100).float()  # of which a float32 Gram matrix would leave no digit
    compare_supremix([3.0, 1.0, 0.0, 3.0, 2.0, 5.0, 2.0], near, 1e-5, **options)


@pytest.mark.parametrize("weight", [True, False])
@pytest.mark.parametrize("renormalise", [True, False])
@pytest.mark.parametrize("mix_space", ["embedding", "sphere"])
def test_supremix_zero_vectors_and_mixtures_that_cancel(mix_space, renormalise, weight):
    """Row 0 is zero; rows 1 and 3 are opposite, so the Mix-pos halfway between them is zero too."""
    z_ND = embeddings(6)
    z_ND[0], z_ND[3] = 0, -z_ND[1]
    labels = [2.0, 1.0, 2.0, 3.0, 2.0, 0.0]
    options = {"mix_space": mix_space, "renormalise": renormalise, "weight": weight}
    compare_supremix(labels, z_ND, 1e-10, temperature=0.5, window=1.0, **options)


def test_supremix_mix_neg_that_cancels():
    z_ND, y_N = torch.tensor([[3.0, 4.0], [-3.0, -4.0], [1.0, 0.0]]).double(), torch.tensor([0.0, 9.0, 0.0])
    lam_NN = torch.full((3, 3), 0.5, dtype=torch.float64)
    options = {"temperature": 0.5, "window": 1.0}
    assert_agrees(
        lambda z: SupReMixLoss(**options)(z, y_N, lam_NN),
        lambda z: reference.supremix_loss(z, y_N, lam_NN, **options),
        z_ND,
        1e-10,
    )


@pytest.mark.parametrize("inclusive", [True, False])
@pytest.mark.parametrize("mix_pos", [True, False])
@pytest.mark.parametrize("name", BATCHES)
def test_supremix_counts_positives(name, mix_pos, inclusive):
    labels, window = BATCHES[name]
    y_N, options = torch.tensor(labels), {"mix_pos": mix_pos, "window": window, "window_inclusive": inclusive}
    count_N = SupReMixLoss(temperature=1.0, **options).count_positives(y_N)
    assert count_N.dtype == torch.int64
    assert count_N.tolist() == reference.count_positives(y_N, **options)


@pytest.mark.parametrize("inclusive", [True, False])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_binned_labels_count_like_integers(dtype, inclusive):
    """Labels in tenths with window 1.0 have the window of the same labels times ten with window 10."""
    tenths_N = torch.from_numpy(np.random.default_rng(0).permutation(np.repeat(np.arange(51), 2)))
    binned_N = (tenths_N.double() * 0.1).to(dtype)
    assert len(set((binned_N[:, None] - binned_N).abs().flatten().tolist())) > 51  # the noise is there
    options = {"temperature": 0.5, "window_inclusive": inclusive}
    expected_N = SupReMixLoss(window=10.0, **options).count_positives(tenths_N)
    torch.testing.assert_close(SupReMixLoss(window=1.0, **options).count_positives(binned_N), expected_N)
    inner = 10 if inclusive else 9
    assert expected_N[tenths_N == 25].tolist() == [1 + (2 * inner) ** 2] * 2


@pytest.mark.parametrize(
    ("loss", "settings"),
    [(SupReMixLoss, {"window": 5.0}), (SupReMixLoss, {"window": 5.0, "reduction": "mean"}), (SupConLoss, {})],
)
def test_a_batch_without_a_positive_is_a_mistake_or_zero_and_passes_no_gradient(loss, settings):
    y_N = torch.tensor([0.0, 200.0, 100.0])
    with pytest.raises(
        ValueError, match=r"^no anchor of the 3 rows has a positive, labels 0 to 200: use labels in wide"
    ):
        loss(0.5, **settings)(embeddings(3), y_N)
    criterion = loss(0.5, **settings, on_no_positive="zero")
    value, gradient_ND = value_and_gradient(lambda z: criterion(z, y_N), embeddings(3))
    assert value.item() == 0
    assert torch.equal(gradient_ND, torch.zeros(3, 5, dtype=torch.float64))


@pytest.mark.parametrize(("dtype", "tolerance"), PRECISIONS, ids=["float64", "float32"])
@pytest.mark.parametrize("name", BATCHES)
def test_supcon(name, dtype, tolerance):
    y_N = torch.tensor(BATCHES[name][0], dtype=torch.float64)
    z_ND = embeddings(len(y_N), dtype=dtype)
    for temperature in (0.1, 2.0):
        reference_loss = functools.partial(supcon_loss, y_N=y_N, temperature=temperature)
        assert_agrees(lambda z, t=temperature: SupConLoss(t, "zero")(z, y_N), reference_loss, z_ND, tolerance)


@pytest.mark.parametrize("name", BATCHES)
def test_supcon_counts_positives(name):
    y_N = torch.tensor(BATCHES[name][0])
    count_N = SupConLoss(0.5).count_positives(y_N)
    assert count_N.dtype == torch.int64
    assert count_N.tolist() == reference.count_positives(y_N, window=0.0, mix_pos=False)


@pytest.mark.parametrize("name", BATCHES)
def test_supremix_without_its_three_parts_is_supcon(name):
    y_N = torch.tensor(BATCHES[name][0])
    without = {"mix_neg": False, "mix_pos": False, "weight": False, "on_no_positive": "zero"}
    bare = SupReMixLoss(temperature=0.3, window=2.0, reduction="mean", **without)
    value, gradient_ND = value_and_gradient(lambda z: bare(z, y_N), embeddings(len(y_N)))
    expected, expected_ND = value_and_gradient(lambda z: SupConLoss(0.3, "zero")(z, y_N), embeddings(len(y_N)))
    assert torch.equal(value, expected)
    assert torch.equal(gradient_ND, expected_ND)


def test_supcon_of_two_views_is_cross_entropy_against_the_other_view():
    z_ND, y_N = embeddings(10), torch.arange(5.0).repeat(2)
    unit_ND = F.normalize(z_ND)
    logits_NN = (unit_ND @ unit_ND.T / 0.2).fill_diagonal_(-torch.inf)
    expected = F.cross_entropy(logits_NN, (torch.arange(10) + 5) % 10)
    torch.testing.assert_close(SupConLoss(0.2)(z_ND, y_N), expected, rtol=1e-12, atol=0)


def test_supremix_of_two_views_takes_each_view_as_a_row():
    labels = [2.0, 0.0, 1.0, 5.0] * 2
    compare_supremix(labels, embeddings(8), 1e-10, temperature=0.5, window=2.0)
    assert SupReMixLoss(0.5, 2.0).count_positives(torch.tensor(labels)).tolist() == [1, 1, 5, 1] * 2


@pytest.mark.parametrize(("dtype", "tolerance"), PRECISIONS, ids=["float64", "float32"])
@pytest.mark.parametrize("name", [name for name in BATCHES if name != "one row"])
def test_supcr(name, dtype, tolerance):
    y_N = torch.tensor(BATCHES[name][0], dtype=torch.float64)
    for temperature in (2.0, 0.2):
        reference_loss = functools.partial(supcr_loss, y_N=y_N, temperature=temperature)
        z_ND = embeddings(len(y_N), dtype=dtype)
        assert_agrees(lambda z, t=temperature: SupCRLoss(t)(z, y_N), reference_loss, z_ND, tolerance)


@pytest.mark.parametrize("pairs_at_once", [60, 10_000])
@pytest.mark.parametrize("flags", [{}, {"mix_neg": False}, {"weight": False}, {"similarity": "l2"}], ids=str)
def test_supremix_of_labels_that_are_vectors(monkeypatch, flags, pairs_at_once):
    monkeypatch.setattr("supremix.losses.definition.PAIRS_AT_ONCE", pairs_at_once)
    y_NT, lam_NN = torch.from_numpy(np.random.default_rng(0).integers(0, 3, (13, 2)) * [0.1, 3.0]), draws(13)
    y_N, given = torch.view_as_complex(y_NT), {"temperature": 0.5, "window": 0.0, "mix_pos": False} | flags
    loss, span = SupReMixLoss(**given), y_NT.amax(0) - y_NT.amin(0)
    assert_agrees(
        lambda z: loss(z, y_NT, lam_NN),
        lambda z: reference.supremix_loss(z, y_N, lam_NN, label_range=span.norm().item(), **given),
        embeddings(13),
        1e-10,
    )
    assert loss.count_positives(y_NT).tolist() == [y_N.tolist().count(label) - 1 for label in y_N.tolist()]
    assert loss.lower_bound(y_NT) < loss(embeddings(13), y_NT, lam_NN)


@pytest.mark.parametrize("n", [2, 3, 17, 40])
def test_supcr_random_batches_with_ties(n):
    y_N = torch.from_numpy(np.random.default_rng(n).integers(0, n // 2 + 1, n) * 0.1)
    z_ND = embeddings(n, seed=n)
    z_ND[-1] = z_ND[0]  # a distance of 0 has no direction: its gradient is 0, not NaN
    assert_agrees(lambda z: SupCRLoss()(z, y_N), lambda z: supcr_loss(z, y_N), z_ND, 1e-10)


@pytest.mark.parametrize("n", [1, 2, 5, 17])
def test_supcr_of_labels_that_are_vectors(n):
    y_NT = torch.from_numpy(np.random.default_rng(n).integers(0, 4, (n, 2)) * [0.1, 30.0])  # many distances tie
    assert_agrees(lambda z: SupCRLoss()(z, y_NT), lambda z: supcr_loss(z, y_NT), embeddings(n, seed=n), 1e-10)
    assert SupCRLoss().count_positives(y_NT).tolist() == [n - 1] * n
