"""The commands that use a run: predict, embed, export."""

import numpy as np
import pandas as pd
import pytest

import supremix
from supremix.cli.main import main
from supremix.runtime.terminal import shown
from tests.inference.test_model import diabetes_rows
from tests.running import run_small


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a finished run in its store, and its test rows in rows.csv."""
    folder = tmp_path_factory.mktemp("use")
    directory, record = run_small(folder, "method=supremix")
    diabetes_rows(directory).rename(columns={"target": "label"}).to_csv(folder / "rows.csv", index=False)
    return folder, directory, record


@pytest.mark.parametrize(("head", "variant"), [("trained", "best"), ("ridge", "ridge")])
def test_predict_writes_a_column_beside_the_rows_and_shows_the_error(folder, tmp_path, capsys, head, variant):
    place, directory, record = folder
    out = tmp_path / "out.csv"
    command = ["predict", record["id"][:6], str(place / "rows.csv"), "-o", str(out), "--head", head]
    assert main([*command, "--store", str(directory.parent)]) == 0
    said = capsys.readouterr().out
    table, stored = pd.read_csv(out), np.load(directory / "predictions.npz")
    assert [*table.columns] == [*pd.read_csv(place / "rows.csv").columns, "predicted_label"]
    np.testing.assert_allclose(table["predicted_label"], stored[f"test_{variant}"], rtol=1e-6)
    assert said.splitlines()[0] == f"{out}: 88 rows, column predicted_label"
    assert "too low where these rows were trained on" in said
    assert f"88 rows with a label: mae {shown(record['metrics']['test'][variant]['mae'])}, " in said


def test_embed_writes_features_of_a_table_or_an_array(folder, tmp_path):
    place, directory, _ = folder
    np.save(tmp_path / "rows.npy", pd.read_csv(place / "rows.csv").iloc[:, :10].to_numpy())
    for rows in (place / "rows.csv", tmp_path / "rows.npy"):
        assert main(["embed", str(directory), str(rows), "-o", str(tmp_path / "z.npy")]) == 0
        expected = np.load(directory / "predictions.npz")["test_features"]
        np.testing.assert_allclose(np.load(tmp_path / "z.npy"), expected, rtol=1e-5)


def test_export_writes_a_model_and_its_graph_for_any_number_of_rows(folder, tmp_path, capsys):
    onnxruntime = pytest.importorskip("onnxruntime", reason="pip install 'supremix[export]'")
    place, directory, _ = folder
    out = tmp_path / "model"
    assert main(["export", str(directory), "-o", str(out), "--to", "onnx"]) == 0
    files = "README.md, config.json, data.json, data.npz, model.onnx, model.safetensors"
    assert f"{out}: {files}" in capsys.readouterr().out
    model, rows = supremix.load(out), pd.read_csv(place / "rows.csv")
    session = onnxruntime.InferenceSession(out / "model.onnx")
    prediction, features = session.run(["prediction", "features"], model.inputs(rows))
    np.testing.assert_allclose(prediction, model.predict(rows), rtol=1e-5)
    np.testing.assert_allclose(features, model.embed(rows), rtol=1e-4, atol=1e-5)
    assert main(["export", str(directory), "-o", str(out)]) == 1
    assert f"error: {out}: something is there already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["predict", "{run}", "nowhere.csv", "-o", "x.csv"], "nowhere.csv: no such file"),
        (["predict", "{run}", "{rows}", "-o", "nowhere/x.csv"], "nowhere/x.csv: cannot be written"),
        (["predict", "{run}", "{rows}", "-o", "{rows}"], "{rows}: the file with the rows, which would be replaced"),
        (["predict", "{run}", "there.csv", "-o", "x.csv"], "there.csv: it has a column predicted_label already"),
        (["export", "{run}", "-o", "."], ".: the current folder cannot be replaced: name a new folder"),
        (["predict", "zzz", "{rows}", "-o", "x.csv"], "zzz: in {store}: no such run; supremix ls lists all"),
        (["predict", "{run}", "empty.npy", "-o", "x.csv"], "empty.npy: not readable as an array"),
        (["embed", "{run}", "{text}", "-o", "x.npy"], "{text}: not readable as an array"),
    ],
)
def test_a_mistake_is_one_line(folder, tmp_path, monkeypatch, capsys, arguments, message):
    place, directory, _ = folder
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.npy").write_text("no array")
    (tmp_path / "empty.npy").touch()
    pd.read_csv(place / "rows.csv").assign(predicted_label=0).to_csv(tmp_path / "there.csv")
    names = {"run": directory, "rows": place / "rows.csv", "store": directory.parent, "text": "text.npy"}
    store = ["--store", str(directory.parent)]
    assert main([part.format(**names) for part in arguments] + store) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {message.format(**names)}")
