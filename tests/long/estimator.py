"""scikit-learn's own checks of the estimator, with every method that it takes."""

import logging

import pytest
from sklearn.utils.estimator_checks import check_estimator

from supremix import SupReMixRegressor

METHODS = {"supremix": 2, "supcon": 40, "supcr": 2, "vanilla": 40, "vanilla_probe": 2, "random": 40}
"""Method → epochs in which it learns what `check_regressors_train` asks for."""
SKIPPED = {"check_array_api_input"}  # SCIPY_ARRAY_API is not set; inputs become DataFrames


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("method", METHODS)
def test_every_check_passes(method, caplog):
    caplog.set_level(logging.ERROR, "supremix")
    results = check_estimator(SupReMixRegressor(method, epochs=METHODS[method]), on_fail=None, on_skip=None)
    assert {each["check_name"]: each["exception"] for each in results if each["status"] == "failed"} == {}
    assert {each["check_name"] for each in results if each["status"] == "skipped"} <= SKIPPED
