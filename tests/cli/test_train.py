"""The driver as a user meets it: a process, its output, its exit code, its time."""

import os
import subprocess
import sys

import pytest

from supremix.train import cli
from tests.running import SMALL


def train(tmp_path, *arguments, **environment):
    """Run the driver in a process of its own; the result and the processor's seconds."""
    command = [sys.executable, "-m", "supremix.train", *arguments, f"paths.runs={tmp_path / 'runs'}"]
    started = os.times()
    result = subprocess.run(
        command, capture_output=True, text=True, timeout=120, cwd=tmp_path, env={**os.environ, **environment}
    )
    ended = os.times()
    used = ended.children_user + ended.children_system - started.children_user - started.children_system
    return result, used


@pytest.mark.whole
def test_a_run_ends_with_its_metrics_and_a_record_that_is_there(tmp_path):
    result, _ = train(tmp_path, *[part for part in SMALL if "progress" not in part])
    assert result.returncode == 0, result.stderr
    assert "pretrain epoch 2/2  loss" in result.stderr
    assert "s left" not in result.stderr  # the first epoch tells nothing, and after the last none is left
    assert "\x1b" not in result.stderr + result.stdout  # no bar where there is no terminal
    path = result.stdout.split("record: ")[1].strip()
    assert os.path.getsize(path) > 0
    assert "mae" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["method.temprature=1"], "method.temprature"),
        (["method=suprimix"], "method/suprimix"),
        (["method.temperature=-1"], "temperature must be a finite number above 0, got -1"),
        (["+window=3"], "nothing reads the key 'window'"),
        (["dataset=uci_airfoil", "paths.prepared=nowhere"], "supremix prepare uci_airfoil"),
    ],
)
def test_a_mistake_is_one_line_on_stderr_and_quick(tmp_path, arguments, message):
    result, seconds = train(tmp_path, "dataset=diabetes", "tracking=none", *arguments)
    assert result.returncode != 0
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("error: ")
    assert seconds < 10  # of the processor: 3 s alone, more where processes share a core


@pytest.mark.whole
def test_a_terminal_shows_what_starts_before_anything_slow(tmp_path):
    primary, secondary = os.openpty()
    arguments = ["dataset=diabetes", "tracking=none", "method.temperature=-1", f"paths.runs={tmp_path}"]
    command = [sys.executable, "-m", "supremix.train", *arguments]
    with subprocess.Popen(command, stderr=secondary, stdout=subprocess.DEVNULL) as process:
        os.close(secondary)
        shown = os.read(primary, 4096)  # of several lines the first, which comes by itself
        assert shown.decode() == "diabetes · supremix · linear_probe · seed 0: starting\r\n"
        assert process.wait(120) == 1
    os.close(primary)


def test_an_error_of_a_run_that_is_no_known_mistake_keeps_its_traceback(tmp_path, monkeypatch):
    def broken(cfg):
        raise ValueError("shapes (3,) and (4,) differ")

    monkeypatch.setattr("supremix.experiment.run.run", broken)
    monkeypatch.setattr(sys, "argv", ["train", *SMALL, f"paths.runs={tmp_path}"])
    with pytest.raises(ValueError, match="differ"):
        cli()


@pytest.mark.whole
def test_a_failed_job_does_not_stop_a_sweep_but_fails_it(tmp_path):
    result, _ = train(tmp_path, "-m", *SMALL, "method.temperature=-1,1")
    assert result.returncode != 0
    assert "temperature must be a finite number above 0" in result.stderr
    assert "Traceback" not in result.stderr
    assert "Error executing job" not in result.stderr
    assert result.stderr.splitlines()[-1].startswith("error: 1 of 2 jobs failed: job 1 method.temperature=-1: method.")
    assert len(list((tmp_path / "runs").glob("*/DONE"))) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]  # Hydra leaves nothing where one stands


@pytest.mark.parametrize("flag", [["--help"], ["--cfg", "job"]])
def test_help_and_config_need_no_heavy_import(tmp_path, flag):
    result, _ = train(tmp_path, *flag, PYTHONPROFILEIMPORTTIME="1")
    assert result.returncode == 0
    for heavy in ("numpy", "torch", "sklearn", "pandas", "wandb", "lightning_fabric", "pydantic"):
        assert f"| {heavy}\n" not in result.stderr
