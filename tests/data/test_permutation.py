"""Permuted labels: a bijection of bins that only training and validation see."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from supremix.data.dataset import Data, Split, TargetScale
from supremix.data.rows import permute_labels
from supremix.errors import UserError
from tests.running import run_small


def data(bin_size=0.1):
    draw = np.random.default_rng(0)
    parts = {}
    for name, n in (("train", 300), ("val", 60), ("test", 60)):
        y_N = draw.integers(0, 80, n) / 20  # steps of 0.05: exact halves of a bin are among them
        parts[name] = Split(np.array([f"{name}-{i}" for i in range(n)]), y_N, lambda index_B: index_B)
    return Data(
        "toy", **parts, bin_size=bin_size, target=TargetScale(0.0, 1.0), input_spec={}, sha256="", synthetic=True
    )


@pytest.mark.parametrize("bin_size", [0.1, 0.15, None])
def test_rows_of_one_bin_move_to_one_other_bin(bin_size):
    before = data(bin_size)
    after = permute_labels(before, 0)
    together = {
        which: np.round(before.label_bins(np.concatenate([which.train.y, which.val.y])), 6) for which in (before, after)
    }
    moves = set(zip(together[before], together[after], strict=True))
    assert len(moves) == len(set(together[before])) == len(set(together[after]))
    assert set(together[before]) == set(together[after])
    assert sum(a != b for a, b in moves) > len(moves) / 2
    np.testing.assert_array_equal(after.test.y, before.test.y)
    assert after.train.ids is before.train.ids
    assert len(np.unique(np.round(after.train.y, 6))) == len(np.unique(np.round(before.train.y, 6)))


def test_the_seed_names_the_permutation():
    first, again, other = (permute_labels(data(), seed).train.y for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_validation_labels_follow_those_of_training():
    before = data()
    same = replace(before, val=before.train)
    np.testing.assert_array_equal(permute_labels(same, 0).val.y, permute_labels(same, 0).train.y)


@pytest.mark.whole
def test_supcon_cannot_tell_and_supremix_can(tmp_path):
    """SupCon hears equality only: its encoder is the same up to the order of sums. The probe learns other labels."""
    for method, same in (("supcon", True), ("supremix", False)):
        weights, errors = [], []
        for overrides in ([], ["dataset.permute_labels=0"]):
            _, record = run_small(tmp_path, f"method={method}", *overrides)
            encoder = tmp_path / "runs" / "encoders" / record["pretrain_id"]
            weights.append(load_file(encoder / "backbone.safetensors"))
            errors.append(record["metrics"]["test"]["ridge"]["mae"])
        assert all(torch.allclose(weights[0][key], value, atol=1e-4) for key, value in weights[1].items()) == same
        assert errors[1] > errors[0]
    assert len(list((tmp_path / "runs" / "encoders").glob("*/DONE"))) == 4


def test_a_wrong_seed_is_named(tmp_path):
    with pytest.raises(UserError, match=r"dataset\.permute_labels=yes: give a whole number"):
        run_small(tmp_path, "dataset.permute_labels='yes'")
