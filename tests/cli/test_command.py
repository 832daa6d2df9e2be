"""The command as a whole: help, version, completion, own configs, and how a store is listed and shown."""

import json
import os
import subprocess
import sys

import pytest
import yaml

from supremix import __version__
from supremix.cli.main import COMMANDS, main
from supremix.settings.compose import CONF
from supremix.store.folders import Store
from supremix.store.records import write_json
from tests.running import SMALL, run_small


def supremix(*arguments, **environment):
    """Run the command in a process of its own."""
    command = [sys.executable, "-m", "supremix.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=os.environ | environment)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_sub_command_has_examples_in_its_help(name, capsys):
    with pytest.raises(SystemExit, match="0"):
        main([name, "--help"])
    shown = capsys.readouterr().out
    assert f"usage: supremix {name}" in shown
    _, examples = shown.split("\nexamples:\n")
    assert "supremix " + name in examples
    assert len(max(shown.splitlines(), key=len)) <= 120


def test_help_imports_nothing_that_is_slow():
    for arguments in (["--version"], ["--help"], ["table", "--help"], ["train", "--help"], ["ls", "--help"]):
        started = os.times()
        result = supremix(*arguments, PYTHONPROFILEIMPORTTIME="1")
        assert result.returncode == 0
        for heavy in ("torch", "hydra", "omegaconf", "numpy", "rich"):
            assert f"| {heavy}\n" not in result.stderr, arguments
        ended = os.times()
        assert ended.children_user + ended.children_system - started.children_user - started.children_system < 1


def test_a_file_in_the_current_folder_is_found_by_the_command_alone(tmp_path, monkeypatch):
    elsewhere = tmp_path / "elsewhere"  # stands for the folder of the installed script
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(elsewhere), *sys.path])
    monkeypatch.setattr(sys, "argv", ["supremix", "completion", "bash"])
    assert main(["completion", "bash"]) == 0
    assert sys.path[0] == str(elsewhere)
    for _ in range(2):
        with pytest.raises(SystemExit, match="0"):
            main()
    assert sys.path[:2] == [str(tmp_path), str(elsewhere)]


