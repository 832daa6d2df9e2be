"""What the commands ``supremix prepare NAME`` share: options, errors in one line, exit codes.

Only the standard library is imported at the top, so that ``--help`` answers at once.
"""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from supremix.errors import UserError
from supremix.runtime.log import begin
from supremix.runtime.output import Unheard
from supremix.runtime.parallel import cores


def parser(name: str, about: str) -> argparse.ArgumentParser:
    """Make the parser of ``supremix prepare NAME`` with --data and --out."""
    made = argparse.ArgumentParser(
        f"supremix prepare {name}", description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_folder(made, "--data", "SUPREMIX_DATA", "data", "raw data")
    add_folder(made, "--out", "SUPREMIX_PREPARED", "prepared", "prepared data")
    return made


def add_folder(parser: argparse.ArgumentParser, flag: str, variable: str, default: str, what: str) -> None:
    """Add an option for a directory, which defaults to an environment variable."""
    parser.add_argument(
        flag,
        type=Path,
        metavar="DIR",
        default=Path(os.environ.get(variable) or default),
        help=f"directory of {what} (default: ${variable}, else {default}; now %(default)s)",
    )


def add_workers(parser: argparse.ArgumentParser) -> None:
    """Add --workers, which defaults to the cores that this process may use."""
    parser.add_argument("--workers", type=int, default=cores(), help="processes at once (default: %(default)s)")


def exit_code(body: Callable[[], None]) -> int:
    """Run a command's body and return its exit code; a mistake of the user's is one line on stderr."""
    begin()
    try:
        body()
    except UserError as error:
        Unheard(sys.stderr).write(f"error: {error}\n")
        return 1
    except KeyboardInterrupt:
        Unheard(sys.stderr).write("interrupted: run the same command again to go on\n")
        return 130
    return 0
