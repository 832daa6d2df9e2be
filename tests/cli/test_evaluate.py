"""The sub-command that computes metrics again."""

import argparse
import shutil

import pytest

from supremix.cli import evaluate
from supremix.cli.main import main
from supremix.errors import UserError
from tests.running import run_small


def test_it_says_how_many_runs_it_looked_at_and_how_many_records_changed(tmp_path, capsys):
    directory, _ = run_small(tmp_path, "method=constant")
    record = directory / "record.json"
    whole = record.read_text()
    record.write_text(whole.replace('"mae": ', '"mae": 1'))  # as other metrics would have left it
    parser = argparse.ArgumentParser()
    evaluate.add_arguments(parser)
    store = str(tmp_path / "runs")
    for given, changed in (["--store", store], 1), (["--store", store, directory.name], 0):
        assert evaluate.run(parser.parse_args(given)) == 0
        assert capsys.readouterr().out == f"{store}: 1 runs evaluated, {changed} records changed\n"
    assert '"evaluated"' in record.read_text()
    other = tmp_path / "other" / record.parent.name
    shutil.copytree(record.parent, other)
    with pytest.raises(UserError, match=r"not in .*: name its store by --store .*other$"):
        evaluate.run(parser.parse_args([str(other), "--store", str(store)]))


def test_a_run_is_shown_by_any_path_to_its_folder_and_a_superseded_one_too(tmp_path, monkeypatch, capsys):
    directory, record = run_small(tmp_path, "method=constant")
    (tmp_path / "best").symlink_to(directory)
    old = directory.parent / "superseded" / f"{record['id']}-1"
    shutil.copytree(directory, old)
    monkeypatch.chdir(directory)
    for name in (".", str(tmp_path / "best"), str(old)):
        assert main(["show", name]) == 0
        assert record["id"] in capsys.readouterr().out
    shutil.copytree(directory, tmp_path / "copy")
    assert main(["show", str(tmp_path / "copy")]) == 1
    assert capsys.readouterr().err.count(f"does not belong here: rename the folder to {record['id']}, or remove") == 1
