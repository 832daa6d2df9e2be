"""The sub-command that computes metrics again."""

import argparse

from supremix.cli import evaluate
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
