"""Show what is understood of a file of your own: columns, labels, problems by row, settings, the command to train.

Nothing is trained or written. Rows that cannot be used are named; --problems writes all of them to a file.
"""

import argparse
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from supremix.cli import options as shared

if TYPE_CHECKING:
    from supremix.data.own.assemble import Plan
    from supremix.data.own.layout import Layout

PLAIN = r"[^\W\d][\w./-]*|[./][\w./-]*"
"""Texts that Hydra takes as they are."""
EXAMPLES = """\
  supremix inspect houses.csv --label price
  supremix inspect houses.csv                                         its columns, where you do not know the label
  supremix inspect tweets.txt --label score 'dataset.columns=[id,score,text]'    a file without a line of names
  supremix inspect houses.csv --label price --problems bad_rows.csv"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("file", help="CSV, TSV, Parquet or Excel: a row for each item")
    parser.add_argument("--label", metavar="COLUMN", action="append", help="column to predict; may be given again")
    parser.add_argument("--problems", type=Path, metavar="FILE", help="write the problems of all rows to this CSV file")
    shared.add_overrides(parser, "settings as in training, such as dataset.drop=[a,b]")


def run(options: argparse.Namespace) -> int:
    """Print the inspection. Returns the exit code."""
    from supremix.cli.inspection import columns_alone, described, inspect, report_rows
    from supremix.errors import writing_to

    layout, plan = as_configured(options)
    if layout.label is None:
        print("\n".join([*columns_alone(options.file, layout), "", "name the column to predict: --label COLUMN"]))
        return 0
    inspection = inspect(options.file, layout, plan)
    rest = [*file_and_label(options), *options.overrides]
    print("\n".join(described(inspection, options.file)))
    print(f"train:\n  {shlex.join(['supremix', 'train', f'dataset={inspection.kind}', *rest])}")
    if options.problems:
        with writing_to(options.problems, "give a path that can be written"):
            report_rows(inspection.problems).to_csv(options.problems, index=False)
        print(f"\n{len(inspection.problems):,} problems: {options.problems}")
    return 0


def as_configured(options: argparse.Namespace) -> "tuple[Layout, Plan]":
    """Return which columns are what, and what is to be decided, as training has them."""
    from supremix.settings.build import build
    from supremix.settings.compose import CONF, composed
    from supremix.settings.overrides import spelt
    from supremix.settings.source import resolved

    line = ["dataset=table", *map(spelt, file_and_label(options)), *options.overrides]
    load = resolved(composed(CONF, line))["dataset"]["load"]
    layout, plan = (build(f"dataset.load.{part}", load[part] | {"_convert_": "all"}) for part in ("layout", "plan"))
    return layout, plan


def file_and_label(options: argparse.Namespace) -> list[str]:
    """Return path and label as overrides, quoted only where Hydra needs it."""
    from supremix.settings.overrides import quoted

    path, *labels = (
        value if re.fullmatch(PLAIN, value) else quoted(value) for value in (options.file, *(options.label or ()))
    )
    label = labels[0] if len(labels) == 1 else f"[{','.join(labels)}]"
    return [f"dataset.path={path}", *([f"dataset.label={label}"] if labels else [])]
