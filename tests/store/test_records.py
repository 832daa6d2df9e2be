"""Records that are whole JSON with broken contents: told in one line when they are read, and no more than that one."""

import errno
import math
import os

import pytest

from supremix.cli.main import main
from supremix.errors import UserError
from supremix.store.folders import Store
from supremix.store.records import MEASURED, RUN, read_record
from tests.records import stored, whole


def changed(record, key, value):
    """The record with another value at a dotted key, or without it where the value is KeyError."""
    first, _, rest = key.partition(".")
    if rest:
        return record | {first: changed(record[first], rest, value)}
    return {k: v for k, v in record.items() if k != key} if value is KeyError else record | {key: value}


def test_a_whole_record_is_read_and_parts_of_it_may_be_null(tmp_path):
    record = whole("a")
    assert read_record(stored(tmp_path, "a", record)) == record
    of_features = {"representation": {"spearman": None, "rank": 2.5}, "interval": {"test": {"width": 3}}}
    record = whole("c") | of_features
    assert read_record(stored(tmp_path, "c", record)) == record
    record = whole("b") | {"selection": None, "pretrain": None}
    assert read_record(stored(tmp_path, "b", record)) == record


BROKEN = {
    **{f"without {key}": (key, KeyError) for key in [*RUN, "metrics", "metrics.val", "metrics.test.best.mae"]},
    "null for a dict": ("config", None),
    "list for metrics": ("metrics", [1]),
    "text for a split": ("metrics.val", "good"),
    "number for a variant": ("metrics.test.best", 0.5),
    "text for a metric": ("metrics.test.best.mae", "0.5"),
    "truth value for a metric": ("metrics.val.best.r2", True),
    "NaN for a metric": ("metrics.test.best.mae", math.nan),
    "infinity for a metric": ("metrics.test.best.gm", math.inf),
    "text for the representation": ("representation", "good"),
    "text for a metric of the representation": ("representation", {"rank": "3"}),
    "NaN for a metric of the representation": ("representation", {"rank": math.nan}),
    "numbers for the intervals of a split": ("interval", {"test": 0.9}),
    "NaN for seconds": ("seconds.total", math.nan),
    "infinity deep in the settings": ("config.method.window", [1.0, -math.inf]),
    "a fraction for an epoch": ("selection.best_epoch", 1.5),
    "truth value for a count": ("data.sizes.train", True),
    "text for a count": ("data.sizes.train", "3"),
    "no version of the code": ("code", {"digest": "c0de"}),
    "a list for the whole pre-training": ("pretrain", []),
    "text for pre-training's seconds": ("pretrain.seconds", "long"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_contents_are_one_line_with_the_path_and_the_way_out(tmp_path, name):
    key, value = BROKEN[name]
    directory = stored(tmp_path, "a", changed(whole("a"), key, value))
    with pytest.raises(UserError) as error:
        read_record(directory)
    said = str(error.value)
    assert said.startswith(f"{directory / 'record.json'}: not a whole record (")
    assert key.split(".")[0] in said
    assert said.endswith(f"remove {directory} and run again")
    assert ("supremix evaluate a --store" in said) == (key.split(".")[0] in MEASURED)


@pytest.mark.parametrize("text", ["", "null", "3", '"text"', "[]", "{}", '{"schema": 2}', "[" * 100_000, "9" * 5000])
def test_what_is_no_record_at_all_is_one_line_too(tmp_path, text):
    with pytest.raises(UserError, match=r"record.json: not a readable record .* and run again$"):
        read_record(stored(tmp_path, "a", text))


def test_a_record_belongs_to_its_folder_or_to_what_was_superseded_under_its_name(tmp_path):
    copy = stored(tmp_path, "a-1", whole("a"))
    with pytest.raises(UserError, match="the record of a, which does not belong here: rename the folder to a, or"):
        read_record(copy)
    (tmp_path / "superseded").mkdir()
    assert read_record(copy.rename(tmp_path / "superseded" / "a-1"))["id"] == "a"


def test_metrics_may_be_anything_where_they_are_computed_again(tmp_path):
    for name, metrics in {"a": {}, "b": None, "c": {"val": {"best": {"mae": math.nan}}}}.items():
        record = whole(name) | {"metrics": metrics}
        assert read_record(stored(tmp_path, name, record), metrics=False)["id"] == name


def test_one_record_of_another_schema_is_told_as_such_and_leaves_the_store_as_it_is(tmp_path):
    stored(tmp_path, "a", whole("a") | {"schema": "new"})
    with pytest.raises(UserError, match="records of schema new, and this version has schema 2"):
        Store(tmp_path)
    stored(tmp_path, "b", whole("b"))
    assert [record["id"] for record in Store(tmp_path).records()] == ["b"]
    with pytest.raises(UserError, match="record schema new, this version reads 2"):
        read_record(tmp_path / "a")


@pytest.mark.parametrize("call", ["listdir", "stat"])
def test_a_store_that_may_not_be_read_or_looked_into_is_one_line(tmp_path, monkeypatch, call):
    allowed = getattr(os, call)

    def refuse(path, **settings):
        if call == "stat" and path != f"{tmp_path}/.":
            return allowed(path, **settings)
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, call, refuse)
    with pytest.raises(UserError, match=r": cannot be read \(Permission denied\): give yourself the permission, or"):
        Store(tmp_path)


def test_a_bad_record_is_noted_beside_the_others_in_a_list(tmp_path, capsys):
    stored(tmp_path, "a", changed(whole("a"), "metrics.test.best.mae", math.nan))
    stored(tmp_path, "b", whole("b"))
    assert main(["ls", "--store", str(tmp_path)]) == 0
    _, bad, good = capsys.readouterr().out.splitlines()
    assert "metrics.test.best.mae is nan" in bad
    assert bad.split("\t")[6] == "failed"
    assert good.split("\t")[5] == "0.5000"
    assert main(["show", "a", "--store", str(tmp_path)]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert main(["show", "b", "--store", str(tmp_path)]) == 0
