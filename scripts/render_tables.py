"""Render every table of the paper from what the store holds, and results/README.md over them; runs nothing."""

import argparse
import sys
from pathlib import Path


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog="Anything else is a Hydra override for every run, as it was given for them"
    )
    parser.add_argument("--out", type=Path, default=Path("results"), help="folder of the tables (default: results)")
    options, overrides = parser.parse_known_args(arguments)

    from supremix.commandline import CONF, MISTAKES, one_line
    from supremix.tables.summary import render_stored

    try:
        for line in render_stored(CONF, options.out, overrides):
            print(line, flush=True)
    except MISTAKES as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        return 1
    print(options.out / "README.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())
