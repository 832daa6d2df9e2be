"""The check of a GPU, rehearsed on a processor: sections that fail or hang, figures as they come."""

import json
import sys
from pathlib import Path

import pytest
import torch

FOLDER = Path(__file__).parents[1] / "scripts" / "gpu_check"


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)


@pytest.fixture
def report(tmp_path):
    from gpu_report import Report

    report = Report(tmp_path)
    report.begin({"device": "cpu"})
    return report


def test_a_network_trains_and_its_figures_are_written(report, tmp_path):
    from gpu_train import measure

    measure(report, "bilstm", torch.device("cpu"), "tiny")
    assert report.attempts_failed == []
    rows = json.loads((tmp_path / "gpu.json").read_text())["sections"]["bilstm"]
    assert rows["bfloat16"]["items_a_second"] > 0
    assert sum(rows["share of a step"].values()) == pytest.approx(1)
    assert "| bfloat16 | " in (tmp_path / "gpu.md").read_text()


def test_a_section_that_fails_or_hangs_is_left(monkeypatch):
    import gpu_check

    monkeypatch.setitem(gpu_check.SECTIONS, "loss", 1)
    assert gpu_check.process("loss", [sys.executable, "-c", "raise SystemExit(3)"]) == 3
    assert gpu_check.process("loss", [sys.executable, "-c", "import time; time.sleep(60)"]) == 124


def test_what_fails_inside_a_section_is_printed_and_the_rest_goes_on(report, capsys):
    with report.attempt("a loss"):
        raise ValueError("no such kernel")
    assert report.attempts_failed == ["a loss"]
    assert "Traceback" in capsys.readouterr().out


def test_goals_say_whether_they_are_met(report, tmp_path):
    report.goal("ratio", 0.7, least=0.8)
    report.goal("ms", 0.7, most=1.5)
    assert [goal["met"] for goal in json.loads((tmp_path / "gpu.json").read_text())["goals"]] == [False, True]
