"""Show what is understood of a file of your own: columns, labels, problems by row, settings, the command to train.

Nothing is trained or written. Rows that cannot be used are named; --problems writes all of them to a file.
"""

import argparse
import re
import shlex
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from supremix.cli import options as shared

if TYPE_CHECKING:
    from supremix.cli.inspection import Inspection
    from supremix.data.own.layout import Layout

PLAIN = r"[^\W\d][\w./-]*|[./][\w./-]*"
"""Texts that Hydra takes as they are."""
EXAMPLES = """\
  supremix inspect houses.csv --label price
  supremix inspect houses.csv                                         its columns, where you do not know the label
  supremix inspect tweets.txt --label score 'dataset.columns=[id,score,text]'    a file without a line of names
  supremix inspect pairs.csv --label score dataset=texts 'dataset.input=[first,second]'
  supremix inspect houses.csv --label price --problems bad_rows.csv"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("file", help="CSV, TSV, Parquet or Excel: a row for each item")
    parser.add_argument("--label", metavar="COLUMN", action="append", help="column to predict; may be given again")
    parser.add_argument("--problems", type=Path, metavar="FILE", help="write the problems of all rows to this CSV file")
    shared.add_overrides(parser, "settings as in training, such as dataset=texts or dataset.drop=[a,b]")


def run(options: argparse.Namespace) -> int:
    """Print the inspection. Returns the exit code."""
    from supremix.cli.inspection import columns_alone, described, report_rows
    from supremix.errors import writing_to

    if not options.label and (layout := layout_of(options)).label is None:
        print("\n".join([*columns_alone(options.file, layout), "", "name the column to predict: --label COLUMN"]))
        return 0
    inspection = understood(options)
    rest = [*file_and_label(options), *others(options)]
    print("\n".join(described(inspection, options.file)))
    print(f"train:\n  {shlex.join(['supremix', 'train', f'dataset={inspection.kind}', *rest])}")
    if options.problems:
        with writing_to(options.problems, "give a path that can be written"):
            report_rows(inspection.problems).to_csv(options.problems, index=False)
        print(f"\n{len(inspection.problems):,} problems: {options.problems}")
    return 0


def understood(options: argparse.Namespace) -> "Inspection":
    """Read the file as training would: as the kind of data that ``dataset=`` names, else as the file looks."""
    from supremix.cli.inspection import KINDS, inspect, kind_in
    from supremix.data.own.layout import read_rows
    from supremix.errors import UserError
    from supremix.settings.build import build

    named = [word for word in options.overrides if word.startswith("dataset=")]
    kind = named[-1].partition("=")[2] if named else None
    if kind not in (None, *KINDS):
        raise UserError(f"dataset={kind}: not for a file of your own: use {', '.join(KINDS)}")
    rows = read_rows(options.file, layout_of(options))
    load = loading(options, kind or kind_in(rows), others(options))
    plan = build("dataset.load.plan", load["plan"] | {"_convert_": "all"})
    return inspect(rows, plan, kind or kind_in(rows), load.get("input"))


def layout_of(options: argparse.Namespace) -> "Layout":
    """Return which columns are what; it is the same for all kinds of data, whose other settings differ."""
    from supremix.data.own.layout import Layout
    from supremix.settings.build import build

    names = {field.name for field in fields(Layout)}
    overrides = [word for word in others(options) if word.partition("=")[0].removeprefix("dataset.") in names]
    layout = loading(options, "table", overrides)["layout"]
    return build("dataset.load.layout", layout | {"_convert_": "all"})


def loading(options: argparse.Namespace, kind: str, overrides: list[str]) -> dict[str, Any]:
    """Return what a kind of data is loaded with, as training has it."""
    from supremix.settings.compose import CONF, composed
    from supremix.settings.overrides import spelt
    from supremix.settings.source import resolved

    line = [f"dataset={kind}", *map(spelt, file_and_label(options)), *overrides]
    return resolved(composed(CONF, line))["dataset"]["load"]


def others(options: argparse.Namespace) -> list[str]:
    """Return the overrides but for ``dataset=``."""
    return [word for word in options.overrides if not word.startswith("dataset=")]


def file_and_label(options: argparse.Namespace) -> list[str]:
    """Return path and label as overrides, quoted only where Hydra needs it."""
    from supremix.settings.overrides import quoted

    path, *labels = (
        value if re.fullmatch(PLAIN, value) else quoted(value) for value in (options.file, *(options.label or ()))
    )
    label = labels[0] if len(labels) == 1 else f"[{','.join(labels)}]"
    return [f"dataset.path={path}", *([f"dataset.label={label}"] if labels else [])]
