"""Compare methods on a file of your own: references and networks over seeds, a table, pictures and one HTML page.

Runs that the store holds are not run again, so that after an interruption the same command goes on.
"""

import argparse
import shlex
from pathlib import Path

from supremix.cli import options as shared

EXAMPLES = """\
  supremix compare houses.csv --label price
  supremix compare houses.csv --label price --seeds 0,1,2 dataset.target_transform=log
  supremix compare houses.csv --label price --label area dataset.label_unit=pca     one network for both
  supremix compare houses.csv --label price --methods vanilla,mine --config-dir configs      configs/method/mine.yaml
  supremix compare scans.csv --label age --out compared --jobs 1 dataset.group=family"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("file", help="CSV, TSV, Parquet or Excel: a row for each item")
    parser.add_argument(
        "--label", metavar="COLUMN", action="append", required=True, help="column to predict; may be given again"
    )
    parser.add_argument("--seeds", help="comma-separated (default: 0,1,2,3,4); each draws a split of its own")
    parser.add_argument("--methods", help="comma-separated, as in vanilla,c_mixup; the references stand beside them")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="folder to write to (default: results/compare_NAME[_METHODS])"
    )
    shared.add_launcher(parser)
    shared.add_config_dir(parser)
    shared.add_overrides(parser)


def run(options: argparse.Namespace) -> int:
    """Compare; print what was understood of the file, the table, and the files. Returns the exit code."""
    from supremix.cli.inspect import file_and_label, others, understood
    from supremix.cli.inspection import described
    from supremix.report.compare import About, compare
    from supremix.runtime.entry import entry_point
    from supremix.runtime.log import warnings_alone
    from supremix.settings.compose import CONF
    from supremix.settings.overrides import spelt

    launcher, options.overrides = shared.launcher_of(options)
    inspection = understood(options)
    page = described(inspection, options.file)
    print("\n".join(page), flush=True)
    name = Path(options.file).stem
    line = [f"dataset={inspection.kind}", *map(spelt, file_and_label(options)), *others(options)]
    title = f"{name}: {', '.join(options.label)}"
    if len(options.label) > 1:
        title += ", means over labels in standard deviations"
    methods = None if options.methods is None else [name.strip() for name in options.methods.split(",")]
    about = About(name, title, page, command_of(options))
    with entry_point(), warnings_alone("supremix.data"):  # the file is described above
        text, folder = compare(about, CONF, options.out, launcher, line, shared.seeds_of(options.seeds), methods)
    print(text)
    if folder:
        print(f"\n{folder / 'report.html'}\n{folder / 'table.md'}\n{len([*folder.iterdir()]) - 2} more in {folder}")
    return 0


def command_of(options: argparse.Namespace) -> str:
    """Return the command that makes the page again."""
    words = ["supremix", "compare", options.file]
    words += [word for label in options.label for word in ("--label", label)]
    names = ("seeds", "methods", "out", "config_dir")
    given = {f"--{name.replace('_', '-')}": getattr(options, name) for name in names}
    words += [str(word) for pair in given.items() if pair[1] for word in pair]
    return shlex.join([*words, *options.overrides])
