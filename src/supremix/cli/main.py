"""The command ``supremix``: parse the command line, run the sub-command, tell a mistake in one line."""

import argparse
import os
import sys
from contextlib import suppress
from importlib import import_module
from typing import Any, NoReturn

from supremix import __version__
from supremix.cli.options import overrides_of
from supremix.runtime.terminal import without_unicode

COMMANDS = (
    "train", "inspect", "compare", "prepare", "twin", "table", "figure", "search", "ls", "show", "report", "predict",
    "embed", "export", "evaluate", "wandb", "completion",
)  # fmt: skip


def command() -> NoReturn:
    """Run the command line of this process, and end the process."""
    from supremix.runtime.output import leave

    try:
        sys.exit(main())
    except SystemExit as stop:
        leave(stop)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line. Returns the exit code.

    Args:
        arguments: None where this is the process's command; then it ends with the code, and imports from the current
            folder, as ``python -m`` has it, so that a class of the user's own is found there.
    """
    if arguments is None:
        from supremix.runtime.output import ending

        with suppress(OSError):  # the folder is gone
            if not sys.flags.safe_path and os.getcwd() not in sys.path[:1]:
                sys.path.insert(0, os.getcwd())
        with ending():
            sys.exit(main(sys.argv[1:]))
    if "_ARGCOMPLETE" in os.environ:
        import argcomplete

        argcomplete.autocomplete(make_parser(os.environ["COMP_LINE"].split()[1:]))
    without_unicode()
    options, others = make_parser(arguments).parse_known_args(arguments)
    return run(options, others)


def make_parser(arguments: list[str]) -> argparse.ArgumentParser:
    """Build the parser: all sub-commands, each from its module in this package, and the options of the one typed."""
    parser = argparse.ArgumentParser(
        prog="supremix",
        description="Contrastive representation learning for regression: SupReMix, its baselines and its benchmarks.",
        epilog="Each sub-command has --help, with examples. Tab completion: see supremix completion --help.",
    )
    parser.add_argument("--version", action="version", version=f"supremix {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in COMMANDS:
        module: Any = import_module(f"supremix.cli.{name}")
        part = commands.add_parser(
            name,
            help=module.__doc__.splitlines()[0],
            description=module.__doc__,
            epilog=f"examples:\n{getattr(module, 'EXAMPLES', '')}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        part.set_defaults(run=module.run)
        if arguments[:1] == [name]:
            module.add_arguments(part)
    return parser


def run(options: argparse.Namespace, others: list[str]) -> int:
    """Run a parsed sub-command; a mistake of the user is one line on stderr and exit code 1.

    Args:
        options: of the sub-command.
        others: what its parser does not know: overrides that stand after an option.
    """
    from supremix.errors import MISTAKES, mistake_in_path, one_line
    from supremix.runtime.log import begin
    from supremix.runtime.output import Unheard
    from supremix.settings.compose import own_configs
    from supremix.settings.overrides import check_overrides, spelt

    begin()
    try:
        takes_overrides = hasattr(options, "overrides")
        options.overrides = [*getattr(options, "overrides", []), *overrides_of(others)]
        if takes_overrides:
            options.overrides = [*map(spelt, options.overrides)]
            check_overrides(options.overrides)
        with own_configs(getattr(options, "config_dir", None)):
            return options.run(options)
    except MISTAKES as error:
        Unheard(sys.stderr).write(f"error: {one_line(error)}\n")
        return 1
    except OSError as error:
        if (mistake := mistake_in_path(error)) is None:
            raise
        print(f"error: {mistake}", file=sys.stderr)
        return 1
