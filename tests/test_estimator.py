"""scikit-learn's view of a run: the driver's numbers, in pipelines, searches and pickles. All checks: tests/long."""

import io
import pickle
import subprocess
import sys
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
import torch
from hydra import compose, initialize_config_dir
from joblib import parallel_config
from sklearn.base import clone
from sklearn.datasets import load_linnerud
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_checks

from supremix import SupReMixRegressor
from supremix.experiment.run import run
from supremix.settings.compose import CONF, composed

QUICK = {"dataset.recipe.backbone.hidden": [8, 4]}


def rows(count=90):
    """A table with numbers, a category, missing values, and a split."""
    draws = np.random.default_rng(0)
    frame = pd.DataFrame(draws.normal(size=(count, 3)), columns=["a", "b", "c"])
    frame["kind"] = draws.choice(["x", "y", "z"], count)
    frame["price"] = (frame.a * 3 + frame.kind.map({"x": 0, "y": 5, "z": 1}) + 10).round(2)
    frame.loc[::7, "b"] = np.nan
    frame["split"] = ["train"] * (count - 30) + ["val"] * 15 + ["test"] * 15
    return frame


@pytest.mark.parametrize(
    ("method", "protocol", "head"),
    [("supremix", None, "trained"), ("supcr", "linear_probe", "ridge"), ("vanilla", None, "trained"),
     ("vanilla_probe", "linear_probe", "trained")],
)  # fmt: skip
def test_predictions_are_those_of_the_same_run_by_the_driver(tmp_path, method, protocol, head):
    frame = rows()
    frame.to_csv(tmp_path / "rows.csv", index=False)
    parts = {name: part.drop(columns=["split", "price"]) for name, part in frame.groupby("split")}
    labels = {name: part["price"] for name, part in frame.groupby("split")}
    estimator = SupReMixRegressor(method, protocol=protocol, head=head, epochs=3, settings=QUICK, random_state=5)
    estimator.fit(parts["train"], labels["train"], X_val=parts["val"], y_val=labels["val"])

    overrides = ["dataset=table", f"dataset.path={tmp_path / 'rows.csv'}", "dataset.label=price", f"method={method}"]
    overrides += ["seed=5", f"paths.runs={tmp_path / 'runs'}", "tracking=none", "trainer.progress=off"]
    overrides += [f"dataset.recipe.{stage}.epochs=3" for stage in ("pretrain", "adapt", "vanilla")]
    overrides += ["dataset.recipe.backbone.hidden=[8,4]", *([f"protocol={protocol}"] if protocol else [])]
    stored = np.load(run(composed(CONF, overrides)) / "predictions.npz")
    expected = stored["test_ridge" if head == "ridge" else "test_best"]
    difference = np.abs(estimator.predict(parts["test"]) - expected).max()
    assert difference <= 1e-5 * stored["test_y"].std()


@pytest.mark.whole
def test_it_works_in_pipelines_searches_and_cross_validation():
    draws = np.random.default_rng(1)
    x_NF = draws.normal(size=(60, 3))
    y_N = x_NF @ [1.0, 2.0, 3.0]
    estimator = SupReMixRegressor("vanilla", epochs=2, settings=QUICK)
    pipeline = make_pipeline(StandardScaler(), estimator)
    assert cross_val_score(pipeline, x_NF, y_N, cv=2).shape == (2,)
    grid = {"method": ["vanilla", "random"], "settings": [QUICK, {"dataset.recipe.backbone.hidden": [4]}]}
    search = GridSearchCV(estimator, grid, cv=2).fit(x_NF, y_N)
    assert search.predict(x_NF).shape == (60,)
    features = make_pipeline(clone(estimator), StandardScaler()).fit(x_NF, y_N)
    assert [*features.get_feature_names_out()] == [f"supremixregressor{i}" for i in range(4)]
    assert features.transform(x_NF).shape == (60, 4)


class Modules(pickle.Unpickler):
    """Notes the packages whose classes a pickle names."""

    found: ClassVar[set[str]] = set()

    def find_class(self, module, name):
        self.found.add("supremix" if module == "supremix.estimator" else module.partition(".")[0])
        assert not module.startswith(("supremix.models", "supremix.inference"))
        return super().find_class(module, name)


@pytest.mark.whole
def test_a_pickle_holds_no_code_and_predicts_the_same_elsewhere(tmp_path):
    frame = rows().drop(columns="split")
    inputs = frame.drop(columns="price")
    estimator = SupReMixRegressor("random", protocol="linear_probe", epochs=1).fit(inputs, frame.price)
    content = pickle.dumps(estimator)
    Modules(io.BytesIO(content)).load()
    assert Modules.found <= {"supremix", "numpy"}
    (tmp_path / "model.pickle").write_bytes(content)
    frame.to_csv(tmp_path / "rows.csv", index=False)
    code = "import pandas, pickle; m = pickle.load(open('model.pickle', 'rb')); "
    code += "print(*m.predict(pandas.read_csv('rows.csv').drop(columns='price')))"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    np.testing.assert_allclose(np.array(done.stdout.split(), float), estimator.predict(inputs), rtol=1e-12)


