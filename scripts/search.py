"""Search for settings with Optuna, on validation; the same command goes on where it was stopped."""

import argparse
import json
import os
import shlex
import sys

from supremix.suite.launchers import add_options, from_options


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="Anything else is a Hydra override for every run; what has several values or an interval is searched, "
        "such as 'method.temperature=tag(log,interval(0.1,5))' 'method.window=range(1,10)' 'method.beta=[2,8],[8,2]'",
    )
    parser.add_argument("--trials", type=int, default=20, help="in the end, those of before included (%(default)s)")
    parser.add_argument("--seeds", default="0", help="of each trial, comma-separated (default: %(default)s)")
    add_options(parser)
    options, overrides = parser.parse_known_args(arguments)

    from supremix.cli.options import hydra_overrides, seeds_of
    from supremix.errors import MISTAKES, one_line
    from supremix.runtime.ending import ending_on_signals
    from supremix.search import search
    from supremix.settings.compose import CONF

    try:
        seeds = seeds_of(options.seeds) or [0]
        launcher, overrides = from_options(options, hydra_overrides(overrides))
        at_once = max(1, (options.jobs or os.cpu_count() or 1) // len(seeds))
        with ending_on_signals():
            folder = search(CONF, overrides, seeds, options.trials, at_once, launcher)
    except MISTAKES as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        return 1
    print((folder / "trials.csv").read_text())
    best = json.loads((folder / "best.json").read_text())
    print(
        f"best: trial {best['trial']}, validation {best['metric']} {best['value']:.4f}, mean of seeds {options.seeds}"
    )
    print(f"  python -m supremix.train {shlex.join(best['overrides'])}\n  {folder / 'best.json'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
