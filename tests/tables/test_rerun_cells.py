"""Drawn cells of rendered tables are run anew and compared with what stands there."""

import json

from scripts.rerun_cells import check
from supremix.suite.plan import Cell
from supremix.tables.files import small
from tests.running import SMALL, run_small


def table(folder, record, overrides, **changes):
    """A table's records with one cell, changed."""
    folder.mkdir(parents=True)
    line = small(Cell("", "Vanilla", 0, [*SMALL, *overrides]), record) | changes
    (folder / "records.jsonl").write_text(json.dumps(line) + "\n")


def test_a_cell_is_run_anew_and_compared(tmp_path, capsys):
    overrides = ["method=vanilla", "seed=0"]
    _, record = run_small(tmp_path, *overrides)
    mae = record["metrics"]["test"]["best"]["mae"]
    table(tmp_path / "same" / "a", record, overrides)
    capsys.readouterr()
    assert check(tmp_path / "same", 1, 0, tolerance=0)
    said = capsys.readouterr().out
    assert said.splitlines()[-1].startswith(f"a · Vanilla · seed 0: mae {mae:.4g} → {mae:.4g} (+0.0%), rmse ")
    assert said.endswith("; the same code; agrees\n")
    other = {split: {"best": record["metrics"][split]["best"] | {"mae": 2 * mae}} for split in ("val", "test")}
    table(tmp_path / "other" / "a", record, overrides, metrics=other, code={"version": "0", "digest": "c0de"})
    assert not check(tmp_path / "other", 1, 0, tolerance=0.1)
    assert "(-50.0%), rmse" in (said := capsys.readouterr().out)
    assert said.endswith("; code c0de, here other code; beyond 10%\n")


def test_what_cannot_be_run_here_is_said_and_is_no_agreement(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("SUPREMIX_PREPARED", str(tmp_path / "none"))
    _, record = run_small(tmp_path, "method=constant")
    table(tmp_path / "results" / "a", record, ["dataset=uci_airfoil", "method=constant"])
    table(tmp_path / "results" / "b", record, ["method=constant"], synthetic=True)
    assert not check(tmp_path / "results", 1, 0, tolerance=0.1)
    (line,) = capsys.readouterr().out.splitlines()[-1:]
    assert line.startswith("a · Vanilla · seed 0: not run: ")
