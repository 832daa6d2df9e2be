"""Write a synthetic twin of a dataset: raw files in its format, with content that depends on the label."""

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    from supremix.prepare.twins import command

    parser.description, parser.epilog = command.ABOUT, None  # examples are in it
    command.add_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Write the twin. Returns the exit code."""
    from supremix.prepare.twins import command

    return command.run(options)