@pytest.mark.parametrize("method", ["vanilla", "supremix"])
def test_several_targets_are_predicted_by_one_network(method):
    x_NF, y_NT = load_linnerud(return_X_y=True)
    estimator = SupReMixRegressor(method, epochs=2, settings=QUICK).fit(pd.DataFrame(x_NF), pd.DataFrame(y_NT))
    predicted_NT = estimator.predict(pd.DataFrame(x_NF))
    assert (np.abs(predicted_NT.mean(0) - y_NT.mean(0)) < y_NT.std(0)).all()  # each in its own units
    assert estimator.score(pd.DataFrame(x_NF), y_NT) == r2_score(y_NT, predicted_NT, multioutput="uniform_average")
    again = pickle.loads(pickle.dumps(estimator))
    np.testing.assert_array_equal(again.predict(pd.DataFrame(x_NF)), predicted_NT)
    with pytest.raises(ValueError, match=r"inconsistent numbers of samples: \[20, 19\]"):
        estimator.fit(x_NF, y_NT[1:])


@pytest.mark.whole
def test_a_fit_leaves_the_process_as_it_was_and_threads_have_the_scores_of_one(tmp_path):
    x_NF = np.random.default_rng(1).normal(size=(60, 3))
    y_N = x_NF @ [1.0, 2.0, 3.0]
    estimator = SupReMixRegressor("vanilla", epochs=2, settings=QUICK)
    alone = cross_val_score(estimator, x_NF, y_N, cv=4)
    with parallel_config(backend="threading"):
        np.testing.assert_array_equal(cross_val_score(estimator, x_NF, y_N, cv=4, n_jobs=4), alone)

    (tmp_path / "own.yaml").write_text("key: 3\n")
    torch.set_deterministic_debug_mode("warn")
    try:
        with initialize_config_dir(version_base="1.3", config_dir=str(tmp_path)):
            torch.manual_seed(4)
            estimator.fit(x_NF, y_N)
            drawn = torch.rand(2)
            assert compose("own").key == 3
        assert torch.get_deterministic_debug_mode() == 1
    finally:
        torch.set_deterministic_debug_mode("default")
    assert torch.equal(drawn, torch.rand(2, generator=torch.Generator().manual_seed(4)))


def test_a_store_of_ones_own_tells_data_apart(tmp_path):
    x_NF = np.random.default_rng(1).normal(size=(60, 3))
    estimator = SupReMixRegressor("vanilla", epochs=2, settings=QUICK | {"paths.runs": str(tmp_path)})
    first = clone(estimator).fit(x_NF, x_NF[:, 0])
    second = clone(estimator).fit(x_NF, 100 * x_NF[:, 0] + 1000)
    assert second.predict(x_NF).min() > first.predict(x_NF).max() + 100
    assert clone(estimator).fit(x_NF, x_NF[:, 0]).record_["id"] == first.record_["id"]
    assert len([*tmp_path.glob("*/DONE")]) == 2


def test_rows_of_an_array_and_of_a_table_count_by_their_columns_place():
    x_NF = np.random.default_rng(1).normal(size=(60, 3))
    frame = pd.DataFrame(x_NF, columns=["a", "b", "c"])
    sizes = {"dataset.recipe.backbone.hidden": np.array([8, 4]), "protocol.batch_size": np.int64(16)}
    for trained, other in ((frame, x_NF), (x_NF, frame)):
        estimator = SupReMixRegressor("vanilla", epochs=1, settings=sizes).fit(trained, x_NF[:, 0])
        with pytest.warns(UserWarning, match="feature names"):
            np.testing.assert_array_equal(estimator.predict(other), estimator.predict(trained))
    frame.loc[3, "b"] = np.inf
    for rows_of in (frame, frame.to_numpy()):
        with pytest.raises(ValueError, match="contains infinity"):
            estimator.fit(rows_of, x_NF[:, 0])
    with pytest.raises(ValueError, match=r"^y_val without X_val"):
        estimator.fit(x_NF, x_NF[:, 0], None, x_NF[:, 0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": "nothing"}, "Could not find 'method/nothing'"),
        ({"method": "ridge"}, "^method=ridge: a reference, which scikit-learn has itself"),
        ({"head": "ridge"}, "^head=ridge: this run has no ridge probe"),
        ({"head": "x"}, "^head=x: use one of trained, ridge"),
        ({"validation_fraction": 1.0}, "^validation_fraction=1.0: give a number above 0"),
        ({"settings": {"method.temprature": 1}}, "temprature"),
        ({"settings": {"method.temperature": -1}}, "^method.loss: "),
    ],
)
def test_a_mistake_is_a_value_error_of_one_line(arguments, message):
    x_NF = np.random.default_rng(0).normal(size=(30, 2))
    with pytest.raises(ValueError, match=message) as error:
        SupReMixRegressor(**{"epochs": 1, "settings": QUICK} | arguments).fit(x_NF, x_NF[:, 0])
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    "check",
    [
        "check_no_attributes_set_in_init",
        "check_estimators_fit_returns_self",
        "check_methods_subset_invariance",
        "check_dict_unchanged",
        "check_n_features_in_after_fitting",
        "check_fit2d_1sample",
        "check_regressor_multioutput",
        "check_supervised_y_2d",
    ],
)
def test_scikit_learns_checks(check):  # a few; all of them, for every method: tests/long/estimator.py
    getattr(estimator_checks, check)("SupReMixRegressor", SupReMixRegressor("vanilla", epochs=1, settings=QUICK))
