"""`supremix inspect` shows columns, labels and problems of a file, and a command that trains."""

import numpy as np
import pandas as pd
import pytest

from supremix.cli.main import main
from supremix.data.own.layout import Layout, read_rows
from supremix.data.own.texts import text_columns


@pytest.fixture
def houses(tmp_path):
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"area": random.integers(30, 200, 60), "kind": random.choice(["flat", "villa"], 60)})
    frame["sale price"] = np.exp(frame["area"] / 40).round(2)
    frame["tax"] = 0.2 * frame["sale price"]
    frame["sale price"] = frame["sale price"].astype(object)
    frame.loc[[4, 9], "sale price"] = ["", "on demand"]
    path = tmp_path / "houses.csv"
    frame.to_csv(path, index=False)
    return path


def test_a_file_is_shown_as_it_is_understood(houses, tmp_path, capsys):
    assert main(["inspect", str(houses), "--label", "sale price", "--problems", str(tmp_path / "bad.csv")]) == 0
    shown = capsys.readouterr().out
    for line in (
        "UTF-8, separated by commas, names in the first line",
        "area        numbers",
        "kind        category",
        "sale price  label",
        "labels of 58 usable rows:",
        "1 × left out: no label in 'sale price': line 6",
        "1 × left out: the label in 'sale price' is no number: line 11 ('on demand')",
        "dataset.target_transform=log: skewed labels",
        "dataset.drop=[area,tax]: area, tax nearly are the label",
        f"supremix train dataset=table dataset.path={houses} 'dataset.label='\"'\"'sale price'\"'\"''",
        "2 problems: ",
    ):
        assert line in shown, shown
    assert list(pd.read_csv(tmp_path / "bad.csv")["place"]) == ["line 6", "line 11"]


def test_without_a_label_the_columns_are_listed(houses, capsys):
    assert main(["inspect", str(houses)]) == 0
    shown = capsys.readouterr().out
    assert "tax         numbers" in shown
    assert "name the column to predict: --label COLUMN" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--label", "price"], "dataset.label=price: {} has no such column: did you mean sale price?"),
        (["--label", "kind"], "the label column 'kind' holds texts"),
        (["--label", "tax", "dataset.colums=[a]"], "dataset.colums: no such key: did you mean dataset.columns"),
        (
            ["--label", "tax", "dataset.pixels=16"],
            "looks like table: dataset=KIND names another kind (texts, images,",
        ),
        (
            ["--label", "tax", "trainer.nonsense=1"],
            "trainer.nonsense: no such key (`supremix train --cfg job` shows all keys)\n",
        ),
    ],
)
def test_a_mistake_is_one_line(houses, arguments, message, capsys):
    code = main(["inspect", str(houses), *arguments])
    error = capsys.readouterr().err
    assert code == 1
    assert message.format(houses) in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("column", "cells", "kind"),
    [
        ("photo", "a{}.png", "images"),
        ("scan", "a{}.nii.gz", "volumes"),
        ("wave", "a{}.npy", "volumes"),
        ("record", "a{}.csv", "signals"),
        ("review", "the {}th film was as good as the first", "texts"),
    ],
)
def test_the_kind_of_data_is_found(tmp_path, column, cells, kind, capsys):
    pd.DataFrame({column: [cells.format(i) for i in range(20)], "y": range(20)}).to_csv(tmp_path / "t.csv", index=False)
    assert main(["inspect", str(tmp_path / "t.csv"), "--label", "y"]) == 0
    shown = capsys.readouterr().out
    assert f"supremix train dataset={kind} " in shown
    assert f"\n  {column:<6}  {'texts' if kind == 'texts' else f'paths of {kind}'}  " in shown
    if kind != "texts":
        assert f"20 × left out: no file at the path in '{column}': line 2" in shown


def test_texts_are_the_columns_of_sentences_as_in_training(tmp_path, capsys):
    reviews = {
        "review": [f"the {i}th film was as good as the first" for i in range(20)],
        "city": ["New York City"] * 20,
    }
    pd.DataFrame(reviews | {"year": range(20), "y": range(20)}).to_csv(tmp_path / "t.csv", index=False)
    assert text_columns(read_rows(str(tmp_path / "t.csv"), Layout("y")), None) == ["review"]
    assert main(["inspect", str(tmp_path / "t.csv"), "--label", "y"]) == 0
    shown = capsys.readouterr().out
    for line in ("  'review' holds texts\n", "\n  review  texts  ", "\n  city    no input  ", "\n  year    no input  "):
        assert line in shown


def test_a_kind_of_data_and_its_settings_may_be_named(tmp_path, capsys):
    pairs = {"first": [f"word {i}" for i in range(20)], "second": [f"name {i}" for i in range(20)]}
    pd.DataFrame(pairs | {"y": range(20)}).to_csv(tmp_path / "t.csv", index=False)
    line = ["inspect", str(tmp_path / "t.csv"), "--label", "y"]
    assert main([*line, "dataset=texts", "dataset.input=[second,first]"]) == 0
    shown = capsys.readouterr().out
    assert "'second' and 'first' hold texts" in shown
    assert (
        f"train dataset=texts dataset.path={tmp_path}/t.csv dataset.label=y 'dataset.input=[second,first]'\n" in shown
    )
    assert "in a batch of 128" in shown  # of texts
    assert main([*line, "dataset=diabetes"]) == 1
    assert "error: dataset=diabetes: not for a file of your own: use table, " in capsys.readouterr().err
    assert main([*line, "dataset=images"]) == 1
    assert (
        "t.csv: no column holds paths of images (.png, .jpg, .jpeg, …): name it by dataset.input"
        in capsys.readouterr().err
    )


@pytest.mark.parametrize("override", ["dataset=nonsense", "dataset.nonsense=1", "dataset.pixels=16"])
def test_a_mistake_beside_no_label_is_told(override, tmp_path, capsys):
    pd.DataFrame({"x": range(20), "y": range(20)}).to_csv(tmp_path / "t.csv", index=False)
    assert main(["inspect", str(tmp_path / "t.csv"), override]) == 1
    assert f"error: {override.removesuffix('=1').removesuffix('=16')}: " in capsys.readouterr().err


def test_settings_of_a_kind_that_is_found_are_taken(tmp_path, capsys):
    pd.DataFrame({"photo": [f"a{i}.png" for i in range(20)], "y": range(20)}).to_csv(tmp_path / "t.csv", index=False)
    assert main(["inspect", str(tmp_path / "t.csv"), "--label", "y", "dataset.pixels=16"]) == 0
    assert "dataset.pixels=16\n" in capsys.readouterr().out
