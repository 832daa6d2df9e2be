"""SIZE=small: what it changes of the real settings and what not, and tables and figures run at it."""

import csv
import json
import re
import shutil
from types import SimpleNamespace

import pytest
import yaml
from omegaconf import OmegaConf

from supremix.cli.main import main
from supremix.errors import UserError
from supremix.figures import spec as figure_spec
from supremix.settings.compose import CONF, composed
from supremix.settings.source import data_configs
from supremix.suite import size
from supremix.suite.launchers import named
from supremix.suite.plan import Cell
from supremix.suite.reading import load
from supremix.suite.run import say_doubts
from supremix.tables import files
from supremix.tables.computed import kind
from supremix.tables.render import markdown
from supremix.tables.reproduce import compute, planned, reproduce
from supremix.tables.results import collect
from supremix.tables.wandb import log_table

SMALL = size.load(CONF, "small")
TABLES = sorted(path for path in (CONF / "table").glob("[0-9]*.yaml") if kind(path) is None)
FIGURES = sorted((CONF / "figure").glob("[0-9]*.yaml"))
SPECS = [*map(load, TABLES), *(figure_spec.load(path).spec for path in FIGURES)]
DATASETS = ("agedb_dir", "imdb_wiki", "stsb_dir", "ukb", "hcp_aging", "uci_airfoil")
MAY_CHANGE = re.compile(
    r"dataset\.(name|split)"
    r"|dataset\.load\.(name|folder|split|pixels|padding|sizes\..+)"
    r"|dataset\.subset\.train_size"
    r"|(backbone\.build|dataset\.recipe\.backbone)\.(width|hidden)|backbone\.name|backbone\.build\.depth"
    r"|dataset\.recipe\.stress\.\w+\.held_out"
    r"|dataset\.recipe\.(train_rows\..+|pretrain\.histogram_epochs)"
    r"|(dataset\.recipe\.(pretrain|adapt|adapt_release|vanilla)|method\.pretrain|protocol|method\.source\.protocol)"
    r"\.(epochs|scheduler\.(milestones|T_max))"
    r"|method\.pretrain\.histograms\.epochs"
    r"|(dataset\.recipe|trainer)\.threads|tracking\.group"
)


def flat(node, at=""):
    """Every value of a resolved config by its key; lists are values."""
    if not isinstance(node, dict):
        return {at: node}
    return {key: value for name, one in node.items() for key, value in flat(one, f"{at}.{name}".lstrip(".")).items()}


def settings(line):
    """What the driver would run with these overrides, and with a transfer what its source's settings are."""
    return [flat(OmegaConf.to_container(cfg, resolve=True)) for cfg in data_configs(composed(CONF, line))]


def lines():
    """Overrides by which tables and figures choose data and what they read of it; each dataset with Vanilla."""
    found = {}
    for spec in SPECS:
        for panel in spec.panels:
            line = [one for one in spec.overrides + panel.overrides if SMALL.line([one]) != [one] or "${" in one]
            found[tuple(one.partition(".over")[0] for one in line)] = line  # one of figure 4's numbers of rows
    return [*found.values(), *([f"dataset={name}", "method=vanilla"] for name in DATASETS)]


@pytest.mark.whole
def test_nothing_changes_but_items_resolution_width_and_epochs():
    for line in lines():
        for real, small in zip(settings(line), settings(SMALL.line(line)), strict=True):
            if real.get("transfer") is None:
                assert real.keys() == small.keys()
            changed = {key for key in real.keys() & small.keys() if real[key] != small[key]}
            assert {key for key in changed if not MAY_CHANGE.fullmatch(key.removeprefix("transfer."))} == set(), line
            assert {"dataset.name", "dataset.load.folder"} <= changed


def test_a_table_keeps_its_cells_and_says_what_it_is():
    for spec in SPECS:
        small = SMALL.spec(spec)
        assert [(p.name, r.name) for p, r in small.cells()] == [(p.name, r.name) for p, r in spec.cells()]
        assert small.seeds == spec.seeds[:2]
        assert small.title == f"{spec.title} (SIZE=small, synthetic data)"
        assert str(small.folder) == f"results/small/{spec.name}"
        assert (small.label, spec.label) == (f"{spec.name}-small", spec.name)
        assert size.load(CONF, None).spec(spec) is spec
        (note,) = small.notes
        assert "conf/dataset/NAME_small.yaml" in note
        assert "paper" not in note


