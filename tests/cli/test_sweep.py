"""A sweep's jobs by number, and the table that it ends with."""

import csv
import re
import sys

import pytest

from supremix.cli.ls import differing
from supremix.store.folders import Store
from supremix.suite.stored import Stored
from supremix.train import cli
from tests.running import SMALL


def sweep(tmp_path, monkeypatch, *arguments):
    """Run a sweep here; its CSV as dicts."""
    monkeypatch.setattr(sys, "argv", ["train", "-m", *SMALL, f"paths.runs={tmp_path}", *arguments])
    cli()
    return rows(tmp_path)


def rows(tmp_path):
    (file,) = tmp_path.glob("sweeps/*/sweep.csv")
    return list(csv.DictReader(file.open()))


@pytest.mark.whole
def test_a_sweep_numbers_its_jobs_and_ends_with_a_table_sorted_by_validation(tmp_path, monkeypatch, capsys):
    found = sweep(tmp_path, monkeypatch, "method=vanilla,ridge", "seed=0,1")
    out, err = capsys.readouterr()
    assert [line for line in err.splitlines() if line.startswith("job ")] == [
        "job 1/4: method=vanilla seed=0",
        "job 2/4: method=vanilla seed=1",
        "job 3/4: method=ridge seed=0",
        "job 4/4: method=ridge seed=1",
    ]
    assert list(found[0]) == ["method", "seed", "val mae", "test mae", "run"]
    assert [float(row["val mae"]) for row in found] == sorted(float(row["val mae"]) for row in found)
    of_run = {record["id"]: record for record in Store(tmp_path).records()}
    for row in found:
        record = of_run.pop(row["run"])
        assert (row["method"], row["seed"]) == (record["method"], str(record["seed"]))
        assert float(row["test mae"]) == record["metrics"]["test"]["best"]["mae"]
        assert row["run"] in out
    assert of_run == {}
    means = {m: sum(float(row["val mae"]) for row in found if row["method"] == m) / 2 for m in ("vanilla", "ridge")}
    best = min(means, key=means.get)
    lines = out.splitlines()
    start = lines.index("validation mae, mean ± standard deviation over seeds, the best first:")
    assert re.fullmatch(rf"  {means[best]:.4f} ± \d+\.\d+  \(2\)  method={best}", lines[start + 1])
    assert lines[start + 3].startswith(f"method={best} is the best; method=")
    assert out.splitlines()[-1].endswith("sweep.csv")


@pytest.mark.whole
def test_jobs_in_other_processes_are_in_the_table_and_failed_ones_last(tmp_path, monkeypatch, capsys):
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    parallel = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    with pytest.raises(SystemExit):
        sweep(tmp_path, monkeypatch, "method=ridge", "seed=0,-1", *parallel)
    best, failed = rows(tmp_path)
    assert (best["seed"], failed["seed"], failed["val mae"]) == ("0", "-1", "")
    assert len(best["run"]) == 16
    assert "failed" in capsys.readouterr().out


@pytest.mark.whole
def test_a_higher_value_of_the_selecting_metric_comes_first(tmp_path, monkeypatch):
    found = sweep(tmp_path, monkeypatch, "method=vanilla", "protocol.select=r2", "seed=range(2)")
    values = [float(row["val r2"]) for row in found]
    assert len(values) == 2
    assert values == sorted(values, reverse=True)


def test_ls_says_in_which_settings_runs_of_a_kind_differ():
    def run(name, method="supremix", **config):
        facts = {"id": name, "dataset": "diabetes", "method": method, "protocol": "finetune", "config": config}
        return Stored(name, "finished", facts)

    runs = [run("a", t=0.1, seed=0), run("b", t=0.5, seed=1), run("c", "ridge"), Stored("d", "begun")]
    assert differing(runs) == {"a": "t=0.1", "b": "t=0.5", "c": ""}
    many = differing([run(str(i), **{key: i // 2**k % 2 for k, key in enumerate("pqrs")}) for i in range(16)])
    assert many["15"] == "p=1 q=1 r=1 …"
