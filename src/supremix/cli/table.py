"""Bring a table up to date: plan its runs, run what is missing, render Markdown, CSV and LaTeX."""

import argparse
from pathlib import Path

from supremix.cli import options as shared

EXAMPLES = """\
  supremix table 5                         run what table 5 lacks, and write results/table_5
  supremix table 5 --plan                  list its runs and what they wait for
  supremix table 1 --size small            the same on small synthetic data, in minutes
  supremix table 5 --seeds 0,1 dataset.scaling=raw --out mine
  supremix table 5 --row SupCon --seeds 0  one cell; the other rows show what is there
  supremix table mine --config-dir configs a table of your own, configs/table/mine.yaml
  supremix table --render-all              render every table from what the store holds"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    listed = ", ".join(shared.names("table"))
    table = parser.add_argument("table", nargs="?", help=f"one of {listed}, or one of --config-dir")
    table.completer = shared.completed("table")  # type: ignore[attr-defined]
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--plan", action="store_true", help="run nothing: list the runs and what they wait for")
    instead.add_argument("--rerender", action="store_true", help="run nothing: render the records beside the table")
    instead.add_argument(
        "--render-all", action="store_true", help="run nothing: render every table from the store, and an index"
    )
    parser.add_argument("--seeds", help="comma-separated, in place of the table's own")
    parser.add_argument("--row", action="append", metavar="NAME", help="run this row alone; may be given several times")
    shared.add_size(parser)
    parser.add_argument("--out", type=Path, help="folder of the rendered table (default: results/[SIZE/]table_<N>)")
    shared.add_launcher(parser)
    shared.add_config_dir(parser)
    shared.add_overrides(parser)


def run(options: argparse.Namespace) -> int:
    """Make one table, or list its runs, or render all tables. Returns the exit code."""
    from supremix.errors import UserError

    chosen = options.seeds or options.row or options.jobs is not None or options.launcher
    if options.render_all:
        if options.table and "=" in options.table:  # an override, for there is no table to name
            options.table, options.overrides = None, [options.table, *options.overrides]
        if options.table or chosen:
            raise UserError("--render-all runs nothing: leave out the table, --seeds, --row, --jobs and --launcher")
        return render_all(options)
    if options.table is None:
        raise UserError(f"name a table: {', '.join(shared.names('table'))}; or --render-all")
    if options.rerender and (chosen or options.overrides):
        raise UserError("--rerender runs nothing: leave out --seeds, --row, --jobs, --launcher and overrides")
    return plan(options) if options.plan else make(options)


def plan(options: argparse.Namespace) -> int:
    """Print the runs of a table and what they wait for."""
    from supremix.settings.compose import CONF, specification
    from supremix.tables import computed
    from supremix.tables.reproduce import planned

    _, overrides = shared.launcher_of(options)
    seeds, size = shared.seeds_of(options.seeds), shared.size_of(options)
    if computed.kind(specification(CONF, "table", options.table)):
        print(f"table {options.table} is computed, it has no runs")
    else:
        print(planned(options.table, CONF, overrides, seeds, size, options.row))
    return 0


def make(options: argparse.Namespace) -> int:
    """Run what a table lacks and render it, or render it only; print it and its files."""
    from supremix.runtime.entry import entry_point
    from supremix.settings.compose import CONF, specification
    from supremix.tables import computed
    from supremix.tables.files import rerender
    from supremix.tables.render import markdown
    from supremix.tables.reproduce import compute, reproduce

    launcher, overrides = shared.launcher_of(options)
    seeds, size = shared.seeds_of(options.seeds), shared.size_of(options)
    folder: Path | None
    with entry_point():
        if computed.kind(specification(CONF, "table", options.table)):
            table, folder = compute(options.table, CONF, options.out, overrides, size)
            text = computed.markdown(table)
        elif options.rerender:
            folder = rerender(options.table, CONF, options.out, size)
            text = (folder / "table.md").read_text(encoding="utf-8")
        else:
            asked = (launcher, overrides, seeds, size, options.row)
            results, _, folder = reproduce(options.table, CONF, options.out, *asked)
            text = markdown(results)
    print(text)
    if folder:
        print("\n".join(str(path) for path in sorted(folder.iterdir())))
    return 0


def render_all(options: argparse.Namespace) -> int:
    """Render every table from what the store holds, and the index of them; print a line for each."""
    from supremix.report.choice import write_choice
    from supremix.report.ranks import write_ranks
    from supremix.settings.compose import CONF
    from supremix.suite.spec import results_folder
    from supremix.tables.index import render_stored

    size = shared.size_of(options)
    out = options.out or results_folder(size.name)
    pages = [write(CONF, out, size) for write in (write_ranks, write_choice)]  # first, since the index names them
    for line in render_stored(CONF, out, options.overrides, size):
        print(line, flush=True)
    print(*filter(None, pages), out / "README.md", sep="\n")
    return 0
