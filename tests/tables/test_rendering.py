"""From records to Markdown, CSV and LaTeX, on made-up numbers; what is missing, failed or undefined shows as such."""

import csv
import io
import itertools
import json
import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats as scipy_stats

from supremix.metrics import seeds
from supremix.settings.compose import CONF
from supremix.suite.codes import UNSTATED, digests
from supremix.suite.plan import Cell
from supremix.suite.reading import load
from supremix.suite.spec import Gain, Panel, Row, Spec
from supremix.tables import cells, files, gains, statements
from supremix.tables.computed import kind
from supremix.tables.latex import latex, tex
from supremix.tables.render import as_csv, details, markdown
from supremix.tables.results import collect

ASSETS = Path(__file__).parents[1] / "assets" / "table"

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
    metrics = {"test": {"best": best} | ({"ridge": best} if ridge else {})}
    return {"seed": 0, "synthetic": synthetic, "metrics": metrics} | made_by("c0de")


def made_by(code, encoder=None):
    """What a record says of its code."""
    return {"schema": 2, "code": {"version": "0.1.0", "digest": code}, "pretrain_code": encoder}


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
    text = markdown(collect(SPEC, found()))
    assert "| SupReMix | 3 | **4.30 ± 0.26** | 4.88 | −0.58 | **0.500 ± 0.000** | **4.30 ± 0.26** |" in text
    assert "| SupCon | 3 | 5.20 ± 0.26 | 5.68 | −0.48 | **0.500 ± 0.000** | 5.20 ± 0.26 |" in text
    assert "| MAE ↓ | paper | Δ | Pearson ↑ | MAE, ridge ↓ |" in text
    assert "lowest validation error; the test set is read once" in text
    assert text.endswith("- [Paired differences, intervals, notes](details.md)\n")
    assert details(collect(SPEC, found())).endswith("- A note.\n")
    assert max(len(part.split("\n- ")) - 1 for part in text.split("## ")) <= 5


@pytest.mark.parametrize(
    ("metrics", "rule"),
    [
        (["mae", "mse"], "lowest validation error"),
        (["pearson"], "highest validation pearson"),
        (["mae", "pearson"], "best validation value"),
    ],
)
def test_the_rule_of_selection_is_that_of_the_records(metrics, rule):
    cells = found()
    for number, (_, record) in enumerate(cells):
        record["selection"] = {"split": "val", "metric": metrics[number % len(metrics)]}
    for text in (markdown(collect(SPEC, cells)), latex(collect(SPEC, cells))):
        assert f"The epoch is the one with the {rule}; the test set" in text


def test_paired_difference_is_the_t_interval_over_common_seeds():
    a, b = np.array(MAE["SupReMix"]), np.array(MAE["Vanilla"])
    low, high = scipy_stats.ttest_rel(a, b).confidence_interval(0.95)
    got = seeds.paired(dict(enumerate(a)), dict(enumerate(b)))
    assert (got.low, got.high, got.mean) == pytest.approx((low, high, (a - b).mean()))
    assert (got.lower, got.n) == (3, 3)
    assert seeds.paired({0: 1.0, 5: 2.0}, {0: 1.0, 6: 3.0}) is None
    assert seeds.paired({0: 1.0, 1: 2.0}, {0: 1.0, 1: 2.0}).noise, "an interval of 0 alone contains 0"


def test_rows_whose_networks_predict_a_constant_are_named():
    results = found(synthetic=True)
    for number, (_, record) in enumerate(results):
        record["metrics"]["test"]["best"] |= {"r2": None if number == 1 else -0.1}  # of labels that are all equal
    for number in (1, 4, 6, 7):
        results[number][1]["metrics"]["test"]["best"]["pearson"] = None
    lines = [line for line in markdown(collect(SPEC, results)).splitlines() if "the same prediction" in line]
    assert lines == ["- Seeds in which all test rows get the same prediction: SupCon, 1 of 3; SupReMix, 2 of 3"]
    spec = replace(SPEC, rows=[replace(row, kind="reference") for row in SPEC.rows])
    assert "the same prediction" not in markdown(collect(spec, results))


