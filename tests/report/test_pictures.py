"""Maps of features, errors by shot and by label, parallel coordinates: what is drawn, said, and left out."""

import json
import re

import numpy as np
import pytest

from supremix.report import by_label, detail, maps, parallel, runs, svg
from supremix.report.gather import Run, gather
from supremix.report.groups import groups
from supremix.store.folders import Store
from supremix.suite.swept import Swept
from tests.records import METRIC, stored, whole
from tests.report.test_report import part

ROWS = 24


def network(root, name, mae, *, method="m", seed=0, t=1.0, w=1, label="age", **arrays):
    """A finished run with predictions and features of as many test rows."""
    record = whole(name) | {"method": method, "pretrain": None, "seed": seed, "config": {"t": t, "w": w, "seed": seed}}
    record["metrics"]["val"]["best"] = METRIC | {"mae": mae}
    record["metrics"]["test"]["best"] = METRIC | {"mae": 3.0, "mae_many": 1.0, "mae_few": 5.0 + seed}
    record["data"] |= {"groups": {"test": {"many": 20, "medium": 0, "few": 4}}, "label": label}
    folder = stored(root, name, record)
    (folder / "history.csv").write_text("epoch,loss,val\n1,3.0,2.0\n2,2.0,1.0\n")
    y_N = np.arange(ROWS, dtype=float)
    features_ND = np.random.default_rng(0).normal(size=(ROWS, 3))
    ids = np.array([f"r<{i}>" for i in range(ROWS)])
    given = {"test_id": ids, "test_y": y_N, "test_best": y_N + 2, "test_features": features_ND} | arrays
    np.savez(folder / "predictions.npz", **given)
    return folder


def page(root, tmp_path):
    runs.report(root, Store(root), tmp_path / "report.html")
    return (tmp_path / "report.html").read_text()


def of(root):
    return groups(gather(root, Store(root)).runs)


def test_what_is_compared_is_the_best_setting_of_a_name_with_all_its_seeds(tmp_path):
    for name, mae, seed, t in (("a", 1.0, 0, 1), ("b", 9.0, 1, 1), ("c", 3.0, 0, 2), ("d", 4.0, 1, 2)):
        network(tmp_path, name, mae, seed=seed, t=t)
    network(tmp_path, "other", 2.0, method="n")
    found = of(tmp_path)["d, age"]
    assert [(group.name, [run.record["id"] for run in group.runs]) for group in found] == [
        ("n, p", ["other"]),
        ("m, p", ["c", "d"]),
    ]


def test_one_run_with_a_lucky_seed_is_not_the_best_setting(tmp_path):
    network(tmp_path, "lucky", 0.1, seed=0, t=2.0)
    for seed, mae in enumerate((1.0, 1.5, 2.0)):
        network(tmp_path, f"run{seed}", mae, seed=seed)
    (found,) = of(tmp_path)["d, age"]
    assert [run.record["id"] for run in found.runs] == ["run0", "run1", "run2"]


def test_runs_that_predict_other_labels_are_not_compared(tmp_path):
    for name, label in (("one", "age"), ("two", "height")):
        network(tmp_path / "runs", name, 1.0, label=label, t=name)
    assert list(of(tmp_path / "runs")) == ["d, age", "d, height"]
    assert "Swept settings" not in page(tmp_path / "runs", tmp_path)


def test_a_long_name_is_cut_in_the_middle():
    assert svg.short("a" * 9 + "b" * 9, 7) == "aaa…bbb"
    assert svg.short("a" * 7, 7) == "a" * 7


def test_a_map_has_each_row_with_its_id_label_and_prediction(tmp_path):
    network(tmp_path / "runs", "one", 1.0)
    text = part(page(tmp_path / "runs", tmp_path), "Maps of the features")
    says = re.findall(r'data-row="([^"]*)" data-says="([^"]*)"', text)
    assert says == [(f"r&lt;{i}&gt;", f"row r&lt;{i}&gt;: age {i}, predicted {i + 2}") for i in range(ROWS)]
    shades = [int(shade) for shade in re.findall(r'class="c(\d)" cx="\d+" cy="\d+" data-row', text)]
    assert shades == sorted(shades)
    assert set(shades) == set(range(maps.SHADES))
    assert all(0 <= int(place) <= maps.SIZE for place in re.findall(r'c[xy]="(\d+)"', text))


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"test_features": np.zeros((ROWS, 3))}, "all features are the same"),
        ({"test_features": np.full((ROWS, 3), np.nan)}, "not predictions with test features"),
        ({"test_id": np.arange(3)}, "not the predictions of a run"),
    ],
)
def test_a_map_that_cannot_be_made_is_said_and_others_stand(tmp_path, arrays, said):
    network(tmp_path / "runs", "one", 1.0, **arrays)
    network(tmp_path / "runs", "two", 2.0, method="n")
    text = part(page(tmp_path / "runs", tmp_path), "Maps of the features")
    assert "No map of m, p: " in text
    assert said in text
    assert text.count('class="picks map"') == 1


def test_without_a_store_the_page_says_how_to_get_maps_and_errors_by_label(tmp_path):
    network(tmp_path, "one", 1.0)
    record = json.loads((tmp_path / "one" / "record.json").read_text())
    found = groups([Run(record, None, ["seed=0"], "Row")])
    (line,) = maps.maps(found)
    assert "No map of Row (d, age): the features are not at hand. Name the store of the runs with --store" in line
    assert "name the store" in by_label.errors(found, Store(tmp_path))[-1]


