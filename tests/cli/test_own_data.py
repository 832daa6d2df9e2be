"""Runs on a file of one's own."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from supremix.cli.main import main
from supremix.cli.options import rows_of
from supremix.data.own.sheet import read_sheet
from supremix.errors import UserError
from supremix.inference.load import load
from supremix.runtime.terminal import shown
from supremix.settings import identity
from supremix.settings.compose import CONF, composed


def test_a_run_is_the_same_wherever_its_file_lies():
    def science(path, *overrides, kind="table"):
        given = [f"dataset={kind}", f"dataset.path={path}", "dataset.label=y", *overrides]
        return identity.scientific(composed(CONF, given))

    assert science("a/houses.csv") == science("/data/b/houses.csv")
    assert science("a/houses.csv")["dataset"]["name"] == "houses"
    assert science("a/houses.csv") != science("a/houses.csv", "dataset.drop=[x]")
    texts = [science("a.csv", f"dataset.{key}", kind="texts") for key in ("vectors=a", "vectors=b", "max_length=3")]
    assert texts[0] == texts[1] != texts[2]
    one, other = (science("a.csv", f"+dataset.load.vectors={width}") for width in (50, 300))  # no file, of a table
    assert one != other


def test_the_error_of_new_rows_reads_labels_as_training_did(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    labels = [f"{2 + i % 3}.{10 * i:03d}" + ",5" * (i % 4 == 0) for i in range(60)]  # thousands with points
    rows = "\n".join(f"{i};{i % 5};{label}" for i, label in enumerate(labels))
    (tmp_path / "rows.csv").write_text(f"a;b;price\n{rows}\n")
    (tmp_path / "new.csv").write_text("a;b;price\n7;2;2.070\n8;3;4.080\n")
    given = ["dataset=table", "dataset.path=rows.csv", "dataset.label=price", "method=vanilla", "tracking=none"]
    assert main(["train", *given, "dataset.recipe.vanilla.epochs=1", "paths.runs=runs", "trainer.progress=off"]) == 0
    (run,) = (folder for folder in (tmp_path / "runs").iterdir() if (folder / "DONE").is_file())
    capsys.readouterr()
    assert main(["predict", str(run), "new.csv", "-o", "out.csv"]) == 0
    error = np.abs(pd.read_csv("out.csv")["predicted_price"] - [2070, 4080]).mean()
    assert f"2 rows with a label: mae {shown(error)}, " in capsys.readouterr().out


def test_cells_of_new_rows_mean_what_they_meant_in_training(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    size = [f"{1 + i % 5}.{10 * i:03d}" + ",5" * (i % 4 == 0) for i in range(60)]  # thousands with points
    kind = [("x", "1", "2", "007")[i % 4] for i in range(60)]
    known = [("TRUE", "", "FALSE")[i // 2 % 3] for i in range(60)]
    rows = [f"{size[i]};{kind[i]};{i % 3 == 0};{known[i]};{i}" for i in range(60)]
    (tmp_path / "rows.csv").write_text("\n".join(["size;kind;is;known;y", *rows, ""]))
    given = ["dataset=table", "dataset.path=rows.csv", "dataset.label=y", "method=vanilla", "tracking=none"]
    assert main(["train", *given, "dataset.recipe.vanilla.epochs=1", "paths.runs=runs", "trainer.progress=off"]) == 0
    (run,) = (folder for folder in (tmp_path / "runs").iterdir() if (folder / "DONE").is_file())
    assert main(["predict", str(run), "rows.csv", "-o", "all.csv"]) == 0
    together = pd.read_csv("all.csv", sep=",")["predicted_y"]
    stored = np.load(run / "predictions.npz")
    tested = together[stored["test_y"].astype(int)]  # labels count the rows
    np.testing.assert_allclose(tested, stored["test_best"], rtol=1e-5)
    for at in (1, 2, 3, 5, 9, 33):  # alone, its cells look like other numbers
        (tmp_path / "one.csv").write_text(f"size;kind;is;known;y\n{rows[at]}\n")
        assert main(["predict", str(run), "one.csv", "-o", "one_out.csv"]) == 0
        np.testing.assert_allclose(pd.read_csv("one_out.csv")["predicted_y"], together[at], rtol=1e-5)
    (tmp_path / "few.csv").write_text("size;kind;is;known;y\n" + "\n".join([rows[1], rows[2], "3.456;;False;;1", ""]))
    assert main(["predict", str(run), "few.csv", "-o", "few_out.csv"]) == 0
    np.testing.assert_allclose(pd.read_csv("few_out.csv")["predicted_y"][:2], together[1:3], rtol=1e-5)
    model = load(run)  # a table of pandas' types has them as it may
    frame = pd.DataFrame({"size": [4270.0, 1000.0], "kind": [2.0, np.nan], "is": [True, False], "known": [1.0, np.nan]})
    exact = pd.DataFrame(
        {"size": ["4.270", "1.000"], "kind": ["2", None], "is": ["True", "False"], "known": ["true", None]}
    )
    np.testing.assert_array_equal(model.predict(frame), model.predict(exact))


def read_by(path, content, columns=None):
    """The rows of a file as a model reads them whose label is y."""
    path.write_text(content)
    return rows_of(path, SimpleNamespace(intake=SimpleNamespace(reader=None, labels=("y",), columns=columns)))


def test_no_row_of_a_file_to_predict_is_lost_without_a_word(tmp_path):
    path = tmp_path / "new.csv"
    texts = ["a film, good", "a story", "", "one, two, three"]
    quoted = "".join(f'"{text}"\n' for text in texts)
    assert read_by(path, f"text\n{quoted}")["text"].fillna("").tolist() == texts
    assert read_by(path, "text\nso, good\nso, so\n")["text"].tolist() == ["so, good", "so, so"]
    for lines, message in (
        ("1,2\n3,4,5\n6,7\n8,9\n2,3\n4,5\n", r"new\.csv: line 3: 3 fields in place of 2: correct it, so that no row"),
        ("1,2\n,\n3,4\n,\n5,6\n", r"new\.csv: line 3: an empty row, and 1 more such lines: correct it"),
    ):
        with pytest.raises(UserError, match=message):
            read_by(path, f"a,b\n{lines}")
    assert len(read_by(path, "a,b\n1,2\na,b\n3,4\n")) == 2


def test_a_file_to_predict_may_have_names_where_that_of_training_had_none_and_lack_the_label(tmp_path):
    path, names = tmp_path / "new.csv", ["a", "y", "b"]
    for content in ("b,a\n4,3\n", "y,b,a\n5,4,3\n", "3,4\n", "3,5,4\n", "3;4\n"):
        frame = read_by(path, content, names)
        assert (frame["a"].tolist(), frame["b"].tolist()) == (["3"], ["4"])
    assert read_by(path, "0,5;-0,25\n", names)["b"].tolist() == ["-0,25"]
    assert read_by(path, "b,B,y\n4,3,5\n", ["B", "b", "y"])["B"].tolist() == ["3"]
    for content in ("A,Y,B\n3,5,4\n", "a,y,b,\n3,5,4,\n", "a,b,\n3,4,\n"):
        assert read_by(path, content, names)["b"].tolist() == ["4"]
    with pytest.raises(
        UserError, match=r"the first line holds names of columns, but not 'zz': correct it, or remove it"
    ):
        read_by(path, "a,zz,b\n3,5,4\n", names)
    for content in ("so good; really,0.5\nbad; very bad,1.5\n", "so good; really\t0.5\nbad; very bad\t1.5\n"):
        assert read_by(path, content, ["text", "y"])["text"].tolist() == ["so good; really", "bad; very bad"]


@pytest.mark.parametrize(
    ("content", "cells"),
    [
        ('"x"\n"1",0\n"2",7\n', ["0", "7"]),  # R's row names
        ("x\n0,\n7,\n", ["0", "7"]),
        ("x\n0,5\n7,25\n", ["0,5", "7,25"]),
        (",,\nx,b,y\n0,1,2\n7,1,2\n,,\n", ["0", "7"]),
    ],
)
def test_a_file_of_one_column_and_empty_lines_around_rows(tmp_path, content, cells):
    assert read_by(tmp_path / "new.csv", content)["x"].tolist() == cells


def test_a_file_of_empty_fields_alone_is_told(tmp_path):
    with pytest.raises(UserError, match="the file has no row with a value"):
        read_by(tmp_path / "new.csv", ",,\n,,\n")


def test_parquet_keeps_its_named_index_and_nested_cells_are_texts(tmp_path):
    pytest.importorskip("pyarrow", reason="pip install 'supremix[files]'")
    frame = pd.DataFrame({"emb": [[1.0, 2.0], [3.0]], "y": [1.0, 2.0]}, index=pd.Index(["u", "v"], name="key"))
    frame.to_parquet(tmp_path / "rows.parquet")
    read = read_sheet(tmp_path / "rows.parquet").frame
    assert read["key"].tolist() == ["u", "v"]
    assert all(isinstance(cell, str) for cell in read["emb"])
    frame.reset_index().set_index("key", drop=False).to_parquet(tmp_path / "rows.parquet")
    assert read_sheet(tmp_path / "rows.parquet").frame["key"].tolist() == ["u", "v"]


@pytest.mark.parametrize("ending", ["parquet", "xlsx"])
def test_names_that_are_given_and_there_count_in_the_files_order(tmp_path, ending):
    pytest.importorskip({"parquet": "pyarrow", "xlsx": "openpyxl"}[ending], reason="pip install 'supremix[files]'")
    frame, path = pd.DataFrame({"b": [1, 2], "y": [3, 4], "a": [5, 6]}), tmp_path / f"rows.{ending}"
    write = getattr(frame, {"parquet": "to_parquet", "xlsx": "to_excel"}[ending])
    write(path, index=False)
    assert read_sheet(path, ["a", "y", "b"]).frame["a"].tolist() == [5, 6]
    with pytest.raises(UserError, match="a name occurs twice"):
        read_sheet(path, ["a", "a", "b"])
    frame = frame.drop(columns="y").set_axis(["u", "v"], axis=1)
    (frame.to_parquet(path) if ending == "parquet" else frame.to_excel(path, index=False, header=False))
    assert read_sheet(path, ["a", "y", "b"], ("y",)).frame["b"].tolist() == [5, 6]