def test_what_learnt_nothing_is_told_in_one_line(capsys):
    def made(mae, row=None):
        found = {"mae": mae}
        record = {"metrics": {"val": {"best": found}}, "data": {"constant_mae": 5.0}, "config": {"dataset": {}}}
        about = {"selection": {"metric": "mae"}, "dataset": "d", "method": "m", "seed": 0}
        return Cell("", row or f"row {mae}", 0, []), record | about

    table = load(CONF / "table" / "5.yaml")
    for spec in (table, SMALL.spec(table)):
        say_doubts(spec, [made(mae) for mae in (5.0, 1.0, 6.0)])
    say_doubts(table, [made(1.0), made(9.0, "Random encoder")])
    assert capsys.readouterr().err.splitlines() == [
        "warning: nothing was learnt in 2 of 3 runs, and their run.log says more; the first: row 5.0 · seed 0",
        size.REHEARSAL,
    ]


def test_every_dataset_has_a_small_twin_with_a_config_and_commands():
    overrides = {one for spec in SPECS for part in (spec, *spec.panels) for one in part.overrides}
    data = {one.partition("=")[2] for one in overrides if one.startswith(("dataset=", "transfer="))}
    assert data == {*DATASETS}
    assert list(SMALL.prepare) == [f"{name}_small" for name in DATASETS]
    for name in DATASETS:
        assert SMALL.line([f"dataset={name}"]) == [f"dataset={name}_small"]
        assert composed(CONF, [f"dataset={name}_small"]).dataset.name == f"{name}_small"
        twin, prepare = (command.split()[:2] for command in SMALL.prepare[f"{name}_small"])
        assert (twin, prepare) == (["twin", name], ["prepare", name])


def test_what_names_no_dataset_stays_as_it_is():
    line = ["method=supcon", "dataset.subset.train_size=9", "++dataset.name=x", "backbone@transfer.backbone=mlp", "-m"]
    assert SMALL.line(line) == line


@pytest.mark.whole
def test_figures_take_their_epochs_and_numbers_of_rows_from_the_dataset():
    epochs, rows = (figure_spec.load(CONF / "figure" / f"{number}.yaml").spec for number in (3, 4))

    def read(size):
        cfg = composed(CONF, [*size.line(epochs.overrides), "method=supcon"])
        lines = [size.line([*rows.overrides, *panel.overrides]) for panel in rows.panels]
        return cfg.method.pretrain.histograms.epochs, [composed(CONF, line).dataset.subset.train_size for line in lines]

    assert read(size.PAPER) == ([1, 5, 10, 25, 50, 75, 100], [None, 96000, 48000, 24000, 12000, 8000, 4000])
    assert read(SMALL) == ([1, 2, 3, 4], [None, 127, 63, 32, 16, 11, 5])


def test_the_plan_says_that_the_twins_are_made_by_themselves(tmp_path):
    said = planned("8", CONF, [f"paths.prepared={tmp_path}", f"paths.runs={tmp_path}"], [0], SMALL)
    for name in ("agedb_dir_small", "imdb_wiki_small"):
        assert f"\n{name}: made before the first run at SIZE=small" in said
    assert "6 runs: 0 finished, 0 begun, 6 missing" in said


def test_the_source_of_a_transfer_is_a_twin_too():
    line = SMALL.line(["dataset=agedb_dir", "transfer=imdb_wiki"])
    assert line == ["dataset=agedb_dir_small", "transfer=imdb_wiki_small"]
    source = composed(CONF, line).transfer
    assert (source.dataset.name, source.dataset.load.pixels, source.backbone.name) == (
        "imdb_wiki_small",
        32,
        "resnet18",
    )


def test_what_it_does_not_have_is_an_error_of_one_line(tmp_path, capsys):
    with pytest.raises(
        UserError, match=r"SIZE=small has nothing in place of dataset=diabetes: use dataset= one of agedb_dir, "
    ):
        SMALL.spec(load(CONF / "table" / "quickstart.yaml"))
    with pytest.raises(UserError, match=r"size/huge\.yaml: no such size; there are: small"):
        size.load(CONF, "huge")
    (tmp_path / "size").mkdir()
    (tmp_path / "size" / "odd.yaml").write_text("name: odd\nsedes: 2\n")
    with pytest.raises(UserError, match=r"odd\.yaml: .*sedes"):
        size.load(tmp_path, "odd")
    for words in (["table", "5"], ["figure", "2"], ["table", "--render-all"]):
        assert main([*words, "--size", "small", "dataset=stsb_dir_full"]) == 1
        error = capsys.readouterr().err
        assert error.startswith("error: SIZE=small has nothing in place of dataset=stsb_dir_full")
        assert error.count("\n") == 1


