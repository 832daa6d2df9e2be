"""Every row beside one row and beside the best other network, with Holm's correction; intervals over test rows."""

import csv
import io
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from supremix.errors import UserError
from supremix.metrics import resampling, seeds
from supremix.metrics.regression import regression_metrics
from supremix.store.folders import Store
from supremix.suite.plan import Cell, with_seeds
from supremix.suite.spec import Panel, Row, Spec
from supremix.tables import differences, files, outcomes
from supremix.tables.latex import latex
from supremix.tables.render import details, markdown
from supremix.tables.results import collect
from tests.tables.test_rendering import record

MAE = {"Boosting": [1.0, 1.1, 1.3], "Vanilla": [3.0, 3.1, 3.2], "SupCon": [2.0, 2.2, 2.1], "Ours": [2.1, 2.1, 2.4]}
KINDS = dict.fromkeys(MAE, "baseline") | {"Boosting": "reference", "Ours": "ours"}
SPEC = Spec(
    name="all",
    title="All",
    overrides=[],
    seeds=[0, 1, 2],
    metrics={"best/mae": "MAE"},
    panels=[Panel("")],
    rows=[Row(name, KINDS[name], []) for name in MAE],
    against="Vanilla",
)


def made(test_sets=1, **changes):
    """The results of rows whose predictions are off by their MAE, on one test set or on one for each seed."""
    spec = replace(SPEC, **changes)
    records = [(Cell("", row, s, []), record(MAE[row][s]) | {"seed": s}) for row in MAE for s in spec.seeds]
    rng, sign_N = np.random.default_rng(0), np.where(np.arange(40) % 2, 1, -1)
    labels = [rng.normal(size=40) for _ in range(test_sets)]
    known = {}
    for cell, _ in records:
        y_N = labels[cell.seed % test_sets]
        known[outcomes.place_of(cell)] = y_N, (y_N + sign_N * MAE[cell.row][cell.seed]).astype("f4")
    return replace(collect(spec, records), outcomes=known), records


def test_holm_steps_down_and_never_falls():
    assert seeds.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert seeds.holm([0.6, 0.9]) == [1, 1]
    assert seeds.holm([]) == []


def test_the_p_value_is_that_of_the_paired_t_test():
    a, b = MAE["Ours"], MAE["SupCon"]
    paired = seeds.paired(dict(enumerate(a)), dict(enumerate(b)))
    assert paired.p == pytest.approx(stats.ttest_rel(a, b).pvalue)
    same, shifted = (seeds.paired({0: 1.0, 1: 2.0}, {0: 1.0 + by, 1: 2.0 + by}).p for by in (0, 1))
    assert (same, shifted) == (1, 0)


def test_each_row_stands_beside_one_row_and_the_best_other_network():
    results, _ = made()
    beside = differences.differences(results, SPEC.panels[0]).beside
    assert {name: one.other for name, one in beside[differences.BEST].items()} == {
        "Boosting": "SupCon",
        "Vanilla": "SupCon",
        "SupCon": "Ours",
        "Ours": "SupCon",
    }
    assert list(beside["Vanilla"]) == ["Boosting", "SupCon", "Ours"]
    raw = [stats.ttest_rel(MAE[name], MAE["Vanilla"]).pvalue for name in beside["Vanilla"]]
    assert [one.p for one in beside["Vanilla"].values()] == pytest.approx(seeds.holm(raw))


def test_pages_show_the_differences_and_how_many_were_made():
    results, _ = made()
    text = markdown(results)
    one = differences.differences(results, SPEC.panels[0]).beside["Vanilla"]["SupCon"]
    assert "| differences in MAE | over test rows | − Vanilla | over test rows | p | − best other network |" in text
    assert f"| −1.000 [{one.seeds.low:+.3f}, {one.seeds.high:+.3f}] | [".replace("-", "−") in text
    assert f"| {one.p:.2g} * |" in text
    assert "over the 3 (− Vanilla) and 4 (− best other network) comparisons" in text
    assert "the best other row" not in text
    assert latex(results).count("toprule") == 2
    lines = list(csv.DictReader(io.StringIO(differences.as_csv(results))))
    assert len(lines) == 7
    assert {line["beside"] for line in lines} == {"Vanilla", differences.BEST}
    assert float(lines[1]["p_holm"]) == one.p


