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

    if not options.label and (layout := part(loading(options, named(options) or "table"), "layout")).label is None:
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
    from supremix.errors import MISTAKES, UserError, one_line

    kind = named(options)
    load = loading(options, kind)
    rows = read_rows(options.file, part(load, "layout"))
    if kind is None:
        kind = kind_in(rows)
        try:
            load = loading(options, kind)
        except MISTAKES as error:
            if not one_line(error).startswith("dataset."):
                raise
            kinds = ", ".join(other for other in KINDS if other != kind)
            raise UserError(
                f"{one_line(error)}; the file looks like {kind}: dataset=KIND names another kind ({kinds})"
            ) from None
    return inspect(rows, part(load, "plan"), kind, load.get("input"))


def named(options: argparse.Namespace) -> str | None:
    """Return the kind of data that ``dataset=`` names; None without it."""
    from supremix.cli.inspection import KINDS
    from supremix.errors import UserError

    kinds = [word.partition("=")[2] for word in options.overrides if word.startswith("dataset=")]
    kind = kinds[-1] if kinds else None
    if kind not in (None, *KINDS):
        raise UserError(f"dataset={kind}: not for a file of your own: use {', '.join(KINDS)}")
    return kind


def loading(options: argparse.Namespace, kind: str | None) -> dict[str, Any]:
    """Return what a kind of data is loaded with, as training has it; None: by the settings that all kinds have."""
    from supremix.data.own.layout import Layout
    from supremix.settings.compose import CONF, composed
    from supremix.settings.overrides import spelt
    from supremix.settings.source import resolved

    common = {f"dataset.{field.name}" for field in fields(Layout)}
    overrides = [word for word in others(options) if kind or word.partition("=")[0] in common]
    line = [f"dataset={kind or 'table'}", *map(spelt, file_and_label(options)), *overrides]
    return resolved(composed(CONF, line))["dataset"]["load"]


def part(load: dict[str, Any], name: str) -> Any:
    """Return the layout (which columns are what) or the plan (what is decided) of what data is loaded with."""
    from supremix.settings.build import build

    return build(f"dataset.load.{name}", load[name] | {"_convert_": "all"})


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
