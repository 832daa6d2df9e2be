"""The paper's values in conf/table are those that the paper prints, where a transcription of it is at hand."""

import os
from pathlib import Path

import pytest
import yaml

from supremix.commandline import CONF
from supremix.tables.spec import load


@pytest.fixture(scope="module")
def published():
    """published_results.yaml: table → row → values. The environment variable SUPREMIX_PAPER names its folder."""
    path = Path(os.environ.get("SUPREMIX_PAPER") or "paper") / "published_results.yaml"
    if not path.is_file():
        pytest.skip(f"the paper's numbers are not there: {path} (SUPREMIX_PAPER names the folder)")
    return yaml.safe_load(path.read_text())


def rows(values):
    """Rows of a table of the transcription: what is no list is a remark."""
    return {
        name: row for name, row in values.items() if isinstance(row, list) and not name.startswith(("met", "gains"))
    }


def test_table_8(published):
    table = published["table_8"]
    panels = {"IMDB-WIKI → AgeDB-DIR": table["imdb_to_agedb"], "AgeDB-DIR → IMDB-WIKI": table["agedb_to_imdb"]}
    ours = {(p.name, row.name.lower()): row.paper for p, row in load(CONF / "table" / "8.yaml").cells()}
    assert ours == {
        (panel, name): dict(zip(table["metrics"], values, strict=True))
        for panel, by_row in panels.items()
        for name, values in by_row.items()
    }


def test_table_15(published):
    table = published["table_15"]
    metrics = [metric.removesuffix("_overall") for metric in table["metrics"]]
    ours = {row.name.lower(): row.paper for row in load(CONF / "table" / "15.yaml").rows}
    assert ours == {name: dict(zip(metrics, values, strict=True)) for name, values in rows(table).items()}


def test_table_12(published):
    table = published["table_12"]
    ours = {one["dataset"]: list(one["paper"].values()) for one in specification("12")["datasets"]}
    assert ours == {name: values for name, values in rows(table).items() if name != "columns"}
    assert [key.replace(" ", "_") for key in specification("12")["datasets"][0]["paper"]] == table["columns"]


def test_table_13(published):
    spec, table = specification("13"), published["table_13"]
    ours = {dataset: [row["paper"][i] for row in spec["rows"]] for i, dataset in enumerate(spec["datasets"])}
    columns = [
        "temperature", "augmentation", "protocol", "beta", "window", "backbone", "projection", "feature_dim", "lr",
        "batch_size",
    ]  # fmt: skip
    assert table["columns"] == columns
    assert ours == {name: values for name, values in rows(table).items() if name != "columns"}


def specification(table):
    """What stands in conf/table."""
    return yaml.safe_load((CONF / "table" / f"{table}.yaml").read_text())