@pytest.mark.parametrize("changes", [{"against": None}, {"seeds": [0]}])
def test_without_a_row_to_stand_beside_or_with_one_seed_there_is_no_table_of_differences(changes):
    assert "differences in" not in markdown(made(**changes)[0])


def test_splits_of_their_own_have_no_interval_over_rows_and_a_warning():
    text = markdown(made(test_sets=3)[0])
    assert "over test rows" not in text
    assert "Each seed draws its own split" in text
    assert "Each seed draws its own split" not in markdown(made()[0])


def test_rows_are_resampled_where_all_seeds_have_predictions_of_the_column():
    results, _ = made()
    whole = differences.differences(results, SPEC.panels[0])
    assert whole.rows.keys() == MAE.keys()
    kept = {place: outcome for place, outcome in results.outcomes.items() if place != ("", "Ours", 1)}
    found = differences.differences(replace(results, outcomes=kept), SPEC.panels[0])
    assert found.rows.keys() == MAE.keys() - {"Ours"}, "its mean is over fewer seeds"
    assert found.beside["Vanilla"]["Ours"].rows is None
    of_ridge = replace(SPEC, metrics={"ridge/mae": "MAE"}, paper_key="ridge")
    values = {(panel, row, "ridge/mae"): by_seed for (panel, row, _), by_seed in results.values.items()}
    by_ridge = differences.differences(replace(results, spec=of_ridge, values=values), SPEC.panels[0])
    assert len(by_ridge.beside["Vanilla"]) == 3
    assert not by_ridge.rows, "the predictions that are kept are those of the best epoch"


@pytest.mark.parametrize(("test_sets", "own"), [(1, 0), (3, 1)])
def test_tuned_rows_are_those_whose_runs_have_the_settings(test_sets, own):
    results, records = made(test_sets)
    rows = [replace(row, tuned={"Vanilla": ["lr=1"], "Ours": []}.get(row.name)) for row in SPEC.rows]
    spec = replace(SPEC, rows=rows)
    before = replace(collect(spec, records), outcomes=results.outcomes)
    assert "Tuned on validation: Ours. All others" in markdown(before)
    assert "Settings were tuned for Vanilla, which these runs do not have." in markdown(before)
    with_it = [(replace(cell, overrides=["lr=1"]), record) for cell, record in records]
    after = replace(collect(spec, with_it), outcomes=results.outcomes)
    assert "Tuned on validation: Vanilla; Ours. All others" in markdown(after)
    assert "which these runs do not have" not in markdown(after)
    assert markdown(after).count("The search drew splits of its own") == own
    assert "Tuned on validation: Vanilla: lr=1; Ours: its own settings" in details(after)
    assert "Tuned" not in markdown(made()[0])


def test_fewer_seeds_than_planned_are_told():
    spec = with_seeds(replace(SPEC, seeds=[0, 1, 2, 3, 4]), [0, 1, 2])
    results = replace(made()[0], spec=spec)
    assert "over 3 of 5 planned seeds." in markdown(results)
    assert "over 3 of 5 planned seeds;" in latex(results)
    assert "over 3 seeds." in markdown(made()[0])


@pytest.mark.parametrize("metric", resampling.MEASURES)
def test_a_resample_is_the_metric_on_the_drawn_rows(metric):
    error_SN = np.random.default_rng(1).normal(size=(3, 50))
    found_R = resampling.resampled(metric, error_SN)
    for r in (0, 7):
        drawn = np.repeat(np.arange(50), resampling._counts(50)[r].astype(int))
        assert len(drawn) == 50
        expected = [regression_metrics(np.zeros(50), error_N[drawn])[metric] for error_N in error_SN]
        assert found_R[r] == pytest.approx(np.mean(expected))
    assert len(set(found_R)) > 1000


