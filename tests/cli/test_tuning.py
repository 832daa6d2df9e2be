"""Rows of a table are tuned with one budget on validation, and the table reads and names what was found."""

import shutil

import pytest
import yaml

from supremix.search import tuning
from supremix.search.tuning import tune
from supremix.settings.compose import CONF
from supremix.suite.launchers import IN_PROCESS
from supremix.suite.plan import plan
from supremix.suite.reading import load
from supremix.suite.size import Size
from supremix.tables.results import collect
from supremix.tables.tuned import settings
from tests.running import SMALL
from tests.tables.test_rendering import record

pytest.importorskip("optuna", reason="searching needs the extra [sweep]")


@pytest.fixture
def conf(tmp_path):
    """A config folder with a table of two rows, one of which has a space."""
    folder = tmp_path / "conf"
    shutil.copytree(CONF, folder, ignore=shutil.ignore_patterns("[0-9]*.yaml"))
    rows = [{"name": name, "kind": "baseline", "overrides": [f"method={name}"]} for name in ("vanilla", "huber")]
    table = {"name": "t", "title": "T", "overrides": ["dataset=diabetes"], "seeds": [0], "metrics": {"best/mae": "MAE"}}
    (folder / "table" / "t.yaml").write_text(yaml.safe_dump(table | {"rows": rows}))
    rules = {"kind": "tuning", "trials": 2, "seeds": [7], "rows": {"vanilla": ["dataset.recipe.vanilla.lr=1e-9,1e-2"]}}
    (folder / "table" / "_tuning.yaml").write_text(yaml.safe_dump(rules))
    return folder


def tuned(conf, tmp_path):
    return yaml.safe_load(tune("t", conf, IN_PROCESS, [*SMALL, f"paths.runs={tmp_path / 'runs'}"], 1).read_text())


def said(conf):
    """What the table says of its tuned rows, once their runs are there."""
    spec = load(conf / "table" / "t.yaml")
    return settings(collect(spec, [(cell, record(1.0)) for cell in plan(spec, conf, [])]))


@pytest.mark.whole
def test_a_row_takes_what_was_best_on_validation_and_the_table_says_so(conf, tmp_path, monkeypatch):
    monkeypatch.setattr(tuning, "_own", lambda *_: 1e9)
    found = tuned(conf, tmp_path)
    assert found["vanilla"]["overrides"] in (["dataset.recipe.vanilla.lr=0.01"], ["dataset.recipe.vanilla.lr=1e-09"])
    assert found["vanilla"]["validation"]["tuned"] > 0
    assert found.keys() == {"vanilla"}
    done = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").glob("*/DONE")}
    assert tuned(conf, tmp_path) == found  # goes on, with nothing left to run
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").glob("*/DONE")} == done
    spec = load(conf / "table" / "t.yaml")
    assert [row.tuned for row in spec.rows] == [found["vanilla"]["overrides"], None]
    assert spec.rows[0].tuned[0] in plan(spec, conf, [])[0].overrides
    assert said(conf) == [f"Tuned on validation: vanilla: {spec.rows[0].tuned[0]}"]
    small = Size(name="small", prepare={"diabetes_small": []}).spec(spec)
    assert [row.tuned for row in small.rows] == [None, None]


@pytest.mark.whole
def test_its_own_settings_stay_where_they_are_better(conf, tmp_path):
    rules = yaml.safe_load((conf / "table" / "_tuning.yaml").read_text())
    rules["rows"]["vanilla"] = ["dataset.recipe.vanilla.lr=1e-8,1e-9"]
    (conf / "table" / "_tuning.yaml").write_text(yaml.safe_dump(rules))
    found = tuned(conf, tmp_path)["vanilla"]
    assert found["overrides"] == []
    assert found["validation"]["own settings"] < found["validation"]["tuned"]
    assert said(conf) == ["Tuned on validation: vanilla: its own settings"]


def test_every_space_belongs_to_a_row_of_the_extended_tables_and_composes():
    from supremix.search.space import split
    from supremix.settings.compose import composed

    rules = yaml.safe_load((CONF / "table" / "_tuning.yaml").read_text())
    spec = load(CONF / "table" / "extended_diabetes.yaml")
    rows = {row.name: row for row in spec.rows}
    for name, space in rules["rows"].items():
        searched, fixed = split(space)
        assert not fixed
        first = [f"{key}={getattr(found, 'choices', [0.01])[0]}" for key, found in searched.items()]
        composed(CONF, [*spec.overrides, *rows[name].overrides, *first])
    assert not set(rules["seeds"]) & set(spec.seeds)
