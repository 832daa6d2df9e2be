"""Render every table of the paper from what the store holds, and results/README.md over them; runs nothing."""

import argparse
import sys
from pathlib import Path


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog="Anything else is a Hydra override for every run, as it was given for them"
    )
    parser.add_argument("--size", help="a name under conf/size: small, synthetic data (default: the paper's)")
    parser.add_argument("--out", type=Path, help="folder of the tables (default: results, or results/SIZE)")
    options, overrides = parser.parse_known_args(arguments)

    from supremix.cli.options import hydra_overrides
    from supremix.errors import MISTAKES, one_line
    from supremix.settings.compose import CONF
    from supremix.suite import size as sizes
    from supremix.suite.spec import results_folder
    from supremix.tables.index import render_stored

    try:
        size = sizes.load(CONF, options.size)
        out = options.out or results_folder(size.name)
        for line in render_stored(CONF, out, hydra_overrides(overrides), size):
            print(line, flush=True)
    except MISTAKES as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        return 1
    print(out / "README.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())