def test_of_many_rows_and_methods_some_are_drawn_and_it_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(maps, "ROWS_AT_MOST", 10)
    monkeypatch.setattr(maps, "OF_A_TASK", 1)
    for i, method in enumerate("mno"):
        network(tmp_path / "runs", f"run{i}", float(i), method=method)
    text = part(page(tmp_path / "runs", tmp_path), "Maps of the features")
    assert text.count("data-row") == 10
    assert "m, p, 10 of 24 test rows" in text
    assert "Not drawn are those with a higher validation MAE: n, p; o, p." in text


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda folder: (folder / "predictions.npz").write_bytes(b"PK"), "No pictures: "),
        (lambda folder: (folder / "history.csv").write_text("epoch,loss"), "MAE, test"),
        (
            lambda folder: np.savez(folder / "predictions.npz", test_y=np.zeros(3), test_best=np.zeros(2)),
            "labels of (3,)",
        ),
        (lambda folder: np.savez(folder / "predictions.npz", test_y=np.ones(1), test_best=[np.nan]), "some not finite"),
    ],
)
def test_a_run_with_a_damaged_file_stands_with_the_reason(tmp_path, change, said):
    change(network(tmp_path / "runs", "one", 1.0))
    network(tmp_path / "runs", "two", 2.0)
    text = page(tmp_path / "runs", tmp_path)
    assert said in text
    assert all(text.count(f'id="run-{name}"') == 1 for name in ("one", "two"))


def test_errors_by_shot_are_means_over_seeds_of_shots_that_have_rows(tmp_path):
    for seed in (0, 1):
        network(tmp_path / "runs", f"run{seed}", 1.0 + seed, seed=seed)
    whole_page = page(tmp_path / "runs", tmp_path)
    text = part(whole_page, "Error by shot and by label")
    assert "<tr><td>test</td><td>1.0000 (20 rows)</td><td>6.0000 (4 rows)</td></tr>" in part(whole_page, "Each run")
    assert "test, many (20 rows)" in text
    assert "test, medium" not in text
    assert "<tr><td>m, p</td><td>2</td><td>1.5000</td><td>3.0000</td><td>1.0000</td><td>5.5000</td></tr>" in text


def test_errors_by_label_are_those_of_the_stored_predictions(tmp_path):
    network(tmp_path / "runs", "one", 1.0, test_best=np.where(np.arange(ROWS) < 12, 0.0, 2.0) + np.arange(ROWS))
    text = part(page(tmp_path / "runs", tmp_path), "Error by shot and by label")
    says = re.findall(r'data-says="m, p: label (\S+) to (\S+), MAE (\S+) over (\d+) rows"', text)
    assert [float(mae) for _, _, mae, _ in says] == [0.0] * 5 + [2.0] * 5
    assert sum(int(rows) for *_, rows in says) == ROWS


def swept(values):
    """A sweep of two settings, each point with a validation MAE."""
    record = {"selection": None, "metrics": {}}
    return Swept(["t", "w"], [(at, record) for at in values]), {at: (mae, 1) for at, mae in values.items()}


def test_parallel_coordinates_have_an_axis_a_setting_and_the_better_lies_higher():
    picture = parallel.picture(*swept({("1", "3"): 5.0, ("1", "4"): 4.0, ("2", "3"): 6.0}))
    says = re.findall(r'data-says="([^"]*)"', picture)
    assert says == [f"t={t}, w={w}: validation MAE {mae}" for t, w, mae in ((2, 3, 6), (1, 3, 5), (1, 4, 4))]
    lines = [
        [xy.split(",") for xy in line.split()] for line in re.findall(r'class="third\d" points="([^"]*)"', picture)
    ]
    assert [len(line) for line in lines] == [3, 3, 3]
    ends = [float(line[-1][1]) for line in lines]
    assert ends == sorted(ends, reverse=True)
    assert re.findall(r'class="(third\d)"', picture) == ["third2", "third1", "third0"]


def test_of_many_combinations_the_best_are_drawn_and_all_the_same_too():
    assert "nan" not in parallel.picture(*swept({("1", "3"): 5.0, ("2", "3"): 5.0}))
    many = {(str(i), str(i % 2)): float(i) for i in range(parallel.LINES_AT_MOST + 5)}
    picture = parallel.picture(*swept(many))
    assert picture.count("data-says") == parallel.LINES_AT_MOST
    assert "t=64" not in picture
    assert f"The best {parallel.LINES_AT_MOST} of {len(many)} are shown." in picture


def test_a_page_of_500_long_runs_stays_below_8_megabytes(tmp_path, monkeypatch):
    monkeypatch.setattr(maps, "on_a_plane", lambda features_ND: features_ND[:, :2])
    monkeypatch.setattr(detail, "AT_MOST", 500)  # so that bytes alone end it
    monkeypatch.setattr(Run, "overrides", lambda run: [f"setting{i}={i}" for i in range(50)])
    y_N = np.random.default_rng(0).normal(size=450)
    features_ND = np.random.default_rng(1).normal(size=(450, 3))
    ids = np.array([f"folder/of/pictures/{i}.jpg" for i in range(450)])
    arrays = {"test_id": ids, "test_y": y_N, "test_best": y_N[::-1], "test_features": features_ND}
    history = "epoch,loss,val\n" + "".join(f"{i + 1},{y},{y}\n" for i, y in enumerate(y_N))
    for i in range(500):
        folder = network(tmp_path / "runs", f"run{i}", 1.0 + i, method=f"m{i % 50}", t=i // 50, w=i, **arrays)
        (folder / "history.csv").write_text(history)
    text = page(tmp_path / "runs", tmp_path)
    assert 2_000_000 < len(text.encode()) < 8_000_000
    assert text.count('class="picks map"') == maps.OF_A_TASK
    assert len(re.findall(r"<td>\d+</td>", text)) >= 500  # seeds
    assert re.search(r"\d\d\d of 500 runs are shown in detail", text)
