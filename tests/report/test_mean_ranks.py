"""Mean ranks over the extended tables: what they tell apart, with one table and with several."""

import json
import math
import shutil

import numpy as np
import pytest
import yaml

from supremix.cli.main import main
from supremix.metrics.ranks import cliques, critical_difference, friedman, mean_ranks
from supremix.report.choice import write_choice
from supremix.report.ranks import write_ranks
from supremix.settings import compose
from supremix.settings.compose import CONF
from supremix.suite.reading import load
from tests.tables.test_rendering import record

METHODS = yaml.safe_load((CONF / "table" / "_ranks.yaml").read_text())["rows"]


def test_ranks_are_shared_by_ties_and_averaged_over_datasets():
    assert mean_ranks(np.array([[1.0, 2, 2], [30, 20, 10]])).tolist() == [2, 2.25, 1.75]


def test_the_critical_difference_is_that_of_demsar_2006():
    assert critical_difference(4, 14) == pytest.approx(2.569 * math.sqrt(4 * 5 / (6 * 14)), abs=2e-3)
    assert critical_difference(10, 8) == pytest.approx(3.164 * math.sqrt(10 * 11 / (6 * 8)), abs=5e-3)


def test_friedman_needs_two_datasets_and_sees_what_is_the_same_in_all():
    error_DK = np.arange(5.0) + np.random.default_rng(0).normal(0, 0.1, (8, 5))
    assert friedman(error_DK) < 1e-4
    assert friedman(np.random.default_rng(0).normal(size=(8, 5))) > 0.05
    assert friedman(error_DK[:1]) is None


def test_cliques_are_the_longest_groups_within_the_difference():
    assert cliques(np.array([1.0, 1.5, 2.2, 4.0]), 1.0) == [(0, 1), (1, 2)]
    assert cliques(np.array([1.0, 1.5, 1.9]), 1.0) == [(0, 2)]
    assert cliques(np.array([1.0, 3.0]), 1.0) == []


