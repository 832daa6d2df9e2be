"""Fewer training rows: what is left, what stays whole, and the metrics on the labels that training lacked."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from supremix.data.dataset import Data, Split, TargetScale
from supremix.data.rows import inside, training_subset, with_label_noise
from supremix.data.transforms import fit_transform
from supremix.errors import UserError
from supremix.metrics.regression import METRICS, regression_metrics
from supremix.settings.build import loaded_data, regulariser
from supremix.settings.check import settings_of
from tests.running import config, run_small

AGES = np.arange(100.0)


def data():
    """100 training rows aged 0 to 99, whose input is their age; four rows in the other splits."""

    def split(name, y_N):
        return Split(np.array([f"{name}-{y:g}" for y in y_N]), y_N, lambda index_B: y_N[index_B])

    few = np.array([20.0, 22.5, 25.0, 60.0])
    return Data(
        "ages", split("train", AGES), split("val", few), split("test", few), 1, TargetScale(0, 1), {}, "0" * 64, False
    )


def left(**settings):
    """Ages of the training rows that are left, with the split's ids and inputs checked to belong to them."""
    one = training_subset(data(), **{"train_size": None, "missing": None, "skew": None, "seed": 0} | settings)
    y_N = one.train.y
    assert list(one.train.ids) == [f"train-{y:g}" for y in y_N]
    np.testing.assert_array_equal(one.train.fetch(np.arange(len(y_N))), y_N)
    for name in ("val", "test"):
        np.testing.assert_array_equal(getattr(one, name).y, getattr(data(), name).y)
    return y_N.tolist()


def test_nothing_asked_is_nothing_changed():
    whole = data()
    assert training_subset(whole, train_size=None, missing=None, skew=None, seed=0) is whole


def test_a_smaller_draw_lies_within_a_larger_one_and_another_seed_draws_others():
    sizes = [4, 8, 12, 48, 100]
    drawn = [set(left(train_size=size)) for size in sizes]
    assert [len(rows) for rows in drawn] == sizes
    assert all(small < large for small, large in itertools.pairwise(drawn))
    assert left(train_size=8) == left(train_size=8) == sorted(drawn[1])
    assert left(train_size=8) != left(train_size=8, seed=1)
    assert 20 < np.mean(left(train_size=48)) < 80  # from all over the split


def test_ranges_leave_out_both_ends_and_nothing_else():
    gone = {*range(20, 26), *range(50, 56), *range(75, 81)}
    assert left(missing=[[20, 25], [50, 55], [75, 80]]) == [y for y in AGES if y not in gone]
    assert 20.0 not in left(missing=[[20, 20]])


def test_an_end_that_differs_from_a_label_by_rounding_is_that_label():
    y_N = np.arange(8) * 0.1  # 0.30000000000000004 and 0.6000000000000001
    assert inside(y_N, [[0.1, 0.3], [0.6, 0.7]]).tolist() == [False, True, True, True, False, False, True, True]
    assert inside(-y_N, [[-0.3, -0.1]]).tolist() == [False, True, True, True, False, False, False, False]


def test_the_draw_is_from_what_the_ranges_leave_and_stays_nested():
    few, more = (left(missing=[[0, 49]], train_size=size) for size in (10, 30))
    assert set(few) < set(more)
    assert min(more) >= 50


def test_a_skewed_draw_keeps_low_labels_and_few_high_ones():
    low, high = ([len([y for y in left(skew=skew, seed=s) if y >= 50]) for s in range(20)] for skew in (0.01, 5))
    assert min(low) > 45
    assert 0 < np.mean(high) < 50 * np.exp(-2.5)
    kept = left(skew=5)
    assert 0.0 in kept
    assert set(left(skew=5, train_size=10)) < set(kept) != set(left(skew=5, seed=1))
    assert set(left(skew=8)) < set(kept)


def test_label_noise_has_its_size_and_stays_in_training():
    noises = {noise: with_label_noise(data(), noise, seed=0) for noise in (0.5, 1.0)}
    added = {noise: noisy.train.y - AGES for noise, noisy in noises.items()}
    assert added[1.0].std() == pytest.approx(AGES.std(), rel=0.3)
    np.testing.assert_allclose(added[1.0], 2 * added[0.5])
    assert abs(np.corrcoef(added[1.0], AGES)[0, 1]) < 0.3
    for name in ("val", "test"):
        np.testing.assert_array_equal(getattr(noises[1.0], name).y, getattr(data(), name).y)
    np.testing.assert_array_equal(noises[1.0].train.fetch(np.arange(100)), AGES)
    assert (with_label_noise(data(), 1.0, seed=1).train.y != noises[1.0].train.y).all()


def test_label_noise_is_added_where_the_head_predicts():
    logs = replace(data(), target=TargetScale(3.0, 0.5, fit_transform("ages", "log", AGES + 1)))
    prices = replace(logs, train=replace(logs.train, y=AGES + 1))
    noisy_N, plain_N = with_label_noise(prices, 2.0, seed=0).train.y, AGES + 1
    assert noisy_N.min() > 0
    assert np.log(noisy_N / plain_N).std() == pytest.approx(2 * np.log(plain_N).std(), rel=0.3)


