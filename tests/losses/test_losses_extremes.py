"""The losses where numbers are large, small or equal, and where their computation is cut into parts."""

import itertools

import numpy as np
import pytest
import scipy.stats
import torch

from supremix.losses import SupConLoss, SupCRLoss, SupReMixLoss
from supremix.losses.beta import sample_beta
from supremix.losses.labels import read_labels
from supremix.losses.windows import blocks, find_windows
from tests.reference import supremix as reference
from tests.reference.agreement import assert_agrees, draws, embeddings
from tests.reference.supcr import supcr_loss

LABELS = torch.tensor([43.0, 41.0, 40.0, 43.0, 42.0, 45.0, 42.0], dtype=torch.float64)


@pytest.mark.parametrize("detach_mixtures", [False, True])
@pytest.mark.parametrize("similarity", ["cosine", "l2"])
@pytest.mark.parametrize("pairs_at_once", [1, 100, 300, 1000])
def test_blocks_of_anchors_change_nothing(monkeypatch, pairs_at_once, similarity, detach_mixtures):
    monkeypatch.setattr("supremix.losses.definition.PAIRS_AT_ONCE", pairs_at_once)
    y_N, lam_NN = torch.from_numpy(np.random.default_rng(1).integers(0, 6, 13)), draws(13)
    options = {"temperature": 0.2, "window": 3.0, "detach_mixtures": detach_mixtures, "similarity": similarity}
    assert_agrees(
        lambda z: SupReMixLoss(**options)(z, y_N, lam_NN),
        lambda z: reference.supremix_loss(z, y_N, lam_NN, **options),
        embeddings(13),
        1e-10,
    )


@pytest.mark.parametrize("at_once", [1, 500, 7000, 1 << 17])
@pytest.mark.parametrize("window", [0.0, 2.0, float("inf")])
def test_blocks_hold_every_anchor_once_and_what_it_mixes(window, at_once):
    y_N = torch.from_numpy(np.random.default_rng(2).integers(0, 12, 60))
    found = find_windows(read_labels(y_N), window, inclusive=True)
    anchors = []
    for block in blocks(found, True, at_once):
        anchors += range(block.start, block.stop)
        rows = block.stop - block.start
        assert rows == 1 or rows * (2 * 60 + block.below * block.above) <= at_once
        for i in range(block.start, block.stop):
            below, above = found.same_N[i] - found.low_N[i], found.end_N[i] - found.high_N[i]
            assert 0 <= below <= block.below
            assert 0 <= above <= block.above
            assert block.low <= found.low_N[i]
            assert found.end_N[i] <= block.end
    assert anchors == list(range(60))


def test_windows_are_those_of_the_labels():
    for window in (0.0, 2.0, float("inf")):
        found = find_windows(read_labels(np.random.default_rng(2).integers(0, 12, 60)), window, inclusive=True)
        for y, *bounds in zip(found.label_N, *found[3:], strict=True):
            inside = [np.flatnonzero(mask).tolist() for mask in (
                (found.label_N < y) & (found.label_N >= y - window),
                found.label_N == y,
                (found.label_N > y) & (found.label_N <= y + window),
            )]  # fmt: skip
            assert [list(range(*part)) for part in itertools.pairwise(bounds)] == inside


@pytest.mark.parametrize("scale", [1e-8, 1.0, 300.0, 1e6])
def test_supcr_at_any_distance(scale):
    """Above about 300 the range of the logits is beyond that of float64 in a plain sum."""
    z_ND, y_N = embeddings(9), torch.tensor([3.0, 1.0, 1.0, 4.0, 2.0, 9.0, 3.0, 1.0, 0.0])
    tolerance = 1e-10 if scale < 1e6 else 1e-8  # what is left of the digits of logits in the millions
    assert_agrees(lambda z: SupCRLoss()(z * scale, y_N), lambda z: supcr_loss(z * scale, y_N), z_ND, tolerance)


def test_supcr_in_float32_keeps_the_digits_of_small_distances():
    """Two groups within 0.01 of each other, 100 from the origin: by float32 products those distances would be noise."""
    z_ND = (1e-2 * embeddings(9) + 100 * torch.tensor([1.0, -1.0] * 4 + [1.0])[:, None]).float()
    y_N = torch.tensor([3.0, 1.0, 1.0, 4.0, 2.0, 9.0, 3.0, 1.0, 0.0])
    assert_agrees(lambda z: SupCRLoss()(z, y_N), lambda z: supcr_loss(z, y_N), z_ND, 1e-5)


LOSSES = {
    "supremix": lambda z: SupReMixLoss(0.5, 2.0)(z, LABELS, draws(7)),
    "supremix as released": lambda z: SupReMixLoss.as_released(0.5, 2.0, detach_mixtures=False)(z, LABELS, draws(7)),
    "supremix on distances": lambda z: SupReMixLoss(0.5, 2.0, similarity="l2")(z, LABELS, draws(7)),
    "supcon": lambda z: SupConLoss(0.5)(z, LABELS),
    "supcr": lambda z: SupCRLoss()(z, LABELS),
}


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_are_those_of_finite_differences(name):
    assert torch.autograd.gradcheck(LOSSES[name], embeddings(7).requires_grad_())


@pytest.mark.parametrize("name", LOSSES)
def test_second_derivatives_are_those_of_finite_differences(name):
    assert torch.autograd.gradgradcheck(LOSSES[name], embeddings(7).requires_grad_())


@pytest.mark.parametrize(
    ("alpha", "beta"),
    [(2, 8), (8, 2), (1, 1), (1, 0.3), (3, 0.5), (0.5, 3), (2.5, 4), (0.5, 0.5), (40.5, 60), (20, 30)],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_beta_draws_follow_their_law(alpha, beta, dtype):
    generator = torch.Generator().manual_seed(0)
    lam_NN = sample_beta(float(alpha), float(beta), torch.empty(150, 150, dtype=dtype), generator)
    assert lam_NN.dtype == dtype
    assert ((lam_NN >= 0) & (lam_NN <= 1)).all()
    lam = lam_NN.flatten().double().numpy()
    assert scipy.stats.kstest(lam, scipy.stats.beta(alpha, beta).cdf).pvalue > 1e-3
    assert abs(np.corrcoef(lam[:-1], lam[1:])[0, 1]) < 0.03
