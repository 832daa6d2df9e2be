"""From a specification in conf/table to its runs, and from the store to the rendered table."""

import json
import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from supremix.cli.main import main
from supremix.cli.prepare import DATASETS
from supremix.errors import UserError
from supremix.metrics.regression import VARIANTS
from supremix.metrics.shots import SHOTS
from supremix.prepare import stsb_dir, uci_airfoil
from supremix.settings import compose, identity
from supremix.settings.compose import CONF, composed
from supremix.store.folders import Store
from supremix.store.records import write_json
from supremix.suite import fields, keep, listing
from supremix.suite.launch import run_cell
from supremix.suite.launchers import IN_PROCESS, named
from supremix.suite.plan import Cell, Checksums, plan, with_panels, with_seeds
from supremix.suite.reading import load
from supremix.tables import files, index, reproduce
from supremix.tables.computed import kind
from supremix.tables.outcomes import PREDICTIONS
from tests.records import stored, whole
from tests.running import SMALL, config, run_small

RUN_IDS = Path(__file__).parents[1] / "assets" / "run_ids.json"
TABLES = sorted(path for path in (CONF / "table").glob("*.yaml") if kind(path) is None)


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.stem)
def test_every_specification_loads(path):
    spec = load(path)
    assert spec.cells()
    assert spec.name == (f"table_{path.stem}" if path.stem.isdecimal() else path.stem.lstrip("_"))
    for panel in spec.panels:
        assert {column.split("/")[0] for column in spec.metrics_of(panel)} <= set(VARIANTS)
        for command in spec.commands(panel, "any"):
            name, what, dataset = command.split()
            assert (name, what) == ("supremix", "prepare")
            assert dataset in DATASETS


def test_a_specification_takes_what_it_leaves_out_from_its_base(tmp_path):
    base = {"name": "a", "title": "A", "overrides": [], "seeds": [0], "metrics": {"best/mae": "MAE"}}
    base["rows"] = [{"name": "r", "kind": "ours", "overrides": []}]
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(base))
    (tmp_path / "b.yaml").write_text("base: a\nname: b\nseeds: [1, 2]\n")
    a, b = load(tmp_path / "a.yaml"), load(tmp_path / "b.yaml")
    assert (b.name, b.seeds, b.rows, b.title) == ("b", [1, 2], a.rows, a.title)
    (tmp_path / "b.yaml").write_text("base: a\nname: b\nmore_rows: [{name: s, kind: ours, overrides: [a=1]}]\n")
    assert [row.name for row in load(tmp_path / "b.yaml").rows] == ["r", "s"]
    (tmp_path / "b.yaml").write_text("base: c\nname: b\n")
    with pytest.raises(UserError, match=r"b\.yaml: base: there is no c\.yaml beside it"):
        load(tmp_path / "b.yaml")


@pytest.mark.whole
def test_every_override_of_every_table_composes():
    lines: dict[tuple[str, ...], list[str]] = {}  # each row's and panel's overrides once, whatever tables they are in
    for spec in map(load, TABLES):
        for panel, row in spec.cells():
            line = [*spec.overrides, *panel.overrides, *row.overrides]
            lines.setdefault(tuple(row.overrides), line)
            lines.setdefault(tuple(panel.overrides), line)
    tested_elsewhere = "dataset=", "method="  # each dataset with each method
    for line in lines.values():
        if [override for override in line if not override.startswith(tested_elsewhere)]:
            composed(CONF, line)


def test_rows_that_two_tables_have_are_the_same_runs():
    def science(table, row, panel=None):
        spec = load(CONF / "table" / f"{table}.yaml")
        at, found = next((p, r) for p, r in spec.cells() if r.name == row and panel in (None, p.name))
        return identity.config_hash(
            identity.scientific(composed(CONF, [*spec.overrides, *at.overrides, *found.overrides]))
        )

    supremix, supcon = science(1, "SupReMix, as written"), science(1, "SupCon")
    assert science(9, "SupReMix") == supremix
    assert science(10, "γ = 5") == supremix
    assert science(11, "Beta(2, 8)", "AgeDB-DIR") == supremix
    assert science(14, "SupReMix", "batch 128") == supremix
    assert science(9, "SupCon") == science(16, "1 year, of table 12") == science(14, "SupCon", "batch 128") == supcon
    assert science(10, "γ = 1, of table 13") == science(2, "SupReMix, as written")
    assert len({science(10, "γ = ∞", "AgeDB-DIR"), science(10, "γ = 10"), supremix}) == 3


