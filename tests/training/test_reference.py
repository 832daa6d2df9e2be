"""References: what they learn, and what they refuse."""

import sys
from dataclasses import replace

import numpy as np
import pytest
from sklearn.dummy import DummyRegressor

from supremix.data.dataset import TargetScale
from supremix.data.transforms import Log
from supremix.errors import UserError
from supremix.training import probe
from supremix.training.probe import all_rows, linear_map, neighbour_probe, ridge_probe
from supremix.training.reference import fit_reference, realmlp
from tests.running import run_small
from tests.training.test_engine import data


@pytest.fixture
def rows():
    """Data whose inputs are flat, with labels above 0."""
    made = data()
    shifted = {
        name: replace(getattr(made, name), y=np.exp(getattr(made, name).y / 10)) for name in ("train", "val", "test")
    }
    return replace(made, flatten=lambda x: x, **shifted)


def test_labels_are_learnt_as_they_are_and_with_a_transform_the_transformed_ones(rows):
    plain = fit_reference(DummyRegressor(), replace(rows, target=TargetScale(7.0, 3.0)))
    np.testing.assert_allclose(plain["test"]["best"], rows.train.y.mean())
    logs = fit_reference(DummyRegressor(), replace(rows, target=TargetScale(7.0, 3.0, Log(0.0))))
    np.testing.assert_allclose(logs["test"]["best"], np.exp(np.log(rows.train.y).mean()))
    assert len(logs["val"]["best"]) == len(rows.val)


def test_fewer_rows_than_neighbours_are_told_in_one_line(tmp_path):
    with pytest.raises(
        UserError, match=r"^method\.estimator: KNeighborsRegressor refuses 3 training rows of diabetes: .*take"
    ):
        run_small(tmp_path, "method=knn", "dataset.subset.train_size=3")


def test_realmlp_predicts_in_one_column_and_gives_the_same_twice(rows):
    pytest.importorskip("pytabkit", reason="the extra tabular is not installed")
    settings = {"random_state": 0, "device": "cpu", "n_threads": 1, "n_epochs": 2}
    first, again = (fit_reference(realmlp(**settings), rows)["test"]["best"] for _ in range(2))
    assert first.shape == (len(rows.test),)
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_less(rows.train.y.min() - 1, first)  # in label units


def test_realmlp_without_its_package_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pytabkit", None)
    with pytest.raises(UserError, match=r"^pytabkit is not installed: pip install 'supremix\[tabular\]'$"):
        run_small(tmp_path, "method=realmlp")


def test_a_probe_of_two_targets_is_that_of_each(rows):
    draws = np.random.default_rng(0)
    splits = {name: getattr(rows, name) for name in ("train", "val")}
    noise = {name: 30 * draws.normal(size=len(split)) for name, split in splits.items()}  # wants another strength
    alone = [splits, {name: replace(split, y=noise[name]) for name, split in splits.items()}]
    both = {name: replace(split, y=np.stack([split.y, noise[name]], axis=1)) for name, split in splits.items()}
    x_ND = all_rows(rows.test)
    expected = [ridge_probe(each["train"], each["val"]) for each in alone]
    ridge = ridge_probe(both["train"], both["val"])
    np.testing.assert_allclose(ridge.predict(x_ND).T, [each.predict(x_ND) for each in expected], rtol=1e-9)
    linear = linear_map(ridge)
    by_map = x_ND @ linear["weight"].numpy().T + linear["bias"].numpy()
    np.testing.assert_allclose(by_map, ridge.predict(x_ND), rtol=1e-9)


def test_neighbours_on_features_are_those_of_a_loop_and_share_them_over_targets(rows):
    train = replace(rows.train, y=np.stack([rows.train.y, np.arange(len(rows.train)) ** 1.5], axis=1))
    x_MD, x_ND = all_rows(rows.test), all_rows(train)
    expected = []
    for x_D in x_MD:
        distance_N = np.sqrt(((x_ND - x_D) ** 2).sum(axis=1))
        near = distance_N.argsort()[:5]
        expected.append(np.average(train.y[near], axis=0, weights=1 / distance_N[near]))
    np.testing.assert_allclose(neighbour_probe(train).predict(x_MD), expected, rtol=1e-6)
    np.testing.assert_allclose(neighbour_probe(rows.train).predict(x_MD), np.array(expected)[:, 0], rtol=1e-6)


def test_of_few_rows_all_are_neighbours_and_of_many_the_same_ones_are_searched(rows, monkeypatch):
    few = replace(rows.train, ids=rows.train.ids[:3], y=rows.train.y[:3])
    assert neighbour_probe(few).n_neighbors == 3
    monkeypatch.setattr(probe, "SEARCHED", 20)
    fitted = [neighbour_probe(rows.train) for _ in range(2)]
    assert {nearest.n_samples_fit_ for nearest in fitted} == {20}
    at = [np.flatnonzero((all_rows(rows.train) == x_D).all(axis=1))[0] for x_D in fitted[0]._fit_X]
    assert len(set(at)) == 20
    np.testing.assert_array_equal(fitted[0]._y.ravel(), rows.train.y[at])
    np.testing.assert_array_equal(fitted[0]._fit_X, fitted[1]._fit_X)
