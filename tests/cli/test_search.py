"""Searches with Optuna: they outlive their process, fail trial by trial, and look at validation alone."""

import csv
import json
import signal

import pytest

from supremix.errors import UserError
from supremix.runtime.locks import acquired
from supremix.search import study
from supremix.search.database import kept
from supremix.search.space import split
from supremix.search.study import search
from supremix.settings.compose import CONF
from supremix.store.folders import Store
from supremix.suite.launchers import IN_PROCESS
from tests import processes
from tests.running import SMALL, forget_modules

pytest.importorskip("optuna", reason="searching needs the extra [sweep]")

SHORT = [*SMALL[:-3], "method=supremix", "dataset.recipe.pretrain.epochs=1", "dataset.recipe.adapt.epochs=1"]
SPACE = ["method.temperature=tag(log,interval(0.1,5))", "method.window=interval(10,100)", "method.beta=[2,8],[8,2]"]


def arguments(folder, *overrides, trials=4, seeds=(0,)):
    given = {override.partition("=")[0] for override in overrides}
    short = [override for override in SHORT if override.partition("=")[0] not in given]
    return CONF, [*short, f"paths.runs={folder / 'runs'}", *overrides], list(seeds), trials, 1, IN_PROCESS


def trials_of(folder):
    return list(csv.DictReader((folder / "trials.csv").open()))


@pytest.mark.slow
def test_killed_and_started_again_it_ends_with_the_trials_of_one_left_alone(tmp_path):
    alone = search(*arguments(tmp_path / "alone", *SPACE))
    killed = arguments(tmp_path / "killed", *SPACE)
    process = processes.start(processes.search_until, killed, 3, log=tmp_path / "log")
    assert processes.code(process) == -signal.SIGKILL
    done = {path: path.stat().st_mtime_ns for path in (tmp_path / "killed" / "runs").glob("*/DONE")}
    assert len(done) == 2
    folder = search(*killed)
    assert {path: path.stat().st_mtime_ns for path in done} == done
    assert folder.name == alone.name
    trials = trials_of(folder)
    assert trials == trials_of(alone)
    assert [trial["state"] for trial in trials] == ["COMPLETE"] * 4
    assert len({trial["params_method.temperature"] for trial in trials}) == 4
    assert {trial["params_method.beta"] for trial in trials} == {"[2,8]", "[8,2]"}
    search(*killed)  # has its trials
    assert trials_of(folder) == trials
    assert len(list(Store(tmp_path / "killed" / "runs").records())) == 4


@pytest.mark.whole
def test_a_failed_trial_is_recorded_and_the_value_is_the_mean_validation_metric(tmp_path, capfd):
    folder = search(*arguments(tmp_path, "method.temperature=-1,1,2", "protocol.select=pearson", seeds=(0, 1)))
    trials, records = trials_of(folder), list(Store(tmp_path / "runs").records())
    assert {trial["state"] for trial in trials} == {"COMPLETE", "FAIL"}
    for trial in trials:
        temperature = float(trial["params_method.temperature"])
        values = [
            record["metrics"]["val"]["best"]["pearson"]
            for record in records
            if record["config"]["method"]["temperature"] == temperature
        ]
        assert len(values) == (0 if temperature < 0 else 2)
        assert (trial["value"] == "") == (temperature < 0)
        if values:
            assert float(trial["value"]) == pytest.approx(sum(values) / 2)
    best = json.loads((folder / "best.json").read_text())
    assert best["value"] == pytest.approx(max(float(trial["value"] or "-inf") for trial in trials))
    assert best["overrides"][-1] == f"method.temperature={trials[best['trial']]['params_method.temperature']}"
    assert "temperature must be a finite number above 0" in capfd.readouterr().err


def test_a_trial_that_begins_worse_than_the_median_gets_no_further_seeds(tmp_path, monkeypatch):
    monkeypatch.setattr(study, "values", lambda what, rows, *_: {number: first[number] for number in rows})
    for first in ({0: 3.0, 1: 2.0, 2: 4.0, 3: 1.0, 4: 2.5, 5: 9.0}, dict.fromkeys(range(6), 1.0)):
        given = arguments(tmp_path / str(first[0]), "method.temperature=1,2", trials=6, seeds=(0, 1))
        states = [trial["state"] for trial in trials_of(search(*given, prune=True))]
        expected = ["COMPLETE", "COMPLETE", "PRUNED", "COMPLETE", "COMPLETE", "PRUNED"]
        assert states == (expected if first[0] == 3 else ["COMPLETE"] * 6)


