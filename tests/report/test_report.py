"""The page on a store or on rendered tables: what is in it, that it stands alone, and that names do not break it."""

import json
import re
import shlex
from html import unescape

import numpy as np
import pytest
from sklearn.datasets import load_diabetes

from supremix.cli.main import main
from supremix.errors import UserError
from supremix.report import detail, runs, svg
from supremix.report.gather import gather
from supremix.settings.compose import CONF, composed
from supremix.settings.identity import config_hash, scientific
from supremix.store.folders import Store
from tests.records import METRIC, stored, whole
from tests.report.test_compare import Page
from tests.running import run_small

NASTY = "<img src=https://x.org/a.png>"


def faked(root, name, mae, **changes):
    """A finished run with this validation MAE, curves and predictions."""
    record = whole(name) | {"method": name, "pretrain": None} | changes
    record["metrics"]["val"]["best"] = METRIC | {"mae": mae}
    folder = stored(root, name, record)
    (folder / "history.csv").write_text("epoch,loss,val\n1,3.0,2.0\n2,2.0,1.0\n")
    np.savez(folder / "predictions.npz", test_y=np.arange(3.0), test_best=np.arange(3.0) + 0.5)
    return folder


@pytest.fixture
def store(tmp_path):
    """A store of four runs, two of them swept, and a damaged one."""
    for name, mae in (("worse", 2.0), ("better", 1.0)):
        faked(tmp_path / "runs", name, mae, config={"method": {"t": mae, "w": "a & b"}}, method="m")
    faked(tmp_path / "runs", "undefined", None)
    faked(tmp_path / "runs", "nasty", 3.0, method=NASTY, synthetic=True)
    stored(tmp_path / "runs", "damaged", "{")
    return tmp_path / "runs"


def written(what, store, out):
    left = runs.report(what, Store(store), out)
    return out.read_text(), left


def linked(page):
    return [value.removeprefix("#run-") for value in page.fetched if value.startswith("#run-")]


def part(text, title):
    """The section of a page with this title."""
    return text[text.index(f"<h2>{title}") :].partition("</section>")[0]


def test_runs_of_a_store_are_ranked_by_validation_and_the_page_stands_alone(store, tmp_path):
    text, left = written(store, store, tmp_path / "new" / "report.html")
    page = Page(text)
    assert not page.open
    assert all(value.startswith("#") for value in page.fetched)
    assert set(re.findall(r'<section id="(part-\d)"', text)) == {value[1:] for value in page.fetched if "part" in value}
    assert not re.search(r"""(src|href)=["'](https?:)?//|@import|url\(""", text)
    assert linked(page) == ["better", "worse", "nasty", "undefined"]
    assert set(re.findall(r'id="run-(\w+)"', text)) == {"better", "worse", "nasty", "undefined"}
    assert "width=device-width" in text
    assert "not a readable record" in left[0]
    assert "damaged" in text
    assert [text.count(f">{title}<") for title in ("error by label", "adaptation: training loss")] == [4 + 1, 4]


def test_columns_of_the_test_rows_do_not_sort(store, tmp_path):
    text, _ = written(store, store, tmp_path / "report.html")
    assert '<th scope="col" class="words" data-sort="text">method</th>' in text
    assert 'data-sort="number">MAE, val<' in text
    assert '<th scope="col">MAE, test</th>' in text


def test_names_are_escaped(store, tmp_path):
    text, _ = written(store, store, tmp_path / "report.html")
    assert NASTY not in text
    assert "&lt;img src" in text
    assert "a &amp; b" in text


def test_more_runs_than_a_page_takes_are_said(store, tmp_path, monkeypatch):
    monkeypatch.setattr(detail, "AT_MOST", 2)
    text, left = written(store, store, tmp_path / "report.html")
    assert left[-1] == "2 of 4 runs are shown in detail, the first of the table"
    assert linked(Page(text)) == ["better", "worse"]
    monkeypatch.setattr(detail, "BYTES_AT_MOST", 10)
    assert "0 of 4 runs" in written(store, store, tmp_path / "report.html")[1][-1]


def test_a_large_picture_is_small():
    many = np.random.default_rng(0).normal(size=100_000)
    assert len(svg.scatter(many, many, "t", ("x", "y"))) < 10_000
    assert "nothing to show" in svg.line([1], [np.nan], "t", ("x", "y"), None)
    assert "nan" not in svg.line([1, 1], [2, 2], "t", ("x", "y"), 1)  # no range


