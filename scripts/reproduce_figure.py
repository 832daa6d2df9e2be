"""Bring a figure of the paper up to date: plan its runs, run what is missing, draw PNG and SVG."""

import argparse
import sys
from pathlib import Path

from supremix.suite.launchers import add_options, from_options


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog="Anything else is a Hydra override for every run, e.g. tracking=none"
    )
    parser.add_argument("figure", help="a name under conf/figure, such as 2")
    add_options(parser)
    parser.add_argument("--size", help="a name under conf/size: small, synthetic data (default: the paper's)")
    parser.add_argument("--out", type=Path, help="folder of the drawn figure (default: results/[SIZE/]figure_<N>)")
    parser.add_argument("--seeds", help="comma-separated, in place of the figure's own")
    parser.add_argument("--stored", action="store_true", help="run nothing, draw what the store holds")
    options, overrides = parser.parse_known_args(arguments)

    from supremix.cli.options import hydra_overrides, seeds_of
    from supremix.errors import MISTAKES, one_line
    from supremix.figures.reproduce import reproduce
    from supremix.runtime.ending import ending_on_signals
    from supremix.settings.compose import CONF
    from supremix.suite import size as sizes

    try:
        launcher, overrides = from_options(options, hydra_overrides(overrides))
        seeds, size = seeds_of(options.seeds), sizes.load(CONF, options.size)
        with ending_on_signals():
            text, folder = reproduce(
                options.figure, CONF, options.out, launcher, overrides, seeds, options.stored, size
            )
    except MISTAKES as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        return 1
    print(text)
    if folder:
        print("\n".join(f"{folder / name}" for name in ("figure.md", "figure.png", "figure.svg", "figure.csv")))
    return 0


if __name__ == "__main__":
    sys.exit(main())
