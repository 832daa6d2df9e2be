"""From a specification and records to the rendered table; what is missing shows as missing."""

import csv
import io
import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy import stats as scipy_stats

from supremix.commandline import CONF
from supremix.errors import UserError
from supremix.store import Store
from supremix.tables import overview, render, reproduce, stats
from supremix.tables.launch import local_launcher
from supremix.tables.plan import Cell
from supremix.tables.spec import Gain, Panel, Row, Spec, load
from tests.running import SMALL

SPEC = Spec(
    name="small",
    title="A small_table & more",
    overrides=[],
    seeds=[0, 1, 2],
    metrics={"best/mae": "MAE", "best/pearson": "Pearson", "ridge/mae": "MAE, ridge"},
    panels=[Panel("raw"), Panel("standard")],
    rows=[
        Row("Vanilla", "baseline", [], paper={"mae": 6.56}),
        Row("SupCon", "baseline", [], panels=["raw"], paper={"mae": 5.68}),
        Row("SupReMix", "ours", [], paper={"mae": 4.88}),
    ],
    gain=Gain("SupReMix", "mae", ["Vanilla"]),
    comparisons=[("SupReMix", "Vanilla"), ("SupReMix", "SupCon")],
    notes=["A note."],
)
MAE = {"Vanilla": [6.0, 6.2, 6.4], "SupCon": [5.0, 5.5, 5.1], "SupReMix": [4.0, 4.5, 4.4]}


def record(mae, pearson=0.5, ridge=True, synthetic=False):
    """A record with what the renderer reads."""
    best = {"mae": mae, "pearson": pearson}
    return {"seed": 0, "synthetic": synthetic, "metrics": {"test": {"best": best} | ({"ridge": best} if ridge else {})}}


def found(rows=MAE, panels=("raw", "standard"), **changes):
    """Finished cells with their records."""
    return [
        (Cell(panel, row, seed, []), record(mae, **changes))
        for panel in panels
        for row, values in rows.items()
        for seed, mae in enumerate(values)
        if (panel, row) != ("standard", "SupCon")
    ]


def test_mean_deviation_count_paper_and_difference():
    text = render.markdown(render.collect(SPEC, found()))
    assert "| SupReMix | 3 | 4.30 ± 0.26 | 4.88 | -0.58 | 0.50 ± 0.00 | 4.30 ± 0.26 |" in text
    assert "| MAE ↓ | paper | Δ | Pearson ↑ | MAE, ridge ↓ |" in text
    assert "lowest validation error; the test set is read once" in text
    assert text.endswith("- A note.\n")


def test_paired_difference_is_the_t_interval_over_common_seeds():
    a, b = np.array(MAE["SupReMix"]), np.array(MAE["Vanilla"])
    low, high = scipy_stats.ttest_rel(a, b).confidence_interval(0.95)
    got = stats.paired(dict(enumerate(a)), dict(enumerate(b)))
    assert (got.low, got.high, got.mean) == pytest.approx((low, high, (a - b).mean()))
    assert (got.lower, got.n) == (3, 3)
    assert stats.paired({0: 1.0, 5: 2.0}, {0: 1.0, 6: 3.0}) is None


def test_gain_is_stated_against_the_best_baseline_too():
    text = render.markdown(render.collect(SPEC, found()))
    assert "+44.2 % against Vanilla, +20.9 % against the best baseline, SupCon" in text
    assert "the paper: +34.4 % against Vanilla" in text


def test_a_row_may_have_other_paper_values_in_each_panel():
    rows = [
        Row(name, kind, [], panels=[panel], paper={"mae": paper})
        for panel, values in (("raw", (6.56, 4.88)), ("standard", (2.0, 1.0)))
        for (name, kind), paper in zip((("Vanilla", "baseline"), ("SupReMix", "ours")), values, strict=True)
    ]
    spec = Spec(**{**vars(SPEC), "rows": rows, "comparisons": [("SupReMix", "Vanilla")]})
    raw, standard = render.markdown(render.collect(spec, found())).split("## standard")
    assert "| 4.30 ± 0.26 | 4.88 | -0.58 |" in raw
    assert "the paper: +34.4 % against Vanilla" in raw
    assert "the paper: -1.68" in raw
    assert "| 4.30 ± 0.26 | 1.00 | +3.30 |" in standard
    assert "the paper: +100.0 % against Vanilla" in standard
    assert "the paper: -1.00" in standard