def test_an_infinite_window_runs(tmp_path):
    assert config(tmp_path, "method.window=inf").method.window == float("inf")
    _, record = run_small(tmp_path, "method.window=inf")
    assert record["metrics"]["test"]["best"]["mae"] > 0


def test_a_specification_is_checked_against_the_names_that_records_have():
    assert fields.VARIANTS == VARIANTS
    assert (*SHOTS, "missing") == fields.GROUPS


def test_a_wrong_specification_names_the_file(tmp_path):
    text = (CONF / "table" / "quickstart.yaml").read_text() + "panels: [{name: a}]\n"
    path = tmp_path / "t.yaml"
    path.write_text(text)
    load(path)
    for old, new, message in (
        ("kind: ours", "kind: mine", "kind 'mine'"),
        ("[SupReMix, SupCon]", "[SupReMix, SupKon]", "SupKon"),
        ("seeds:", "sedes:", "sedes"),
        ("rows:", "notes:", "duplicate key notes"),
        ("rows:", "lines:", "the key 'rows' is missing"),
        ("[0, 1, 2]", "[0, 1, 1]", "seed 1 stands there twice"),
        ("name: SupCR,", "name: SupCon,", "'SupCon'.* stands there twice"),
        ("{name: a}", "{name: a, metric: {}}", "metric"),
        ("{name: a}", "{name: a, gain: {row: SupReMix, metric: pearson, against: [Vanilla]}}", "pearson is no error"),
        ("{name: a}", "{name: a, paper_key: last}", "last/mae, which is no column of the panel 'a'"),
        ("method=supremix]", "method=supremix], panels: [b]", "'SupReMix' names the panel 'b'"),
        ("method=supremix]", "method=supremix], paper: {b: {mae: 1}}", "'SupReMix' names the panel 'b'"),
        ("method=supremix]", "method=supremix], paper: {a: {mae: 1}, mae: 1}", "by metric or by panel"),
        ("comparisons:", "against: Vanila\ncomparisons:", "against names the row 'Vanila'"),
        ("best/rmse", "rmse", "'rmse' is not variant/metric"),
        ("best/rmse", "representation/mae", "'representation/mae' is not variant/metric"),
        ("best/rmse", "best/rank", "'best/rank' is not variant/metric"),
    ):
        assert old in text
        path.write_text(text.replace(old, new, 1))
        with pytest.raises(UserError, match=rf"^{path}: .*({message})"):
            load(path)
    with pytest.raises(UserError, match=r"no such table; there are: .*5, .*quickstart"):
        load(CONF / "table" / "nosuch.yaml")


def test_a_key_that_some_rows_alone_read_may_be_added():
    """The first row of the quick start pre-trains nothing, so that it has no optimizer there."""
    spec = with_seeds(load(CONF / "table" / "quickstart.yaml"), [0])
    assert len(plan(spec, CONF, ["+method.pretrain.optimizer.foreach=true"])) == len(spec.rows)


def small_table(tmp_path, seeds=(0,), extra=(), rows=None):
    overrides, launcher = [*SMALL, f"paths.runs={tmp_path / 'runs'}", *extra], named("joblib", 1)
    return reproduce.reproduce("quickstart", CONF, tmp_path / "out", launcher, overrides, list(seeds), rows=rows)


def test_a_setting_of_a_panel_keeps_the_panels_that_have_it():
    spec = load(CONF / "table" / "5.yaml")
    standard = with_panels(spec, ["dataset.scaling=standard", "method.pretrain.epochs=1"])
    assert [panel.name for panel in standard.panels] == ["standardised inputs and targets"]
    assert "Vanilla, bias from 0" not in [row.name for row in standard.rows]  # which the other panel alone has
    assert with_panels(spec, ["method.pretrain.epochs=1"]) == spec
    with pytest.raises(UserError, match=r"choose one of dataset\.scaling=raw, dataset\.scaling=standard$"):
        with_panels(spec, ["dataset.scaling=minmax"])