def test_a_sweep_is_a_map_of_validation_errors(store, tmp_path):
    text, _ = written(store, store, tmp_path / "report.html")
    swept = part(text, "Swept settings")
    assert "validation MAE over method.t" in swept
    assert "<b>1</b>" in swept
    assert "<span>2</span>" in swept
    assert "<svg" not in swept  # of one setting


@pytest.mark.parametrize("own", [False, True])
def test_the_command_makes_the_same_run_again(tmp_path, own):
    given = ["method=supremix", "seed=3", "dataset.recipe.temperature=0.5", "method.window=7"]
    if own:
        patients = tmp_path / "patients.csv"
        load_diabetes(as_frame=True).frame.round(3).to_csv(patients, index=False)
        given += ["dataset=table", f"dataset.path={patients}", "dataset.label=target"]
    folder, record = run_small(tmp_path, *given)
    text, _ = written(folder.parent, folder.parent, tmp_path / "report.html")
    (line,) = re.findall(r"<pre>supremix train ([^\n]+)\n", text)
    overrides = shlex.split(unescape(line))
    assert config_hash(scientific(composed(CONF, overrides))) == config_hash(record["config"])
    (folder / "config.yaml").write_text("nothing: 1\n")
    assert "The configs at hand do not make these settings" in written(folder.parent, folder, tmp_path / "r.html")[0]


def test_a_rendered_table_stands_beside_the_papers_values(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "table_5"
    folder.mkdir()
    panel = "raw inputs and targets"
    place = {"panel": panel, "row": "SupCon", "overrides": ["method=supcon", "dataset.label=[a b]", "seed=0"]}
    record = {key: value for key, value in whole("one").items() if key not in ("config", "weights")} | {"cell": place}
    (folder / "records.jsonl").write_text(json.dumps(record) + "\n")
    (folder / "table.csv").touch()
    other = tmp_path / "table_12"
    other.mkdir()
    (other / "table.csv").write_text("table,row\ntable_12,IMDB <WIKI>\n")
    monkeypatch.chdir(tmp_path)
    assert main(["report", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "report.html\n"
    page = Page((tmp_path / "report.html").read_text())
    assert {"SupCon", "5.68", "IMDB <WIKI>"} <= set(page.cells)
    assert (
        "supremix train method=supcon &#x27;dataset.label=[a b]&#x27; seed=0" in (tmp_path / "report.html").read_text()
    )


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("records.jsonl", "{", "no readable records"),
        (
            "records.jsonl",
            json.dumps(whole("one") | {"cell": {"panel": "", "row": "a", "overrides": []}, "method": 1}),
            "",
        ),
        ("state.json", "[]", "no readable records"),
        ("table.csv", "\xff", "not a readable table"),
    ],
)
def test_a_rendered_table_that_cannot_be_read_is_named_and_the_rest_is_shown(tmp_path, name, content, said):
    for table in ("table_2", "table_5"):
        (tmp_path / table).mkdir()
        (tmp_path / table / "table.csv").write_text("row,MAE\nVanilla,1.25\n")
    (tmp_path / "table_5" / name).write_bytes(content.encode("latin-1"))
    if name == "state.json":
        (tmp_path / "table_5" / "records.jsonl").touch()
    text, left = written(tmp_path, tmp_path / "runs", tmp_path / "report.html")
    assert len(left) == 1
    assert said in left[0]
    assert ("table_5" if said else "method is 1") in left[0]
    assert "Table 2: STS-B-DIR" in text
    assert Page(text).cells.count("1.25") == (1 if name == "table.csv" else 2)


@pytest.mark.parametrize(("left_out", "drawn"), [((), 1), (("pretrain_id", "pretrain_code"), 0)])
def test_runs_of_a_table_are_drawn_where_the_store_has_them_and_the_record_allows(tmp_path, left_out, drawn):
    (tmp_path / "table_5").mkdir()
    (tmp_path / "table_5" / "table.csv").touch()
    place = {"panel": "raw inputs and targets", "row": "SupCon", "overrides": ["method=supcon", "seed=0"]}
    faked(tmp_path / "runs", "one", 1.0)
    record = {**whole("one"), "cell": place, "schema": 1}
    kept = {key: value for key, value in record.items() if key not in left_out}
    (tmp_path / "table_5" / "records.jsonl").write_text(json.dumps(kept) + "\n")
    record = gather(tmp_path / "table_5", Store(tmp_path / "runs")).runs[0]
    assert (record.folder is not None) == drawn


def test_a_folder_with_nothing_to_report_is_one_line(tmp_path):
    with pytest.raises(UserError, match="neither a store with finished runs nor a folder of rendered tables"):
        runs.report(tmp_path, Store(tmp_path), tmp_path / "report.html")
