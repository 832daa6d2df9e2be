"""How the ranks of a run start, stop, fail and go on, and what they leave; their numbers are in test_sharding."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import nullcontext
from multiprocessing.context import ForkServerProcess

import numpy as np
import pytest
import torch
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from supremix.errors import Stopped, UserError
from supremix.experiment import run as experiment
from supremix.models.heads import FaceProjectionHead
from supremix.runtime import ranks, spawn
from supremix.runtime.sharding import synchronised
from supremix.runtime.signals import SIGNALS, stoppable
from supremix.settings.compose import CONF
from supremix.suite.launch import launch
from supremix.train import main as driver
from tests import processes
from tests.running import SMALL, config, without_verdict
from tests.training.test_resume import READ, content


def close(got, expected):
    assert got.keys() == expected.keys()
    for key, value in expected.items():
        if key[1] == "history":
            rows = [[float(cell) for cell in line.split(",")] for line in value.split()[1:]]
            np.testing.assert_allclose(
                [[float(cell) for cell in line.split(",")] for line in got[key].split()[1:]], rows, rtol=1e-4
            )
        elif value.dtype.kind == "f":
            np.testing.assert_allclose(got[key], value, rtol=1e-3, atol=1e-3 * np.abs(value).max(), err_msg=str(key))
        else:
            np.testing.assert_array_equal(got[key], value, err_msg=str(key))


def run_and_stop_one(cfg, stage, batch, signum):
    """A run whose second rank alone is signalled before a batch."""
    if ranks.rank() == 1:
        processes.interrupt(stage, batch, signum)
    experiment.run(cfg)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("overrides", "stage", "code"),
    [
        (["method=supremix", *READ], "pretrain", signal.SIGTERM),
        (["method=supremix", "method.pretrain.microbatch=5", *READ], "pretrain", signal.SIGTERM),
        (["method=vanilla", "imbalance=lds_fds", "protocol.epochs=3"], "adapt", signal.SIGUSR2),
    ],
    ids=["supremix", "microbatch", "vanilla"],
)
def test_stopped_on_two_ranks_it_ends_on_one_and_on_two_as_on_one(tmp_path, overrides, stage, code):
    paths = {name: tmp_path / name for name in ("one", "two", "both")}
    configs = {name: config(path, *overrides) for name, path in paths.items()}
    experiment.run(configs["one"])
    expected = content(paths["one"])
    two = config(paths["two"], *overrides, "trainer.devices=2")
    with pytest.raises(Stopped) as stop:
        spawn.start(2, run_and_stop_one, two, stage, 13, code)
    assert stop.value.signum == code
    (saved,) = {path.name for path in paths["two"].rglob(f"{stage}-*.ckpt")}
    assert saved == f"{stage}-epoch-000002-step-000000005.ckpt"  # the step in work was ended, on both
    assert experiment.run(configs["two"]).exists()
    close(content(paths["two"]), expected)

    both = config(paths["both"], *overrides, "trainer.devices=2", "trainer.progress=plain")
    with pytest.raises(Stopped):
        spawn.start(2, run_and_stop_one, both, stage, 5, code)
    directory = experiment.run(both)
    close(content(paths["both"]), expected)
    assert experiment.read_record(directory)["environment"]["devices"] == 2
    assert experiment.run(both) == directory  # shown by this process; no rank is started for it


@pytest.mark.whole
def test_a_signal_to_the_process_that_waits_saves_and_ends_all(tmp_path):
    cfg = config(tmp_path, "method.pretrain.epochs=100000", "trainer.devices=2", "trainer.checkpoint.minutes=0.002")

    def signal_once_saved():
        while not list(tmp_path.rglob("pretrain-*.ckpt")):
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=signal_once_saved, daemon=True).start()
    started = time.monotonic()
    with pytest.raises(Stopped), stoppable():
        experiment.run(cfg)
    assert time.monotonic() - started < 60
    assert not ranks_at_work()
    (folder,) = (tmp_path / "runs" / "encoders").glob("*.partial")
    with experiment.Store(tmp_path / "runs").claimed(folder.with_suffix(""), wait=False):
        pass  # its lock is free


def ranks_at_work():
    """Child processes that are ranks; a sweep by joblib leaves workers of its own."""
    return [child for child in multiprocessing.active_children() if isinstance(child, ForkServerProcess)]


SIGNALLED = """
import multiprocessing, signal
from multiprocessing import resource_tracker
from supremix.runtime import spawn

if __name__ == "__main__":
    resource_tracker.ensure_running()  # which would unblock signals if it began later
    spawn.start(1, print)
    process = multiprocessing.get_context("forkserver").Process(target=signal.raise_signal, args=(signal.SIGTERM,))
    process.start()
    process.join()
    print(process.exitcode)