def test_gain_is_stated_against_the_best_baseline_too():
    text = markdown(collect(SPEC, found()))
    assert (
        "MAE of SupReMix: 30.6 % lower than Vanilla, 17.3 % lower than the best baseline, SupCon; in the paper" in text
    )
    assert "; in the paper 25.6 % lower than Vanilla\n" in text


@pytest.mark.parametrize(
    ("vanilla", "says"),
    [
        ([6.0, 6.2, 6.4], "against Vanilla reproduced"),
        ([4.2, 4.3, 4.5], "against Vanilla inside the noise"),
        ([1.0, 1.4, 1.2], "against Vanilla contradicted"),
    ],
)
def test_the_verdict_is_whether_the_papers_order_is_reproduced_beyond_the_noise(vanilla, says):
    results = collect(SPEC, found(MAE | {"Vanilla": vanilla}))
    assert gains.verdict(results, SPEC.panels[0]) == says
    assert f"- **Verdict** on the paper's order: {says}\n" in markdown(results)
    assert gains.verdict(collect(SPEC, []), SPEC.panels[0]) == "missing"
    assert gains.verdict(collect(SPEC, found(synthetic=True)), SPEC.panels[0]) == ""
    prepared = replace(SPEC, panels=[replace(SPEC.panels[0], prepare="prepare ukb"), SPEC.panels[1]])
    lacking = collect(prepared, [], unprepared={"ukb": ["supremix prepare ukb"]})
    assert [gains.verdict(lacking, panel) for panel in prepared.panels] == ["cannot be had without its data", "missing"]


def test_the_papers_order_may_have_the_row_of_the_gain_above_another():
    rows = [replace(row, paper={"mae": 4.0}) if row.name == "Vanilla" else row for row in SPEC.rows]
    spec = replace(SPEC, rows=rows)
    for vanilla, says in (([1.0, 1.4, 1.2], "reproduced"), (MAE["Vanilla"], "contradicted")):
        results = collect(spec, found(MAE | {"Vanilla": vanilla}))
        assert gains.verdict(results, spec.panels[0]) == f"against Vanilla {says}"


def test_a_unit_stands_beside_errors_and_squared_beside_their_squares():
    metrics = {"best/mae": "MAE", "best/mse": "MSE", "best/pearson": "ρ", "best/mae_few": "MAE, few"}
    spec = replace(SPEC, metrics=metrics, unit="dB", panels=[replace(SPEC.panels[0], unit="years"), SPEC.panels[1]])
    results = collect(spec, found(synthetic=True))
    first, second = (cells.header(results, panel)[2:] for panel in spec.panels)
    assert first == ["MAE (years) ↓", "MSE (years²) ↓", "ρ ↑", "MAE, few (years) ↓"]
    assert second[1] == "MSE (dB²) ↓"


def test_a_missing_cell_shows_and_no_mean_is_formed_over_the_rest():
    some = [pair for pair in found() if (pair[0].row, pair[0].seed, pair[0].panel) != ("SupReMix", 1, "raw")]
    text = markdown(collect(SPEC, some))
    raw, standard = text.split("## standard")
    assert "| SupReMix | 2 of 3 | missing | 4.88 | – | missing | missing |" in raw
    assert "SupReMix − Vanilla, MAE: missing, 2 of 3 pairs" in details(collect(SPEC, some))
    assert "MAE of SupReMix against the others: missing" in raw
    assert "**6.20" not in raw
    assert "missing" not in standard
    rival = [pair for pair in found() if (pair[0].row, pair[0].seed) != ("SupCon", 1)]
    assert "MAE of SupReMix against the others: missing" in markdown(collect(SPEC, rival))


