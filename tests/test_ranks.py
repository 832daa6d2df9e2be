"""Several ranks against one: the same losses, gradients, predictions and runs; how they start, stop and fail."""

import os
import signal
import sys
import threading
import time
from contextlib import nullcontext
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from supremix import adapt, experiment, launching, pretrain, ranks
from supremix.backbones.mlp import MLP
from supremix.commandline import CONF
from supremix.data.contract import Data, Split, TargetScale
from supremix.engine import apply, batches_of
from supremix.errors import Stopped, UserError
from supremix.heads import FaceProjectionHead, ProjectionHead
from supremix.imbalance.fds import FDS
from supremix.imbalance.lds import LDS
from supremix.losses import SimCSELoss, SupConLoss, SupCRLoss, SupReMixLoss
from supremix.sharding import seed_step, synchronised
from supremix.stopping import SIGNALS, stoppable
from supremix.tables.launch import launch
from supremix.train import main as driver
from tests import processes
from tests.running import SMALL, config
from tests.test_engine import Shift
from tests.test_resume import READ, content

ROWS = 21  # an odd number, so that no batch divides by two ranks
CPU = torch.device("cpu")
YANG = ("gaussian", 5, 2.0)
LOSSES = {
    "supremix": SupReMixLoss(0.5, 2.0, label_range=6.0),
    "label sum": SupReMixLoss(0.5, 2.0, label_range=6.0, reduction="label_sum"),
    "supcon": SupConLoss(0.5),
    "supcr": SupCRLoss(2.0),
    "simcse": SimCSELoss(0.1),
}
STAGES = {
    "l1": {},
    "mse": {"loss": "mse", "clip": 0.5},
    "lds": {"lds": LDS(*YANG, "inverse")},
    "fds": {"fds": FDS(*YANG, 0.9, 0, 1), "epochs": 3},
    "probe": {"train_backbone": False},
    "probe fds": {"train_backbone": False, "fds": FDS(*YANG, 0.9, 0, 1)},
}


