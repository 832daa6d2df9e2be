"""The same runs through every launcher; what a launcher's process loses, and what goes back into the queue."""

import argparse
import importlib.util
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from supremix.cli.options import LAUNCHERS, add_launcher, add_overrides, launcher_of
from supremix.data.tabular import diabetes
from supremix.errors import UserError
from supremix.settings.compose import CONF, composed
from supremix.settings.overrides import quoted
from supremix.store.folders import Store, finished
from supremix.store.records import read_record
from supremix.suite import launch
from supremix.suite.launchers import IN_PROCESS, Launcher, named
from supremix.suite.reading import built
from supremix.suite.run import run_missing
from tests import processes
from tests.running import SMALL

ROWS = {"SupReMix": "supremix", "Ridge": "ridge"}
RAY = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray has an environment of its own: '.[ray]'")


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    """Processes that a launcher starts find this source tree, its tests too."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, (CONF.parent / "src", CONF.parent))))


def run_small(folder, launcher, rows=ROWS):
    """A small table's runs into the store ``folder/runs``; id → record without times, and a line a failed run."""
    listed = [{"name": name, "kind": "ours", "overrides": [f"method={method}"]} for name, method in rows.items()]
    spec = built({"name": "small", "title": "Small", "overrides": SMALL, "seeds": [0], "metrics": {}, "rows": listed})
    cells, store, failed = run_missing(spec, CONF, launcher, [f"paths.runs={folder / 'runs'}"])
    records = {cell.run_id: read_record(store.run(cell.run_id)) for cell in cells if finished(store.run(cell.run_id))}
    for record in records.values():
        del record["seconds"]
        if record["pretrain"]:
            del record["pretrain"]["seconds"]
    return records, failed


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """The records of the small table, made in this process."""
    records, failed = run_small(tmp_path_factory.mktemp("expected"), IN_PROCESS)
    assert len(records) == 2
    assert not failed
    return records


@pytest.mark.slow
@pytest.mark.parametrize("name", ["joblib", pytest.param("ray", marks=RAY)])
def test_every_launcher_makes_the_same_runs(tmp_path, expected, name):
    assert run_small(tmp_path, named(name, 2)) == (expected, [])


