"""Label transforms: inverse to each other, refused where they do not fit, stored as plain values."""

import json

import numpy as np
import pytest

from supremix.data.dataset import TargetScale
from supremix.data.transforms import fit_transform, restored_transform
from supremix.errors import UserError

PRICES = np.array([12789.0, 105000, 105000, 160000, 213500, 755000])


@pytest.mark.parametrize("name", ["log", "quantile"])
def test_a_transform_is_undone_and_increasing(name):
    transform = fit_transform("prices", name, PRICES)
    encoded = transform.encode(PRICES)
    np.testing.assert_allclose(transform.decode(encoded), PRICES, rtol=1e-12)
    assert (np.diff(encoded)[np.diff(PRICES) > 0] > 0).all()
    again = restored_transform(json.loads(json.dumps(transform.state())))
    np.testing.assert_array_equal(again.encode(PRICES), encoded)
    scale = TargetScale(2.0, 3.0, transform)
    np.testing.assert_allclose(scale.decode(scale.encode(PRICES)), PRICES, rtol=1e-12)


def test_log_takes_counts_and_refuses_what_is_below_zero():
    transform = fit_transform("counts", "log", np.array([0.0, 3.0]))
    np.testing.assert_allclose(transform.encode(np.array([0.0, 3.0])), [0, np.log(4)])
    shares = np.array([1e-4, 1e-2])  # above 0: their logarithm as it is
    np.testing.assert_allclose(fit_transform("shares", "log", shares).encode(shares), np.log(shares))
    with pytest.raises(UserError, match="label -1 is below 0 and has no logarithm: use target_transform=quantile"):
        fit_transform("counts", "log", np.array([-1.0, 3.0]))
    with pytest.raises(UserError, match="target_transform=sqrt: use one of none, log, quantile"):
        fit_transform("counts", "sqrt", np.array([1.0, 3.0]))
    assert fit_transform("counts", "none", PRICES) is None


def test_a_quantile_map_gives_normal_scores_and_keeps_to_the_training_labels():
    labels = np.random.default_rng(0).lognormal(size=5000)
    transform = fit_transform("skewed", "quantile", labels)
    encoded = transform.encode(labels)
    assert abs(encoded.mean()) < 0.01
    assert abs(encoded.std() - 1) < 0.01
    assert len(transform.labels) <= 1001
    np.testing.assert_allclose(transform.decode(np.array([-9.0, 9.0])), [labels.min(), labels.max()])
