"""A finished run is a model: the same predictions without its dataset, saved and loaded as a folder of its own."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_diabetes

import supremix
from supremix.data.own import features
from supremix.errors import UserError
from supremix.runtime.terminal import shown
from tests.cli.bad import arrays
from tests.running import run_small

ONE_EPOCH = [f"dataset.recipe.{stage}.epochs=1" for stage in ("pretrain", "adapt", "vanilla")]


def diabetes_rows(directory):
    """The test rows of a run on the diabetes data, as a DataFrame in the run's order."""
    ids = np.load(directory / "predictions.npz")["test_id"]
    frame = load_diabetes(scaled=False, as_frame=True).frame
    return frame.iloc[[int(name.split("-")[1]) - 1 for name in ids]]


def check(model, rows, directory, head="trained"):
    """The predictions of test rows are those that the run stored."""
    stored = np.load(directory / "predictions.npz")
    variant = {"trained": "best", "ridge": "ridge"}[head]
    difference = np.abs(model.predict(rows, head=head) - stored[f"test_{variant}"]).max()
    assert difference <= 1e-5 * stored["test_y"].std()


@pytest.mark.parametrize(
    "overrides",
    [
        ["method=supremix"],
        ["method=vanilla", "dataset.scaling=raw"],
        ["method=supremix", "protocol=finetune", "trainer.precision=bf16-mixed"],
        ["method=random", "trainer.precision=bf16-mixed"],
        ["method=vanilla", "imbalance=fds"],
        ["method=random", "backbone=identity", "imbalance=lds_fds"],
    ],
)
def test_predictions_on_a_table_are_the_stored_ones(tmp_path, overrides):
    directory, record = run_small(tmp_path, *overrides)
    rows = diabetes_rows(directory)
    model = supremix.load(directory)
    check(model, rows, directory)
    check(model, rows.iloc[:, :10].to_numpy(), directory)
    np.testing.assert_allclose(model.embed(rows), np.load(directory / "predictions.npz")["test_features"], atol=1e-5)
    if "ridge" in record["metrics"]["test"]:
        check(model, rows, directory, head="ridge")
    else:
        with pytest.raises(UserError, match=r"^head=ridge: this run has no ridge probe: runs of protocol=linear_probe"):
            model.predict(rows, head="ridge")


def images(folder):
    x = np.random.default_rng(0).integers(0, 256, (arrays.N, 8, 8, 3), dtype=np.uint8)
    arrays.faces(folder, x)
    return [*arrays.FACES, "dataset.recipe.backbone.width=1"], x


def volumes(folder):
    return list(arrays.BRAINS), np.load(arrays.brains(folder) / "volumes-0.npy")


def series(folder):
    frames = [20, 17, 23, *[20] * 9]
    x = np.load(arrays.parcels(folder, frames=frames) / "frames-0.npy")
    scaled = [(part - part.mean(0)) / part.std(0) for part in np.split(x.astype(float), np.cumsum(frames)[:-1])]
    np.save(folder / "prepared/hcp_aging_demo/frames-0.npy", np.concatenate(scaled).astype(np.float32))
    return list(arrays.PARCELS), [part * 3 + 1 for part in scaled]


def sentences(folder):
    prepared = arrays.pairs(folder, vectors=np.random.default_rng(0).normal(size=(25, 3)).astype("<f4"))
    (prepared / "vocabulary.txt").write_text("\n".join(["<pad>", *(f"word{i}" for i in range(1, 25))]) + "\n")
    texts = [(f"word{2 * i + 1}", f"Word{2 * i + 2}") for i in range(arrays.N)]  # capitals: as lower case
    return [*arrays.PAIRS, "dataset.recipe.backbone.hidden=4"], pd.DataFrame(texts, columns=["sentence1", "sentence2"])


@pytest.mark.parametrize("make", [images, volumes, series, sentences])
def test_predictions_on_arrays_and_texts_are_the_stored_ones(tmp_path, make):
    overrides, rows = make(tmp_path)
    overrides = [*overrides, *ONE_EPOCH, f"paths.prepared={tmp_path / 'prepared'}", "trainer.threads=1"]
    directory, _ = run_small(tmp_path, *overrides)
    shutil.rmtree(tmp_path / "prepared")
    supremix.load(directory).save(tmp_path / "saved")
    model = supremix.load(tmp_path / "saved")
    check(model, rows[10:], directory)
    check(model, rows[10:], directory, head="ridge")
    if make is not sentences:
        check(model, list(rows[10:]), directory)
    else:
        check(model, [*rows[10:].itertuples(index=False, name=None)], directory)


