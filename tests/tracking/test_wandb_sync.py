"""What was mirrored offline goes up later, each run once; what cannot go up stays, and the command says so."""

import shutil

import pytest

from supremix.cli.main import main
from supremix.store.folders import Store
from supremix.tracking.mirror import Tracker
from supremix.tracking.uploads import is_uploaded, pending
from tests.running import config

pytestmark = pytest.mark.usefixtures("wandb_folders")
DONE, OPEN, TABLE = "0" * 16, "1" * 16, "table_5-2222222222222222"


def made(root, name, run):
    """A folder as wandb leaves it, without anything in its file."""
    folder = root / "wandb" / f"{name}-{run}"
    folder.mkdir(parents=True)
    (folder / f"run-{run}.wandb").touch()
    return folder


def finish(root, run):
    (root / run).mkdir(parents=True)
    (root / run / "DONE").touch()


def mark(folder, run):
    (folder / f"run-{run}.wandb.synced").touch()


def test_the_newest_folder_of_each_finished_run_is_pending_whether_it_was_online_or_not(tmp_path):
    finish(tmp_path, DONE)
    parts = [
        made(tmp_path, name, DONE)
        for name in ("run-20260101_120000", "offline-run-20260101_130000", "run-20260102_110000")
    ]
    unfinished, table = (
        made(tmp_path, "offline-run-20260101_120000", OPEN),
        made(tmp_path, "run-20260101_120000", TABLE),
    )
    (tmp_path / "wandb" / "latest-run").symlink_to(unfinished)
    waiting = pending(tmp_path / "wandb", Store(tmp_path))
    assert waiting.ready == {DONE: parts[2], TABLE: table}
    assert waiting.older[DONE] == parts[:2]
    assert waiting.unfinished == [OPEN]
    mark(parts[2], DONE)
    assert pending(tmp_path / "wandb", Store(tmp_path)).ready == {TABLE: table}
    finish(tmp_path, OPEN)
    assert pending(tmp_path / "wandb", Store(tmp_path)).ready == {TABLE: table, OPEN: unfinished}


@pytest.fixture
def offline_run(tmp_path):
    """A finished run with a mirror of two parts, the second of which has everything; its folders, in order."""
    cfg = config(tmp_path, "tracking=wandb", "tracking.mode=offline")
    tracker = Tracker(cfg.tracking, DONE, {"seed": 0}, ["diabetes"])
    for epoch in (1, 2, 3):
        tracker.log("adapt", epoch, {"loss": 1 / epoch})
    tracker.finish({"test/best/mae": 4.0})
    finish(tmp_path / "runs", DONE)
    (newest,) = (tmp_path / "runs/wandb").glob("offline-run-*")
    older = newest.with_name(f"offline-run-20200101_120000-{DONE}")
    shutil.copytree(newest, older)
    return older, newest


def sync(tmp_path, *arguments):
    return main(["wandb", "sync", *arguments, f"paths.runs={tmp_path / 'runs'}"])


@pytest.mark.whole
@pytest.mark.usefixtures("wandb_key")
def test_a_run_goes_up_once(tmp_path, offline_run, wandb_server, capfd):
    assert sync(tmp_path, "--dry-run") == 0
    assert str(offline_run[1]) in capfd.readouterr().out
    assert not wandb_server.runs
    wandb_server.status_of_rows = 401  # refused in the middle
    assert sync(tmp_path) == 1
    assert "error: 1 of 1 not uploaded" in capfd.readouterr().err
    wandb_server.status_of_rows = 200
    assert sync(tmp_path) == 0
    assert [row["adapt/epoch"] for row in wandb_server.rows[DONE]] == [1, 2, 3]
    assert all(is_uploaded(folder) for folder in offline_run)
    wandb_server.runs.clear()
    assert sync(tmp_path) == 0
    assert not wandb_server.runs
    assert "0 to upload" in capfd.readouterr().out


@pytest.mark.usefixtures("wandb_key")
def test_what_the_server_refuses_stays_pending(tmp_path, offline_run, wandb_server):
    wandb_server.status = 403
    assert sync(tmp_path) == 1
    assert not any(is_uploaded(folder) for folder in offline_run)


def test_without_a_key_nothing_is_tried(tmp_path, capsys):
    finish(tmp_path / "runs", DONE)
    made(tmp_path / "runs", "offline-run-20260101_120000", DONE)
    assert sync(tmp_path) == 1
    assert "error: no W&B key" in capsys.readouterr().err


def test_an_unknown_key_is_one_line(tmp_path, capsys):
    assert sync(tmp_path, "paths.rums=x") == 1
    assert capsys.readouterr().err.count("\n") == 1