def test_the_label_range_is_that_of_the_rows_in_use():
    assert training_subset(data(), train_size=None, missing=[[90, 200]], skew=None, seed=0).label_range == 89


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"train_size": 101}, r"dataset.subset.train_size=101: ages has 100 training rows to draw from"),
        ({"train_size": 60, "missing": [[0, 49]]}, r"dataset.subset.train_size=60: ages has 50 training rows"),
        ({"missing": [[0, 99]]}, r"dataset.subset.missing=\[\[0, 99\]\]: no training row of ages is left"),
        ({"missing": [[1, 99]]}, r"dataset.subset: ages: all 1 training rows have the label 0"),
        *(
            ({"missing": wrong}, r"dataset.subset.missing=.*: give ranges of labels")
            for wrong in ([], [[25, 20]], [20, 25], [[20]], [["a", "b"]], "x", 5, [[float("nan"), 1]])
        ),
    ],
)
def test_what_cannot_be_is_one_line_naming_the_key(settings, message):
    with pytest.raises(UserError, match=message) as error:
        left(**settings)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["dataset.subset.part=0"], "dataset.subset.part=0.*: give a number above 0, 1 at most, or null"),
        (["dataset.subset.part=0.5", "dataset.subset.train_size=9"], "part and train_size both say how many"),
    ],
)
def test_a_part_is_a_part_and_no_number_beside_one(tmp_path, overrides, message):
    with pytest.raises(UserError, match=message):
        run_small(tmp_path, *overrides)


@pytest.mark.parametrize("size", ["1", "ten", "2.5"])
def test_a_size_that_is_none_is_refused_before_anything_is_loaded(tmp_path, size):
    with pytest.raises(UserError, match=f"dataset.subset.train_size={size}: give a whole number, 2 or more"):
        run_small(tmp_path, f"dataset.subset.train_size={size}")


def test_noise_and_skew_reach_a_run(tmp_path):
    clean, noisy, skewed = (
        run_small(tmp_path, "method=linear", *overrides)[1]
        for overrides in ([], ["dataset.label_noise=3"], ["dataset.subset.skew=4"])
    )
    assert noisy["metrics"]["test"]["best"]["mae"] > clean["metrics"]["test"]["best"]["mae"]
    assert noisy["data"]["sizes"] == clean["data"]["sizes"]
    assert 2 < skewed["data"]["sizes"]["train"] < clean["data"]["sizes"]["train"] / 2
    tenth = run_small(tmp_path, "method=linear", "dataset.subset.part=0.1")[1]["data"]["sizes"]["train"]
    assert tenth == round(clean["data"]["sizes"]["train"] / 10)


def test_labels_of_a_prepared_dataset_may_be_compared_by_rank(tmp_path):
    plain, ranks = (
        loaded_data(settings_of(config(tmp_path, *overrides))) for overrides in ([], ["dataset.label_unit=rank"])
    )
    assert plain.geometry is None
    seen_N = ranks.contrast_labels(ranks.train.y)
    assert (seen_N.min() < 10, seen_N.max() > 90, ranks.contrast_range) == (True, True, 100)
    assert (np.diff(seen_N[np.argsort(ranks.train.y)]) >= 0).all()
    assert plain.contrast_labels(plain.train.y).max() > 300
    settings = settings_of(config(tmp_path, "method=srl", "dataset.label_unit=rank"))
    srl = regulariser("srl", settings.method.regression.regularisers["srl"], ranks)
    assert srl.bin_size == ranks.geometry.ranks.bin_size, "labels that it sees are percent"
    _, record = run_small(tmp_path, "method=supremix", "dataset.label_unit=rank", "method.window=auto")
    assert record["metrics"]["test"]["best"]["mae"] > 0


@pytest.mark.parametrize("method", ["supremix", "vanilla", "linear"])
def test_a_run_on_a_subset_records_its_size(tmp_path, method):
    _, record = run_small(tmp_path, f"method={method}", "dataset.subset.train_size=100")
    assert record["data"]["sizes"] == {"train": 100, "val": 88, "test": 88}
    assert record["config"]["dataset"]["subset"]["train_size"] == 100
    assert not [name for name in record["metrics"]["test"]["best"] if name.endswith("_missing")]


def test_missing_labels_are_measured_in_every_variant(tmp_path):
    ranges = [[100, 150], [200, 210]]
    directory, record = run_small(tmp_path, f"dataset.subset.missing={ranges}")
    arrays = np.load(directory / "predictions.npz")
    assert record["data"]["sizes"]["test"] == 88
    for split in ("val", "test"):
        y_N = arrays[f"{split}_y"]
        rows_N = ((y_N >= 100) & (y_N <= 150)) | ((y_N >= 200) & (y_N <= 210))
        assert 10 < record["data"]["groups"][split]["missing"] == rows_N.sum() < 80
        for variant in ("best", "last", "ridge"):
            expected = regression_metrics(y_N[rows_N], arrays[f"{split}_{variant}"][rows_N])
            found = record["metrics"][split][variant]
            assert {key: found[f"{key}_missing"] for key in METRICS} == pytest.approx(expected)
            assert found["mae"] == pytest.approx(np.abs(y_N - arrays[f"{split}_{variant}"]).mean())


def test_ranges_without_test_rows_are_undefined(tmp_path):
    _, record = run_small(tmp_path, "method=constant", "dataset.subset.missing=[[1000,2000]]")
    assert record["metrics"]["test"]["best"]["mae_missing"] is None


def test_a_subset_is_part_of_the_identity(tmp_path):
    from supremix.settings import identity

    ids = {
        identity.pretrain_id(identity.scientific(config(tmp_path, *overrides)), "data")
        for overrides in (
            [],
            ["dataset.subset.train_size=50"],
            ["dataset.subset.missing=[[20,25]]"],
            ["dataset.subset.missing=[[20.0,25.0]]"],
            ["dataset.subset.skew=2"],
            ["dataset.label_noise=0.5"],
            ["dataset.label_unit=rank"],
            ["dataset.subset.part=0.5"],
        )
    }
    assert len(ids) == 7
