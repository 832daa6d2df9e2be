"""Which settings vary between runs, by which metric these are ranked, and in which order values stand."""

import pytest

from supremix.suite.swept import Swept, in_order, settings_of, swept_among


def record(config, metric="mae", value=1.0, seed=0):
    """What of a record tells a sweep."""
    return {
        "config": config,
        "seed": seed,
        "selection": {"metric": metric},
        "metrics": {"val": {"best": {"mae": 1.0, metric: value}}},
    }


@pytest.mark.parametrize(
    ("configs", "keys"),
    [
        ([{"a": {"t": t, "same": t}, "w": w, "seed": t + w} for t in (1, 2) for w in (3, 4)], ["a.t", "w"]),
        ([{"a": 1, "seed": i, "estimator": {"random_state": i}} for i in (1, 2)], []),
        ([{"a": i % 2, "b": i // 2 % 2, "c": i // 4} for i in range(8)], ["a", "b", "c"]),
        ([{"a": None}, {}], ["a"]),
    ],
)
def test_the_settings_that_vary(configs, keys):
    swept = swept_among([record(config) for config in configs])
    assert swept.keys == keys
    assert [values for values, _ in swept.points] == [
        tuple(settings_of(config).get(key, "–") for key in keys) for config in configs
    ]


def test_values_are_those_of_overrides():
    assert settings_of({"a": {"b": [2, 8], "c": None}, "split_seed": 1}) == {"a.b": "[2,8]", "a.c": "null"}


@pytest.mark.parametrize(("metric", "best"), [("mae", "1"), ("r2", "2")])
def test_the_best_by_the_metric_of_all_runs_comes_first_and_a_failed_one_last(metric, best):
    swept = Swept(["a"], [(("0",), None), *(((str(i),), record({}, metric, i)) for i in (1, 2))])
    assert swept.metric == metric
    assert [values for values, _ in swept.ranked()][::2] == [(best,), ("0",)]


def test_runs_that_chose_by_different_metrics_are_ranked_by_mae():
    assert Swept([], [((), record({}, "mae")), ((), record({}, "r2"))]).metric == "mae"


def test_numbers_stand_by_their_size():
    assert in_order(["10", "9", "null", "0.5", "9"]) == ["0.5", "9", "10", "null"]


def points(values):
    """Setting → seed → validation value, as points of a sweep over both."""
    return [
        ((name, str(seed)), record({}, "mae", value, seed))
        for name, by_seed in values.items()
        for seed, value in by_seed.items()
    ]


def test_settings_are_compared_on_the_seeds_that_all_have():
    values = {"0.5": {0: 1.0, 1: 2.0}, "1": {0: 1.5, 1: 1.0, 2: 9.0}}
    failed = (("1", "1"), None)
    swept = Swept(["t", "seed"], [*points(values), failed]).of_shared_seeds()
    assert swept.points[-1] == failed
    assert swept.over_seeds() == {"t=1": {(0,): 1.5, (1,): 1.0}, "t=0.5": {(0,): 1.0, (1,): 2.0}}
    values = {"A": {0: 1.0, 1: 2.0, 2: 9.0}, "B": {0: 2.0, 1: 3.0, 3: 4.0}, "C": {0: 0.0}}
    shared = Swept(["t", "seed"], points(values)).over_seeds()
    assert shared == {"t=A": {(0,): 1.0, (1,): 2.0}, "t=B": {(0,): 2.0, (1,): 3.0}}, (
        "one with a failed seed is not the best for it"
    )
    apart = points({"0.5": {0: 1.0}, "1": {1: 2.0}})
    assert Swept(["t", "seed"], apart).of_shared_seeds().points == apart, "no seed is in all"


@pytest.mark.parametrize("keys", [["t", "seed", "dataset.split_seed"], ["t"]])
def test_runs_of_other_splits_are_runs_of_their_own(keys):
    values = {"ridge": [44.2, 45.6, 44.9, 45.0], "linear": [44.4, 45.7, 44.1, 45.1]}
    given = [
        (
            (name, str(at // 2), str(at % 2))[: len(keys)],
            record({"dataset": {"split_seed": at % 2}}, "mae", one, at // 2),
        )
        for name, each in values.items()
        for at, one in enumerate(each)
    ]
    draws = [(0, "0"), (0, "1"), (1, "0"), (1, "1")]
    found = Swept(keys, given)
    assert found.seeds() == {("ridge",): {*draws}, ("linear",): {*draws}}
    assert found.of_shared_seeds().points == given
    if len(keys) > 1:
        assert found.over_seeds() == {f"t={name}": dict(zip(draws, values[name], strict=True)) for name in values}
        assert [line.split("  ")[1:] for line in found.best_over_seeds()[1:3]] == [
            ["44.8250 ± 0.7182", "(4)", "t=linear"],
            ["44.9250 ± 0.5737", "(4)", "t=ridge"],
        ]


@pytest.mark.parametrize(("others", "verdict"), [((2.0, 2.1, 2.2), "beyond"), ((0.5, 2.1, 2.2), "inside")])
def test_the_best_over_seeds_is_told_with_its_distance_to_the_next(others, verdict):
    values = {"1": dict(enumerate(others)), "0.5": dict(enumerate((1.0, 1.1, 1.25)))}
    head, first, second, last = Swept(["t", "seed"], points(values)).best_over_seeds()
    assert head.startswith("validation mae, mean ± standard deviation over seeds")
    assert first == "  1.1167 ± 0.1258  (3)  t=0.5"
    assert second.endswith("(3)  t=1")
    assert last.startswith("t=0.5 is the best; t=1 differs by +")
    assert last.endswith(f"paired over 3 seeds): {verdict} the noise")
    assert Swept(["t"], [((name,), record({}, "mae", 1.0)) for name in ("1", "2")]).best_over_seeds() == []
