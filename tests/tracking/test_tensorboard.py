"""TensorBoard's files of a run: its curves, metrics and settings; a missing package stops no run."""

import sys

import pytest

from supremix.errors import UserError
from supremix.tracking.tensorboard import TensorBoard, hyperparameters
from tests.running import run_small

TRACKED = ("tracking=tensorboard",)


def events(folder):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    read = EventAccumulator(str(folder))
    read.Reload()
    return read


def test_curves_metrics_and_settings_are_written_and_the_id_is_that_of_any_tracking(tmp_path):
    directory, record = run_small(tmp_path, *TRACKED)
    read = events(tmp_path / "runs" / "tensorboard" / record["id"])
    assert [each.step for each in read.Scalars("pretrain/loss")] == [1, 2]
    assert [each.step for each in read.Scalars("adapt/val_mae")] == [1, 2, 3]
    (mae,) = read.Scalars("metrics/test/best/mae")
    assert mae.value == pytest.approx(record["metrics"]["test"]["best"]["mae"], rel=1e-6)
    assert "_hparams_/session_start_info" in read.PluginTagToContent("hparams")
    assert run_small(tmp_path, "tracking=none")[0] == directory
    assert len([*(tmp_path / "runs").glob("*/DONE")]) == 1


def test_a_run_that_goes_on_replaces_its_files(tmp_path):
    for _ in range(2):
        made = TensorBoard(tmp_path / "run", {"seed": 0})
        made.log("adapt", 1, {"val": 2.0})
        made.finish(None, exit_code=1)
    assert len(events(tmp_path / "run").Scalars("adapt/val")) == 1


def test_only_its_own_files_are_replaced_and_the_store_is_no_place_for_them(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "DONE").touch()
    TensorBoard(tmp_path / "run", {}).finish(None)
    assert (tmp_path / "run" / "DONE").exists()
    with pytest.raises(UserError, match=r"^tracking\.dir=.*: use another folder, such as .*/runs/tensorboard$"):
        run_small(tmp_path, *TRACKED, f"tracking.dir={tmp_path / 'x' / '..' / 'runs'}")


def test_a_missing_package_is_one_line_and_stops_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    _, record = run_small(tmp_path, *TRACKED)
    assert record["metrics"]
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "TensorBoard" in line]
    assert "tensorboard is not installed: pip install 'supremix[tensorboard]'" in line


def test_settings_are_numbers_and_texts_by_dotted_key():
    config = {"method": {"beta": [2, 8], "temperature": 0.5, "loss": {"name": "a"}}, "transfer": None, "seed": 0}
    assert hyperparameters(config) == {
        "method.beta": "[2, 8]",
        "method.temperature": 0.5,
        "method.loss.name": "a",
        "seed": 0,
    }
