"""Every faulty table is told in one line, or read rightly with its fault reported."""

import re
import time

import numpy as np
import pytest
import torch

from supremix.data.own.assemble import Plan
from supremix.data.own.layout import Layout
from supremix.data.own.table import load_table
from supremix.errors import UserError
from tests.data.own.faults import CASES

PLAN = Plan({"train": 0.7, "val": 0.15, "test": 0.15}, 0, "standard", "none", "auto", "auto", 16)


def load(path, **layout):
    """Load a table as dataset=table does."""
    return load_table(name="rows", path=str(path), layout=Layout(**({"label": "y"} | layout)), plan=PLAN)


@pytest.mark.parametrize("name", CASES)
def test_a_fault_is_told_or_handled(name, tmp_path):
    case = CASES[name]
    path = tmp_path / case.file
    path.write_bytes(case.content if isinstance(case.content, bytes) else case.content.encode())
    if case.error is not None:
        with pytest.raises(UserError, match=case.error) as caught:
            load(path, **case.layout)
        assert str(caught.value).count("\n") == 0
        return
    data = load(path, **case.layout)
    told = "\n".join([*data.extras["understood"], *data.extras["problems"]])
    assert sum(data.sizes.values()) == case.rows, told
    for pattern in case.tells:
        assert re.search(pattern, told), told
    for split in (data.train, data.val, data.test):
        assert torch.isfinite(split.fetch(np.arange(len(split)))).all()
        assert np.isfinite(split.y).all()


def test_the_corpus_is_large_and_of_both_kinds():
    assert len(CASES) >= 60
    assert sum(case.error is not None for case in CASES.values()) > 20


def test_files_that_are_not_there_are_told_with_what_is(tmp_path):
    (tmp_path / "houses.csv").write_text("a,y\n1,2\n")
    with pytest.raises(UserError, match=r"house\.csv: no such file; there is houses\.csv: check dataset\.path"):
        load(tmp_path / "house.csv")
    with pytest.raises(UserError, match="no such file, and no folder"):
        load(tmp_path / "nowhere" / "house.csv")
    with pytest.raises(UserError, match=r"dataset\.path: name the file, with a row for each item"):
        load_table(name="own", path=None, layout=Layout("y"), plan=PLAN)
    with pytest.raises(UserError, match="a folder: give the file with a row for each item"):
        load(tmp_path)


@pytest.mark.parametrize("kind", ["parquet", "xlsx"])
def test_tables_of_other_kinds_are_read_alike(kind, tmp_path):
    import pandas as pd

    pytest.importorskip({"parquet": "pyarrow", "xlsx": "openpyxl"}[kind])
    (tmp_path / "rows.csv").write_text(CASES["sound"].content)
    frame = pd.read_csv(tmp_path / "rows.csv")
    getattr(frame, {"parquet": "to_parquet", "xlsx": "to_excel"}[kind])(tmp_path / f"rows.{kind}", index=False)
    one, other = load(tmp_path / "rows.csv"), load(tmp_path / f"rows.{kind}")
    everything = np.arange(len(one.train))
    assert torch.equal(one.train.fetch(everything), other.train.fetch(everything))
    assert list(one.train.ids) == list(other.train.ids)


def test_many_rows_are_read_in_seconds(tmp_path):
    rows = 50_000
    random = np.random.default_rng(0)
    numbers = random.normal(size=(rows, 3)).round(3)
    path = tmp_path / "rows.csv"
    np.savetxt(path, np.column_stack([numbers, numbers.sum(1).round(3)]), "%g", ",", header="a,b,c,y", comments="")
    started = time.perf_counter()
    data = load(path)
    assert sum(data.sizes.values()) == rows
    assert time.perf_counter() - started < 30
