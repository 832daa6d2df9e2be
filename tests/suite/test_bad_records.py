"""One damaged record among those of a table: it is named, its run counts as failed, and the others are read."""

import json

import pytest

from supremix.store.folders import Store
from supremix.suite.plan import Cell
from supremix.suite.reading import built
from supremix.suite.run import read_finished
from supremix.suite.stored import failure
from supremix.tables import reproduce
from supremix.tables.render import markdown
from tests.records import stored, whole

SPEC = {
    "name": "t", "title": "T", "overrides": [], "seeds": [0], "metrics": {"best/mae": "MAE"},
    "rows": [{"name": name, "kind": "baseline", "overrides": []} for name in ("good", "bad", "none")],
}  # fmt: skip


@pytest.fixture
def cells(tmp_path):
    """A store with a whole record and a damaged one, and the cells of a table that they belong to."""
    stored(tmp_path, "good", whole("good"))
    damaged = whole("bad")
    damaged["metrics"]["test"]["best"]["mae"] = "0.5"
    stored(tmp_path, "bad", damaged)
    return [Cell("", name, 0, [], name) for name in ("good", "bad", "none")]


def test_the_others_are_read_and_the_damaged_one_is_named(tmp_path, cells):
    records, unread = read_finished(Store(tmp_path), cells)
    assert [record["id"] for _, record in records] == ["good"]
    (line,) = unread
    assert line.startswith(
        f"bad · seed 0: {tmp_path / 'bad' / 'record.json'}: not a whole record (metrics.test.best.mae"
    )
    assert line.endswith("and run again")


def test_a_table_shows_it_as_failed_beside_the_others(tmp_path, cells, capsys):
    results, records = reproduce.stored(built(SPEC), cells, Store(tmp_path), [])
    assert capsys.readouterr().err.startswith("warning: bad · seed 0: ")
    assert len(records) == 1
    lines = [line for line in markdown(results).splitlines() if line.startswith("| ")]
    assert lines[2:] == ["| good | 1 | 0.50 |", "| bad | 0 of 1 | failed |", "| none | 0 of 1 | missing |"]


def test_a_failure_that_is_noted_in_no_way_is_told_as_such(tmp_path):
    store = Store(tmp_path)
    for text in ("[]", json.dumps({"error": "x"}), "[" * 100_000):
        store.failure("a").write_text(text)
        assert failure(store, "a") == ("failed: x" if "error" in text else "failed: its note is not readable")
