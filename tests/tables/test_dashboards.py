"""Dashboards, checked without a network against the library's object model and against what a run logs."""

import json
from itertools import product

import pytest

from supremix.cli.main import main
from supremix.errors import UserError
from supremix.settings.compose import CONF, composed
from supremix.settings.driver import with_sweep_tag
from supremix.settings.identity import config_hash
from supremix.suite.plan import Cell
from supremix.suite.reading import load
from supremix.tracking.mirror import Tracker, run_tags
from tests.running import config, run_small

dashboards = pytest.importorskip("supremix.tables.dashboards", reason="pip install '.[dashboards]' for these")

DASHBOARD = ["wandb", "dashboard"]
OVER = ["method.temperature", "method.window", "method.beta"]


def cells(spec, absent=()):
    """The table's cells with made-up ids; those of the rows ``absent`` have none."""
    return [
        Cell(panel.name, row.name, seed, [], None if row.name in absent else config_hash(panel.name, row.name, seed))
        for panel, row in spec.cells()
        for seed in spec.seeds
    ]


def report(number, absent=()):
    spec = load(CONF / "table" / f"{number}.yaml")
    return spec, dashboards.table_report(spec, cells(spec, absent), "somebody", "supremix")


def grids(view):
    return [block for block in json.loads(dashboards.as_json(view))["blocks"] if block["type"] == "panel-grid"]


@pytest.mark.parametrize("number", [1, 5, 10, 15])
def test_a_tables_runs_are_chosen_by_id_row_by_row_and_its_columns_drawn(number):
    spec, view = report(number)
    of_table, *of_panels = [grid["metadata"] for grid in grids(view)]
    by_tag, by_job = of_table["runSets"][0]["filters"]["filters"]
    assert (by_tag["key"]["name"], by_tag["value"]) == ("tags", [spec.name])
    assert (by_job["key"]["name"], by_job["value"]) == ("jobType", "table")
    assert spec.name in json.dumps(of_table["panelBankSectionConfig"]["panels"])
    for panel, grid in zip(spec.panels, of_panels, strict=True):
        rows = spec.rows_of(panel)
        assert [runset["name"] for runset in grid["runSets"]] == [row.name for row in rows]
        for row, runset in zip(rows, grid["runSets"], strict=True):
            (chosen,) = runset["filters"]["filters"]
            assert (chosen["key"]["section"], chosen["key"]["name"], chosen["op"]) == ("run", "name", "IN")
            assert chosen["value"] == [config_hash(panel.name, row.name, seed) for seed in spec.seeds]
        bars = [
            p["config"]["metrics"] for p in grid["panelBankSectionConfig"]["panels"] if p["viewType"] == "Bar Chart"
        ]
        assert bars == [[f"metrics/test/{column}"] for column in spec.metrics_of(panel)]


def test_rows_without_data_are_left_out_and_a_table_without_any_is_an_error():
    spec, view = report(5, absent=["SupCon"])
    assert "SupCon" not in {runset["name"] for grid in grids(view) for runset in grid["metadata"]["runSets"]}
    with pytest.raises(UserError, match="none of its data is there"):
        dashboards.table_report(spec, cells(spec, [row.name for row in spec.rows]), "", "supremix")


def sweep(over=OVER, metric="best/mae", tags=("sweep-1", "supremix")):
    cfg = composed(CONF, ["dataset=uci_airfoil", "method=supremix"])
    return dashboards.sweep_workspace(cfg, metric, [*over], [*tags], "somebody", "supremix")


def test_a_sweep_is_filtered_by_its_tags_and_drawn_against_each_setting():
    section = json.loads(dashboards.as_json(sweep()))["section"]
    filters = section["runSets"][0]["filters"]["filters"]
    assert [(one["key"]["name"], one["op"], one["value"]) for one in filters] == [
        ("tags", "IN", ["sweep-1"]),
        ("tags", "IN", ["supremix"]),
    ]
    panels = section["panelBankConfig"]["sections"][0]["panels"]
    axes = ["config:method.value.temperature", "config:method.value.window", "summary:method/beta_mean"]
    scatter = [panel["config"] for panel in panels if panel["viewType"] == "Scatter Plot"]
    assert [(one["xAxis"], one["yAxis"]) for one in scatter] == [
        (axis, "summary:metrics/val/best/mae") for axis in axes
    ]
    (parallel,) = [panel["config"] for panel in panels if panel["viewType"] == "Parallel Coordinates Plot"]
    assert [column["accessor"] for column in parallel["columns"]] == [*axes, "summary:metrics/val/best/mae"]
    (importance,) = [panel["config"] for panel in panels if panel["viewType"] == "Parameter Importance"]
    assert importance["targetKey"] == "metrics/val/best/mae"


