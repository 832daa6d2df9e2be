"""Tune the rows of a table, each with the same budget, on validation alone."""

import json
from pathlib import Path
from typing import Any

import yaml

from supremix.metrics.regression import cost
from supremix.runtime.disk import replacing
from supremix.search.space import split
from supremix.search.study import Search, search, values
from supremix.settings.compose import specification
from supremix.settings.overrides import key_of
from supremix.settings.provenance import present_code
from supremix.suite.launchers import Launcher
from supremix.suite.reading import TUNED, load, reading
from supremix.suite.spec import Row, Spec

SPACES = "_tuning.yaml"
HEADER = """\
# Settings of rows of the table {name}, which reads them from here: supremix search --table {name}
# Each row had {trials} trials on seeds {seeds}; what was chosen, its own settings or a trial's, has the best mean
# validation value. Test rows of these seeds had no part in it; where seeds draw splits, a table's test rows had.
"""


def tune(table: str, conf: Path, launcher: Launcher, overrides: list[str], at_once: int) -> Path:
    """Tune the rows of a table that have a space in conf/table/_tuning.yaml; return the file that the table reads.

    Called again it goes on where it was stopped: trials are kept in the store.

    Args:
        table: its name in conf/table/.
        conf: the config folder.
        launcher: starts the runs.
        overrides: the user's, after the table's own.
        at_once: trials in a round.
    """
    path = specification(conf, "table", table)
    with reading(conf / "table" / SPACES, "table") as rules:
        spec, tuned = load(path), {}
        for row in spec.rows:
            if space := rules["rows"].get(row.name):
                tuned[row.name] = _tuned(spec, row, space, rules, conf, launcher, overrides, at_once)
    target = path.parent / TUNED
    header = HEADER.format(name=table, trials=rules["trials"], seeds=", ".join(map(str, rules["seeds"])))
    with replacing(target) as scratch:
        text = yaml.safe_dump(tuned, sort_keys=False, allow_unicode=True, width=1000)
        (scratch / path.name).write_text(header + text, encoding="utf-8")
    return target / path.name


def _tuned(
    spec: Spec,
    row: Row,
    space: list[str],
    rules: dict[str, Any],
    conf: Path,
    launcher: Launcher,
    overrides: list[str],
    at_once: int,
) -> dict[str, Any]:
    """Return what a row is to have: overrides, their validation value beside that of its own settings, the code."""
    fixed = [*spec.overrides, *row.overrides]
    line = _last_of_each([*fixed, *space, *overrides])
    folder = search(conf, line, rules["seeds"], rules["trials"], at_once, launcher, prune=True)
    best = json.loads((folder / "best.json").read_text())
    own = _own(_last_of_each([*fixed, *overrides]), conf, launcher, best)
    keys = split(line)[0]
    chosen = [override for override in best["overrides"] if override.partition("=")[0] in keys]
    if own is not None and cost(best["metric"], own) <= cost(best["metric"], best["value"]):
        chosen = []
    known = {"metric": best["metric"], "tuned": best["value"], "own settings": own}
    return {"overrides": chosen, "validation": known, "code": present_code()["digest"]}


def _last_of_each(overrides: list[str]) -> list[str]:
    """Return the overrides of which none comes later for the same key."""
    return list({key_of(override): override for override in overrides}.values())


def _own(line: list[str], conf: Path, launcher: Launcher, best: dict[str, Any]) -> float | None:
    """Return the validation value of the row's own settings on the same seeds."""
    what = Search("own", line, {}, best["seeds"], best["metric"])
    return values(what, {0: []}, conf, launcher)[0]
