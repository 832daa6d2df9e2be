"""Trackio's view of a run: its curves, metrics and settings; a missing package stops no run."""

import sys
from types import SimpleNamespace

import pytest

from tests.running import run_small

TRACKED = ("tracking=trackio",)


class Stub:
    """What is used of Trackio, with what it was told."""

    def __init__(self):
        self.runs, self.finished = [], 0

    def Api(self):
        return SimpleNamespace(runs=lambda project: self.runs)

    def init(self, **settings):
        made = SimpleNamespace(**settings, rows=[], delete=lambda: self.runs.remove(made))
        made.log = made.rows.append
        print("* Trackio metrics logged")
        self.runs.append(made)
        return made

    def finish(self):
        print("* Run finished")
        self.finished += 1


@pytest.fixture
def trackio(monkeypatch):
    made = Stub()
    made.__spec__ = None
    monkeypatch.setitem(sys.modules, "trackio", made)
    monkeypatch.setattr("supremix.tracking.trackio.needs", lambda *_: None)
    monkeypatch.setenv("TRACKIO_DIR", "elsewhere")
    return made


def test_curves_metrics_and_settings_are_mirrored_without_a_word_and_a_run_again_replaces_them(
    tmp_path, trackio, capsys
):
    directory, record = run_small(tmp_path, *TRACKED)
    (made,) = trackio.runs
    assert (made.name, made.group) == (f"diabetes-supremix-s0-{record['id'][:8]}", "diabetes-supremix")
    assert made.config == record["config"]
    assert [row["adapt/epoch"] for row in made.rows if "adapt/val_mae" in row] == [1, 2, 3]
    assert made.rows[-1]["test_mae"] == record["metrics"]["test"]["best"]["mae"]
    assert trackio.finished == 1
    assert "Trackio" not in capsys.readouterr().out
    (directory / "DONE").unlink()
    run_small(tmp_path, *TRACKED)
    assert trackio.runs != [made]
    assert len(trackio.runs) == 1


def test_a_missing_package_is_one_line_and_stops_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "trackio", None)
    _, record = run_small(tmp_path, *TRACKED)
    assert record["metrics"]
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "Trackio" in line]
    assert "trackio is not installed: pip install 'supremix[trackio]'" in line


def test_the_package_itself_keeps_a_run(tmp_path, monkeypatch):
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "runs" / "trackio"))
    storage = pytest.importorskip("trackio.sqlite_storage").SQLiteStorage
    _, record = run_small(tmp_path, *TRACKED)
    assert storage.get_runs("supremix") == [f"diabetes-supremix-s0-{record['id'][:8]}"]