def test_a_missing_cell_shows_and_no_mean_is_formed_over_the_rest():
    some = [pair for pair in found() if (pair[0].row, pair[0].seed, pair[0].panel) != ("SupReMix", 1, "raw")]
    text = render.markdown(render.collect(SPEC, some))
    raw, standard = text.split("## standard")
    assert "| SupReMix | 2 of 3 | missing | 4.88 | – | missing | missing |" in raw
    assert "SupReMix − Vanilla, MAE: missing, 2 of 3 pairs" in raw
    assert "Gain of SupReMix: missing" in raw
    assert "missing" not in standard


def test_an_empty_table_still_renders():
    results = render.collect(SPEC, [])
    assert "| Vanilla | 0 of 3 | missing | 6.56 | – | missing | missing |" in render.markdown(results)
    assert "missing" in render.latex(results)
    assert len(render.as_csv(results).splitlines()) == 1 + 3 * 3 + 2 * 3


def test_one_seed_has_no_deviation():
    one = Spec(**{**vars(SPEC), "seeds": [0]})
    text = render.markdown(render.collect(one, [pair for pair in found() if pair[0].seed == 0]))
    assert "| SupReMix | 1 | 4.00 | 4.88 | -0.88 |" in text
    assert "nan" not in text


def test_a_column_without_meaning_for_a_row_is_a_dash_and_an_undefined_value_is_missing():
    text = render.markdown(render.collect(SPEC, found(ridge=False)))
    assert "| SupReMix | 3 | 4.30 ± 0.26 | 4.88 | -0.58 | 0.50 ± 0.00 | – |" in text
    partly = found()
    partly[0][1]["metrics"]["test"]["best"]["pearson"] = None
    assert "| Vanilla | 3 | 6.20 ± 0.20 | 6.56 | -0.36 | missing |" in render.markdown(render.collect(SPEC, partly))


def test_synthetic_results_never_stand_beside_the_paper():
    text = render.markdown(render.collect(SPEC, found(synthetic=True)))
    assert "Synthetic data" in text
    assert "4.88" not in text
    assert "the paper:" not in text
    assert "paper |" not in text
    assert "4.88" not in render.as_csv(render.collect(SPEC, found(synthetic=True)))


def test_csv_holds_full_precision():
    rows = list(csv.DictReader(io.StringIO(render.as_csv(render.collect(SPEC, found())))))
    line = next(r for r in rows if (r["panel"], r["row"], r["column"]) == ("raw", "SupCon", "best/mae"))
    assert float(line["mean"]) == pytest.approx(5.2)
    assert float(line["std"]) == pytest.approx(np.std([5, 5.5, 5.1], ddof=1))
    assert float(line["difference"]) == pytest.approx(5.2 - 5.68)


def test_latex_is_balanced_and_escaped():
    text = render.latex(render.collect(SPEC, found()))
    lines = [line for line in text.splitlines() if not line.startswith("%")]
    body = [line for line in lines if line.endswith(r"\\")]
    columns = lines[0].split("{l")[1].rstrip("}")
    assert all(line.count("&") == len(columns) for line in body)
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == 2
    outside = "".join(lines).replace(r"\_", "").replace(r"\&", "").replace(r"\%", "")
    assert outside.count("$") % 2 == 0
    assert "_" not in outside
    assert "%" not in outside
    assert all(ord(character) < 128 for line in lines for character in line)


RUN = sorted(path for path in (CONF / "table").glob("*.yaml") if overview.kind(path) is None)


