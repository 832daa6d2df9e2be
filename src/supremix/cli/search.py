"""Search for settings with Optuna, on validation; the same command goes on where it was stopped.

Keys with several values or an interval are searched; all others are overrides for every run.
"""

import argparse

from supremix.cli import options as shared
from supremix.runtime.terminal import shown

EXAMPLES = """\
  supremix search dataset=uci_airfoil method=supremix --trials 30 --seeds 0,1 \\
      'method.temperature=tag(log,interval(0.1,5))' 'method.window=range(1,10)' 'method.beta=[2,8],[8,2]'
  supremix search --table extended_uci_airfoil     tune the rows that conf/table/_tuning.yaml lists, for the table"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--trials", type=int, default=20, help="in all, with earlier ones (default: %(default)s)")
    parser.add_argument("--seeds", default="0", help="of each trial, comma-separated (default: %(default)s)")
    table = parser.add_argument("--table", help="tune rows of this table instead, as conf/table/_tuning.yaml says")
    table.completer = shared.completed("table")  # type: ignore[attr-defined]
    shared.add_launcher(parser)
    shared.add_config_dir(parser)
    shared.add_overrides(parser, "Hydra overrides; several values or an interval make the space")


def run(options: argparse.Namespace) -> int:
    """Bring the search to its number of trials; print the trials and the best. Returns the exit code."""
    import json
    import os
    import shlex

    from supremix.runtime.entry import entry_point
    from supremix.search.study import search
    from supremix.settings.compose import CONF

    if options.table:
        return tune(options)
    seeds = shared.seeds_of(options.seeds) or [0]
    launcher, overrides = shared.launcher_of(options)
    at_once = max(1, (options.jobs or os.cpu_count() or 1) // len(seeds))
    with entry_point():
        folder = search(CONF, overrides, seeds, options.trials, at_once, launcher)
    print((folder / "trials.csv").read_text(encoding="utf-8"))
    best = json.loads((folder / "best.json").read_text(encoding="utf-8"))
    value = f"validation {best['metric']} {shown(best['value'])}"
    print(f"best: trial {best['trial']}, {value}, mean of seeds {options.seeds}")
    print(f"  supremix train {shlex.join(best['overrides'])}\n  {folder / 'best.json'}")
    return 0


def tune(options: argparse.Namespace) -> int:
    """Tune the rows of a table; print the file that it reads."""
    import os

    from supremix.runtime.entry import entry_point
    from supremix.search.tuning import tune
    from supremix.settings.compose import CONF

    launcher, overrides = shared.launcher_of(options)
    with entry_point():
        path = tune(options.table, CONF, launcher, overrides, max(1, options.jobs or os.cpu_count() or 1))
    print(path.read_text(encoding="utf-8"))
    print(path)
    return 0