def test_means_that_are_equal_as_shown_are_all_the_best():
    close = MAE | {"SupCon": [value + 0.001 for value in MAE["SupReMix"]]}
    results = collect(SPEC, found(close))
    assert cells.leaders(results, SPEC.panels[0], "best/mae") == {"SupCon", "SupReMix"}


def test_an_empty_table_still_renders():
    results = collect(SPEC, [])
    assert "| Vanilla | 0 of 3 | missing | 6.56 | – | missing | missing |" in markdown(results)
    assert "missing" in latex(results)
    assert len(as_csv(results).splitlines()) == 1 + 3 * 3 + 2 * 3


def test_one_seed_has_no_deviation():
    one = Spec(**{**vars(SPEC), "seeds": [0]})
    text = markdown(collect(one, [pair for pair in found() if pair[0].seed == 0]))
    assert "| SupReMix | 1 | **4.00** | 4.88 | −0.88 |" in text
    assert "nan" not in text
    behind = details(collect(one, [pair for pair in found() if pair[0].seed == 0]))
    assert "bootstrap" not in behind
    assert "SupReMix − Vanilla, MAE: one seed tells nothing" in behind
    assert ",4.0,,1,1,,,4.88," in as_csv(collect(one, [pair for pair in found() if pair[0].seed == 0]))


def test_a_column_without_meaning_for_a_row_is_a_dash_and_an_undefined_value_says_so():
    text = markdown(collect(SPEC, found(ridge=False)))
    assert "| SupReMix | 3 | **4.30 ± 0.26** | 4.88 | −0.58 | **0.500 ± 0.000** | – |" in text
    alone = found()
    for cell, made in alone:
        made["metrics"]["test"]["best"]["pearson"] = 0.5 if cell.row == "SupReMix" else None
    assert "| −0.58 | 0.500 ± 0.000 |" in markdown(collect(SPEC, alone)), "the only value is not the best of any"
    partly = found()
    partly[0][1]["metrics"]["test"]["best"]["pearson"] = None
    partly[1][1]["metrics"]["test"]["best"]["pearson"] = math.nan
    assert "| Vanilla | 3 | 6.20 ± 0.20 | 6.56 | −0.36 | undefined in 2 |" in markdown(collect(SPEC, partly))


def test_synthetic_results_never_stand_beside_the_paper():
    text = markdown(collect(SPEC, found(synthetic=True)))
    assert "Synthetic data" in text
    assert "4.88" not in text
    assert "the paper:" not in text
    assert "paper |" not in text
    assert "4.88" not in as_csv(collect(SPEC, found(synthetic=True)))


def test_csv_holds_full_precision():
    rows = list(csv.DictReader(io.StringIO(as_csv(collect(SPEC, found())))))
    line = next(r for r in rows if (r["panel"], r["row"], r["column"]) == ("raw", "SupCon", "best/mae"))
    assert float(line["mean"]) == pytest.approx(5.2)
    assert float(line["std"]) == pytest.approx(np.std([5, 5.5, 5.1], ddof=1))
    assert float(line["difference"]) == pytest.approx(5.2 - 5.68)


AROUND = (
    r"\toprule", r"\midrule", r"\bottomrule", r"\end{tabular}}", r"\begin{table}", r"\end{table}", r"\centering",
    r"\caption{", r"\label{tab:", r"\vspace", r"\setlength", r"\resizebox",
)  # fmt: skip


