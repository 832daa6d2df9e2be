"""Bring a table of the paper up to date: plan its runs, run what is missing, render Markdown, CSV and LaTeX."""

import argparse
import sys
from pathlib import Path

from supremix.tables.launchers import add_options, from_options


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog="Anything else is a Hydra override for every run, e.g. tracking=none"
    )
    parser.add_argument("table", help="a name under conf/table, such as 5")
    add_options(parser)
    parser.add_argument("--size", help="a name under conf/size: twin, small synthetic data (default: the paper's)")
    parser.add_argument("--out", type=Path, help="folder of the rendered table (default: results/[SIZE/]table_<N>)")
    parser.add_argument("--seeds", help="comma-separated, in place of the table's own")
    parser.add_argument("--plan", action="store_true", help="run nothing: list the runs and what they wait for")
    parser.add_argument("--rerender", action="store_true", help="only render again, from the records beside the table")
    options, overrides = parser.parse_known_args(arguments)

    from supremix.commandline import CONF, MISTAKES, ending_on_signals, hydra_overrides, one_line, seeds_of
    from supremix.tables import overview
    from supremix.tables import size as sizes
    from supremix.tables.files import rerender
    from supremix.tables.reproduce import computed, planned, reproduce
    from supremix.tables.spec import results_folder

    try:
        launcher, overrides = from_options(options, hydra_overrides(overrides))
        path, size = CONF / "table" / f"{options.table}.yaml", sizes.load(CONF, options.size)
        seeds = seeds_of(options.seeds)
        if options.plan:
            no_runs = f"table {options.table} is computed, it has no runs"
            print(no_runs if overview.kind(path) else planned(options.table, CONF, overrides, seeds, size))
            return 0
        if overview.kind(path):
            folder = computed(options.table, CONF, options.out, overrides, size)
        elif options.rerender:
            folder = options.out or results_folder(size.name) / f"table_{options.table}"
            rerender(options.table, CONF, folder, size)
        else:
            with ending_on_signals():
                _, _, folder = reproduce(options.table, CONF, options.out, launcher, overrides, seeds, size)
    except MISTAKES as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        return 1
    print((folder / "table.md").read_text())
    print("\n".join(str(path) for path in sorted(folder.iterdir())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