@pytest.mark.whole
def test_a_table_runs_only_what_is_missing_and_renders_again_from_its_records(tmp_path, capfd):
    _, cells, folder = small_table(tmp_path)
    store = Store(tmp_path / "runs")
    written = {cell.run_id: (store.run(cell.run_id) / "DONE").stat().st_mtime_ns for cell in cells}
    capfd.readouterr()
    small_table(tmp_path, seeds=(0, 1))
    assert "8 of 16 runs finished" in capfd.readouterr().err
    assert all((store.run(run_id) / "DONE").stat().st_mtime_ns == at for run_id, at in written.items())
    names = *files.NAMES, PREDICTIONS
    before = {name: (folder / name).read_bytes() for name in names}
    assert b"missing" not in before["table.md"]
    files.rerender("quickstart", CONF, folder)
    assert before == {name: (folder / name).read_bytes() for name in names}


@pytest.mark.whole
def test_a_row_is_run_alone_and_stands_beside_what_the_store_has(tmp_path):
    for names in (["Constant mean"], ["Linear regression"]):
        results, _, folder = small_table(tmp_path, rows=names)
    assert results.runs == {("", "Constant mean"): {0}, ("", "Linear regression"): {0}}
    assert "| SupReMix | 0 of 1 | missing" in (folder / "table.md").read_text()
    with pytest.raises(
        UserError, match=r"--row Suprmix: .*quickstart has no such row: did you mean 'SupReMix'\? there"
    ):
        reproduce.planned("quickstart", CONF, [], rows=["SupReMix", "Suprmix"])


@pytest.mark.slow
def test_runs_of_other_code_are_counted_marked_and_with_rerun_run_anew_alone(tmp_path, capfd):
    results, cells, folder = small_table(tmp_path)
    (whole,) = results.codes
    assert f"- Code: {whole}\n" in (folder / "table.md").read_text()
    store = Store(tmp_path / "runs")
    old = next(store.run(cell.run_id) for cell in cells if cell.row == "Constant mean")
    record = json.loads((old / "record.json").read_text())
    write_json(old / "record.json", record | {"code": {"version": "0.0.1", "digest": "0" * 16}})
    said = reproduce.planned("quickstart", CONF, [*SMALL, f"paths.runs={store.root}"], [0])
    assert said.endswith("8 runs: 8 finished, 0 begun, 0 missing\nmade by other code: 1, which rerun=true runs anew")
    small_table(tmp_path)
    assert "1 of them made by other code: rerun=true runs them anew" in capfd.readouterr().err
    text = (folder / "table.md").read_text()
    assert "- Code: 2 different ones: " in text
    assert f"{'0' * 16} (Constant mean)" in text
    written = {path: path.stat().st_mtime_ns for path in store.root.glob("*/DONE")}
    for _ in range(2):  # the second time there is nothing left to do
        small_table(tmp_path, extra=["rerun=true"])
        assert [path.parent for path, at in written.items() if path.stat().st_mtime_ns != at] == [old]
        assert [path.name for path in (store.root / "superseded").iterdir()] == [f"{old.name}-1"]
    assert f"- Code: {whole}\n" in (folder / "table.md").read_text()