def check_latex(text):
    """What can be said without LaTeX: equally many cells a line, pairs that close, nothing raw; not of comments."""
    lines = [line for line in text.splitlines() if not line.startswith("%")]
    assert all(ord(character) < 128 for line in lines for character in line)
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") > 0
    columns = 0
    for line in lines:
        if line.startswith(r"\begin{tabular}"):
            columns = len(line.removeprefix(r"\begin{tabular}{").removesuffix("}"))
        elif line.endswith(r" \\"):
            line = re.sub(
                r"\\shortstack\[r\]\{((?:[^{}]|\{[^{}]*\})*)\}", lambda found: found[1].replace(r"\\", ""), line
            )
            body = re.sub(r"\\[&%#_${}]|\\[\^~]\{\}|\\[a-z]+", "", line.removesuffix(r"\\"))
            assert body.count("&") == columns - 1, line
            assert body.count("$") % 2 == 0, line
            assert body.count("{") == body.count("}"), line
            outside = "".join(body.split("$")[::2])
            assert not set("_^%#~\\<>") & set(outside), line
        else:
            assert not line or line.startswith(AROUND), line


def test_latex_escapes_what_it_must():
    assert tex(r"a_b & 5 % {x} $y$ #1 ~ ^ \ <z>") == (
        r"a\_b \& 5 \% \{x\} \$y\$ \#1 \~{} \^{} \textbackslash{} $<$z$>$"
    )
    check_latex(latex(collect(SPEC, found())))
    check_latex(latex(collect(SPEC, [])))


@pytest.mark.parametrize(
    "path", sorted(path for path in (CONF / "table").glob("*.yaml") if kind(path) is None), ids=lambda path: path.stem
)
def test_every_table_renders_while_it_is_empty(path):
    results = collect(load(path), [], unprepared={"a_dataset": ["supremix prepare a_dataset"]})
    check_latex(latex(results))
    text = markdown(results)
    for line in text.splitlines():
        if line.startswith("| ---"):
            width = line.count("|")
        elif line.startswith("| ") and not line.startswith("|  |"):
            assert line.count("|") == width
            assert "missing" in line
    assert "a_dataset, prepared by supremix prepare a_dataset" in text
    assert len(as_csv(results).splitlines()) == 1 + sum(
        len(results.spec.metrics_of(panel)) for panel, _ in results.spec.cells()
    )


def test_frozen_records_render_to_the_frozen_table(tmp_path):
    for name in (files.RECORDS, files.STATE):
        (tmp_path / name).write_text((ASSETS / "small" / name).read_text())
    files.rerender("small", ASSETS.parent, tmp_path)
    for name in files.NAMES:
        assert (tmp_path / name).read_text() == (ASSETS / "small" / name).read_text(), name
    check_latex((tmp_path / "table.tex").read_text())


def test_a_panel_has_its_own_columns_paper_values_and_decimals():
    first, second = (ASSETS / "small" / "table.md").read_text().split("## second")
    assert "| ρ ↑ | paper | Δ | MAE ↓ | paper | Δ | MAE, ridge probe ↓ |" in first
    assert "| MSE² ↓ | paper | Δ | MAE, few ↓ |" in second
    assert "| SupCon | 3 | 0.972 ± 0.002 | 0.974 | −0.002 | 9.200 ± 0.100 |" in second
    assert "Vanilla" not in second


def test_features_intervals_and_bias_are_columns_with_arrows_where_one_side_is_better():
    metrics = {"representation/rank": "Rank", "representation/neighbour": "Neighbour", "interval/coverage": "Cover"}
    metrics |= {"interval/width": "Width", "best/slope": "Slope", "best/mae_corrected": "MAE, corrected"}
    spec = replace(
        SPEC, seeds=[0], metrics=metrics, panels=[Panel("raw")], rows=SPEC.rows[:1], gain=None, comparisons=[]
    )
    measured = record(6.0) | {
        "representation": {"rank": 3.21987, "neighbour": 4.0},
        "interval": {"test": {"coverage": 0.8765, "width": 10.0}},
    }
    measured["metrics"]["test"]["best"] |= {"slope": -0.25, "mae_corrected": 7.0}
    results = collect(spec, [(Cell("raw", "Vanilla", 0, []), measured)])
    assert cells.header(results, spec.panels[0])[2:] == [
        "Rank ↑",
        "Neighbour ↓",
        "Cover",
        "Width ↓",
        "Slope",
        "MAE, corrected ↓",
    ]
    shown = cells.line(results, spec.panels[0], spec.rows[0])
    assert shown[2:] == ["3.220", "4.00", "0.876", "10.00", "−0.250", "7.00"]
    without = collect(spec, [(Cell("raw", "Vanilla", 0, []), record(6.0))])
    assert cells.line(without, spec.panels[0], spec.rows[0])[2] == "–"


