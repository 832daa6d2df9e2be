"""Killed and started again: the same bits as if never interrupted; many processes at once; stop signals."""

import errno
import hashlib
import io
import os
import random
import shutil
import signal
import time
import zipfile

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from safetensors.torch import load_file
from torch import nn

from supremix.errors import Busy, Stopped, UserError
from supremix.experiment import run as experiment
from supremix.models.mlp import MLP
from supremix.runtime.entry import entry_point
from supremix.runtime.signals import stoppable, unbroken
from supremix.store.folders import Store, finished, work_folder
from supremix.training import adapt
from supremix.training.batches import Stream
from supremix.training.checkpoint import DIGEST, Checkpoints, restore, resumed, snapshot
from supremix.training.loop import Hooks, Task, fit
from tests import processes
from tests.running import SMALL, config, without_verdict
from tests.stages import fit_settings

BATCHES = 9  # of an epoch: 266 rows in batches of 32
DROPOUT = ["backbone.build._target_=tests.training.test_resume.WithDropout"]
RUNNING = ["method=vanilla", "imbalance=lds_fds", "protocol.epochs=3"]  # statistics from epoch to epoch
READ = ["method.pretrain.histograms={bins: 9, hardest: 50, epochs: [1, 2]}", "trainer.log_every=2"]


class WithDropout(MLP):
    """The backbone of a table with dropout on its features."""

    def forward(self, x_BF):
        return nn.functional.dropout(super().forward(x_BF), 0.3, self.training)


def content(store):
    """Everything in the store that must not depend on interruptions: predictions, weights, histories."""
    found = {}
    for directory in (done.parent for done in store.rglob("DONE")):
        name = str(directory.relative_to(store))
        found[name, "history"] = (directory / "history.csv").read_text()
        for path in directory.glob("*.safetensors"):
            found |= {(name, path.name, key): value.numpy() for key, value in load_file(path).items()}
        for path in directory.glob("*.npz"):
            found |= {(name, path.name, key): value for key, value in np.load(path).items()}
    return found


def assert_same(store, expected):
    got = content(store)
    assert got.keys() == expected.keys()
    for key, value in expected.items():
        np.testing.assert_array_equal(got[key], value, err_msg=str(key), strict=True)
    assert not list(store.rglob("*.partial"))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """What a run leaves that nothing interrupts."""
    known = {}

    def find(*overrides):
        if overrides not in known:
            folder = tmp_path_factory.mktemp("undisturbed")
            experiment.run(config(folder, *overrides))
            known[overrides] = content(folder / "runs")
        return known[overrides]

    return find


@pytest.mark.whole
@pytest.mark.parametrize(
    ("overrides", "stages"),
    [
        pytest.param(
            ["method=supremix", *READ, *DROPOUT],
            ["pretrain", "pretrain", "adapt", "adapt"],
            marks=pytest.mark.slow,
            id="probe",
        ),
        pytest.param(
            ["method=supcon", "method.pretrain.sampler=paired", *DROPOUT],
            ["pretrain", "pretrain"],
            marks=pytest.mark.slow,
            id="paired",
        ),
        pytest.param(["method=supremix", "protocol=finetune", *DROPOUT], ["adapt"], id="finetune"),
        pytest.param(["method=vanilla", *DROPOUT], ["adapt", "adapt"], marks=pytest.mark.slow, id="vanilla"),
        pytest.param(RUNNING, ["adapt", "adapt"], id="running-statistics"),
    ],
)
def test_killed_at_random_steps_it_ends_with_the_same_bits(tmp_path, undisturbed, overrides, stages):
    expected = undisturbed(*overrides)
    cfg, log, draw = config(tmp_path, *overrides), tmp_path / "log", random.Random(str(overrides))
    for stage in stages:
        kill = draw.choice([signal.SIGKILL, signal.SIGTERM])
        process = processes.start(processes.run_until, cfg, stage, draw.randrange(1, 13), kill, log=log)
        assert processes.code(process) in (-signal.SIGKILL, 1)  # Stopped, which only command lines turn into a code
    before = log.read_text()
    experiment.run(cfg)
    assert_same(tmp_path / "runs", expected)
    assert "not a whole checkpoint" not in before