@pytest.fixture(autouse=True)
def float64():
    """What `Fabric` gives a loss has the default type."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


class SentencesMLP(MLP):
    """A backbone with two vectors for each row."""

    def sentences(self, x_BF):
        h_BD = self(x_BF)
        return torch.stack([h_BD, h_BD.flip(1) ** 2], dim=1)


def toy():
    draw = torch.Generator().manual_seed(0)
    x_NF = torch.randn(3 * ROWS, 5, generator=draw)
    parts = [
        Split(np.arange(k, k + ROWS).astype(str), np.arange(k, k + ROWS) % 7.0, partial(take, x_NF[k : k + ROWS]))
        for k in (0, ROWS, 2 * ROWS)
    ]
    return Data("toy", *parts, 1.0, TargetScale(3.0, 2.0), {}, "", True, contrastive_views=Shift())


def take(x_NF, index_B):
    return x_NF[torch.as_tensor(index_B)]


def networks():
    torch.manual_seed(1)
    return SentencesMLP(5, [16, 8]), ProjectionHead(8, 16, 8)


def one_gradient(name, views):
    """Loss and gradients of a single step over all rows."""
    backbone, projection = networks()
    before = [parameter.detach().clone() for parameter in (*backbone.parameters(), *projection.parameters())]
    embed = "sentences" if name == "simcse" else "items"
    stage = pretrain.Stage1("binned", embed, views, epochs=1, batch_size=ROWS, seed=0, log_every=1)
    fabric, sgd = ranks.fabric("cpu", "64-true"), partial(torch.optim.SGD, lr=1.0)
    fitted = pretrain.pretrain(
        fabric, toy(), backbone, projection, LOSSES[name], sgd, None, stage, lambda epoch, row: None
    )
    after = (*backbone.parameters(), *projection.parameters())
    step = torch.cat([(old - new.detach()).flatten() for old, new in zip(before, after, strict=True)])
    return torch.cat([step, torch.tensor(list(fitted.history[0].values()))])


def whole_stage(settings):
    """Weights and predictions after some epochs in batches of 8, 8 and 5, or of 4, 4, 4, 4, 4 and 1."""
    settings = {"train_backbone": True, "epochs": 2, "batch_size": 8, "loss": "l1", "bias_init": "mean"} | settings
    stage = adapt.Stage2(**settings, select="mae", seed=0)
    fabric, sgd = ranks.fabric("cpu", "64-true"), partial(torch.optim.SGD, lr=0.05)
    adapted = adapt.adapt(fabric, toy(), networks()[0], sgd, None, stage, lambda epoch, row: None)
    weights = [value.double().flatten() for _, value in sorted(adapted.states["last"].items())]
    predicted = [torch.from_numpy(adapted.predictions["test"][which]) for which in ("last", "best")]
    history = [torch.tensor(list(row.values())) for row in adapted.history]
    return torch.cat([*weights, *predicted, *history])


def outcomes():
    found = {(name, views): one_gradient(name, views) for name in LOSSES for views in (1, 2)}
    found |= {name: whole_stage(settings) for name, settings in STAGES.items()}
    return found | {"small batches": whole_stage({"batch_size": 4})}  # the last has one row, and one rank none


def save_outcomes(folder):
    torch.set_default_dtype(torch.float64)
    torch.save(outcomes(), folder / f"{ranks.number()}.pt")


def test_two_ranks_have_the_losses_gradients_and_predictions_of_one(tmp_path):
    launching.start(2, save_outcomes, tmp_path)
    expected = outcomes()
    for rank in range(2):
        got = torch.load(tmp_path / f"{rank}.pt")
        assert got.keys() == expected.keys()
        for name, value in expected.items():
            # FDS keeps its statistics in float32, as a probe does its features.
            tolerance = 1e-5 if "fds" in str(name) or "probe" in str(name) else 1e-9
            torch.testing.assert_close(
                got[name], value, rtol=0, atol=tolerance, msg=lambda text, name=name: f"{name}: {text}"
            )
            assert value.abs().max() > 1e-3, name


def save_evaluation(folder):
    torch.set_default_dtype(torch.float64)
    ranks.fabric("cpu", "32-true")
    rows, read = toy().test, []

    def fetch(index_B):
        read.extend(index_B.tolist())
        return rows.fetch(index_B).float()

    torch.manual_seed(0)
    split = Split(rows.ids, rows.y, fetch)
    batches = batches_of(split, np.arange(ROWS), 8, CPU, 0, "t", augment=Shift(), views=2)
    parts = [x for epoch in (1, 2) for x, _ in batches(epoch)]
    sizes, seen = [len(x) for x in parts], list(read)
    read.clear()
    outputs = apply(nn.Linear(5, 3, dtype=torch.float32), split, 6, CPU)
    torch.save({"outputs": outputs, "read": read, "seen": seen, "sizes": sizes}, folder / f"{ranks.number()}.pt")


def test_every_row_is_read_by_one_rank_and_predicted_in_its_place(tmp_path):
    (tmp_path / "one").mkdir()
    save_evaluation(tmp_path / "one")
    expected = torch.load(tmp_path / "one" / "0.pt")
    launching.start(3, save_evaluation, tmp_path)
    got = [torch.load(tmp_path / f"{rank}.pt") for rank in range(3)]
    for one in got:
        torch.testing.assert_close(one["outputs"], expected["outputs"])
    assert sorted(row for one in got for row in one["read"]) == list(range(ROWS))
    assert sorted(row for one in got for row in one["seen"]) == sorted(list(range(ROWS)) * 2)  # two epochs
    assert [one["sizes"][0] for one in got] == [6, 6, 4]  # two views of 3, 3 and 2 of 8 items


def test_ranks_drop_units_of_their_own_and_the_same_ones_when_a_step_is_done_again(monkeypatch):
    def drawn(rank, step):
        monkeypatch.setenv("RANK", str(rank))
        seed_step((0, "adapt"), 1, step)
        return torch.rand(()).item()

    torch.manual_seed(5)
    alone = torch.rand(2).tolist()
    torch.manual_seed(5)
    assert [drawn(0, 0), drawn(0, 1)] == alone  # one process goes on in its stream
    for name in ("WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.setenv(name, "2")
    draws = {place: drawn(*place) for place in [(0, 0), (1, 0), (0, 1), (1, 1)]}
    assert len(set(draws.values())) == 4
    assert drawn(1, 0) == draws[1, 0]


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
    if ranks.number() == 1:
        processes.interrupt(stage, batch, signum)
    experiment.run(cfg)


@pytest.mark.parametrize(
    ("overrides", "stage", "code"),
    [
        (["method=supremix", *READ], "pretrain", signal.SIGTERM),
        (["method=vanilla", "imbalance=lds_fds", "protocol.epochs=3"], "adapt", signal.SIGUSR2),
    ],
    ids=["supremix", "vanilla"],
)
def test_stopped_on_two_ranks_it_ends_on_one_and_on_two_as_on_one(tmp_path, capfd, overrides, stage, code):
    torch.set_default_dtype(torch.float32)
    paths = {name: tmp_path / name for name in ("one", "two", "both")}
    configs = {name: config(path, *overrides) for name, path in paths.items()}
    experiment.run(configs["one"])
    expected = content(paths["one"])
    two = config(paths["two"], *overrides, "trainer.devices=2")
    with pytest.raises(Stopped) as stop:
        launching.start(2, run_and_stop_one, two, stage, 13, code)
    assert stop.value.signum == code
    (saved,) = {path.name for path in paths["two"].rglob(f"{stage}-*.ckpt")}
    assert saved == f"{stage}-epoch-000002-step-000000005.ckpt"  # the step in work was ended, on both
    assert experiment.run(configs["two"]).exists()
    close(content(paths["two"]), expected)

    both = config(paths["both"], *overrides, "trainer.devices=2", "trainer.progress=plain")
    with pytest.raises(Stopped):
        launching.start(2, run_and_stop_one, both, stage, 5, code)
    directory = experiment.run(both)
    close(content(paths["both"]), expected)
    assert experiment.read_record(directory)["environment"]["devices"] == 2
    assert experiment.run(both) == directory  # shown by this process; no rank is started for it


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
    assert not launching.multiprocessing.active_children()
    (folder,) = (tmp_path / "runs" / "encoders").glob("*.partial")
    with experiment.Store(tmp_path / "runs").claimed(folder.with_suffix(""), wait=False):
        pass  # its lock is free


def fail_on(rank, how):
    """One rank ends, the others wait for it."""
    if ranks.number() != rank:
        ranks.from_first(lambda: None)
        ranks.from_first(lambda: None)
    ranks.from_first(lambda: None)
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    raise {"mistake": UserError("row 7 is damaged"), "bug": ValueError("a bug")}[how]


@pytest.mark.parametrize(
    ("how", "error", "message"),
    [
        ("mistake", UserError, "^row 7 is damaged$"),
        ("kill", UserError, "one of the ranks ended with signal 9"),
        ("bug", RuntimeError, r"on rank 1:\nTraceback(.*\n)*ValueError: a bug"),
    ],
)
def test_what_one_rank_fails_of_is_told_and_ends_the_others(how, error, message):
    with pytest.raises(error, match=message):
        launching.start(2, fail_on, 1, how)
    assert not launching.multiprocessing.active_children()


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
        launching.start(2, work, *arguments)


@pytest.mark.parametrize("devices", ["0", "2.5", "all"])
def test_devices_are_a_number(tmp_path, devices):
    with pytest.raises(UserError, match=rf"trainer.devices={devices}: give a whole number, 1 or more"):
        experiment.run(config(tmp_path, f"trainer.devices={devices}"))


def test_a_reference_regressor_needs_no_ranks(tmp_path, monkeypatch):
    monkeypatch.setattr(launching, "start", None)
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


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ([], ""),
        (["method.temperature=-1"], "error: method.loss: temperature must be a finite number above 0, got -1\n"),
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
    assert log.read_text() == said
    assert len(list((tmp_path / "runs").glob("*/DONE"))) == (not said)


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
