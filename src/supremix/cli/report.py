"""Write one page of HTML on a store or on rendered tables: all runs to sort and filter, curves, settings, commands.

The page needs no network and no other file. Runs are ranked by their validation error.
"""

import argparse
from pathlib import Path

from supremix.cli import options as shared

EXAMPLES = """\
  supremix report                                 the runs of the store, to report.html
  supremix report results/table_5 -o table_5.html a rendered table, with the paper's values
  supremix report results --store runs            all rendered tables, with curves of the runs that the store has"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "what", metavar="WHAT", type=Path, nargs="?", help="a store, a rendered table's folder, or a folder of these"
    )
    parser.add_argument(
        "-o", "--out", metavar="FILE", type=Path, default=Path("report.html"), help="default: %(default)s"
    )
    shared.add_store(parser)


def run(options: argparse.Namespace) -> int:
    """Write the page; print its path and what was left out. Returns the exit code."""
    from supremix.report.runs import report
    from supremix.store.folders import Store

    left = report(options.what or options.store, Store(options.store), options.out)
    print("\n".join([*left, str(options.out)]))
    return 0
