"""W&B mirrors a run offline, one run a job, and never stops one."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from supremix.suite.reading import load
from supremix.tables.files import read
from supremix.tables.render import COLUMNS
from supremix.tables.wandb import log_table
from supremix.tracking import mirror
from tests.running import config, run_small

ASSETS = Path(__file__).parents[1] / "assets"

OFFLINE = ("tracking=wandb", "tracking.mode=offline")


pytestmark = pytest.mark.usefixtures("wandb_folders")


def folders(tmp_path):
    return sorted(path.name for path in (tmp_path / "runs" / "wandb").glob("offline-run-*"))


def test_each_job_has_a_run_of_its_own_named_after_the_record(tmp_path):
    ids = [run_small(tmp_path, *OFFLINE, f"seed={seed}")[1]["id"] for seed in (0, 1)]
    assert sorted(name.rsplit("-", 1)[1] for name in folders(tmp_path)) == sorted(ids)  # W&B names them by the second


class Recorder:
    """Stands in for wandb.init and its run."""

    def __init__(self, fail_modes=(), fail_log=False):
        self.calls, self.order, self.rows, self.summary, self.finished = [], [], [], {}, 0
        self.fail_modes, self.fail_log = fail_modes, fail_log

    def init(self, **arguments):
        self.calls.append(arguments)
        self.order.append("init")
        if arguments["mode"] in self.fail_modes:
            raise TimeoutError("no answer")
        return SimpleNamespace(
            log=self.log, finish=self.finish, define_metric=lambda *a, **k: None, summary=self.summary, offline=True
        )

    def log(self, row):
        if self.fail_log:
            raise OSError("disk full")
        self.rows.append(row)

    def finish(self, exit_code=0):
        self.finished += 1
        self.order.append("finish")


@pytest.fixture
def recorder(monkeypatch):
    import wandb

    def install(**options):
        made = Recorder(**options)
        monkeypatch.setattr(wandb, "init", made.init)
        monkeypatch.setattr(wandb, "teardown", lambda: None)
        return made

    return install


def test_config_curves_and_final_metrics_are_mirrored(tmp_path, recorder):
    made = recorder()
    _, record = run_small(tmp_path, *OFFLINE, "tracking.tags=[table_5]", "tracking.group=table_5")
    call = made.calls[0]
    assert call["config"] == record["config"]
    assert (call["id"], call["name"]) == (record["id"], "diabetes-supremix-s0")
    assert (call["group"], call["job_type"]) == ("table_5", "linear_probe")
    assert call["tags"] == ["diabetes", "linear_probe", "supremix", "table_5"]
    epochs = {
        stage: [r[f"{stage}/epoch"] for r in made.rows if f"{stage}/epoch" in r] for stage in ("pretrain", "adapt")
    }
    assert epochs == {"pretrain": [1, 2], "adapt": [1, 2, 3]}
    assert all({"pretrain/loss", "pretrain/anchors_without_positive"} <= row.keys() for row in made.rows[:2])
    metrics = record["metrics"]
    assert made.summary["metrics/test/best/mae"] == made.summary["test_mae"] == metrics["test"]["best"]["mae"]
    assert made.summary["val_mae"] == metrics["val"]["best"]["mae"]
    assert {name for name in made.summary if "/" not in name} == {
        "val_mae", "test_mae", "test_rmse", "test_pearson", "test_r2", "best_epoch", "record",
    }  # fmt: skip
    assert all("val_mae" in name or not name.startswith("adapt/val") for row in made.rows for name in row)
    assert made.finished == 1


def test_a_reused_encoder_mirrors_its_curve_again(tmp_path, recorder):
    made = recorder()
    run_small(tmp_path, *OFFLINE)
    run_small(tmp_path, *OFFLINE, "protocol=finetune")
    curves = [row["pretrain/loss"] for row in made.rows if "pretrain/loss" in row]
    assert curves[:2] == curves[2:]
    assert len(curves) == 4


def test_the_run_whose_encoder_is_probed_is_mirrored_before_the_probe(tmp_path, recorder):
    made = recorder()
    _, record = run_small(tmp_path, *OFFLINE, "method=vanilla_probe")
    assert [call["id"] for call in made.calls] == [record["pretrain_id"], record["id"]]
    assert made.order == ["init", "finish", "init", "finish"]  # W&B ends a run where the next one begins


def test_without_a_key_auto_goes_offline_and_asks_nobody(tmp_path, recorder):
    made = recorder()
    run_small(tmp_path, "tracking=wandb")
    assert [call["mode"] for call in made.calls] == ["offline"]


def test_with_a_key_but_no_network_auto_falls_back_and_remembers(tmp_path, recorder, monkeypatch, capsys):
    made = recorder(fail_modes=("online",))
    monkeypatch.setenv("WANDB_API_KEY", "a" * 40)
    run_small(tmp_path, "tracking=wandb")
    run_small(tmp_path, "tracking=wandb", "seed=1")
    assert [call["mode"] for call in made.calls] == ["online", "offline", "offline"]
    assert "W&B: online start failed" in capsys.readouterr().err


def test_a_failing_service_never_stops_a_run(tmp_path, recorder, capsys):
    recorder(fail_log=True)
    _, record = run_small(tmp_path, *OFFLINE)
    assert record["metrics"]["test"]["best"]["mae"] > 0
    recorder(fail_modes=("online", "offline"))
    run_small(tmp_path, *OFFLINE, "seed=1")
    assert capsys.readouterr().err.count("warning: W&B") >= 2


def test_a_failed_run_is_closed_as_failed(tmp_path, recorder, monkeypatch):
    made = recorder()
    monkeypatch.setattr("supremix.training.adapt.adapt", None)
    with pytest.raises(TypeError):
        run_small(tmp_path, *OFFLINE)
    assert made.finished == 1
    assert not made.summary


def test_wandb_mode_in_the_environment_is_respected(monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_API_KEY", "a" * 40)
    assert mirror.has_key() is False
    assert os.environ["WANDB_MODE"] == "offline"


def a_table():
    return read(load(ASSETS / "table" / "small.yaml"), ASSETS / "table" / "small")[0]


def test_a_table_is_logged_with_the_papers_values(tmp_path, recorder):
    made = recorder()
    log_table(a_table(), config(tmp_path, *OFFLINE, "tracking.group=small").tracking)
    (row,) = made.rows
    assert row["small"].columns == list(COLUMNS)
    line = next(values for values in row["small"].data if values[1:4] == ["first", "Vanilla", "best/mae"])
    named = dict(zip(COLUMNS, line, strict=True))
    assert (named["mean"], named["n"], named["paper"]) == (pytest.approx(6.2), 3, 6.56)
    assert made.calls[0]["group"] == "small"
    assert made.calls[0]["id"].startswith("small-")
    assert made.finished == 1


def test_a_table_is_logged_offline_and_not_at_all_where_tracking_is_off(tmp_path):
    log_table(a_table(), config(tmp_path).tracking)
    assert not folders(tmp_path)
    log_table(a_table(), config(tmp_path, *OFFLINE).tracking)
    assert len(folders(tmp_path)) == 1


def test_a_table_that_cannot_be_logged_is_a_warning(tmp_path, recorder, capsys):
    recorder(fail_log=True)
    log_table(a_table(), config(tmp_path, *OFFLINE).tracking)
    (tmp_path / "file").touch()
    log_table(a_table(), config(tmp_path, *OFFLINE, f"tracking.dir={tmp_path / 'file'}").tracking)
    assert capsys.readouterr().err.count("warning: W&B") == 2
