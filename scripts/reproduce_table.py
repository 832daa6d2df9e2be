"""Bring a table of the paper up to date: plan its runs, run what is missing, render Markdown, CSV and LaTeX."""

import argparse
import sys
from pathlib import Path

from supremix.suite.launchers import add_options, from_options


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog="Anything else is a Hydra override for every run, e.g. tracking=none"
    )
    parser.add_argument("table", help="a name under conf/table, such as 5")
    add_options(parser)
    parser.add_argument("--size", help="a name under conf/size: small, synthetic data (default: the paper's)")
    parser.add_argument("--out", type=Path, help="folder of the rendered table (default: results/[SIZE/]table_<N>)")
    parser.add_argument("--seeds", help="comma-separated, in place of the table's own")
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--plan", action="store_true", help="run nothing: list the runs and what they wait for")
    instead.add_argument("--rerender", action="store_true", help="only render again, from the records beside the table")
    options, overrides = parser.parse_known_args(arguments)

    from supremix.cli.options import hydra_overrides, seeds_of
    from supremix.errors import MISTAKES, UserError, one_line
    from supremix.runtime.ending import ending_on_signals
    from supremix.settings.compose import CONF
    from supremix.suite import size as sizes
    from supremix.tables import computed
    from supremix.tables.files import rerender
    from supremix.tables.render import markdown
    from supremix.tables.reproduce import compute, planned, reproduce

    chosen = options.seeds or options.jobs or options.launcher != parser.get_default("launcher") or overrides
    folder: Path | None
    try:
        launcher, overrides = from_options(options, hydra_overrides(overrides))
        if options.rerender and chosen:
            raise UserError("--rerender runs nothing: leave out --seeds, --jobs, --launcher and overrides")
        path, size = CONF / "table" / f"{options.table}.yaml", sizes.load(CONF, options.size)
        seeds = seeds_of(options.seeds)
        if options.plan:
            no_runs = f"table {options.table} is computed, it has no runs"
            print(no_runs if computed.kind(path) else planned(options.table, CONF, overrides, seeds, size))
            return 0
        if computed.kind(path):
            table, folder = compute(options.table, CONF, options.out, overrides, size)
            text = computed.markdown(table)
        elif options.rerender:
            folder = rerender(options.table, CONF, options.out, size)
            text = (folder / "table.md").read_text()
        else:
            with ending_on_signals():
                results, _, folder = reproduce(options.table, CONF, options.out, launcher, overrides, seeds, size)
            text = markdown(results)
    except MISTAKES as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        return 1
    print(text)
    if folder:
        print("\n".join(str(path) for path in sorted(folder.iterdir())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