@pytest.mark.whole
def test_stopped_while_the_first_batch_of_an_epoch_is_read_it_takes_up_statistics_once(tmp_path, undisturbed):
    cfg, log = config(tmp_path, *RUNNING), tmp_path / "log"
    assert processes.code(processes.start(processes.run_until, cfg, "adapt", BATCHES, signal.SIGTERM, log=log)) == 1
    (saved,) = (tmp_path / "runs").rglob("*step-000000000.ckpt")
    assert saved.name.startswith("adapt-epoch-000002")
    experiment.run(cfg)
    assert_same(tmp_path / "runs", undisturbed(*RUNNING))


@pytest.mark.whole
@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGHUP])
def test_a_stop_signal_on_the_command_line_is_one_line_and_its_code(tmp_path, undisturbed, signum):
    overrides, log = [*SMALL, f"paths.runs={tmp_path / 'runs'}"], tmp_path / "log"
    process = processes.start(processes.train_until, overrides, "pretrain", 12, signum, log=log)
    assert processes.code(process) == 128 + signum
    assert log.read_text() == f"stopped by {signum.name}: the same command goes on from what is saved\n"
    (saved,) = [path.name for path in (tmp_path / "runs").rglob("*step-000000003.ckpt")]
    assert saved == "pretrain-epoch-000002-step-000000003.ckpt"  # 12 steps: all that were begun were ended and saved
    experiment.run(config(tmp_path))
    assert_same(tmp_path / "runs", undisturbed())


def interrupted(tmp_path, overrides=(), batch=13):
    """A run killed in pre-training; its encoder's folder of unfinished work."""
    cfg = config(tmp_path, *overrides)
    process = processes.start(processes.run_until, cfg, "pretrain", batch, signal.SIGKILL, log=tmp_path / "log")
    assert processes.code(process) == -signal.SIGKILL
    (folder,) = (tmp_path / "runs" / "encoders").glob("*.partial")
    return cfg, folder


@pytest.mark.whole
@pytest.mark.parametrize(("damaged", "instead"), [(1, "the one before it"), (2, "the beginning of pretrain")])
def test_a_damaged_checkpoint_is_named_and_the_one_before_it_used(tmp_path, undisturbed, capfd, damaged, instead):
    cfg, folder = interrupted(tmp_path)
    newest_first = sorted(folder.rglob("*.ckpt"), reverse=True)
    assert len(newest_first) == 2
    for path in newest_first[:damaged]:
        bytes_ = bytearray(path.read_bytes())
        bytes_[len(bytes_) // 2] ^= 1
        path.write_bytes(bytes_)
    experiment.run(cfg)
    warnings = [line for line in without_verdict(capfd.readouterr().err) if line.startswith("warning")]
    assert len(warnings) == damaged
    for path, line in zip(newest_first, warnings, strict=False):
        assert str(path) in line
    assert warnings[-1].endswith(f"going on from {instead}")
    assert_same(tmp_path / "runs", undisturbed())


def test_a_checkpoint_with_code_in_it_is_refused(tmp_path, capsys):
    class Harm:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "harm"),))

    checkpoints = Checkpoints(tmp_path, "t", 0)
    checkpoints.save(1, 1, {"x": Harm()})
    assert checkpoints.load() is None
    assert not (tmp_path / "harm").exists()
    assert "not a whole checkpoint" in capsys.readouterr().err


def test_a_checkpoint_that_cannot_be_read_just_now_is_kept(tmp_path, monkeypatch):
    checkpoints = Checkpoints(tmp_path, "t", 0)
    checkpoints.save(1, 1, {"x": 1})

    def fail(path):
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr("pathlib.Path.read_bytes", fail)
        with pytest.raises(UserError, match=r"step-000000001.ckpt: cannot be read.*again"):
            checkpoints.load()
    assert checkpoints.load()["x"] == 1


NO_MEMORY = {
    "Python": MemoryError(),
    "a processor": RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory"),
    "a GPU": torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
}