def test_a_trial_that_fails_at_its_first_seed_ends_there_and_has_no_part_in_the_median(tmp_path, monkeypatch):
    first = {0: None, 1: None, 2: None, 3: 1.0, 4: 2.0, 5: 3.0, 6: 1.5, 7: 2.5}
    asked = []

    def values(what, rows, *_):
        asked.append((len(what.seeds), [*rows]))
        return {number: first[number] for number in rows}

    monkeypatch.setattr(study, "values", values)
    folder = search(*arguments(tmp_path, "method.temperature=1,2", trials=8, seeds=(0, 1)), prune=True)
    states = [trial["state"] for trial in trials_of(folder)]
    assert states == ["FAIL"] * 3 + ["COMPLETE", "COMPLETE", "PRUNED", "COMPLETE", "PRUNED"]
    assert (2, [0]) not in asked


def test_a_search_without_a_finished_trial_says_so(tmp_path):
    with pytest.raises(UserError, match=r"no trial finished, see .*trials.csv"):
        search(*arguments(tmp_path, "method.temperature=-1,-2", trials=1))


@pytest.mark.whole
def test_searches_of_other_settings_do_not_mix(tmp_path):
    for overrides in ([], ["method.window=3"], ["method.window=3,4"]):
        with pytest.raises(UserError, match="no trial finished"):
            search(*arguments(tmp_path, "method.temperature=1,2", *overrides, trials=0))
    assert len(list((tmp_path / "runs" / "searches").iterdir())) == 3


@pytest.mark.whole
def test_mistakes_are_told_in_one_line(tmp_path):
    for overrides, message in (
        ([], "nothing to search"),
        (["method.window=tag(log,interval(0,1))"], r"method.window=tag\(log,interval\(0,1\)\): .*log"),
        (["method.window=1,2", "dataset=uci_airfoil", f"paths.prepared={tmp_path}"], "uci_airfoil is not there: "),
        (["protocol.lr=1,2", "method=ridge"], "method=ridge selects nothing on validation"),
    ):
        with pytest.raises(UserError, match=message):
            search(*arguments(tmp_path, *overrides))
    folder = search(*arguments(tmp_path, "method.temperature=1,2", trials=1))
    with (
        acquired(folder, wait=False),
        pytest.raises(UserError, match=r"in work in process .* one process at a time"),
    ):
        search(*arguments(tmp_path, "method.temperature=1,2"))


def test_the_space_is_in_hydra_s_own_words():
    space, fixed = split(["method.window=range(1,4)", "method.temperature=interval(0.5,2)", "a.c=3", "+a.b='x, y'"])
    assert fixed == ["a.c=3", "+a.b='x, y'"]
    assert space["method.window"].choices == ("1", "2", "3")
    temperature = space["method.temperature"]
    assert (temperature.low, temperature.high, temperature.log) == (0.5, 2.0, False)
    whole = split(["a=int(interval(8,64))", "b=tag(log,int(interval(1,100)))"])[0]
    assert {key: (type(space).__name__, space.log) for key, space in whole.items()} == {
        "a": ("IntDistribution", False),
        "b": ("IntDistribution", True),
    }


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["seed=0,1,2"], "seed=0,1,2: .*use --seeds"),
        (["method.window=1,2", "++seed=3"], r"\+\+seed=3: .*use --seeds"),
        (["method.window=choice(30,60)", "method.window=3"], "method.window=3: method.window is given twice"),
        (["method.window=3", "+method.window=1,2"], "method.window is given twice"),
        (["method.window=1,2", "method.window=interval(3,4)"], "method.window is given twice"),
    ],
)
def test_what_a_trial_would_not_be_trained_with_is_refused(overrides, says):
    with pytest.raises(UserError, match=says):
        split(overrides)


def test_a_study_that_is_damaged_is_one_line_with_the_way_out(tmp_path):
    import optuna

    database = tmp_path / "study.db"
    database.write_bytes(b"no database at all" * 100)
    with pytest.raises(UserError, match=r"study.db: cannot be read or written \(.*\): make space, or remove the file"):
        _opened(optuna, database)


def _opened(optuna, database):
    with kept(database):
        optuna.create_study(storage=f"sqlite:///{database}", study_name="s", load_if_exists=True)


def test_a_choice_counts_with_the_code_that_it_names(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    loss = "from supremix.losses import SupConLoss\n\n\nclass Own(SupConLoss):\n    power = {}\n"
    space, fixed = split([*SHORT[:-3], "method=supcon", "method.loss._target_=supremix.losses.SupConLoss,one.Own"])
    names = []
    for power in (1, 2, 2):
        (tmp_path / "one.py").write_text(loss.format(power))
        forget_modules(tmp_path)
        names.append(study._name(CONF, fixed, space, [0]))
    assert names[0] != names[1] == names[2]


def test_a_choice_may_need_another_choice(tmp_path):
    space, fixed = split([*SHORT[:-3], "method=c_mixup,manifold_mixup", "method.regression.mixing.alpha=1.0,2.0"])
    assert study._name(CONF, fixed, space, [0]) == study._name(CONF, fixed, space, [0])
