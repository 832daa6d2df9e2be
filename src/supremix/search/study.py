"""Search for settings with Optuna: trials are started like a table's runs, and the study outlives the process.

A trial is one choice of settings, run with each seed. Its value is the mean over the seeds of the validation metric
that the protocol selects by; the test set has no part in it.
"""

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from supremix.errors import MISTAKES, Busy, UserError, writing_to
from supremix.metrics.regression import HIGHER_IS_BETTER, cost
from supremix.runtime.disk import replacing
from supremix.runtime.locks import acquired
from supremix.runtime.seeding import derive
from supremix.search.database import installed, kept
from supremix.search.space import split
from supremix.settings.compose import composed
from supremix.settings.identity import config_hash
from supremix.store.folders import ELSEWHERE, Store
from supremix.store.records import Record, replace_json
from supremix.suite.launchers import Launcher
from supremix.suite.plan import Checksums, plan
from supremix.suite.run import read_finished, run_missing
from supremix.suite.spec import Panel, Row, Spec

if TYPE_CHECKING:
    import optuna
    from optuna.distributions import BaseDistribution

    AnyTrial = optuna.trial.Trial | optuna.trial.FrozenTrial

log = logging.getLogger(__name__)

PRUNED_FROM = 3  # trials whose first seed is known


@dataclass(frozen=True)
class Search:
    """A search: the settings that all trials share, the space of the others, the seeds, the metric that decides."""

    name: str
    overrides: list[str]
    space: "dict[str, BaseDistribution]"
    seeds: list[int]
    metric: str


def search(
    conf: Path,
    overrides: list[str],
    seeds: list[int],
    trials: int,
    at_once: int,
    launcher: Launcher,
    prune: bool = False,
) -> Path:
    """Bring the study of these settings to a number of trials; return its folder, with best.json and trials.csv.

    Called again it goes on: trials that a killed process left are run to their end first. A trial with a failed run is
    recorded as failed, and counts.

    Args:
        conf: the config folder.
        overrides: Hydra's; those with an interval or several values make the space.
        seeds: of each trial's runs.
        trials: their number in all.
        at_once: trials in a round; the next is drawn when all of them have ended.
        launcher: starts the runs.
        prune: whether a trial ends after its first seed where that is worse than the median of all trials' first seeds.
    """
    optuna = installed()
    space, fixed = split(overrides)
    cfg = composed(conf, fixed)
    store = Store(cfg.paths.runs)
    metric = _metric(cfg)
    what = Search(_name(conf, fixed, space, seeds), fixed, space, seeds, metric)
    folder = store.root / "searches" / what.name
    try:
        with writing_to(folder, ELSEWHERE):
            lock = acquired(folder, wait=False)
    except Busy as busy:
        raise UserError(f"{busy}: one process at a time draws the trials of a search") from None
    with lock, kept(folder / "study.db"):
        study = optuna.create_study(
            storage=f"sqlite:///{folder.absolute() / 'study.db'}",
            study_name=what.name,
            direction="maximize" if what.metric in HIGHER_IS_BETTER else "minimize",
            load_if_exists=True,
        )
        while batch := _next(study, what, trials, at_once):
            ended = {}
            if prune and len(seeds) > 1:
                first = replace(what, seeds=seeds[:1])
                ended = _ended(study, what, values(first, _rows(batch), conf, launcher))
            rows = _rows([trial for trial in batch if trial.number not in ended])
            for number, value in values(what, rows, conf, launcher).items():
                study.tell(number, value, optuna.trial.TrialState.FAIL if value is None else None)
            for number, state in ended.items():
                study.tell(number, state=state)
        _write(study, what, folder)
    return folder


def values(what: Search, rows: dict[int, list[str]], conf: Path, launcher: Launcher) -> dict[int, float | None]:
    """Run trials, number → settings; return their mean validation metrics, None where a run is missing or has none."""
    if not rows:
        return {}
    spec = _spec(what, [Row(f"trial {number}", "variant", settings) for number, settings in rows.items()])
    cells, store, failed = run_missing(spec, conf, launcher, what.overrides)
    for line in failed:
        log.info("%s", line)
    means = {}
    for number in rows:
        records, _ = read_finished(store, [cell for cell in cells if cell.row == f"trial {number}"])
        means[number] = _value([record for _, record in records], what)
    return means