def test_the_version(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out == f"supremix {__version__}\n"


def completed(line):
    """What the Tab key offers at the end of a line."""
    command = (
        "import os; from supremix.cli.main import main\n"
        "os.dup2(1, 8); main([])"  # argcomplete writes to file descriptor 8, as its shell code has it
    )
    around = {"_ARGCOMPLETE": "1", "COMP_LINE": line, "COMP_POINT": str(len(line)), "_ARGCOMPLETE_IFS": "\n"}
    result = subprocess.run(
        [sys.executable, "-c", command], capture_output=True, text=True, timeout=60, env=os.environ | around
    )
    return {word.strip() for word in result.stdout.splitlines()}


def test_sub_commands_options_and_names_are_completed():
    assert set(COMMANDS) <= completed("supremix ")
    assert "--render-all" in completed("supremix table --re")
    assert {"1", "16", "quickstart"} <= completed("supremix table ")
    assert {"uci_airfoil", "ukb"} <= completed("supremix prepare u")
    assert "dataset=" in completed("supremix train dat")
    assert {word.removeprefix("dataset=") for word in completed("supremix train dataset=ag")} >= {"agedb_dir"}


def test_the_code_for_a_shell(capsys):
    for shell in ("bash", "zsh", "fish"):
        assert main(["completion", shell]) == 0
        assert "supremix" in capsys.readouterr().out


@pytest.fixture
def own(tmp_path):
    """A folder of configs of the user's own: a dataset and a table of it."""
    folder = tmp_path / "configs"
    (folder / "dataset").mkdir(parents=True)
    (folder / "table").mkdir()
    (folder / "dataset" / "mine.yaml").write_text((CONF / "dataset" / "diabetes.yaml").read_text())
    rows = [{"name": "Ridge", "kind": "reference", "overrides": ["method=ridge"]}]
    table = {"name": "mine", "title": "Mine", "overrides": ["dataset=mine"], "seeds": [0], "rows": rows}
    (folder / "table" / "mine.yaml").write_text(yaml.safe_dump(table | {"metrics": {"best/mae": "MAE"}}))
    return folder


@pytest.mark.whole
@pytest.mark.parametrize("launcher", ["basic", "joblib"])
def test_a_table_of_own_configs_runs(own, tmp_path, capsys, launcher):
    quiet = ["tracking=none", f"paths.runs={tmp_path / 'runs'}", "trainer.accelerator=cpu"]
    line = ["table", "mine", "--config-dir", str(own), "--out", str(tmp_path / "out"), "--launcher", launcher]
    assert main([*line, *quiet]) == 0
    assert "| Ridge | 1 |" in capsys.readouterr().out
    assert str(own) not in (tmp_path / "out" / "records.jsonl").read_text()
    assert "SUPREMIX_CONFIG_DIR" not in os.environ


def test_a_run_of_own_configs_and_the_overview_of_its_tables(own, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SUPREMIX_CONFIG_DIR", str(own))  # as good as the option
    result = supremix("train", "dataset=mine", "method=ridge", "--cfg", "job")
    assert result.returncode == 0, result.stderr
    assert "name: diabetes" in result.stdout
    monkeypatch.delenv("SUPREMIX_CONFIG_DIR")
    assert "Could not find 'dataset/mine'" in supremix("train", "dataset=mine", "--cfg", "job").stderr
    assert main(["table", "nosuch", "--config-dir", str(own)]) == 1
    assert ", mine, quickstart" in capsys.readouterr().err


@pytest.fixture
def store(tmp_path):
    """A store with a finished run, one with a damaged record, one in work, and one that failed."""
    folder, _ = run_small(tmp_path, "method=ridge")
    store = Store(folder.parent)
    (store.root / "damaged").mkdir()
    (store.root / "damaged" / "DONE").touch()
    (store.root / "working.partial").mkdir()
    (store.root / "working.partial" / "lock").touch()
    write_json(store.failure("broken"), {"error": "loss is NaN"})
    return store


def test_the_runs_of_a_store_are_listed_with_their_states(store, capsys):
    assert main(["ls", "--store", str(store.root)]) == 0
    header, *lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    runs = {line[0]: dict(zip(header, line, strict=True)) for line in lines}
    (record,) = [run for run in runs.values() if run["method"]]
    assert (record["dataset"], record["method"], record["seed"], record["state"]) == (
        "diabetes", "ridge", "0", "finished",
    )  # fmt: skip
    assert float(record["test MAE"]) > 0
    assert {name: run["state"] for name, run in runs.items() if name != record["id"]} == {
        "damaged": "failed", "working": "begun", "broken": "missing",
    }  # fmt: skip
    assert "not a readable record" in runs["damaged"]["note"]
    assert runs["broken"]["note"] == "failed: loss is NaN"


def test_the_run_that_was_finished_last_stands_last(tmp_path, capsys):
    for moment, name in enumerate(["ffff", "0000", "aaaa"]):
        (tmp_path / name).mkdir()
        (tmp_path / name / "DONE").touch()
        os.utime(tmp_path / name / "DONE", (moment, moment))
    (tmp_path / "zzzz.partial").mkdir()
    assert main(["ls", "--store", str(tmp_path)]) == 0
    assert [line[:4] for line in capsys.readouterr().out.splitlines()[1:]] == ["zzzz", "ffff", "0000", "aaaa"]


def test_a_list_is_filtered(store, capsys):
    for filters, count in (["method=ridge"], 1), (["method=ridge", "seed=1"], 0), (["state=begun"], 1):
        assert main(["ls", "--store", str(store.root), *filters]) == 0
        assert len(capsys.readouterr().out.splitlines()) == 1 + count


def test_a_terminal_has_a_table(store, monkeypatch, capsys):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert main(["ls", "--store", str(store.root)]) == 0
    shown = capsys.readouterr().out
    assert "\t" not in shown
    assert "4 runs in " in shown


def test_an_empty_store_has_no_runs(tmp_path, capsys):
    assert main(["ls", "--store", str(tmp_path)]) == 0
    assert capsys.readouterr().out.count("\n") == 1


def test_a_run_is_shown_by_the_beginning_of_its_id_or_by_its_folder(store, capsys):
    (run,) = store.root.glob("*/record.json")
    for name in (run.parent.name[:4], str(run.parent)):
        assert main(["show", name, "--store", str(store.root)]) == 0
        shown = capsys.readouterr().out
        assert f"{run.parent.name}  diabetes · ridge · none · seed 0" in shown
        assert "test best" in shown
        assert "method.name: ridge" in shown
        assert str(run) in shown


def test_two_runs_are_compared(store, tmp_path, capsys):
    (run,) = store.root.glob("*/record.json")
    other, _ = run_small(tmp_path, "method=ridge", "seed=1")
    assert main(["show", str(run.parent), other.name, "--store", str(store.root)]) == 0
    assert "seed: 0 → 1" in capsys.readouterr().out.splitlines()
    assert main(["show", str(run.parent), str(run.parent), "--store", str(store.root)]) == 0
    assert capsys.readouterr().out == "the settings are the same\n"


def test_metrics_are_computed_again(store, capsys):
    (run,) = store.root.glob("*/record.json")
    record = json.loads(run.read_text())
    mae = record["metrics"]["test"]["best"].pop("mae")
    run.write_text(json.dumps(record))
    arguments = ["evaluate", run.parent.name[:5], "--store", str(store.root)]
    assert main(arguments) == main(arguments) == 0
    assert json.loads(run.read_text())["metrics"]["test"]["best"]["mae"] == mae
    assert capsys.readouterr().out.splitlines() == [
        f"{store.root}: 1 runs evaluated, {changed} records changed" for changed in (1, 0)
    ]
    assert main(["evaluate", "--store", str(store.root)]) == 1
    assert "damaged" in capsys.readouterr().err


def test_what_cannot_be_shown_is_one_line(store, capsys):
    for name, says in (
        ("damaged", "not a readable record"),
        ("working", "not finished"),
        ("broken", "failed: loss is NaN"),
        ("", "4 runs begin so"),
    ):
        assert main(["show", name, "--store", str(store.root)]) == 1
        error = capsys.readouterr().err
        assert error.startswith("error: ")
        assert says in error
        assert error.count("\n") == 1


def test_the_reader_of_a_pipe_may_have_enough(store):
    command = f"{sys.executable} -m supremix.cli ls --store {store.root} | true"
    result = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)
    assert result.stderr == ""


def test_the_list_of_datasets(capsys):
    assert main(["prepare"]) == 0
    assert "uci_airfoil" in capsys.readouterr().out


def test_a_preparation_goes_to_its_module(tmp_path, capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["prepare", "uci_airfoil", "--help"])
    assert "usage: supremix prepare uci_airfoil" in capsys.readouterr().out
    assert main(["twin", "uci_airfoil", "--size", "tiny", "--out", str(tmp_path)]) == 0
    raw = tmp_path / "uci_airfoil_tiny" / "airfoil_self_noise.dat"
    out = ["--name", "uci_airfoil_tiny", "--out", str(tmp_path / "prepared")]
    assert main(["prepare", "uci_airfoil", "--source", str(raw), *out]) == 0
    assert (tmp_path / "prepared" / "uci_airfoil_tiny" / "manifest.csv").is_file()


@pytest.mark.whole
def test_a_sweep_goes_through_the_command(tmp_path):
    result = supremix("train", "-m", *SMALL, "method=ridge,constant", f"paths.runs={tmp_path / 'runs'}")
    assert result.returncode == 0, result.stderr
    assert len(list((tmp_path / "runs").glob("*/DONE"))) == 2