def test_failed_and_missing_runs_and_absent_data_are_told_apart():
    text = (ASSETS / "small" / "table.md").read_text()
    assert "| γ = ∞ | 2 of 3 | missing |" in text
    assert "| SupReMix | 2 of 3 | failed | 0.893 | – | failed |" in text
    assert "**Failed runs**: SupReMix · second." in text
    assert "**Data not there**, so that its runs are missing: other, prepared by supremix prepare other." in text


def test_a_seed_that_every_row_lacks_is_missing(tmp_path):
    lines = (ASSETS / "small" / files.RECORDS).read_text().splitlines(keepends=True)
    (tmp_path / files.RECORDS).write_text("".join(line for line in lines if '"seed": 2' not in line))
    files.rerender("small", ASSETS.parent, tmp_path)
    assert "| Vanilla | 2 of 3 | missing |" in (tmp_path / "table.md").read_text()


def test_one_seed_of_synthetic_data_is_marked_in_every_file(tmp_path):
    lines = (ASSETS / "small" / files.RECORDS).read_text().splitlines(keepends=True)
    ours = "".join(line.replace('"synthetic": false', '"synthetic": true') for line in lines if '"seed": 0' in line)
    (tmp_path / files.RECORDS).write_text(ours)
    (tmp_path / files.STATE).write_text('{"seeds": [0]}')
    files.rerender("small", ASSETS.parent, tmp_path)
    text, latex_text = ((tmp_path / name).read_text() for name in ("table.md", "table.tex"))
    assert "**Synthetic data**" in text
    assert "| synthetic data | n | ρ ↑ | MAE ↓ | MAE, ridge probe ↓ |" in text
    assert "one seed tells nothing" in (tmp_path / "details.md").read_text()
    assert "nan" not in text + latex_text
    assert not any("±" in line for line in text.splitlines() if line.startswith("|"))
    check_latex(latex_text)
    assert latex_text.count("synthetic data &") == latex_text.count("Synthetic data, not to be compared.}") == 2
    rows = list(csv.DictReader((tmp_path / "table.csv").open()))
    assert {(row["synthetic"], row["paper"], row["std"]) for row in rows} == {("True", "", "")}
    assert '"synthetic": true' in (tmp_path / files.STATE).read_text()


def test_bootstrap_interval_of_the_mean():
    x_N = np.random.default_rng(1).normal(5.0, 2.0, size=200)
    low, high = seeds.bootstrap(x_N)
    half = 1.96 * x_N.std(ddof=1) / np.sqrt(200)
    assert (low, high) == pytest.approx((x_N.mean() - half, x_N.mean() + half), abs=0.03)
    seeds._resamples.cache_clear()  # as in another process
    assert seeds.bootstrap(x_N) == (low, high)
    summary = seeds.summarise({2: 3.0, 0: 1.0, 1: 2.0}, 3)
    assert 1.0 <= summary.interval[0] < 2.0 < summary.interval[1] <= 3.0
    assert seeds.summarise({0: 1.0}, 1).interval is None


def test_intervals_stand_under_the_panel_and_in_the_csv():
    results = collect(SPEC, found())
    low, high = seeds.bootstrap(np.array(MAE["SupReMix"]))
    assert f"SupReMix [{low:.2f}, {high:.2f}]" in statements.details(results, SPEC.panels[0])[-1]
    rows = list(csv.DictReader(io.StringIO(as_csv(results))))
    line = next(r for r in rows if (r["panel"], r["row"], r["column"]) == ("raw", "SupReMix", "best/mae"))
    assert (float(line["ci_low"]), float(line["ci_high"])) == (low, high)


