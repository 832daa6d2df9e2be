"""Compute the metrics of finished runs again from their stored predictions, so that a new metric reaches old runs.

Only records whose metrics differ are replaced, each as a whole; nothing is trained.
"""

import argparse

from supremix.cli import options as shared

EXAMPLES = """\
  supremix evaluate                      all runs of the store
  supremix evaluate 3f2a 77b0            the runs whose ids begin so"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("runs", metavar="RUN", nargs="*", help="beginning of a run's id (default: all runs)")
    shared.add_store(parser)


def run(options: argparse.Namespace) -> int:
    """Replace the records whose metrics changed; print how many. Returns the exit code."""
    from supremix.errors import UserError
    from supremix.experiment.evaluate import evaluate
    from supremix.store.folders import Store
    from supremix.suite.stored import find_run, stored_runs

    store = Store(options.store)
    runs = [find_run(store, name) for name in options.runs]
    for name, folder in zip(options.runs, runs, strict=True):
        if folder.resolve().parent != store.root.resolve():
            raise UserError(f"{name}: not in {store.root}: name its store by --store {folder.parent}")
    ids = [folder.name for folder in runs] or [run.id for run in stored_runs(store) if run.state == "finished"]
    count, changed = evaluate(store, ids) if ids else (0, 0)
    print(f"{options.store}: {count} runs evaluated, {changed} records changed")
    return 0