def test_cells_that_are_not_of_their_columns_kind_are_told_and_read_once(tmp_path, caplog, monkeypatch):
    rows = "\n".join(f"{i % 7},{'ab'[i % 2]},{i % 5}" for i in range(60))
    (tmp_path / "mine.csv").write_text(f"size,kind,y\n{rows}\n")
    given = ["dataset=table", f"dataset.path={tmp_path / 'mine.csv'}", "dataset.label=y", "method=vanilla", *ONE_EPOCH]
    model = supremix.load(run_small(tmp_path, *given)[0])
    texts, parse = [], features.numbers_of

    def counted(cells, form):
        texts.extend(cell for cell in cells if isinstance(cell, str))
        return parse(cells, form)

    monkeypatch.setattr(features, "numbers_of", counted)
    model.predict(pd.DataFrame({"size": ["3", "lots"], "kind": ["a", "b"]}))
    assert texts == ["3", "lots"]
    warned = [record.getMessage() for record in caplog.records if record.name == "supremix.inference.model"]
    assert warned == ["column 'size': 1 of 2 cells, such as 'lots': no number, and counts as missing"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The directory of a finished run."""
    return run_small(tmp_path_factory.mktemp("run"), "method=supremix")[0]


def test_a_saved_model_holds_no_code_and_is_the_same_model(finished, tmp_path):
    rows, model = diabetes_rows(finished), supremix.load(finished)
    folder = model.save(tmp_path / "model")
    assert sorted(path.name for path in folder.iterdir()) == [
        "README.md", "config.json", "data.json", "data.npz", "model.safetensors",
    ]  # fmt: skip
    again = supremix.load(folder)
    for head in ("trained", "ridge"):
        np.testing.assert_array_equal(again.predict(rows, head=head), model.predict(rows, head=head))
    card = (folder / "README.md").read_text()
    mae = json.loads((finished / "record.json").read_text())["metrics"]["test"]["best"]["mae"]
    assert f"| test | trained | {shown(mae)} |" in card
    assert repr(model) == "Model(supremix of diabetes, seed 0: label; heads trained, ridge)"
    assert "license: other" in card
    with pytest.raises(UserError, match=f"^{folder}: something is there already"):
        model.save(folder)
    again.save(tmp_path / "copy")
    assert (tmp_path / "copy/config.json").read_bytes() == (folder / "config.json").read_bytes()


def test_a_process_of_its_own_needs_neither_dataset_nor_hydra_config(finished, tmp_path):
    diabetes_rows(finished).to_csv(tmp_path / "rows.csv", index=False)
    code = "import sys, supremix, pandas as pd; print(*supremix.load(sys.argv[1]).predict(pd.read_csv('rows.csv')))"
    command = [sys.executable, "-c", code, str(finished)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True, env=os.environ)
    stored = np.load(finished / "predictions.npz")
    assert np.abs(np.array(done.stdout.split(), float) - stored["test_best"]).max() <= 1e-5 * stored["test_y"].std()


def edited(folder, change):
    about = json.loads((folder / "config.json").read_text())
    change(about)
    (folder / "config.json").write_text(json.dumps(about))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "data.json").unlink(), r"it does not hold how rows are read \(data.json\)"),
        (lambda f: os.truncate(f / "model.safetensors", 100), "not its weights"),
        (lambda f: edited(f, lambda about: about.update(format=99)), "format 99, this version reads 1"),
        (lambda f: (f / "config.json").write_text("{}"), "not a model's config"),
        (
            lambda f: edited(f, lambda about: about["backbone"]["build"].update(_target_="os.system")),
            "it names code outside supremix, os.system",
        ),
    ],
)
def test_a_damaged_model_is_told(finished, tmp_path, damage, message):
    folder = supremix.load(finished).save(tmp_path / "model")
    damage(folder)
    with pytest.raises(UserError, match=message):
        supremix.load(folder)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (lambda x: x.drop(columns="bmi"), "the rows have no column 'bmi'"),
        (lambda x: x.assign(bmi="fat"), "the rows are not numbers alone"),
        (lambda x: x.assign(bmi=float("nan")), "row 1, column 'bmi' is nan: give a number"),
        (lambda x: x.iloc[:0], "there are no rows to predict"),
        (lambda x: x.to_numpy(), r"rows of shape \(88, 11\): give \(rows, 10\)"),
        (lambda x: pd.concat([x] * 3).assign(bmi=[*[1.0] * 260, "fat", *[1.0] * 3]), "^of rows 257 to 264: "),
    ],
)
def test_rows_that_do_not_fit_are_told(finished, rows, message):
    with pytest.raises(UserError, match=message):
        supremix.load(finished).predict(rows(diabetes_rows(finished)))


def test_what_is_no_model_is_told(tmp_path):
    with pytest.raises(UserError, match="no finished run and no saved model"):
        supremix.load(tmp_path)
    directory, _ = run_small(tmp_path, "method=ridge")
    with pytest.raises(UserError, match="method=ridge is a reference regressor, which is not stored"):
        supremix.load(directory)
    directory, _ = run_small(tmp_path, "method=random")
    (directory / "data.json").unlink()  # as in a run of an older version
    with pytest.raises(UserError, match="run it again with rerun=true"):
        supremix.load(directory)