@pytest.mark.parametrize("scale", [0.0, 1e-300, 1e-3, 1.0, 1e12])
@pytest.mark.parametrize("metric", resampling.MEASURES)
def test_a_resample_is_the_same_bits_in_whatever_order_rows_are_added(metric, scale, monkeypatch):
    error_SN, order_N = (
        scale * np.random.default_rng(1).normal(size=(3, 300)),
        np.random.default_rng(2).permutation(300),
    )
    expected_R = resampling.resampled(metric, error_SN)
    count_RN = resampling._counts(300)
    monkeypatch.setattr(resampling, "_counts", lambda n: count_RN[:, order_N])
    np.testing.assert_array_equal(resampling.resampled(metric, error_SN[:, order_N]), expected_R)


def test_the_interval_over_rows_holds_95_percent_of_the_resamples():
    assert resampling.interval(np.arange(101.0)) == pytest.approx((2.5, 97.5))


def test_all_formats_of_a_table_take_one_computation(tmp_path, monkeypatch):
    calls, resampled = [], differences.resampled
    monkeypatch.setattr(differences, "resampled", lambda *given: calls.append(given) or resampled(*given))
    files.write(*made(), tmp_path)
    assert len(calls) == len(SPEC.rows)
    assert markdown(made(against="SupCon")[0]) != (tmp_path / "table.md").read_text()


@pytest.mark.parametrize("test_sets", [1, 3])
def test_predictions_are_kept_beside_the_records_and_read_again(tmp_path, test_sets):
    results, records = made(test_sets)
    files.write(results, records, tmp_path)
    again = files.read(SPEC, tmp_path)
    assert again[0].outcomes.keys() == results.outcomes.keys()
    for place, outcome in results.outcomes.items():
        for kept_N, whole_N in zip(again[0].outcomes[place], outcome, strict=True):
            np.testing.assert_array_equal(kept_N, whole_N)
    path = tmp_path / outcomes.PREDICTIONS
    assert len(np.load(path).files) == 3 * test_sets
    assert markdown(again[0]) == (tmp_path / "table.md").read_text()
    before = path.read_bytes()
    files.write(*again, tmp_path)
    assert path.read_bytes() == before
    path.write_bytes(before[: len(before) // 2])
    with pytest.raises(UserError, match=r"predictions.npz: not the predictions of the records beside it"):
        files.read(SPEC, tmp_path)


def test_predictions_are_not_called_damaged_where_memory_ran_out(tmp_path, monkeypatch):
    def run_out(path):
        raise MemoryError

    (path := tmp_path / outcomes.PREDICTIONS).touch()
    monkeypatch.setattr(outcomes, "load_arrays", run_out)
    with pytest.raises(MemoryError):
        outcomes.unpacked(path, [])


def test_a_damaged_file_of_a_run_is_named_and_left_out(tmp_path, caplog):
    store, cells = Store(tmp_path), [Cell("", "Ours", seed, [], run_id=f"run{seed}") for seed in range(3)]
    for cell, labels in zip(cells, (np.arange(4.0), np.ones((4, 2)), np.arange(4.0)), strict=True):
        store.run(cell.run_id).mkdir()
        np.savez(store.run(cell.run_id) / outcomes.PREDICTIONS, test_y=labels, test_best=labels)
    assert [*outcomes.of_store(store, cells)] == [("", "Ours", 0), ("", "Ours", 2)]
    assert not caplog.messages
    (path := store.run("run2") / outcomes.PREDICTIONS).write_bytes(path.read_bytes()[:300])
    assert [*outcomes.of_store(store, cells)] == [("", "Ours", 0)]
    (line,) = caplog.messages
    assert line.startswith(f"Ours · seed 2: left out of what is compared by rows: {path}: not the predictions of a run")
    assert "\n" not in line
