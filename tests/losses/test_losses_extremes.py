"""The losses where numbers are large, small or equal, and where their computation is cut into parts."""

import itertools

import numpy as np
import pytest
import scipy.stats
import torch

from supremix.losses import SupConLoss, SupCRLoss, SupReMixLoss
from supremix.losses.labels import read_labels
from supremix.losses.mixtures import chunks, find_windows, sample_beta
from tests.reference import supremix as reference
from tests.reference.agreement import assert_agrees, draws, embeddings
from tests.reference.supcr import supcr_loss

LABELS = torch.tensor([43.0, 41.0, 40.0, 43.0, 42.0, 45.0, 42.0], dtype=torch.float64)


@pytest.mark.parametrize("detach_mixtures", [False, True])
@pytest.mark.parametrize(("pairs_at_once", "triplets_at_once"), [(1, 1), (40, 30), (65, 10_000), (1000, 200)])
def test_blocks_of_anchors_change_nothing(monkeypatch, pairs_at_once, triplets_at_once, detach_mixtures):
    monkeypatch.setattr("supremix.losses.contrast.PAIRS_AT_ONCE", pairs_at_once)
    monkeypatch.setattr("supremix.losses.supremix.TRIPLETS_AT_ONCE", triplets_at_once)
    y_N, lam_NN = torch.from_numpy(np.random.default_rng(1).integers(0, 6, 13)), draws(13)
    options = {"temperature": 0.2, "window": 3.0, "detach_mixtures": detach_mixtures}
    assert_agrees(
        lambda z: SupReMixLoss(**options)(z, y_N, lam_NN),
        lambda z: reference.supremix_loss(z, y_N, lam_NN, **options),
        embeddings(13),
        1e-10,
    )


@pytest.mark.parametrize("at_once", [1, 50, 700, 1 << 17])
@pytest.mark.parametrize("window", [0.0, 2.0, float("inf")])
def test_chunks_hold_every_triplet_once(window, at_once):
    y_N = torch.from_numpy(np.random.default_rng(2).integers(0, 12, 60))
    found = find_windows(read_labels(y_N), window, inclusive=True)
    seen = []
    for start, stop in ((0, 23), (23, 60)):
        for chunk in chunks(found, start, stop, at_once):
            (a, b, c), pieces = chunk.widths, chunk.index_WG.shape[1]
            assert pieces * a * b * c <= at_once or pieces * a == 1
            for g in range(pieces):
                parts = np.split(np.arange(a + b + c), [a, a + b])
                i, j, k = (chunk.index_WG[part, g][chunk.has_WG[part, g]].tolist() for part in parts)
                assert all(start <= row < stop for row in i)
                seen += itertools.product(i, j, k)
    y = found.label_N
    rows = range(len(y))
    expected = [
        (i, j, k)
        for i, j, k in itertools.product(rows, rows, rows)
        if y[j] < y[i] < y[k] and y[i] - y[j] <= window and y[k] - y[i] <= window
    ]
    assert sorted(seen) == expected


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
    "supremix as released": lambda z: SupReMixLoss(
        0.5, 2.0, mix_space="sphere", renormalise=False, window_inclusive=False, reduction="label_sum"
    )(z, LABELS, draws(7)),
    "supcon": lambda z: SupConLoss(0.5)(z, LABELS),
    "supcr": lambda z: SupCRLoss()(z, LABELS),
}


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_are_those_of_finite_differences(name):
    assert torch.autograd.gradcheck(LOSSES[name], embeddings(7).requires_grad_())


@pytest.mark.parametrize("name", LOSSES)
def test_a_second_derivative_is_refused(name):
    z_ND = embeddings(7).requires_grad_()
    with pytest.raises(RuntimeError, match="second derivative"):
        torch.autograd.grad(LOSSES[name](z_ND), z_ND, create_graph=True)


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