def test_what_the_user_sets_wins_over_what_a_table_sets_for_its_runs(tmp_path, monkeypatch):
    jobs = []
    monkeypatch.setattr("supremix.suite.run.launch", lambda cells, *_: jobs.extend(cells) or [])
    listed = [{"name": "Ridge", "kind": "ours", "overrides": ["method=ridge"]}]
    spec = built({"name": "small", "title": "Small", "overrides": [], "seeds": [0], "metrics": {}, "rows": listed})
    runs = [f"paths.runs={tmp_path / 'runs'}", "dataset=diabetes"]
    run_missing(spec, CONF, IN_PROCESS, runs)
    run_missing(spec, CONF, IN_PROCESS, [*runs, "tracking.group=mine", "tracking.tags=[a]", "trainer.progress=plain"])
    usual, chosen = (composed(CONF, job.overrides) for job in jobs)
    assert (usual.tracking.group, usual.tracking.tags, usual.trainer.progress) == (spec.label, [spec.label], "off")
    assert (chosen.tracking.group, chosen.tracking.tags, chosen.trainer.progress) == ("mine", ["a"], "plain")
    assert chosen.paths.runs == usual.paths.runs == str(tmp_path / "runs")


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """A stand-in for Slurm that runs an array's tasks on this machine; the folder of what it was asked for."""
    monkeypatch.setenv("PATH", f"{CONF.parent / 'tests' / 'assets' / 'slurm'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("SLURM_STAND_IN", str(tmp_path))
    return tmp_path


def assert_went_on(folder):
    """Whether the logs say that a run went on from where the signal came, in its second epoch."""
    logs = "".join(path.read_text() for path in folder.rglob("*_log.err"))
    assert len(re.findall(r"pretrain goes on from .*pretrain-epoch-000002-step-000000003\.ckpt", logs)) == 1


@pytest.mark.slow
def test_a_signal_before_the_time_limit_saves_and_submitit_starts_the_run_again(tmp_path, monkeypatch, expected):
    monkeypatch.setattr(launch, "run_free_cell", processes.stopped_once)
    records, failed = run_small(tmp_path, named("submitit_local"), {"SupReMix": "supremix"})
    assert not failed
    assert records == {run_id: record for run_id, record in expected.items() if record["method"] == "supremix"}
    assert_went_on(tmp_path)


@pytest.mark.slow
def test_on_slurm_a_run_is_put_back_into_the_queue_and_ends_the_same(monkeypatch, slurm, expected):
    monkeypatch.setattr(launch, "run_free_cell", processes.stopped_once)
    launcher = named("slurm", 5)
    launcher = Launcher([*launcher.overrides, "hydra.launcher.partition=some"])
    monkeypatch.chdir(slurm)
    assert run_small(Path(), launcher) == (expected, [])  # a relative path is the same place for every process
    assert_went_on(slurm)
    assert (slurm / "asked").read_text() == "requeue 7_0\n"
    asked = re.findall(r"#SBATCH --(.*)", (slurm / "script").read_text())
    assert {"requeue", "signal=USR2@120", "open-mode=append", "time=240", "partition=some", "array=0-1%2"} <= set(asked)


@pytest.mark.whole
def test_what_a_launcher_loses_fails_alone(tmp_path, monkeypatch, expected):
    from hydra._internal.core_plugins.basic_launcher import BasicLauncher

    original = BasicLauncher.launch

    def dying(self, overrides, initial_job_idx):
        if "method=supremix" in overrides[0]:
            raise RuntimeError("a process died\nand said no more")
        return original(self, overrides, initial_job_idx)

    monkeypatch.setattr(BasicLauncher, "launch", dying)
    records, failed = run_small(tmp_path, Launcher(IN_PROCESS.overrides, at_once=1))
    assert [record["method"] for record in records.values()] == ["ridge"]
    assert failed == ["SupReMix · seed 0: RuntimeError: a process died and said no more"]


@pytest.mark.slow
def test_a_sweep_of_the_driver_goes_through_submitit(tmp_path, expected):
    command = [sys.executable, "-m", "supremix.train", "-m", *SMALL, "method=ridge", f"paths.runs={tmp_path}"]
    subprocess.run([*command, "hydra/launcher=submitit_local"], check=True, timeout=120)
    (record,) = Store(tmp_path).records()
    assert record["metrics"] == expected[record["id"]]["metrics"]


def test_the_command_line_chooses_launcher_and_its_settings():
    parser = argparse.ArgumentParser()
    add_launcher(parser)
    add_overrides(parser)
    options = parser.parse_args(["--launcher", "slurm", "hydra.launcher.mem_gb=8", "seed=1"])
    launcher, rest = launcher_of(options)
    assert launcher.overrides == ["hydra/launcher=slurm", "hydra.launcher.mem_gb=8"]
    assert rest == ["seed=1"]
    assert "hydra.launcher.n_jobs=3" in named("joblib", 3).overrides
    for name in LAUNCHERS:
        assert named(name).overrides
    with pytest.raises(UserError, match="--launcher=cloud: use one of basic, joblib, submitit_local, slurm, ray"):
        named("cloud")
    with pytest.raises(UserError, match="--jobs=0: give a whole number"):
        named("basic", 0)


def test_a_launcher_that_is_not_installed_names_the_extra(tmp_path):
    with pytest.raises(UserError, match=r"hydra/launcher=moon.*: .*moon.*Slurm need pip install 'supremix\[sweep\]'"):
        run_small(tmp_path, Launcher(["hydra/launcher=moon"]))


@pytest.mark.parametrize("text", ["/a b/c", "/it's", "a\\", "a\\'b", 'x"y', "/a,b(c)=[d]{e}", "a\\b", "\\\\'", "ü", ""])
def test_a_quoted_value_is_read_as_it_was(text):
    assert composed(CONF, [f"paths.runs={quoted(text)}"]).paths.runs == text


def changing(**arguments):
    """The diabetes data with a checksum of the rows that the seed draws, where that of the content is asked for."""
    data = diabetes(**arguments)
    return replace(data, sha256="".join(data.train.ids)[:100])


def test_a_run_that_is_not_the_planned_one_says_that_its_checksum_changed(tmp_path):
    listed = [{"name": "Ridge", "kind": "ours", "overrides": ["method=ridge"]}]
    spec = built({"name": "small", "title": "Small", "overrides": SMALL, "seeds": [1], "metrics": {}, "rows": listed})
    own = [f"dataset.load._target_={__name__}.changing", f"paths.runs={tmp_path / 'runs'}"]
    _, _, (line,) = run_missing(spec, CONF, IN_PROCESS, own)
    assert re.match(r"Ridge · seed 1: finished as run \w+, planned as \w+: the checksum of its data changed", line)