@pytest.mark.whole
def test_failed_runs_are_named_and_the_rest_stands(tmp_path):
    conf = tmp_path / "conf"
    shutil.copytree(CONF, conf)
    broken = conf / "method" / "supcr.yaml"
    broken.write_text(broken.read_text().replace("temperature: 2.0", "temperature: -1"))
    overrides = [*SMALL, f"paths.runs={tmp_path / 'runs'}"]
    with pytest.raises(UserError, match=r"1 of 8 runs failed.*SupCR · seed 0: .*temperature"):
        reproduce.reproduce("quickstart", conf, tmp_path / "out", named("joblib", 1), overrides, [0])
    text = (tmp_path / "out" / "table.md").read_text()
    assert "| SupCR | 0 of 1 | failed" in text
    assert "**Failed runs**: SupCR." in text
    assert "| SupReMix | 1 |" in text
    said = reproduce.planned("quickstart", conf, overrides, [0])
    assert "missing   SupCR · seed 0  (time unknown; failed: method.loss: temperature must be" in said
    assert "8 runs: 7 finished, 0 begun, 1 missing (1 failed)" in said
    before = (tmp_path / "out" / "table.md").read_text()
    files.rerender("quickstart", conf, tmp_path / "out")
    assert (tmp_path / "out" / "table.md").read_text() == before


