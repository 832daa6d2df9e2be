"""Compute the metrics of finished runs again from their stored predictions, so that a new metric reaches old runs.

Only records whose metrics differ are replaced, each as a whole; nothing is trained.
"""

import argparse
import os
from pathlib import Path

EXAMPLES = """\
  supremix evaluate                     all runs of the store
  supremix evaluate 0123456789abcdef    one of them
  supremix evaluate --store other/runs"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    folder = Path(os.environ.get("SUPREMIX_RUNS") or "runs")
    parser.add_argument("runs", nargs="*", metavar="RUN", help="ids of runs; all of the store where none is given")
    parser.add_argument(
        "--store", type=Path, metavar="DIR", default=folder, help="default: $SUPREMIX_RUNS, else runs; now %(default)s"
    )


def run(options: argparse.Namespace) -> int:
    """Evaluate the runs, and print how many records changed. Returns the exit code."""
    from supremix.experiment.evaluate import evaluate
    from supremix.store.folders import Store

    count, changed = evaluate(Store(options.store), options.runs)
    print(f"{options.store}: {count} runs evaluated, {changed} records changed")
    return 0