def written(out, name, errors, seeds=(0, 1), spread=0.1, validation=None):
    """A rendered extended table's records: row → mean error, and error on validation rows."""
    folder = out / name
    folder.mkdir(parents=True)
    lines = [
        record(error + seed * spread * error) | {"seed": seed, "cell": {"panel": "", "row": row, "overrides": []}}
        for row, error in errors.items()
        for seed in seeds
    ]
    for line in lines if validation else []:
        line["metrics"]["val"] = {"best": {"mae": validation[line["cell"]["row"]]}}
    (folder / "records.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "state.json").write_text(json.dumps({"seeds": list(seeds)}))


def test_one_table_is_ranked_and_tests_nothing(tmp_path):
    assert write_ranks(CONF, tmp_path) is None
    written(tmp_path, "extended_diabetes", {row: k for k, row in enumerate(METHODS)})
    text = write_ranks(CONF, tmp_path).read_text()
    assert f"| {METHODS[0]} | 1.00 | 1 |" in text
    assert "- One table: its ranks say nothing of other data, and nothing is tested" in text
    assert not (tmp_path / "ranks" / "ranks.png").exists()


def test_several_tables_have_a_test_and_a_picture_and_an_unfinished_one_is_named(tmp_path):
    rng, names = np.random.default_rng(0), ["diabetes", "ames", "tecator", "uci_airfoil"]
    for name in names:
        written(tmp_path, f"extended_{name}", {row: k + rng.normal() for k, row in enumerate(METHODS)})
    written(tmp_path, "extended_stsb_dir", dict.fromkeys(METHODS[:-1], 1.0))
    text = write_ranks(CONF, tmp_path).read_text()
    assert "in 4 tables:" in text
    assert "Friedman's test that all rank alike, 4 tables: p = " in text
    assert f"critical difference at 5 %: {critical_difference(10, 4):.2f} ranks" in text
    assert "Left out, since a row of it is not finished: STS-B-DIR" in text
    drawing = (tmp_path / "ranks" / "ranks.svg").read_bytes()
    write_ranks(CONF, tmp_path)
    assert (tmp_path / "ranks" / "ranks.svg").read_bytes() == drawing


def test_the_choice_is_by_dataset_and_by_method(tmp_path):
    assert write_choice(CONF, tmp_path) is None
    ours = "SupReMix, fine-tuned"
    written(tmp_path, "extended_ames", {"Ridge": 100, "Vanilla": 400, "C-Mixup": 200, ours: 210}, spread=1e-5)
    written(tmp_path, "extended_diabetes", {"Ridge": 9.0, "Vanilla": 2.0, ours: 1.0}, spread=1e-5)
    lines = write_choice(CONF, tmp_path).read_text().splitlines()
    steadiest = (
        f"- The steadiest network: **{ours}**, at most 5.0 % above the lowest network of a table, in 2 of 2 tables."
    )
    assert steadiest in lines
    apart = "C-Mixup (Ames house prices), SupReMix, fine-tuned (Ames house prices), "
    below = next(line for line in lines if line.startswith("- Networks below Vanilla beyond the noise"))
    assert below.endswith(f": {apart}SupReMix, fine-tuned (scikit-learn's diabetes data).")
    ames = next(line for line in lines if "(extended_ames/table.md), MAE" in line)
    for part in ("| Ridge: 100 | 400 | C-Mixup: 200 | −200.0, p ", f" \\* | {ours}: 210 | +10.0 to C-Mixup, p "):
        assert part in ames
    by_method = [line for line in lines if line.startswith(("| Vanilla |", "| C-Mixup |", f"| {ours} |"))]
    assert by_method == [
        f"| {ours} | 2.5 | 5.0 | 2 of 2 | 5.0 | 0.0 |",
        "| Vanilla | 100.0 | 100.0 | 0 of 2 | 100.0 | 100.0 |",
        "| C-Mixup | 0.0 | 0.0 | 1 of 1 | 0.0 | – |",
    ]


def test_methods_within_ten_percent_of_the_lowest_are_counted(tmp_path):
    written(tmp_path, "extended_ames", {"Vanilla": 100, "Huber": 109, "SRL": 112}, spread=1e-5)
    text = write_choice(CONF, tmp_path).read_text()
    assert "| Huber | 9.0 | 9.0 | 1 of 1 | 9.0 |" in text
    assert "| SRL | 12.0 | 12.0 | 0 of 1 | 12.0 |" in text


def test_one_method_is_chosen_without_the_table_that_judges_it(tmp_path):
    errors = {"ames": (1.0, 1.2, 1.0), "diabetes": (1.0, 1.1, 2.0), "tecator": (3.0, 1.3, 1.0)}
    for count, (name, row_errors) in enumerate(errors.items()):
        text = write_choice(CONF, tmp_path).read_text() if count else ""
        assert "## One method for all" not in text, "two tables are too few"
        written(tmp_path, f"extended_{name}", dict(zip(["Vanilla", "Huber", "SRL"], row_errors, strict=True)))
    lines = write_choice(CONF, tmp_path).read_text().splitlines()
    start = lines.index("| left out | chosen | % above its lowest network |") + 2
    found = [tuple(cell.strip() for cell in line.split("|")[2:4]) for line in lines[start : start + 3]]
    # Largest errors of the other two tables, in percent. Ames: 200, 30, 100; diabetes: 200, 30, 0; Tecator: 0, 20, 100
    assert found == [("Huber", "20.0"), ("SRL", "100.0"), ("Vanilla", "200.0")]


def test_the_lowest_on_validation_is_judged_on_test_rows(tmp_path):
    ames = {"Vanilla": (100, 7), "Huber": (90, 5), "SupReMix, joint": (99, 6), "Ridge": (80, 1)}
    diabetes = {"Vanilla": (1.0, 2), "Huber": (1.2, None), "SupReMix, joint": (1.1, 1), "SRL": (1.5, 0.5)}
    for name, rows in {"ames": ames, "diabetes": diabetes}.items():
        validation = {row: mae for row, (_, mae) in rows.items()}
        written(tmp_path, f"extended_{name}", {row: mae for row, (mae, _) in rows.items()}, validation=validation)
    text = write_choice(CONF, tmp_path).read_text()
    assert "| Ames house prices | Huber | 0.0 | SupReMix, joint | 10.0 |" in text
    assert "| scikit-learn's diabetes data | SRL | 50.0 | SupReMix, joint | 10.0 |" in text
    assert (
        "- The network with the lowest validation error: at most 50.0 % above the lowest network of a table, and of "
        "those that `supremix compare` trains at most 10.0 %." in text
    )
    written(tmp_path, "extended_tecator", {"Huber": 1.0}, validation={"Huber": 1.0})
    text = write_choice(CONF, tmp_path).read_text()
    assert "| Tecator, fat from infrared spectra | Huber | 0.0 | – | – |" in text
    assert "lowest validation error" not in text, "a table without any of them says nothing of the rule"


def test_every_extended_table_has_the_rows_that_are_ranked():
    for path in (CONF / "table").glob("extended_*.yaml"):
        rows = {row.name: row.kind for row in load(path).rows}
        assert {rows[name] for name in METHODS} <= {"baseline", "ours"}


def test_all_pages_are_made_from_records_where_the_store_is_empty(tmp_path, monkeypatch, capsys):
    conf = tmp_path / "conf"
    shutil.copytree(CONF, conf, ignore=shutil.ignore_patterns("[0-9]*.yaml"))
    monkeypatch.setattr(compose, "CONF", conf)
    out = tmp_path / "results"
    written(out, "extended_diabetes", {row: k for k, row in enumerate(METHODS)})
    assert main(["table", "--render-all", "--out", str(out), f"paths.runs={tmp_path / 'none'}"]) == 0
    said = capsys.readouterr().out
    rows = len(load(conf / "table" / "extended_diabetes.yaml").rows)
    assert f"{len(METHODS) * 2} of {rows * 2} runs, rendered from the records beside it" in said
    assert str(out / "ranks" / "ranks.md") in said
    assert "differences in MAE" in (out / "extended_diabetes" / "table.md").read_text()
    index = (out / "README.md").read_text()
    assert (
        "Beyond the paper's, with [which method to use](which_method.md) and [mean ranks](ranks/ranks.md) by the "
        "extended ones:" in index
    )
    assert f"(extended_diabetes/table.md): {len(METHODS) * 2} of {rows * 2} runs" in index