@pytest.mark.parametrize("of", NO_MEMORY)
@pytest.mark.parametrize("where", ["torch.load", "supremix.training.checkpoint.restore"])
def test_checkpoints_are_kept_where_there_is_no_memory_to_read_them(tmp_path, monkeypatch, of, where):
    cpu, checkpoints = torch.device("cpu"), Checkpoints(tmp_path, "t", 0)
    for step in (1, 2):
        checkpoints.save(1, step, snapshot({}, [], cpu, {"step": step}))

    def fail(*arguments, **settings):
        raise NO_MEMORY[of]

    with monkeypatch.context() as patched:
        patched.setattr(where, fail)
        with pytest.raises(type(NO_MEMORY[of])):
            resumed(checkpoints, {}, [], cpu, dict)
    assert len(list(tmp_path.iterdir())) == 2
    assert resumed(checkpoints, {}, [], cpu, dict) == {"step": 2}


def test_a_save_that_fails_leaves_no_file_and_no_open_view_of_its_buffer(tmp_path, monkeypatch):
    def full(*files):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(hashlib, "sha256", full)
        with pytest.raises(UserError, match="No space left") as error:
            Checkpoints(tmp_path, "adapt", 0).save(1, 1, {})
    (buffer,) = [entry.frame.f_locals["buffer"] for entry in error.traceback if "buffer" in entry.frame.f_locals]
    buffer.close()  # BufferError while a view is open
    assert not list(tmp_path.iterdir())


