"""How far a table's runs are, read from the store while they last."""

import logging
import os
import threading

import pytest

from supremix.runtime.log import RUN_LOG
from supremix.store.folders import Store, work_folder
from supremix.suite import watch
from supremix.suite.plan import Cell

PRETRAIN = "2026-01-01 10:00:00 pretrain epoch 100/400  loss 3.1  60 s left\n"
ADAPT = "2026-01-01 10:05:00 linear_probe epoch 50/100  loss 1  val_mae 2  5 s left\n"


def put(store, run_id, text):
    """Leave the log of a run in work."""
    folder = work_folder(store.run(run_id))
    folder.mkdir(parents=True)
    (folder / RUN_LOG).write_text(f"2026-01-01 10:00:00 {run_id} begins\n{text}")
    return folder / RUN_LOG


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", None),
        (PRETRAIN, ("pretrain epoch 100/400", 0.2)),
        (PRETRAIN + ADAPT, ("linear_probe epoch 50/100", 0.9)),
        (ADAPT, ("linear_probe epoch 50/100", 0.5)),
    ],
)
def test_a_runs_log_tells_its_epoch_and_the_share_that_is_done(tmp_path, text, says):
    file = put(Store(tmp_path), "a", text)
    assert watch.read_progress(file) == (says and (says[0], pytest.approx(says[1])))
    os.utime(file, (0, 0))  # left by a run that was interrupted long ago
    assert watch.read_progress(file) is None
    assert watch.read_progress(tmp_path / "nowhere") is None


def test_a_table_shows_its_runs_in_work_and_the_time_left_for_all(tmp_path, monkeypatch, caplog):
    store, cells = Store(tmp_path), [Cell("", "SupCon", seed, [], run_id=str(seed)) for seed in range(4)]
    put(store, "1", PRETRAIN)
    put(store, "2", ADAPT)
    table = watch._table(4, cells[1:], store, elapsed=17.0)
    assert table.first_at_work == "pretrain epoch 100/400 of SupCon · seed 1, and 1 more"
    assert (table.share, table.left) == (pytest.approx((1 + 0.2 + 0.5) / 4), "0:00:23 left")
    monkeypatch.setattr(watch, "SECONDS_BETWEEN_LOOKS", 0.01)
    monkeypatch.setattr(watch, "SECONDS_BETWEEN_LINES", 0.0)
    looked = threading.Event()

    def done(cell):
        if cell.seed == 3:
            looked.set()
        return cell.seed == 0

    with caplog.at_level(logging.INFO, "supremix"), watch.watched(cells, done, store):
        looked.wait(10)
        threading.Event().wait(0.1)
    assert any(line.startswith("[1/4] SupCon · seed 0  0:00:0") for line in caplog.messages)
    assert any(line.startswith("[1/4] at work: pretrain epoch 100/400 of SupCon · seed 1") for line in caplog.messages)