@pytest.mark.parametrize("path", RUN, ids=lambda path: path.stem)
def test_every_specification_of_runs_loads(path):
    spec = load(path)
    assert spec.cells()
    assert spec.seeds
    assert len(set(spec.seeds)) == len(spec.seeds)
    assert len({(panel.name, row.name) for panel, row in spec.cells()}) == len(spec.cells())


def test_a_wrong_specification_names_the_file(tmp_path):
    text = (CONF / "table" / "quickstart.yaml").read_text()
    for old, new, message in (
        ("kind: ours", "kind: mine", "kind 'mine'"),
        ("[SupReMix, SupCon]", "[SupReMix, SupKon]", "SupKon"),
        ("seeds:", "sedes:", "sedes"),
    ):
        path = tmp_path / "t.yaml"
        path.write_text(text.replace(old, new, 1))
        with pytest.raises(UserError, match=message):
            load(path)
    with pytest.raises(UserError, match=r"no such table; there are: .*5, .*quickstart"):
        load(CONF / "table" / "nosuch.yaml")


def test_table_five_holds_the_papers_numbers_and_an_rmse_that_is_one():
    for row in load(CONF / "table" / "5.yaml").rows:
        if row.paper:
            assert row.paper["rmse"] == pytest.approx(math.sqrt(row.paper["mse"]), abs=0.01)


def small_table(tmp_path, seeds=(0,), extra=()):
    overrides = [*SMALL, f"paths.runs={tmp_path / 'runs'}", *extra]
    return reproduce.reproduce("quickstart", CONF, tmp_path / "out", local_launcher(1), overrides, list(seeds))


def test_a_table_runs_only_what_is_missing_and_renders_again_from_its_records(tmp_path, capfd):
    _, cells, folder = small_table(tmp_path)
    store = Store(tmp_path / "runs")
    written = {cell.run_id: (store.run(cell.run_id) / "DONE").stat().st_mtime_ns for cell in cells}
    capfd.readouterr()
    small_table(tmp_path, seeds=(0, 1))
    assert "7 of 14 runs finished" in capfd.readouterr().err
    assert all((store.run(run_id) / "DONE").stat().st_mtime_ns == at for run_id, at in written.items())
    names = ("table.md", "table.csv", "table.tex", "records.jsonl")
    before = {name: (folder / name).read_text() for name in names}
    assert "missing" not in before["table.md"]
    reproduce.rerender("quickstart", CONF, folder)
    assert before == {name: (folder / name).read_text() for name in names}


def test_failed_runs_are_named_and_the_rest_stands(tmp_path):
    conf = tmp_path / "conf"
    shutil.copytree(CONF, conf)
    broken = conf / "method" / "supcr.yaml"
    broken.write_text(broken.read_text().replace("temperature: 2.0", "temperature: -1"))
    overrides = [*SMALL, f"paths.runs={tmp_path / 'runs'}"]
    with pytest.raises(UserError, match=r"1 of 7 runs failed.*SupCR · seed 0: .*temperature"):
        reproduce.reproduce("quickstart", conf, tmp_path / "out", local_launcher(1), overrides, [0])
    text = (tmp_path / "out" / "table.md").read_text()
    assert "| SupCR | 0 of 1 | missing" in text
    assert "| SupReMix | 1 |" in text


@pytest.mark.parametrize("folder", sorted(Path("results").glob("table_*")), ids=lambda path: path.name)
def test_committed_tables_are_what_their_records_give(folder, tmp_path):
    names = ("table.md", "table.csv", "table.tex", "records.jsonl")
    for name in names:
        (tmp_path / name).write_text((folder / name).read_text())
    reproduce.rerender(folder.name.removeprefix("table_"), CONF, tmp_path)
    for name in names:
        assert (tmp_path / name).read_text() == (folder / name).read_text()
    for line in (tmp_path / "records.jsonl").read_text().splitlines():
        assert json.loads(line)["cell"]["overrides"]