def test_a_stage_is_saved_again_when_as_many_minutes_are_over(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    checkpoints = Checkpoints(tmp_path, "t", 2)
    for begin in (0.0, 120.0):
        now[0] = begin + 119.0
        assert not checkpoints.due()
        now[0] = begin + 120.0
        assert checkpoints.due()
        checkpoints.save(1, 1, {})


def test_a_lock_of_a_killed_process_blocks_nobody(tmp_path, capfd):
    cfg, folder = interrupted(tmp_path)
    assert "process" in (folder / "lock").read_text()
    experiment.run(cfg, wait=False)
    assert "waiting" not in capfd.readouterr().err


def test_a_short_run_writes_no_checkpoint(tmp_path, monkeypatch):
    monkeypatch.setattr(Checkpoints, "save", None)  # would fail if called
    experiment.run(config(tmp_path))


@pytest.mark.slow
def test_eight_processes_finish_every_run_once(tmp_path, undisturbed):
    sweep = [("method=supremix",), ("method=supremix", "protocol=finetune"), ("method=vanilla",)]
    expected = {}
    for overrides in sweep:
        expected |= undisturbed(*overrides)
    configs, journal = [config(tmp_path, *overrides) for overrides in sweep], tmp_path / "journal"
    started = [
        processes.start(processes.run_all, configs[i % 3 :] + configs[: i % 3], journal, log=tmp_path / "log")
        for i in range(8)
    ]
    assert [processes.code(process) for process in started] == [0] * 8, (tmp_path / "log").read_text()
    written = journal.read_text().split()
    assert len(written) == len(set(written)) == 4  # three runs, and the encoder that two of them share
    assert_same(tmp_path / "runs", expected)


@pytest.mark.whole
def test_the_second_process_on_a_run_waits_for_the_first_and_shows_what_it_left(tmp_path):
    cfg, store, journal = config(tmp_path, "trainer.progress=plain"), Store(tmp_path / "runs"), tmp_path / "journal"
    first, second = tmp_path / "first", tmp_path / "second"
    experiment.run(cfg)
    (directory,) = (path.parent for path in store.root.glob("*/DONE"))
    (directory / "DONE").unlink()
    with store.claimed(directory):
        with pytest.raises(Busy, match=f"{directory.name} is in work in process {os.getpid()} on "):
            experiment.run(cfg, wait=False)
        waiting = [processes.start(processes.run_all, [cfg], journal, log=log) for log in (first, second)]
        deadline = time.monotonic() + 120
        while not all(log.exists() and "waiting for it" in log.read_text() for log in (first, second)):
            assert time.monotonic() < deadline, "the processes do not say that they wait"
            time.sleep(0.05)
    assert [processes.code(process) for process in waiting] == [0, 0]
    texts = [log.read_text() for log in (first, second)]
    assert sorted("finished before, nothing to do" in text for text in texts) == [False, True]
    assert all(text.count("is in work in process") == 1 for text in texts)
    assert journal.read_text().split() == [directory.name]
    assert finished(directory)
    assert not work_folder(directory).exists()


class Killed(BaseException):
    """Stands for a kill, which leaves no time to do anything."""


class MeanLabel:
    """A reader with a state."""

    def __init__(self):
        self.state = {}

    def read(self, epoch, output, y_B, loss):
        self.state["label"] = self.state.get("label", 0) + y_B.mean() * output.mean()

    def close(self):
        return {"label": float(self.state.pop("label"))}

    def state_dict(self):
        return dict(self.state)

    def load_state_dict(self, state):
        self.state = dict(state)


def toy_fit(folder, die_at=None):
    """Three epochs of four steps with all that has a state: dropout, batch norm, schedule, clipping, own draws."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 1), nn.Flatten(0))
    fabric = Fabric(accelerator="cpu", devices=1)
    wrapped, optimizer = fabric.setup(model, torch.optim.Adam(model.parameters(), lr=0.1))
    warm = torch.optim.lr_scheduler.LinearLR(optimizer, 0.1, total_iters=2)
    steps = torch.optim.lr_scheduler.MultiStepLR(optimizer, [2], gamma=0.3)
    draws, begun = torch.Generator().manual_seed(1), iter(range(100))
    x_NF = torch.randn(20, 5, generator=torch.Generator().manual_seed(2))

    def batches(epoch, first=0):
        for i in range(first, 4):
            if next(begun) == die_at:
                raise Killed
            yield x_NF[5 * i : 5 * i + 5], x_NF[5 * i : 5 * i + 5, 0] * epoch

    def objective(prediction_B, y_B):
        return ((prediction_B - y_B - torch.rand(5, generator=draws)) ** 2).mean()

    def score():
        if next(begun) == die_at:
            raise Killed
        with torch.no_grad():
            return float(wrapped(x_NF).sum())

    scheduler = torch.optim.lr_scheduler.ChainedScheduler([warm, steps])
    task = Task(wrapped, optimizer, batches, objective, Stream(0, "toy"), scheduler, score, generators=[draws])
    hooks = Hooks(checkpoints=Checkpoints(folder, "toy", 0), reader=MeanLabel())
    fitted = fit(fabric, task, fit_settings(epochs=3, clip=1.0), hooks)
    return fitted, model.state_dict()


@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step")  # after an epoch of the process before
def test_a_fit_goes_on_from_every_point_as_if_nothing_had_happened(tmp_path):
    (tmp_path / "whole").mkdir()
    expected, weights = toy_fit(tmp_path / "whole")
    for point in range(1, 15):
        folder = tmp_path / str(point)
        folder.mkdir()
        with pytest.raises(Killed):
            toy_fit(folder, point)
        before = Checkpoints(folder, "toy", 0).load() or {"progress": {"seconds": 0.0}}
        got, state = toy_fit(folder)
        assert got.seconds > before["progress"]["seconds"]
        assert (got.history, got.best_epoch) == (expected.history, expected.best_epoch)
        for key, value in expected.best_state.items():
            assert torch.equal(got.best_state[key], value), (point, key)
        assert all(torch.equal(state[key], value) for key, value in weights.items()), point
        assert len(list(folder.iterdir())) == 2


def rewritten(path, change):
    """A checkpoint with other contents, and a sum that is right."""
    content = torch.load(io.BytesIO(path.read_bytes()[DIGEST:]), weights_only=True)
    change(content)
    buffer = io.BytesIO()
    torch.save(content, buffer)
    path.write_bytes(hashlib.sha256(buffer.getvalue()).digest() + buffer.getvalue())


OTHER_CONTENTS = {
    "another format": lambda state: state.update({"format": 2}),
    "another run's": lambda state: state.update({"of": "other.partial/c0de/toy-epoch-000001-step-000000001.ckpt"}),
    "no part": lambda state: state["parts"].pop("model"),
    "a weight too few": lambda state: state["parts"]["model"].popitem(),
    "another shape": lambda state: state["parts"]["model"].update({"0.weight": torch.zeros(2, 2)}),
    "NaN weight": lambda state: state["parts"]["model"]["0.weight"].fill_(torch.nan),
    "another optimizer's groups": lambda state: state["parts"]["optimizer"].update({"param_groups": []}),
    "no random state": lambda state: state.update({"random": {}}),
    "a short random state": lambda state: state["random"].update({"own": [torch.zeros(3, dtype=torch.uint8)]}),
    "too few random states": lambda state: state["random"].update({"own": []}),
    "an unknown value": lambda state: state["progress"].update({"luck": 1}),
    "text for an epoch": lambda state: state["progress"].update({"epoch": "2"}),
    "history of other epochs": lambda state: state["progress"].update({"history": []}),
    "a sum of other rows": lambda state: state["progress"].update({"total": torch.zeros(2)}),
    "a list": lambda state: state.update({"parts": [1, 2]}),
}


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """What the whole toy fit gives."""
    return toy_fit(tmp_path_factory.mktemp("toy"))


@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step")
@pytest.mark.parametrize("what", OTHER_CONTENTS)
def test_a_checkpoint_with_a_right_sum_and_other_contents_is_named_and_the_one_before_it_used(
    tmp_path, toy, capsys, what
):
    for damaged, instead in ((1, "the one before it"), (2, "the beginning of toy")):
        folder = tmp_path / str(damaged)
        with pytest.raises(Killed):
            toy_fit(folder, 9)
        newest_first = sorted(folder.glob("*.ckpt"), reverse=True)
        for path in newest_first[:damaged]:
            rewritten(path, OTHER_CONTENTS[what])
        capsys.readouterr()
        got, state = toy_fit(folder)
        warnings = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning")]
        assert [line.split(": ")[1] for line in warnings] == [str(path) for path in newest_first[:damaged]]
        assert warnings[-1].endswith(f"; going on from {instead}")
        assert (got.history, got.best_epoch) == (toy[0].history, toy[0].best_epoch)
        assert all(torch.equal(state[key], value) for key, value in toy[1].items())


def test_a_damaged_checkpoint_that_cannot_be_removed_is_passed_over(tmp_path, monkeypatch):
    checkpoints = Checkpoints(tmp_path, "t", 0)
    for step in (1, 2):
        checkpoints.save(1, step, {"x": step})
    checkpoints.newest().write_bytes(b"damaged")

    def refuse(path, missing_ok=False):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("pathlib.Path.unlink", refuse)
    assert checkpoints.load()["x"] == 1


def test_a_folder_of_checkpoints_that_somebody_removed_is_made_again(tmp_path):
    folder = tmp_path / "runs" / "a.partial" / "c0de"
    checkpoints = Checkpoints(folder, "t", 0)
    for step in (1, 2):
        folder.mkdir(parents=True, exist_ok=True)
        checkpoints.save(1, step, {"x": step})
        shutil.rmtree(tmp_path / "runs")
    checkpoints.save(1, 3, {"x": 3})
    assert Checkpoints(folder, "t", 0).load()["x"] == 3


def test_a_store_that_is_removed_in_mid_run_is_made_again_and_the_run_saved(tmp_path, monkeypatch):
    cfg, fit_adapt = config(tmp_path), adapt.adapt

    def after_the_store_is_gone(*arguments):
        shutil.rmtree(tmp_path / "runs")
        return fit_adapt(*arguments)

    monkeypatch.setattr(adapt, "adapt", after_the_store_is_gone)
    directory = experiment.run(cfg)
    assert finished(directory)
    assert [path.name for path in (tmp_path / "runs").iterdir()] == [directory.name]


def signalled_inside(order):
    with unbroken():
        with unbroken():
            signal.raise_signal(signal.SIGUSR2)
        order.append("whole")
    order.append("never")


def test_stop_signals_wait_for_the_end_of_a_block_and_are_handed_on():
    heard, order = [], []
    before = signal.signal(signal.SIGUSR2, lambda number, frame: heard.append(number))
    try:
        with pytest.raises(Stopped) as stop, stoppable(), stoppable():
            signalled_inside(order)
        assert order == ["whole"]
        assert heard == [signal.SIGUSR2]  # once, by the handler that was there before: a scheduler's
        assert stop.value.code == 128 + signal.SIGUSR2
        signal.signal(signal.SIGUSR2, signal.SIG_IGN)
        with stoppable(), unbroken():
            signal.raise_signal(signal.SIGUSR2)
        with unbroken():
            pass  # nothing is left of the first signal
    finally:
        signal.signal(signal.SIGUSR2, before)


def test_a_stop_that_another_rank_asked_for_ends_this_one_though_it_ignores_the_signal():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # by nohup, on this machine alone
    try:
        with pytest.raises(Stopped) as stop, stoppable():
            raise Stopped(signal.SIGHUP)
        assert stop.value.code == 128 + signal.SIGHUP
    finally:
        signal.signal(signal.SIGHUP, before)


def signalled_in_a_zip_file(path):
    with zipfile.ZipFile(path, "w") as archive:
        file = archive.open("y", "w")
        signal.raise_signal(signal.SIGUSR2)
        file.close()  # not reached, so that the end of the archive finds it open, and says so


def test_an_error_that_a_signal_leads_to_is_a_stop(tmp_path):
    heard = []
    before = signal.signal(signal.SIGUSR2, lambda number, frame: heard.append(number))
    try:
        with pytest.raises(Stopped), stoppable():
            signalled_in_a_zip_file(tmp_path / "x.npz")
        assert heard == [signal.SIGUSR2]
        with pytest.raises(ValueError, match="of its own"), stoppable():
            raise ValueError("of its own")
    finally:
        signal.signal(signal.SIGUSR2, before)


def test_a_signal_inside_a_step_lets_it_end_and_saves_it_though_another_follows(tmp_path):
    model = nn.Sequential(nn.Linear(1, 1), nn.Flatten(0))
    fabric = Fabric(accelerator="cpu", devices=1)
    wrapped, optimizer = fabric.setup(model, torch.optim.SGD(model.parameters(), lr=0.1))
    checkpoints = Checkpoints(tmp_path, "t", None)
    save = checkpoints.save

    def save_amid_signals(*arguments):
        signal.raise_signal(signal.SIGTERM)
        save(*arguments)

    checkpoints.save = save_amid_signals

    def objective(prediction_B, y_B):
        signal.raise_signal(signal.SIGTERM)
        return ((prediction_B - y_B) ** 2).mean()

    def batches(epoch, first=0):
        return iter([(torch.ones(2, 1), torch.ones(2))] * 3)

    task = Task(wrapped, optimizer, batches, objective, Stream(0, "t"))
    with pytest.raises(Stopped), stoppable():
        fit(fabric, task, fit_settings(epochs=3), Hooks(print, checkpoints))
    state = checkpoints.load()
    assert (state["progress"]["epoch"], state["progress"]["step"], state["progress"]["rows"]) == (1, 1, 2)
    for key, value in model.state_dict().items():
        assert torch.equal(state["parts"]["model"][key], value)


def stopped_without_space():
    try:
        signal.raise_signal(signal.SIGTERM)
    except Stopped:
        raise UserError("x.ckpt: cannot be written (no space): make space") from None


def test_what_kept_a_stopped_run_from_saving_is_told_before_the_stop(capsys):
    with pytest.raises(SystemExit) as end, entry_point():
        stopped_without_space()
    assert end.value.code == 143
    assert capsys.readouterr().err.splitlines() == [
        "error: x.ckpt: cannot be written (no space): make space",
        "stopped by SIGTERM: the same command goes on from what is saved",
    ]


def test_a_stage_that_began_on_another_kind_of_device_is_refused_in_words():
    generator, cpu = torch.Generator(), torch.device("cpu")
    state = snapshot({}, [generator], cpu, {"epoch": 2})
    assert restore(state, {}, [generator], cpu) == {"epoch": 2}
    state["random"]["cuda"], state["random"]["own"] = torch.zeros(16, dtype=torch.uint8), [torch.zeros(16)]
    with pytest.raises(UserError, match=r"cannot go on on cpu: run it with trainer.accelerator=cuda"):
        restore(state, {}, [generator], cpu)


def test_ranks_that_do_not_save_do_not_look_at_the_device_either(tmp_path, monkeypatch):
    looks = []
    monkeypatch.setattr("supremix.training.loop.ranks.is_first", lambda: False)
    monkeypatch.setattr("supremix.training.not_finite.Watch.check", lambda self: looks.append(1))
    model = nn.Sequential(nn.Linear(1, 1), nn.Flatten(0))
    fabric = Fabric(accelerator="cpu", devices=1)
    wrapped, optimizer = fabric.setup(model, torch.optim.SGD(model.parameters(), lr=0.1))
    batches = lambda epoch, first: iter([(torch.ones(2, 1), torch.ones(2))] * 5)  # noqa: E731
    task = Task(wrapped, optimizer, batches, nn.functional.mse_loss, Stream(0, "t"))
    fit(fabric, task, fit_settings(epochs=3), Hooks(checkpoints=Checkpoints(tmp_path, "t", 0)))
    assert len(looks) == 3  # at the end of each epoch
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("what", ["loss", "gradient"])
def test_a_number_that_is_not_finite_names_epoch_step_rows_and_checkpoint(tmp_path, what):
    model = nn.Sequential(nn.Linear(1, 1), nn.Flatten(0))
    fabric = Fabric(accelerator="cpu", devices=1)
    wrapped, optimizer = fabric.setup(model, torch.optim.SGD(model.parameters(), lr=1e-3))
    checkpoints = Checkpoints(tmp_path, "t", None)
    checkpoints.due = lambda: bool(seen) and seen[-1] in ((1, 3), (2, 5))  # the second is after the trouble
    seen = []

    def batches(epoch, first=0):
        for step in range(1, 8):
            seen.append((epoch, step))
            bad = (epoch, step) == (2, 4)
            yield torch.ones(2, 1), torch.full((2,), -1.0 if bad else 1.0)

    def objective(prediction_B, y_B):
        if y_B[0] > 0:
            return ((prediction_B - y_B) ** 2).mean()
        return prediction_B.sum() * float("nan") if what == "loss" else (prediction_B * 0).sqrt().sum()

    ids = lambda epoch, step: [f"{epoch}{step}-{i}" for i in range(10)]  # noqa: E731
    task = Task(wrapped, optimizer, batches, objective, Stream(0, "t"), ids=ids)
    with pytest.raises(UserError, match=rf"the {what} became (nan|inf) in epoch 2, step 4") as error:
        fit(fabric, task, fit_settings(epochs=3), Hooks(checkpoints=checkpoints))
    assert "on the rows 24-0, 24-1, " in str(error.value)
    assert "24-7 and 2 more: " in str(error.value)
    assert str(error.value).endswith("t-epoch-000001-step-000000003.ckpt")


def test_the_rows_that_are_named_are_those_of_the_batch(tmp_path, monkeypatch):
    from supremix.losses import SupConLoss

    forward, labels = SupConLoss.forward, []

    def sometimes(self, z_ND, y_N):
        labels.append(y_N)
        return forward(self, z_ND, y_N) * (float("nan") if len(labels) == 14 else 1.0)

    monkeypatch.setattr(SupConLoss, "forward", sometimes)
    cfg = config(tmp_path, "method=supcon", "method.labels=raw")
    with pytest.raises(UserError, match=r"the loss became nan in epoch 2, step 5, on the rows ") as error:
        experiment.run(cfg)
    named = str(error.value).split("on the rows ")[1].split(" and ")[0].split(", ")
    data = experiment.build("dataset.load", cfg.dataset.load)
    label_of = dict(zip(data.train.ids.tolist(), data.train.y.tolist(), strict=True))
    assert [label_of[name] for name in named] == labels[13][:8].tolist()


def test_deterministic_algorithms_are_a_choice(tmp_path):
    try:
        runs = [experiment.run(config(tmp_path / name, "trainer.deterministic=true")) for name in "ab"]
        assert torch.are_deterministic_algorithms_enabled()
        first, again = (np.load(run / "predictions.npz") for run in runs)
        for key in first.files:
            np.testing.assert_array_equal(first[key], again[key])
        experiment.run(config(tmp_path / "c"))
        assert not torch.are_deterministic_algorithms_enabled()
    finally:
        torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("trainer.checkpoint.minutes=-1", "trainer.checkpoint.minutes=-1: give a number of minutes"),
        ("trainer.checkpoint.minutes=often", "trainer.checkpoint.minutes=often"),
        ("trainer.deterministic=sometimes", "trainer.deterministic=sometimes: use true or false"),
    ],
)
def test_a_wrong_setting_names_the_key(tmp_path, override, message):
    with pytest.raises(UserError, match=message):
        experiment.run(config(tmp_path, override))