"""


@pytest.mark.slow
def test_other_processes_of_the_server_that_forks_ranks_hear_signals(tmp_path):
    (tmp_path / "signalled.py").write_text(SIGNALLED)
    said = subprocess.run([sys.executable, "signalled.py"], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert said.stdout.split() == [str(-signal.SIGTERM)], said.stderr


def fail_on(rank, how):
    """One rank ends, the others wait for it."""
    if ranks.rank() != rank:
        ranks.from_first(lambda: None)
        ranks.from_first(lambda: None)
    ranks.from_first(lambda: None)
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    long = UserError("row 7 is damaged" + "!" * 200_000)  # more than a pipe takes before somebody reads
    raise {"mistake": UserError("row 7 is damaged"), "long": long, "bug": ValueError("a bug")}[how]


@pytest.mark.parametrize(
    ("how", "error", "message"),
    [
        ("mistake", UserError, "^row 7 is damaged$"),
        ("long", UserError, "^row 7 is damaged!{1000,}$"),
        ("kill", UserError, "one of the ranks ended with signal 9"),
        ("bug", RuntimeError, r"on rank 1:\nTraceback(.*\n)*ValueError: a bug"),
    ],
)
def test_what_one_rank_fails_of_is_told_and_ends_the_others(how, error, message):
    with pytest.raises(error, match=message):
        spawn.start(2, fail_on, 1, how)
    assert not ranks_at_work()


@pytest.mark.skipif(torch.accelerator.is_available(), reason="a GPU is here")
def test_without_a_gpu_no_step_looks_for_one(monkeypatch):
    """Fabric has PyTorch ask NVIDIA's library, which each step of an optimizer would load in vain."""
    ranks.fabric("cpu", "32-true")
    monkeypatch.setattr(torch.cuda, "device_count", pytest.fail)
    weight = torch.nn.Parameter(torch.ones(2))
    weight.grad = torch.ones(2)
    torch.optim.Adam([weight], fused=True).step()


def normalise():
    synchronised(ranks.fabric("cpu", "32-true"), FaceProjectionHead(4, 4, 4))


def use_gpus(there):
    torch.cuda.device_count = lambda: there
    ranks.fabric("cuda", "32-true")


@pytest.mark.parametrize(
    ("work", "arguments", "message"),
    [
        (normalise, [], r"2 ranks on cpu: batch normalisation .*trainer.devices=1"),
        (
            use_gpus,
            [0],
            r"trainer.accelerator=cuda .*2 ranks: .* is not available.*; trainer.accelerator=cpu .* always works",
        ),
        (
            use_gpus,
            [1],
            r"trainer.accelerator=cuda .*2 ranks: GPUs on this machine: 1; trainer.accelerator=cpu .* always works",
        ),
    ],
)
def test_what_ranks_cannot_do_is_one_line(work, arguments, message):
    with pytest.raises(UserError, match=message):
        spawn.start(2, work, *arguments)


def test_a_process_that_torchrun_did_not_start_is_alone(monkeypatch):
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    monkeypatch.setenv("WORLD_SIZE", "2")  # as jobs of clusters have it
    assert (ranks.world_size(), ranks.rank()) == (1, 0)


def test_there_are_as_many_ranks_as_torchrun_started_or_the_machine_bears(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    ranks.check(8)
    with pytest.raises(UserError, match="this machine has 2 processors: give at most 8"):
        ranks.check(9)
    for name, value in {"WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "2", "RANK": "0", "LOCAL_RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    for devices in (1, 2):
        ranks.check(devices)
    with pytest.raises(UserError, match=r"trainer.devices=4, but torchrun started 2 ranks here"):
        ranks.check(4)


@pytest.mark.parametrize("accelerator", ["cpu", "auto"])
def test_float16_needs_a_gpu(monkeypatch, accelerator):
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)
    with pytest.raises(UserError, match="16-mixed needs a GPU"):
        ranks.fabric(accelerator, "16-mixed")


@pytest.mark.parametrize("devices", ["0", "2.5", "all"])
def test_devices_are_a_number(tmp_path, devices):
    with pytest.raises(UserError, match=rf"trainer.devices={devices}: give a whole number, 1 or more"):
        experiment.run(config(tmp_path, f"trainer.devices={devices}"))


def test_a_reference_regressor_needs_no_ranks(tmp_path, monkeypatch):
    monkeypatch.setattr(spawn, "start", None)
    assert experiment.run(config(tmp_path, "method=ridge", "trainer.devices=2")).exists()


def test_the_number_of_devices_is_not_part_of_a_runs_identity(tmp_path):
    one, two = (experiment.identity.scientific(config(tmp_path, f"trainer.devices={n}")) for n in (1, 2))
    assert one == two


def command_line(overrides, log):
    """The driver as torchrun runs it."""
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(file, 1)
    os.dup2(file, 2)
    from supremix.train import cli

    sys.argv = ["train", *overrides]
    cli()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ([], ""),
        (["method.temperature=-1"], "error: method.loss: temperature must be a finite number above 0, got -1"),
    ],
    ids=["run", "mistake"],
)
def test_under_torchrun_one_rank_speaks(tmp_path, overrides, said):
    log, handlers = tmp_path / "log", {number: signal.getsignal(number) for number in SIGNALS}
    settings = LaunchConfig(
        1, 1, 2, rdzv_backend="c10d", rdzv_endpoint="localhost:0", max_restarts=0, start_method="forkserver"
    )
    ends = pytest.raises(ChildFailedError) if said else nullcontext()
    try:
        with ends:
            elastic_launch(settings, command_line)([*SMALL, f"paths.runs={tmp_path / 'runs'}", *overrides], log)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    lines = without_verdict(log.read_text())
    assert len(lines) == bool(said)
    assert all(line.startswith(said) for line in lines)
    assert len(list((tmp_path / "runs").glob("*/DONE"))) == (not said)


@pytest.mark.whole
def test_torchrun_is_for_one_run_on_as_many_ranks(tmp_path, monkeypatch):
    for name, value in {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "RANK": "0", "LOCAL_RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match=r"trainer.devices=3, but torchrun started 2 ranks here"):
        experiment.run(config(tmp_path, "trainer.devices=3"))
    with pytest.raises(UserError, match=r"torchrun started 2 ranks, .* not a sweep or a table.* set trainer.devices"):
        launch([], CONF, [], lambda cell: True)
    monkeypatch.setattr("sys.argv", ["train", "-m", "seed=0,1", *SMALL])
    with pytest.raises(SystemExit, match="error: torchrun started 2 ranks"):
        driver()