def test_unknown_settings_and_metrics_are_refused():
    for key in ("method.temprature", "paths.runs"):
        with pytest.raises(UserError, match="--over"):
            sweep(over=[key])
    for metric in ("best/mea", "mae", "first/mae"):
        with pytest.raises(UserError, match="--metric"):
            sweep(metric=metric)


@pytest.mark.parametrize("view", [lambda: report(5)[1], sweep], ids=["report", "workspace"])
def test_a_view_survives_the_way_through_the_librarys_model(view):
    model = view()._to_model()
    sent = model.model_dump_json(by_alias=True, exclude_none=True)
    again = type(model).model_validate_json(sent).model_dump_json(by_alias=True, exclude_none=True)
    assert json.loads(again.replace(',"inlineComments":[]', "")) == json.loads(sent)  # it adds these to what it reads


def test_every_metric_of_a_dashboard_is_one_that_a_run_logs(tmp_path, monkeypatch):
    logged = set()
    monkeypatch.setattr(
        Tracker, "log", lambda _, stage, epoch, row: logged.update(f"{stage}/{name}" for name in (*row, "epoch"))
    )
    monkeypatch.setattr(Tracker, "finish", lambda _, summary, **__: logged.update(summary))
    _, record = run_small(tmp_path)
    curves = dict(dashboards.CURVES)
    validation, validated = curves.pop("Validation")  # of the metric that a run chose its epoch by
    assert len(logged & {f"{validation}/{name}" for name in validated}) == 1
    shown = {f"{stage}/{name}" for stage, names in curves.values() for name in (*names, "epoch")}
    named = product(("val", "test"), dashboards.VARIANTS, dashboards.METRICS)
    shown |= {f"metrics/{split}/{variant}/{name}" for split, variant, name in named}
    assert shown | set(dashboards.NUMBERS.values()) <= logged
    assert record["config"]["method"]["beta"]


@pytest.mark.whole
def test_the_command_line_writes_a_file_and_says_what_it_shows(tmp_path, capsys):
    file = tmp_path / "view.json"
    swept = ["sweep", "--tags", "sweep-1", "--over", "method.window", "dataset=diabetes"]
    assert main([*DASHBOARD, "--out", str(file), *swept]) == 0
    assert "best/mae against method.window" in capsys.readouterr().out
    assert "method.value.window" in file.read_text()
    assert main([*DASHBOARD, "--dry-run", "table", "5", f"paths.prepared={tmp_path}"]) == 1
    assert "error: Table 5: UCI-airfoil, linear probe: none of its data is there" in capsys.readouterr().err


@pytest.mark.usefixtures("wandb_key")
def test_a_view_is_saved_and_has_an_address(wandb_server):
    for made in (report(5)[1], sweep()):
        assert dashboards.save(made).startswith(f"{wandb_server.url}/somebody/supremix")
        assert wandb_server.views[-1]["spec"] == json.dumps(json.loads(dashboards.as_json(made)), separators=(",", ":"))


@pytest.mark.usefixtures("wandb_folders")
def test_without_a_key_or_with_one_that_is_refused_it_is_one_line(wandb_server, monkeypatch, capsys):
    assert main([*DASHBOARD, "sweep"]) == 1
    assert "error: no W&B key" in capsys.readouterr().err
    monkeypatch.setenv("WANDB_API_KEY", "a" * 40)
    wandb_server.status = 401
    assert main([*DASHBOARD, "sweep"]) == 1
    assert "error: W&B did not save it" in capsys.readouterr().err.splitlines()[-1]


def test_the_runs_of_a_sweep_have_one_tag_however_it_is_launched(tmp_path, capsys):
    swept = ["-m", "method.window=1,2", "seed=0,1"]
    *kept, tag = with_sweep_tag(swept)
    assert kept == swept
    elsewhere = ["seed=0,1", "method.window=1,2", "--multirun", "hydra/launcher=joblib", f"paths.runs={tmp_path}"]
    assert with_sweep_tag(elsewhere)[-1] == tag
    assert with_sweep_tag(["-m", "method.window=1,3", "seed=0,1"])[-1] != tag
    assert tag.partition("=")[2] in capsys.readouterr().err
    for other in (["seed=1"], [*swept, "tracking.sweep=mine"], [*swept, "tracking=none"]):
        assert with_sweep_tag(other) == other
    tags = run_tags(config(tmp_path, tag, "tracking.tags=[mine]"))
    assert tags == sorted(["diabetes", "linear_probe", "supremix", "mine", tag.partition("=")[2]])


def test_options_stand_before_or_after_the_kind(tmp_path, capsys):
    kind = ["sweep", "--over", "method.window", "dataset=diabetes"]
    for given in (["--dry-run"], ["--out", str(tmp_path / "view.json")]):
        assert main([*DASHBOARD, *given, *kind]) == main([*DASHBOARD, *kind, *given]) == 0
    assert capsys.readouterr().err == ""