def test_an_empty_table_has_no_value_of_the_papers():
    spec = SMALL.spec(load(CONF / "table" / "5.yaml"))
    results = collect(spec, [])
    text = markdown(results)
    assert "**Synthetic data**" in text
    assert "| synthetic data | n | MAE (dB) ↓ | MSE (dB²) ↓ |" in text
    assert "6.56" not in text


def test_the_wandb_table_is_marked_and_kept_from_the_real_ones(monkeypatch):
    logged = []

    class Tracker:
        def __init__(self, settings, run_id, config, tags):
            logged.append((run_id.rpartition("-")[0], config, tags))

        def table(self, name, columns, rows):
            logged.append((name, {row[columns.index("synthetic")] for row in rows}))

        def finish(self, summary):
            pass

    monkeypatch.setattr("supremix.tables.wandb.Tracker", Tracker)
    log_table(collect(SMALL.spec(load(CONF / "table" / "5.yaml")), []), SimpleNamespace(mode="offline"))
    assert logged == [("table_5-small", {"table": "table_5-small"}, ["table_5-small"]), ("table_5-small", {True})]


ONE_SEED = ["--size", "small", "--seeds", "0", "--jobs", "1", "trainer.accelerator=cpu", "tracking=none"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder to work in, with a figure that was made there from nothing: its runs, and the twin of UCI-airfoil."""
    root = tmp_path_factory.mktemp("size")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.setenv("SUPREMIX_PREPARED", str(root / "prepared"))
        patch.setenv("SUPREMIX_RUNS", str(root / "runs"))
        assert main(["figure", "2", *ONE_SEED]) == 0
        yield root


@pytest.mark.whole
def test_a_figure_runs_from_nothing(place):
    folder = place / "results" / "small" / "figure_2"
    assert b"Synthetic data" in (folder / "figure.png").read_bytes()
    assert "SYNTHETIC DATA" in (folder / "figure.svg").read_text()
    text = (folder / "figure.md").read_text()
    assert "Missing" not in text
    assert "The paper" not in text


@pytest.mark.whole
def test_a_table_takes_the_figures_runs_and_is_marked(place, tmp_path, capfd):
    conf = tmp_path / "conf"
    shutil.copytree(CONF, conf)
    spec = yaml.safe_load((CONF / "table" / "5.yaml").read_text())
    spec["rows"] = [row for row in spec["rows"] if row["name"] in ("Constant mean", "SupCon", "SupReMix, as written")]
    spec |= {"panels": spec["panels"][1:], "gain": None, "comparisons": []}
    (conf / "table" / "5.yaml").write_text(yaml.safe_dump(spec, sort_keys=False))
    quiet = ["trainer.accelerator=cpu", "tracking=none"]
    said = planned("5", conf, quiet, [0], SMALL)
    assert said.startswith("Table 5: UCI-airfoil, linear probe (SIZE=small, synthetic data)\n")
    assert "3 runs: 2 finished, 0 begun, 1 missing" in said
    _, _, folder = reproduce("5", conf, None, named("joblib", 1), quiet, [0], SMALL)
    assert "2 of 3 runs finished" in capfd.readouterr().err
    assert (place / folder).samefile(place / "results" / "small" / "table_5")
    state = json.loads((folder / files.STATE).read_text())
    assert state == {"failed": [], "seeds": [0], "synthetic": True, "unprepared": {}}
    with (folder / "table.csv").open(newline="") as file:
        assert {(line["synthetic"], line["paper"]) for line in csv.DictReader(file)} == {("True", "")}
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    files.rerender("5", conf, folder, SMALL)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.whole
def test_computed_tables_show_the_twins(place, tmp_path, capfd):
    conf = tmp_path / "conf"
    shutil.copytree(CONF, conf)
    spec = yaml.safe_load((CONF / "table" / "12.yaml").read_text())
    spec["datasets"] = [one for one in spec["datasets"] if one["dataset"] == "uci_airfoil"]
    (conf / "table" / "12.yaml").write_text(yaml.safe_dump(spec, sort_keys=False))
    _, folder = compute("12", conf, None, [], SMALL)
    text = (folder / "table.md").read_text()
    assert "| synthetic data | target | range |" in text
    assert re.search(r"\| UCI-airfoil \| scaled sound pressure level, dB \| .* \| 1 \| 160 \| 40 \| 40 \|", text)
    assert main(["table", "13", *ONE_SEED]) == 0
    text += (place / "results" / "small" / "table_13" / "table.md").read_text()
    assert "| backbone | resnet18 | resnet18 | bilstm | resnet18_3d | resnet18_1d | mlp |" in text
    assert text.count("(SIZE=small, synthetic data)") == 2
    assert "paper" not in text
