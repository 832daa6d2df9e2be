"""List the runs of a store: what they are, how far they are, their error on the test set.

The run that was finished last stands last. The note says in which settings runs differ, or why one failed. A table at a
terminal, lines with tabs between the columns in a pipe.
"""

import argparse
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from supremix.cli import options as shared
from supremix.runtime.terminal import print_table, shown

if TYPE_CHECKING:
    from supremix.suite.stored import Stored

COLUMNS = ("id", "dataset", "method", "protocol", "seed", "test MAE", "state", "note")
SETTINGS_SHOWN = 3
FILTERS = ("dataset", "method", "protocol", "seed", "state")
EXAMPLES = """\
  supremix ls                                        all runs of the store
  supremix ls dataset=uci_airfoil method=supremix    some of them
  supremix ls state=begun --store other/runs
  supremix ls | cut -f 3,6 | sort -k 2 -n            methods by error"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    shared.add_store(parser)
    shared.add_overrides(parser, f"show only the runs with this value: {', '.join(FILTERS)}")


def run(options: argparse.Namespace) -> int:
    """Print the runs. Returns the exit code."""
    from supremix.store.folders import Store
    from supremix.suite.stored import stored_runs

    wanted = filters_of(options.overrides)
    store = Store(options.store)
    runs = [run for run in stored_runs(store) if matches(run, wanted)]
    runs.sort(key=lambda run: when(store.run(run.id)))
    told_apart = differing(runs)
    lines = [columns(run, told_apart.get(run.id, "")) for run in runs]
    if sys.stdout.isatty():
        print_table(COLUMNS, lines, right=("seed", "test MAE"), wrapped=("note",))
        print(f"{len(lines)} runs in {options.store}")
    else:
        print("\n".join("\t".join(line) for line in [COLUMNS, *lines]))
    return 0


def when(folder: Path) -> float:
    """Return when a run was finished; minus infinity where it is not, so that it stands before all others."""
    done = folder / "DONE"
    return done.stat().st_mtime if done.is_file() else -math.inf


def filters_of(given: list[str]) -> dict[str, str]:
    """Read ``key=value``; UserError for a key that runs are not listed by."""
    from supremix.errors import UserError

    for text in given:
        if "=" not in text or text.partition("=")[0] not in FILTERS:
            raise UserError(f"{text}: filter by {', '.join(f'{key}=…' for key in FILTERS)}")
    return {text.partition("=")[0]: text.partition("=")[2] for text in given}


def matches(run: "Stored", wanted: dict[str, str]) -> bool:
    """Return whether a run has the wanted values."""
    return all(str({"state": run.shown_state, **run.record}.get(key, "")) == value for key, value in wanted.items())


def differing(runs: list["Stored"]) -> dict[str, str]:
    """Return id → the settings in which a run differs from others of its dataset, method and protocol."""
    from supremix.suite.swept import ABSENT, swept_among

    kinds: dict[tuple[str, ...], list[Any]] = {}
    for run in runs:
        if "config" in run.record:
            kinds.setdefault(tuple(run.record[key] for key in FILTERS[:3]), []).append(run.record)
    settings = {}
    for swept in map(swept_among, kinds.values()):
        for values, record in swept.points:
            assert record is not None
            pairs = [f"{key}={value}" for key, value in zip(swept.keys, values, strict=True) if value != ABSENT]
            settings[record["id"]] = " ".join(pairs[:SETTINGS_SHOWN] + ["…"] * (len(pairs) > SETTINGS_SHOWN))
    return settings


def columns(run: "Stored", settings: str) -> tuple[str, ...]:
    """Return a run's values, in the order of COLUMNS."""
    facts = [str(run.record.get(key, "")) for key in ("dataset", "method", "protocol", "seed")]
    variants = run.record.get("metrics", {}).get("test", {})
    mae = (variants.get("best") or variants.get("last") or {}).get("mae")
    return run.id, *facts, "" if mae is None else shown(mae), run.shown_state, run.note or settings
