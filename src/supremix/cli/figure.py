"""Bring a figure up to date: plan its runs, run what is missing, draw PNG and SVG."""

import argparse
from pathlib import Path

from supremix.cli import options as shared

EXAMPLES = """\
  supremix figure 2                     run what figure 2 lacks, and draw it into results/figure_2
  supremix figure 2 --stored            draw what the store holds, run nothing
  supremix figure 4 --size small        the same on small synthetic data, in minutes"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    figure = parser.add_argument("figure", help=f"one of {', '.join(shared.names('figure'))}, or one of --config-dir")
    figure.completer = shared.completed("figure")  # type: ignore[attr-defined]
    parser.add_argument("--stored", action="store_true", help="run nothing: draw what the store holds")
    parser.add_argument("--seeds", help="comma-separated, in place of the figure's own")
    shared.add_size(parser)
    parser.add_argument("--out", type=Path, help="folder of the drawn figure (default: results/[SIZE/]figure_<N>)")
    shared.add_launcher(parser)
    shared.add_config_dir(parser)
    shared.add_overrides(parser)


def run(options: argparse.Namespace) -> int:
    """Make the figure; print what it shows, and its files. Returns the exit code."""
    from supremix.figures.reproduce import reproduce
    from supremix.runtime.entry import entry_point
    from supremix.settings.compose import CONF

    launcher, overrides = shared.launcher_of(options)
    seeds, size = shared.seeds_of(options.seeds), shared.size_of(options)
    with entry_point():
        text, folder = reproduce(options.figure, CONF, options.out, launcher, overrides, seeds, options.stored, size)
    print(text)
    if folder:
        print("\n".join(f"{folder / name}" for name in ("figure.md", "figure.png", "figure.svg", "figure.csv")))
    return 0
