"""The comparison on a file of one's own: its table, its pictures and its page, and what it says by validation."""

import json
import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from supremix.cli.main import main
from supremix.errors import UserError
from supremix.report import html
from supremix.report.compare import RIDGE
from supremix.runtime.terminal import shown
from supremix.settings.compose import CONF
from supremix.suite.reading import load

SPEC = load(CONF / "table" / "_compare.yaml")
pytest.importorskip("matplotlib", reason="pip install 'supremix[plots]'")
QUICK = [
    *(f"dataset.recipe.{stage}.epochs=2" for stage in ("pretrain", "adapt", "vanilla")),
    "dataset.recipe.backbone.hidden=[8]",
    "dataset.recipe.projection.hidden=8",
    "tracking=none",
    "trainer.accelerator=cpu",
]


class Page(HTMLParser):
    """Whether tags are closed in order, what is fetched from elsewhere, and the cells of tables."""

    def __init__(self, text):
        super().__init__()
        self.open, self.fetched, self.pictures, self.cells = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        if tag not in ("meta", "img"):
            self.open.append(tag)
        found = dict(attrs)
        self.pictures += [found["alt"]] if tag == "img" else []
        self.fetched += [value for key, value in attrs if key in ("src", "href") and not value.startswith("data:")]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "td":
            self.cells.append(data)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a table, and the comparison of it."""
    place = tmp_path_factory.mktemp("compare")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a<b": rng.normal(size=80), "kind": rng.choice(["x", "y"], 80)})
    frame["price & tax"] = 3 * frame["a<b"] + (frame["kind"] == "x") + 0.1 * rng.normal(size=80)
    frame.to_csv(place / "houses.csv", index=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        assert main(command()) == 0
    return place


def command(*more):
    options = ["--seeds", "0", "--launcher", "basic"]
    return ["compare", "houses.csv", "--label", "price & tax", *options, *QUICK, "paths.runs=runs", *more]


def records(folder):
    return [json.loads(line) for line in (folder / "results/compare_houses/records.jsonl").read_text().splitlines()]


@pytest.mark.whole
def test_every_method_and_reference_stands_in_the_table(folder):
    assert [record["cell"]["row"] for record in records(folder)] == [row.name for row in SPEC.rows]
    table = (folder / "results/compare_houses/table.md").read_text()
    assert "missing" not in table
    assert "paper" not in table
    assert RIDGE in {row.name for row in SPEC.rows}
    assert re.search(r"\| Ridge \| 1 \| (?:\*\*)?0\.\d\d(?:\*\*)? \|", table)  # of labels that span more than 10


@pytest.mark.whole
def test_what_is_understood_of_the_file_is_shown_but_not_for_each_run(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    assert main(command("--out", "third", "paths.runs=third_runs", "--methods", "vanilla")) == 0
    said = capsys.readouterr()
    assert said.out.count("80 rows of 3 columns") == 1
    assert "80 rows of 3 columns" not in said.err


@pytest.mark.whole
def test_the_page_stands_alone_and_says_which_network_is_the_best_by_validation(folder):
    text = (folder / "results/compare_houses/report.html").read_text()
    page = Page(text)
    assert not page.open
    assert not page.fetched
    assert len(page.pictures) == 4
    mae = {record["cell"]["row"]: record["metrics"]["val"]["best"]["mae"] for record in records(folder)}
    reference = {row.name for row in SPEC.rows if row.kind == "reference"}
    best = min(set(mae) - reference, key=mae.get)
    assert f"Best network by validation MAE: {best}, {shown(mae[best])}." in text
    side = "lower" if mae[best] < mae[RIDGE] else "not lower"
    assert f"That is {side} than {RIDGE}, {shown(mae[RIDGE])}." in text
    assert "80 rows of 3 columns" in text
    assert "<li>ridge: " in text
    assert "<li>GM: " not in text, "a term that no table has, but the characters of a picture"
    assert "supremix compare houses.csv --label &#x27;price &amp; tax&#x27; --seeds 0" in text
    (run,) = re.findall(r"supremix predict \S*/(\w+) NEW.csv", text)
    assert run in {record["id"] for record in records(folder) if record["cell"]["row"] == best}
    assert page.cells[-2 * len(mae) :: 2] == sorted(mae, key=mae.get)
    assert "price &amp; tax" in text


@pytest.mark.whole
def test_the_same_command_again_runs_nothing_and_writes_the_same(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    out = folder / "results/compare_houses"
    finished = {path: path.stat().st_mtime_ns for path in (folder / "runs").rglob("DONE")}
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    assert main(command()) == 0
    assert {path: path.stat().st_mtime_ns for path in (folder / "runs").rglob("DONE")} == finished
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    said = capsys.readouterr()
    assert str(out.relative_to(folder) / "report.html") in said.out
    assert "12 of 12 runs finished" in said.err


@pytest.mark.whole
def test_methods_are_chosen_and_one_of_the_users_own_stands_among_them(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    (folder / "configs/method").mkdir(parents=True)
    (folder / "configs/method/mine.yaml").write_text("defaults: [supcon, _self_]\nname: mine\ntemperature: 0.3\n")
    own = ["--config-dir", "configs", "--out", "mine"]
    assert main(command("--methods", "vanilla, mine", *own)) == 0
    assert "5 of 7 runs finished" in capsys.readouterr().err
    rows = [json.loads(line)["cell"]["row"] for line in (folder / "mine/records.jsonl").read_text().splitlines()]
    assert rows == [*(row.name for row in SPEC.rows[:5]), "mine, probe", "mine, fine-tuned"]
    assert "mine, fine-tuned − Vanilla" in (folder / "mine/report.html").read_text()
    assert main(command("--methods", "mine,linear,yours", *own)) == 1
    assert "Could not find 'method/yours'" in capsys.readouterr().err
    (folder / "configs/method/Ridge.yaml").write_text("defaults: [supcon, _self_]\nname: Ridge\n")
    assert main(command("--methods", "Ridge", *own)) == 1
    assert "--methods Ridge: a row of the comparison has this name" in capsys.readouterr().err


@pytest.mark.whole
def test_over_seeds_the_best_has_its_distance_to_the_references_and_less_than_is_there_replaces_nothing(
    folder, monkeypatch, capsys
):
    monkeypatch.chdir(folder)
    two = command("--methods", "vanilla", "--seeds", "0,1")
    assert main(two) == 0
    said = capsys.readouterr().out
    assert "Best network by validation MAE, mean over 2 seeds: Vanilla, " in said
    assert "(ddof 1) over 2 seeds." in said, "the user planned no more"
    assert re.search(r"lower than \w.*, [\d.]+; the difference, [+-][\d.]+ \[.*\], is (inside|beyond) the noise", said)
    place = folder / "results/compare_houses_vanilla"
    before = (place / "report.html").read_bytes()
    assert main(command("--methods", "vanilla")) == 0
    said = capsys.readouterr()
    assert f"{place.relative_to(folder)} is left as it is: it holds 10 runs" in said.err
    assert "report.html" not in said.out
    assert (place / "report.html").read_bytes() == before


@pytest.mark.whole
def test_a_comparison_of_other_data_of_the_same_name_replaces_nothing(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    place = folder / "results/compare_houses"
    before, rows = (place / "report.html").read_bytes(), (folder / "houses.csv").read_text()
    try:
        (folder / "houses.csv").write_text(rows.replace("\n", "\n\n", 1))
        assert main(command()) == 0
    finally:
        (folder / "houses.csv").write_text(rows)
    assert (
        f"{place.relative_to(folder)} is left as it is: it holds runs of other data; --out" in capsys.readouterr().err
    )
    assert (place / "report.html").read_bytes() == before


@pytest.mark.whole
def test_a_run_that_fails_is_shown_as_such_and_the_rest_stands(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    out = folder / "other"
    (ridge,) = [record["id"] for record in records(folder) if record["cell"]["row"] == RIDGE]
    shutil.copytree("runs", "others")
    shutil.rmtree(f"others/{ridge}")
    monkeypatch.setattr("supremix.experiment.run.reference", refused)
    assert main(command("--out", "other", "paths.runs=others")) == 1
    text = (out / "report.html").read_text()
    assert "Failed runs: Ridge." in text
    assert Page(text).cells.count("failed") == 5
    assert "error: 1 of 12 runs failed, shown as such in other; the first: Ridge" in capsys.readouterr().err


def refused(context):
    raise UserError("no rows")


def test_what_is_no_text_of_html_is_escaped():
    text = html.page("<i>", [html.table(["a & b"], [["<b>"]]), html.listed(["x < y"]), html.code(["a > b"])])
    assert "<i>" not in text
    assert "<b>" not in text
    assert all(part in text for part in ("a &amp; b", "x &lt; y", "a &gt; b"))


@pytest.mark.whole
def test_settings_of_the_kind_of_data_that_is_found_are_taken(tmp_path, monkeypatch):
    paths, y_N = [f"{i}.csv" for i in range(60)], np.arange(60.0)
    for path, y in zip(paths, y_N, strict=True):
        np.savetxt(tmp_path / path, np.full(8, y))
    pd.DataFrame({"wave": paths, "fat": y_N}).to_csv(tmp_path / "waves.csv", index=False)
    monkeypatch.chdir(tmp_path)
    options = ["--seeds", "0", "--launcher", "basic", "--methods", "vanilla"]
    settings = ["dataset.recipe.vanilla.epochs=1", "dataset.recipe.backbone.width=4", *QUICK[-2:], "paths.runs=runs"]
    for kind in ((), ("dataset=signals",)):
        assert main(["compare", "waves.csv", "--label", "fat", *options, *kind, *settings, "--out", "out"]) == 0
        lines = [json.loads(line)["cell"]["overrides"] for line in (tmp_path / "out/records.jsonl").open()]
        assert {line.count("dataset=signals") for line in lines} == {1}
