"""Train and measure one run, or with -m a sweep of runs; finished runs are shown, interrupted ones go on.

Hydra composes the config: group=name chooses a part, key=value sets a value, and an unknown key is refused.
"""

import argparse
import sys
import textwrap

from supremix.cli import options as shared

EXAMPLES = """\
  supremix train dataset=diabetes method=supremix seed=0
  supremix train dataset=uci_airfoil method=vanilla trainer.accelerator=cpu tracking=none
  supremix train -m method=supcon,supcr,supremix seed=0,1,2          a sweep: every combination
  supremix train dataset=diabetes method=supremix --cfg job          print all settings, run nothing
  supremix train dataset=mine --config-dir configs                   configs/dataset/mine.yaml, of your own"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options, most of which are Hydra's."""
    parser.add_argument("-m", "--multirun", action="store_true", help="run every combination of comma-separated values")
    parser.add_argument("-c", "--cfg", choices=("job", "hydra", "all"), help="print the config, run nothing")
    parser.add_argument("--resolve", action="store_true", help="with --cfg: print values in place of ${references}")
    parser.add_argument("--package", metavar="KEY", help="with --cfg: print the part at this key only")
    parser.add_argument("--config-name", metavar="NAME", help="a top config other than config.yaml")
    parser.add_argument("--info", choices=("all", "defaults", "defaults-tree", "plugins", "searchpath"))
    shared.add_config_dir(parser)
    shared.add_overrides(parser, "a group by name, or any key that --cfg job shows")
    lines = [textwrap.wrap(", ".join(shared.names(group)), 100) for group in shared.GROUPS]
    groups = (f"  {group:<11}" + "\n             ".join(part) for group, part in zip(shared.GROUPS, lines, strict=True))
    parser.epilog = "\n".join(["groups:", *groups, "", str(parser.epilog)])


def run(options: argparse.Namespace) -> int:
    """Run the driver with these arguments. Returns the exit code."""
    from supremix.train import cli

    flags = [f"--{name}" for name in ("multirun", "resolve") if getattr(options, name)]
    for name in ("cfg", "package", "config_name", "info"):
        if getattr(options, name):
            flags += [f"--{name.replace('_', '-')}", getattr(options, name)]
    sys.argv = ["supremix train", *flags, *options.overrides]
    cli()
    return 0