def test_ours_is_compared_with_the_best_other_row_and_noise_is_called_so():
    close = {"Vanilla": [6.0, 6.2, 6.4], "SupCon": [4.2, 4.3, 4.5], "SupReMix": [4.0, 4.5, 4.4]}
    spec = replace(SPEC, comparisons=[])
    raw, standard = (statements.details(collect(spec, found(close)), panel) for panel in spec.panels)
    assert any(text.startswith("SupReMix − SupCon, the best other row, MAE: ") for text in raw)
    assert any("inside the noise" in text for text in raw)
    assert any(text.startswith("SupReMix − Vanilla, the best other row, MAE: ") for text in standard)
    assert not any("inside the noise" in text for text in standard)


def test_references_are_no_rivals_and_without_baselines_variants_are():
    rows = [Row("Ridge", "reference", []), Row("γ = 1", "variant", []), Row("γ = 5", "ours", [])]
    spec = replace(SPEC, rows=rows, panels=[Panel("")], gain=Gain("γ = 5", "mae", ["γ = 1"]), comparisons=[])
    mae = {"Ridge": [1.0, 1.0, 1.0], "γ = 1": [6.0, 6.2, 6.4], "γ = 5": [4.0, 4.5, 4.4]}
    results = collect(spec, found(mae, panels=("",)))
    said, better = statements.under(results, spec.panels[0])
    assert said == "MAE of γ = 5: 30.6 % lower than the best variant, γ = 1"
    assert better == "References with a lower MAE than γ = 5, not counted above: Ridge (1.00)"
    equal = collect(spec, found(mae | {"Ridge": mae["γ = 5"]}, panels=("",)))
    assert len(statements.under(equal, spec.panels[0])) == 1, "as low is not lower"
    behind = statements.details(results, spec.panels[0])
    assert behind[0].startswith("γ = 5 − γ = 1, the best other row, MAE")
    assert len(behind) == 2


def code_line(*changes):
    """The line on code under a table whose records have these changes, one after the other."""
    cells = [(cell, record | change) for (cell, record), change in zip(found(), itertools.cycle(changes), strict=False)]
    (line,) = [line for line in markdown(collect(SPEC, cells)).splitlines() if line.startswith("- Code: ")]
    return line


def test_a_table_says_which_code_made_its_rows():
    assert code_line(made_by("c0de")) == "- Code: c0de"
    assert code_line(made_by("c0de", encoder="c0de")) == "- Code: c0de"
    assert code_line({"schema": 1}) == "- Code: records of schema 1, which do not say what code made them"
    mixed = code_line(*[made_by("c0de")] * 3, *[made_by("beef", encoder="c0de")] * 3, *[{"schema": 1}] * 100)
    assert mixed.startswith("- Code: 3 different ones: c0de (Vanilla · raw, SupCon · raw); beef (SupCon · raw); ")
    assert "what code made them (SupReMix · raw, Vanilla · standard" in mixed
    assert "- Code" not in markdown(collect(SPEC, []))


BEFORE_CODES = {"twins"}
"""Committed tables of records that do not say what code made them, until they are measured anew."""


def test_committed_tables_are_made_by_one_code_each():
    folders = sorted(path.parent for path in Path("results").rglob("records.jsonl"))
    assert len(folders) >= 10
    made_by = {
        folder.name: {digest for line in (folder / files.RECORDS).open() for digest in digests(json.loads(line))}
        for folder in folders
    }
    several = {name: codes for name, codes in made_by.items() if len(codes) > 1}
    assert not several, "made by several codes: run them anew with rerun=true"
    unstated = {name for name, codes in made_by.items() if codes == {UNSTATED}}
    assert unstated <= BEFORE_CODES, "made by a code that is not stated: run them anew"
