"""Run three finished cells of the committed tables anew, drawn at random, and compare their test metrics.

Prints a line for each cell, and one for each that was drawn before and cannot be run here. Training magnifies rounding,
so that another machine's numbers differ by some percent; the same code on the same machine gives the same ones.
"""

import argparse
import json
import random
import sys
import tempfile
from pathlib import Path
from typing import Any

Record = dict[str, Any]
COMPARED = ("mae", "rmse")
SKIPPED_AT_MOST = 30


def cells(results: Path) -> list[tuple[str, Record]]:
    """Return the finished cells of all tables on real data: table, line of its records."""
    files = sorted(results.glob("*/records.jsonl"))
    lines = [(path.parent.name, json.loads(line)) for path in files for line in path.open(encoding="utf-8")]
    return [(table, record) for table, record in lines if not record["synthetic"]]


def again(record: Record, folder: Path) -> Record:
    """Run a cell in a store of its own; return its record. UserError where it cannot be run here."""
    from supremix.experiment.run import run
    from supremix.settings.compose import CONF, composed
    from supremix.store.records import read_record

    own = [f"paths.runs={folder}", "tracking=none", "trainer.progress=off"]
    return read_record(run(composed(CONF, [*record["cell"]["overrides"], *own])))


def compared(record: Record, anew: Record, tolerance: float) -> tuple[bool, str]:
    """Return whether two records agree, and the comparison in words."""
    pairs = {name: [of["metrics"]["test"]["best"][name] for of in (record, anew)] for name in COMPARED}
    changes = {name: (new - old) / old if old else float(new != old) for name, (old, new) in pairs.items()}
    agree = all(abs(change) <= tolerance for change in changes.values())
    shown = ", ".join(f"{name} {old:.4g} → {new:.4g} ({changes[name]:+.1%})" for name, (old, new) in pairs.items())
    code = record.get("code", {}).get("digest")
    by = "the same code" if code == anew["code"]["digest"] else f"code {code or 'not stated'}, here other code"
    return agree, f"{shown}; {by}; {'agrees' if agree else f'beyond {tolerance:.0%}'}"


def check(results: Path, count: int, seed: int, tolerance: float) -> bool:
    """Draw cells until ``count`` of them could be run; print a line on each; return whether all agree."""
    from supremix.errors import UserError

    drawn, agree, run_anew, skipped = cells(results), True, 0, 0
    random.Random(seed).shuffle(drawn)
    for table, record in drawn:
        if run_anew == count or skipped == SKIPPED_AT_MOST:
            break
        cell = record["cell"]
        name = " · ".join(part for part in (table, cell["panel"], cell["row"], f"seed {record['seed']}") if part)
        with tempfile.TemporaryDirectory() as folder:
            try:
                anew = again(record, Path(folder))
            except UserError as error:
                print(f"{name}: not run: {error}", flush=True)
                skipped += 1
                continue
        same, text = compared(record, anew, tolerance)
        print(f"{name}: {text}", flush=True)
        agree, run_anew = agree and same, run_anew + 1
    return agree and run_anew == count


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder of the tables (%(default)s)")
    parser.add_argument("--cells", type=int, default=3, help="number of cells to run (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the draw (%(default)s)")
    parser.add_argument("--tolerance", type=float, default=0.1, help="largest relative difference (%(default)s)")
    given = parser.parse_args()
    from supremix.runtime.entry import entry_point

    with entry_point():
        agree = check(given.results, given.cells, given.seed, given.tolerance)
    sys.exit(not agree)
