"""References: what they learn, and what they refuse."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.dummy import DummyRegressor

from supremix.data.dataset import TargetScale
from supremix.data.transforms import Log
from supremix.errors import UserError
from supremix.training.probe import all_rows, linear_map, ridge_probe
from supremix.training.reference import fit_reference
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


def test_a_probe_of_two_targets_is_that_of_each(rows):
    draws = np.random.default_rng(0)
    splits = {name: getattr(rows, name) for name in ("train", "val")}
    noise = {name: 30 * draws.normal(size=len(split)) for name, split in splits.items()}  # wants another strength
    alone = [splits, {name: replace(split, y=noise[name]) for name, split in splits.items()}]
    both = {name: replace(split, y=np.stack([split.y, noise[name]], axis=1)) for name, split in splits.items()}
    x_ND = all_rows(rows.test)
    expected = [ridge_probe(each["train"], each["val"]) for each in alone]
    probe = ridge_probe(both["train"], both["val"])
    np.testing.assert_allclose(probe.predict(x_ND).T, [each.predict(x_ND) for each in expected], rtol=1e-9)
    linear = linear_map(probe)
    by_map = x_ND @ linear["weight"].numpy().T + linear["bias"].numpy()
    np.testing.assert_allclose(by_map, probe.predict(x_ND), rtol=1e-9)