def _rows(batch: "list[AnyTrial]") -> dict[int, list[str]]:
    return {trial.number: _settings(trial.params) for trial in batch}


def _ended(study: "optuna.Study", what: Search, first: dict[int, float | None]) -> "dict[int, optuna.trial.TrialState]":
    """Note the trials' values on their first seed; return those that end there: failed, or worse than the median."""
    from optuna.trial import TrialState

    failed = {number: TrialState.FAIL for number, value in first.items() if value is None}
    costs = {str(number): cost(what.metric, value) for number, value in first.items() if value is not None}
    noted = study.user_attrs.get("first seed", {}) | costs
    study.set_user_attr("first seed", noted)
    if len(noted) < PRUNED_FROM:
        return failed
    middle = median(noted.values())
    return failed | {int(number): TrialState.PRUNED for number, value in costs.items() if value > middle}


def _name(conf: Path, fixed: list[str], space: dict[str, Any], seeds: list[int]) -> str:
    """Return a hash of what decides a trial's value, so that no two searches mix.

    A choice counts with what its run reads: the code of a method of the user's own, the content of a file.
    """
    choices = [f"{key}={value}" for key, values in space.items() for value in getattr(values, "choices", ())]
    ids, known = [], Checksums()
    for choice in ([], *([choice] for choice in choices)):
        row = Row("all", "variant", choice)
        try:
            cells = plan(_spec(Search("", fixed, space, seeds, ""), [row]), conf, fixed, known)
        except MISTAKES:
            if not choice:
                raise
            continue  # it needs another choice beside it, and counts by its text
        for cell in cells:
            if cell.run_id is None:
                raise UserError(f"{cell.dataset} is not there: {cell.hint}")
        ids.append([cell.run_id for cell in cells])
    return config_hash("search", ids, {key: repr(value) for key, value in space.items()})


def _metric(cfg: DictConfig) -> str:
    metric = OmegaConf.select(cfg, "protocol.select")
    if metric is None:
        raise UserError(f"method={cfg.method.name} selects nothing on validation: search another method's settings")
    return metric


def _spec(what: Search, rows: list[Row]) -> Spec:
    """Return a table whose rows are trials."""
    return Spec(f"search_{what.name}", f"Search {what.name}", [], what.seeds, {}, [Panel("")], rows)


def _settings(params: dict[str, Any]) -> list[str]:
    return [f"{key}={value}" for key, value in params.items()]


def _next(study: "optuna.Study", what: Search, trials: int, at_once: int) -> "list[AnyTrial]":
    """Return the trials to run now: those that were begun and have no value, else new ones; none after the last.

    Draws depend only on the trials before, so that a search that was interrupted draws the same.
    """
    from optuna.samplers import TPESampler
    from optuna.trial import TrialState

    drawn = [trial for trial in study.trials if trial.params.keys() == what.space.keys()]  # others died in drawing
    if begun := [trial for trial in drawn if trial.state == TrialState.RUNNING]:
        return list(begun)
    study.sampler = TPESampler(seed=derive(what.seeds[0], "search", len(drawn)) % 2**32)
    return [study.ask(what.space) for _ in range(min(at_once, trials - len(drawn)))]


def _value(records: list[Record], what: Search) -> float | None:
    """Return the mean validation metric; None where a run is missing or has no value."""
    values = [record["metrics"]["val"]["best"].get(what.metric) for record in records]
    return None if len(records) < len(what.seeds) or None in values else sum(values) / len(values)


def _write(study: "optuna.Study", what: Search, folder: Path) -> None:
    """Write ``trials.csv`` and ``best.json``; UserError where no trial finished."""
    listed = study.trials_dataframe(("number", "state", "value", "params"))
    with writing_to(folder, ELSEWHERE), replacing(folder) as scratch:
        listed.to_csv(scratch / "trials.csv", index=False)
    try:
        best = study.best_trial
    except ValueError:
        raise UserError(f"no trial finished, see the messages above and {folder / 'trials.csv'}") from None
    decided = {"split": "val", "metric": what.metric, "seeds": what.seeds, "value": best.value, "trial": best.number}
    with writing_to(folder, ELSEWHERE):
        replace_json(folder / "best.json", decided | {"overrides": [*what.overrides, *_settings(best.params)]})
