"""Bins and windows that labels ask for: repeated, all different, skewed, whole, clustered, and whatever the batch."""

import numpy as np
import pytest

from supremix.data.geometry import ENOUGH, find_geometry, grid_of, in_bins, mix_pos, positives, skewed
from supremix.errors import UserError

random = np.random.default_rng(0)
LABELS = {
    "ages": random.integers(18, 90, 2000).astype(float),
    "normal": random.normal(120, 7, 1500),
    "few": random.uniform(0, 1, 60),
    "prices": np.exp(random.normal(12, 0.8, 2000)).round(-2),
    "counts": random.geometric(0.05, 3000).astype(float),
    "zeros": np.where(random.uniform(size=2000) < 0.7, 0, random.exponential(5, 2000)),
    "clusters": np.concatenate([random.normal(10, 0.01, 500), random.normal(90, 0.01, 500)]),
    "cauchy": random.standard_cauchy(2000),
    "scores": (random.uniform(0, 5, 5000) * 10).round() / 10,
    "five_stars": random.integers(1, 6, 1000).astype(float),
    "tiny": random.uniform(1e-7, 2e-7, 1000),
    "huge": random.uniform(1e8, 3e8, 1000),
    "two": np.repeat([0.0, 1.0], 50),
}


@pytest.mark.parametrize("batch_size", [32, 128])
@pytest.mark.parametrize("kind", LABELS)
def test_batches_hold_positives(kind, batch_size):
    y_N = LABELS[kind]
    found = find_geometry(kind, y_N, batch_size, "auto")
    seen_N = found.ranks(y_N) if found.ranks else in_bins(y_N, found.bin_size)
    assert found.positives >= ENOUGH
    # What is expected is what batches have, drawn at random.
    has, mixed = [], []
    for _ in range(60):
        batch = seen_N[random.permutation(len(seen_N))[:batch_size]]
        same = (batch[:, None] == batch[None]).sum(1) > 1
        gap = batch[None] - batch[:, None]
        near = np.abs(gap) <= found.window * (1 + 1e-9)
        has.append(same.mean())
        mixed.append((((gap < 0) & near).any(1) & ((gap > 0) & near).any(1)).mean())
    assert np.mean(has) == pytest.approx(found.positives, abs=0.05)
    assert np.mean(mixed) == pytest.approx(found.mix_pos, abs=0.05)
    if kind not in ("two", "five_stars", "zeros", "clusters"):  # which have most rows at an end of their labels
        assert found.mix_pos >= ENOUGH
    assert str(batch_size) in found.in_words()


def test_units_and_steps_follow_the_labels():
    found = {kind: find_geometry(kind, y_N, 128, "auto") for kind, y_N in LABELS.items()}
    assert {kind for kind, one in found.items() if one.ranks} == {"prices", "counts", "zeros", "cauchy"}
    assert found["ages"].bin_size == 1  # whole years, never narrower
    assert found["five_stars"].bin_size == 1
    assert found["scores"].bin_size == pytest.approx(0.1)
    assert grid_of(np.array([10.0, 250.0])) == 10
    assert grid_of(LABELS["normal"]) is None


def test_what_the_user_says_stays():
    y_N = LABELS["prices"]
    fixed = find_geometry("prices", y_N, 128, 10000.0)
    assert (fixed.bin_size, fixed.ranks) == (10000.0, None)
    assert find_geometry("prices", y_N, 128, None).bin_size is None
    assert find_geometry("ages", LABELS["ages"], 128, "auto", "rank").ranks is not None
    assert find_geometry("prices", y_N, 128, "auto", "label").ranks is None
    with pytest.raises(UserError, match=r"prices: dataset\.label_unit=log: use one of auto, label, rank"):
        find_geometry("prices", y_N, 128, "auto", "log")
    with pytest.raises(UserError, match=r"dataset\.bin_size=wide: use auto, a width in label units, or null"):
        find_geometry("prices", y_N, 128, "wide")


def test_ranks_keep_order_and_ties():
    y_N = LABELS["counts"]
    ranks = find_geometry("counts", y_N, 128, "auto").ranks
    seen_N = ranks(np.sort(y_N))
    assert (np.diff(seen_N) >= 0).all()
    assert ranks(np.array([y_N[0], y_N[0]])).std() == 0
    assert 0 <= ranks(np.array([-1e9]))[0] <= ranks(np.array([1e9]))[0] <= 100


def test_shares_by_hand():
    y_N = np.array([0.0, 0, 1, 2])
    assert positives(y_N, 2) == pytest.approx(1 / 2 * 1 / 3)  # for each 0, one of the three others is a 0
    assert mix_pos(y_N, 1, 3) == pytest.approx(
        1 / 4 * 2 / 3
    )  # for the 1, two of three pairs of others hold a 0 and the 2
    assert mix_pos(y_N, 0.5, 4) == 0
    assert not skewed(LABELS["normal"])
    assert skewed(-LABELS["prices"])