def test_a_failure_is_noted_until_the_run_is_finished(tmp_path, monkeypatch):
    cfg, store = config(tmp_path, "method=constant"), Store(tmp_path / "runs")
    with monkeypatch.context() as patched:
        patched.setattr("supremix.experiment.run.run", lambda cfg, wait: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run_cell(cfg)
    (note,) = store.root.glob("*.failed.json")
    assert json.loads(note.read_text()) == {"error": "ZeroDivisionError: division by zero"}
    finished = Path(run_cell(cfg))
    assert store.failure(finished.name) == note
    assert not note.exists()


def two_tables(tmp_path):
    """A config folder with table 1, of a dataset that is there and one that is not, and table 2, of the latter."""
    conf = tmp_path / "project" / "conf"
    shutil.copytree(CONF, conf, ignore=shutil.ignore_patterns("[0-9]*.yaml"))
    common = """
seeds: [0, 1]
metrics: {best/mae: MAE}
rows:
  - {name: Linear, kind: baseline, overrides: [method=linear]}
  - {name: Ridge, kind: ours, overrides: [method=ridge], paper: {mae: 4.0}}
gain: {row: Ridge, metric: mae, against: [Linear]}
"""
    absent = "{name: far, overrides: [dataset=uci_airfoil], prepare: prepare uci_airfoil}"
    here = "{name: near, overrides: [dataset=diabetes]}"
    for number, panels in ((1, f"[{here}, {absent}]"), (2, f"[{absent}]")):
        head = f"name: table_{number}\ntitle: Table {number}\noverrides: []\npanels: {panels}"
        (conf / "table" / f"{number}.yaml").write_text(head + common)
    overrides = [f"paths.runs={tmp_path / 'runs'}", f"paths.prepared={tmp_path / 'prepared'}", "tracking=none"]
    return conf, [*overrides, "trainer.accelerator=cpu"]


@pytest.mark.whole
def test_absent_data_is_named_its_runs_are_not_started_and_the_rest_stands(tmp_path, capfd, monkeypatch):
    conf, overrides = two_tables(tmp_path)
    tracked = []
    monkeypatch.setattr(reproduce, "log_table", lambda _, settings: tracked.append(settings))
    _, cells, folder = reproduce.reproduce("1", conf, tmp_path / "out", IN_PROCESS, overrides)
    said = capfd.readouterr().err
    assert "uci_airfoil is not there, its runs are not started:" in said
    assert "run `supremix prepare uci_airfoil" in said
    text = (folder / "table.md").read_text()
    assert (
        "**Data not there**, so that its runs are missing: uci_airfoil, prepared by supremix prepare uci_airfoil."
        in text
    )
    near, far = text.split("## far")
    assert "missing" not in near.split("## near")[1]
    assert "| Ridge | 0 of 2 | missing | 4.00 | – |" in far
    assert str(tmp_path) not in text
    assert [(settings.group, settings.job_type) for settings in tracked] == [("table_1", "table")]
    reproduce.reproduce("1", conf, tmp_path / "out", IN_PROCESS, [*overrides, "tracking.job_type=mine"])
    assert tracked[-1].job_type == "mine"
    assert {cell.run_id is None for cell in cells if cell.panel == "far"} == {True}
    plan_text = reproduce.planned("1", conf, [*overrides, f"paths.data={tmp_path / 'raw'}"])
    assert "finished  near · Ridge · seed 0, 1" in plan_text
    assert "missing   far · Ridge · seed 0, 1  (waits for uci_airfoil)" in plan_text
    assert "\nuci_airfoil: " in plan_text
    assert "run `supremix prepare uci_airfoil" in plan_text
    (tmp_path / "raw" / "uci_airfoil").mkdir(parents=True)
    plan_text = reproduce.planned("1", conf, [*overrides, f"paths.data={tmp_path / 'raw'}"])
    assert f"\nuci_airfoil: would be prepared from {tmp_path / 'raw'}" in plan_text
    assert "left: 4 of unknown length" in plan_text


@pytest.mark.whole
def test_all_tables_are_rendered_from_the_store_and_a_fuller_one_is_kept(tmp_path):
    conf, overrides = two_tables(tmp_path)
    out = tmp_path / "results"
    reproduce.reproduce("1", conf, out / "table_1", IN_PROCESS, overrides)
    lines = list(index.render_stored(conf, out, overrides))
    assert lines == ["Table 1: 4 of 8 runs", "Table 2: 0 of 4 runs"]
    assert "missing" in (out / "table_2" / "table.md").read_text()
    overview = (out / "README.md").read_text()
    assert "| [Table 1](table_1/table.md) | near | 4 of 4 | Ridge: MAE " in overview
    assert "| MAE 4.00 |" in overview
    assert "|  | far | 0 of 4 | missing | missing | MAE 4.00 |" in overview

    kept = {name: (out / "table_1" / name).read_text() for name in files.NAMES}
    elsewhere = [*overrides[1:], f"paths.runs={tmp_path / 'empty'}"]
    lines = list(index.render_stored(conf, out, elsewhere))
    assert lines[0] == "Table 1: 4 of 8 runs, rendered from the records beside it"
    assert kept == {name: (out / "table_1" / name).read_text() for name in files.NAMES}
    assert (out / "README.md").read_text() == overview
    lines = list(index.render_stored(conf, out, [*overrides, "dataset.scaling=raw"]))
    assert lines[0] == (
        f"Table 1: 0 of 8 runs; {out / 'table_1'} is left as it is: it holds 4 runs as specified; this has 0 runs with "
        "`dataset.scaling=raw`; --out FOLDER writes this one somewhere else"
    )
    assert kept == {name: (out / "table_1" / name).read_text() for name in files.NAMES}


@pytest.mark.slow
def test_a_fuller_table_or_one_of_other_settings_is_kept_in_its_folder_and_the_new_one_printed(
    tmp_path, monkeypatch, capfd
):
    conf, overrides = two_tables(tmp_path)
    monkeypatch.setattr(compose, "CONF", conf)
    monkeypatch.setattr("supremix.suite.run.prepare", lambda *_: False)  # whatever raw data there is on this machine
    monkeypatch.chdir(tmp_path)
    own, other = Path("results/table_1"), Path("other")
    run = ["1", "--launcher", "basic", *overrides]
    assert main(["table", *run]) == 0
    before = {name: (own / name).read_text() for name in files.NAMES}
    assert "Settings" not in before["table.md"]
    assert "settings" not in before[files.STATE]
    capfd.readouterr()

    assert main(["table", *run, "--seeds", "0"]) == 0
    said = capfd.readouterr()
    assert "| Ridge | 1 | " in said.out
    assert str(own) not in said.out
    assert f"{own} is left as it is: it holds 4 runs as specified; this has 2 runs as specified; --out" in said.err
    for row in ("Ridge", "Linear"):
        here, there = said.err.partition(f"{row} · near · seed 0: MAE ")[2].partition("\n")[0].split(" here, ")
        assert there == f"{here} in {own}"
    assert "seed 1: MAE" not in said.err
    scaled = [*run, "dataset.scaling=raw", "trainer.threads=1"]
    assert main(["table", *scaled]) == 0
    assert "this has 4 runs with `dataset.scaling=raw`; --out FOLDER" in capfd.readouterr().err
    assert main(["table", *run, "--seeds", "1,2"]) == 0
    assert "this has 4 runs with `--seeds=1,2`; --out FOLDER" in capfd.readouterr().err
    assert before == {name: (own / name).read_text() for name in files.NAMES}

    assert main(["table", *scaled, "--out", str(other)]) == 0
    assert "\n**Settings**: `dataset.scaling=raw`\n" in (other / "table.md").read_text()
    assert "\n% Settings: `dataset.scaling=raw`\n" in (other / "table.tex").read_text()
    assert json.loads((other / files.STATE).read_text())["settings"] == ["dataset.scaling=raw"]
    written = {name: (other / name).read_text() for name in files.NAMES}
    files.rerender("1", conf, other)
    assert written == {name: (other / name).read_text() for name in files.NAMES}
    other.rename(tmp_path / "kept")
    own.rename(other)
    (tmp_path / "kept").rename(own)
    assert main(["table", *run]) == 0
    assert "it holds 4 runs with `dataset.scaling=raw`; this has 4 runs as specified" in capfd.readouterr().err
    assert main(["table", *run, "--seeds", "0", "--out", str(own)]) == 0
    assert "| Ridge | 1 | " in (own / "table.md").read_text()


def test_settings_are_what_can_change_a_result():
    line = [
        "tracking=none",
        "method.window=9",
        "+trainer.x=1",
        "paths.runs=a",
        "hydra/launcher=basic",
        "~tracking.tags",
    ]
    assert keep.settings_of([*line, "b=2", "a=1", "b=1"]) == ["a=1", "b=2", "b=1", "method.window=9"]


def test_seeds_that_a_specification_lacks_are_a_setting_and_a_part_of_its_own_is_none():
    spec = replace(load(CONF / "table" / "quickstart.yaml"), seeds=[0, 1, 2])
    assert [with_seeds(spec, seeds).other_seeds for seeds in (None, [2, 0], [2, 1, 0], [0, 3], [0, 1, 2, 3])] == [
        [],
        [],
        [],
        ["--seeds=0,3"],
        ["--seeds=0,1,2,3"],
    ]


def test_rendering_again_finds_the_folder_by_the_tables_name_and_refuses_what_it_would_ignore(
    tmp_path, monkeypatch, capsys
):
    shutil.copytree("results/twins", tmp_path / "results" / "twins")
    monkeypatch.chdir(tmp_path)
    assert main(["table", "twins", "--rerender"]) == 0
    assert "results/twins/table.md" in capsys.readouterr().out
    for ignored in (["--seeds", "0"], ["--jobs", "1"], ["--launcher", "basic"], ["method.window=9"]):
        assert main(["table", "twins", "--rerender", *ignored]) == 1
        error = capsys.readouterr().err
        assert error.startswith("error: --rerender runs nothing: leave out ")
        assert error.count("\n") == 1
    with pytest.raises(SystemExit):
        main(["table", "twins", "--rerender", "--plan"])
    assert "not allowed with" in capsys.readouterr().err


def test_states_of_a_cell(tmp_path):
    store = Store(tmp_path)
    cell = Cell("", "row", 0, [], run_id="r", pretrain_id="e")
    assert listing.state(store, cell) == "missing"
    store.encoder("e").mkdir(parents=True)
    (store.encoder("e") / "DONE").touch()
    assert listing.state(store, cell) == "begun"
    assert not listing.failed(store, cell)
    write_json(store.failure("r"), {"error": "it broke"})
    assert (listing.state(store, cell), listing.failed(store, cell)) == ("begun", True)
    stored(store.root, "r", whole("r"))
    assert (listing.state(store, cell), listing.failed(store, cell)) == ("finished", False)
    stored(store.root, "bad", whole("bad") | {"metrics": None})
    cell = replace(cell, run_id="bad")
    assert (listing.state(store, cell), listing.failed(store, cell)) == ("finished", True)
    plan = listing.listing("Table", [cell], store)
    assert f"finished  row · seed 0  ({store.run('bad') / 'record.json'}: not a whole record" in plan
    assert "1 runs: 1 finished, 0 begun, 0 missing (1 failed)" in plan
    alone = Cell("", "row", 1, [], run_id="s")
    assert listing.state(store, alone) == "missing"
    with store.claimed(store.run("s")):
        assert listing.state(store, alone) == "begun"
    assert listing.state(store, Cell("", "row", 0, [])) == "missing"


def test_time_left_comes_from_the_records_of_the_same_dataset_and_method():
    def record(method, total, pretrain=None, adapt=0.0):
        trained = {"seconds": pretrain} if pretrain else None
        return {"dataset": "d", "method": method, "pretrain": trained, "seconds": {"total": total, "adapt": adapt}}

    known = listing.speeds([record("a", 60.0), record("a", 100.0), record("a", 80.0), record("b", 10.0, 7000.0, 200.0)])
    assert known == {("d", "a"): 80.0, ("d", "b"): 7200.0}
    assert [listing.duration(seconds) for seconds in (59.0, 80.0, 7200.0)] == ["59 s", "1.3 min", "2.0 h"]


def test_a_checksum_is_that_of_the_way_the_data_is_loaded(monkeypatch):
    def build(key, node):
        asked.append(node.bin_size)
        return SimpleNamespace(sha256=f"of bins of {node.bin_size}")

    asked: list[float] = []
    monkeypatch.setattr("supremix.settings.build.build", build)
    spec = load(CONF / "table" / "16.yaml")
    cells = plan(spec, CONF, ["method.pretrain.epochs=1"])
    assert sorted(asked) == [1, 5, 10, 20]
    assert len({cell.run_id for cell in cells}) == len(cells) == 20
    checksums = Checksums()
    cfg = composed(CONF, spec.overrides)
    assert checksums.of(cfg) == checksums.of(cfg) == ("of bins of 1", None)
    assert len(asked) == 5


@pytest.mark.parametrize(
    "folder", sorted(path.parent for path in Path("results").glob("*/records.jsonl")), ids=lambda path: path.name
)
def test_committed_tables_are_what_their_records_give(folder, tmp_path):
    names = [path.name for path in folder.iterdir() if path.suffix in (".md", ".csv", ".tex", ".jsonl", ".json")]
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    files.rerender(folder.name.removeprefix("table_"), CONF, tmp_path)
    for name in names:
        assert (tmp_path / name).read_text() == (folder / name).read_text()
    for line in (tmp_path / "records.jsonl").read_text().splitlines():
        assert json.loads(line)["cell"]["overrides"]


@pytest.mark.whole
@pytest.mark.parametrize(
    ("number", "script", "file"),
    [("5", uci_airfoil, "uci_airfoil/airfoil_self_noise.dat"), ("2", stsb_dir, "stsb_dir/train_new.tsv")],
    ids=["5", "2"],
)
def test_identities_of_runs_on_real_data_stay(number, script, file, real_data, tmp_path):
    """Where a change is meant to change them: FREEZE_RUN_IDS=1 pytest tests/tables/test_tables.py -k identities."""
    assert script.main(["--data", str(real_data(file).parents[1]), "--out", str(tmp_path)]) == 0
    spec = with_seeds(load(CONF / "table" / f"{number}.yaml"), [0])
    cells = plan(spec, CONF, [f"paths.prepared={tmp_path}"])
    path, ids = RUN_IDS, {"/".join(filter(None, (cell.panel, cell.row))): cell.run_id for cell in cells}
    if os.environ.get("FREEZE_RUN_IDS"):
        path.write_text(
            json.dumps(json.loads(path.read_text()) | {number: ids}, indent=1, sort_keys=True, ensure_ascii=False)
            + "\n"
        )
    assert ids == json.loads(path.read_text())[number]


@pytest.mark.parametrize("terminal", [True, False])
def test_a_terminal_shows_that_runs_are_composed_and_nothing_of_it_stays(tmp_path, monkeypatch, capsys, terminal):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    reproduce.planned("quickstart", CONF, [f"paths.runs={tmp_path}"], [0])
    said = capsys.readouterr().err
    assert ("composing 8 runs of Quick start: diabetes progression" in said) == terminal
    assert said.endswith("\x1b[2K") if terminal else said == ""  # which clears the line
