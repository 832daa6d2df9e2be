"""Splits that stress a regression: what each has of each label, against its definition, and runs on them."""

import csv

import numpy as np
import pytest
from hydra.utils import instantiate

from supremix.errors import UserError
from supremix.experiment.run import run
from supremix.prepare import agedb_dir
from supremix.prepare.twins import command as twin
from supremix.settings.compose import CONF, composed
from supremix.store.records import read_record

PROTOCOLS = ("extrapolation", "interpolation", "blind_spot")
QUIET = ["tracking=none", "trainer.progress=off", "trainer.accelerator=cpu"]
PEAKS = {"extrapolation": (50,), "interpolation": (25, 80)}
AGES = np.clip(np.random.default_rng(0).normal(47, 17, 16488).round(), 1, 101)


def stress(name, **changes):
    return instantiate(composed(CONF, ["dataset=agedb_dir", f"dataset.stress={name}"]).dataset.load.stress, **changes)


def by_age(age_N, rows):
    return dict(zip(*np.unique(age_N[rows], return_counts=True), strict=True))


def expected_share(name, age, rows, of):
    """Part of an age's rows that are drawn at least once, of rows by age."""
    if name == "blind_spot":
        draws = rows
    else:
        weight = {a: sum(np.exp(-0.01 * (a - peak) ** 2) for peak in PEAKS[name]) for a in of}
        draws = min(rows, int(4 * sum(of.values()) * weight[age] / sum(weight.values())))
    return 1 - (1 - 1 / rows) ** draws


@pytest.mark.parametrize("name", PROTOCOLS)
def test_each_age_is_drawn_and_held_out_as_defined(name):
    split = stress(name).split("ages", AGES)
    train, val, test = (split[part] for part in ("train", "val", "test"))
    every = np.concatenate([train, val, test])
    assert len(set(every.tolist())) == len(every)
    assert all((np.diff(rows) > 0).all() for rows in split.values())
    of = by_age(AGES, (AGES >= 20) & (AGES <= 73)) if name == "blind_spot" else by_age(AGES, AGES > 0)
    tested, drawn = by_age(AGES, test), by_age(AGES, np.concatenate([train, val]))
    low, high = min(tested), max(tested)
    inside = [age for age in of if name == "extrapolation" or low <= age <= high]
    kept = [age for age in inside if name != "blind_spot" or not 47 <= age <= 53]
    assert set(drawn) <= set(kept)
    for age in kept:
        mean = expected_share(name, age, of[age], of) * of[age]
        assert abs(drawn.get(age, 0) - mean) <= 5 * np.sqrt(mean) + 1e-9, age
    assert set(tested.values()) == {50} if name != "blind_spot" else max(tested.values()) == 50
    for age, rows in of.items():
        if (rows - rows * expected_share(name, age, rows, of)) > 75:
            assert tested[age] == 50, "this many are held out"
    assert len(val) == pytest.approx(0.1 * (len(train) + len(val)), abs=30)


def test_the_draw_depends_on_its_seed_alone():
    usual, again, other = (stress("interpolation", seed=seed).split("ages", AGES) for seed in (0, 0, 1))
    for part in usual:
        np.testing.assert_array_equal(usual[part], again[part])
        assert usual[part].tolist() != other[part].tolist()


def test_without_enough_rows_to_test_on_it_is_one_line():
    with pytest.raises(UserError, match=r"^ages: no label has 50 rows beside its training rows to test on: give a s"):
        stress("extrapolation").split("ages", AGES[:200])


def test_on_the_true_ages_the_test_covers_what_the_authors_say(real_data):
    with real_data("agedb_dir/agedb.csv").open(encoding="utf-8") as file:
        age_N = np.array([float(row["age"]) for row in csv.DictReader(file)])
    for name, (low, high) in {"extrapolation": (16, 85), "interpolation": (20, 75), "blind_spot": (20, 73)}.items():
        tested = age_N[stress(name).split("agedb_dir", age_N)["test"]]
        assert (tested.min(), tested.max()) == (low, high)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    root = tmp_path_factory.mktemp("twin")
    assert twin.main(["agedb_dir", "--size", "small", "--out", str(root / "data"), "--workers", "1"]) == 0
    where = ["--data", str(root / "data"), "--out", str(root / "prepared"), "--workers", "1"]
    assert agedb_dir.main(["--name", "agedb_dir_small", *where]) == 0
    return root / "prepared"


@pytest.mark.parametrize("name", PROTOCOLS)
def test_a_run_on_a_twin_takes_the_split_and_records_the_blind_spot(prepared, tmp_path, name):
    where = [f"paths.prepared={prepared}", f"paths.runs={tmp_path}", "dataset=agedb_dir_small", "method=constant"]
    directories = [run(composed(CONF, [*QUIET, *where, *more])) for more in ([], [f"dataset.stress={name}"])]
    plain, record = (read_record(directory) for directory in directories)
    assert directories[0].name != directories[1].name, "another run's id"
    assert plain["data"]["sizes"] != record["data"]["sizes"]
    arrays = np.load(directories[1] / "predictions.npz")
    assert set(np.unique(arrays["test_y"], return_counts=True)[1]) == {1}  # the twin's own number
    blind_N = (arrays["test_y"] >= 47) & (arrays["test_y"] <= 53)
    metrics = record["metrics"]["test"]["best"]
    assert ("mae_missing" in metrics) == (name == "blind_spot")
    if name == "blind_spot":
        error_N = np.abs(arrays["test_y"] - arrays["test_best"])
        assert blind_N.sum() > 0
        assert metrics["mae_missing"] == pytest.approx(error_N[blind_N].mean())
        assert not arrays["val_group_missing"].any()


def test_another_name_is_refused_before_anything_is_loaded(tmp_path):
    with pytest.raises(UserError, match=r"^dataset.stress=gap: use one of extrapolation, interpolation, blind_spot, o"):
        run(composed(CONF, ["dataset=agedb_dir", "dataset.stress=gap", f"paths.runs={tmp_path}", "tracking=none"]))
