"""Write twins: synthetic raw files in the on-disk format of a dataset that cannot be downloaded freely."""

import argparse
from importlib import import_module

from supremix.data.prepared.folder import TWIN_SIZES
from supremix.errors import UserError, needs
from supremix.prepare.shared.command import add_folder, add_workers, exit_code

MODULES = {  # dataset → the module of this package that generates its twin
    "agedb_dir": "agedb_dir",
    "hcp_aging": "parcels",
    "imdb_wiki": "imdb_wiki",
    "stsb_dir": "sentences",
    "uci_airfoil": "airfoil",
    "ukb": "brains",
}
NEEDS = {  # dataset → package and extra that its generator needs
    "agedb_dir": ("PIL", "images"),
    "imdb_wiki": ("PIL", "images"),
    "ukb": ("nibabel", "volumes"),
}
ABOUT = """\
Write synthetic raw files in the format of a dataset, with content that depends on the label, so that the whole path
from raw files to a table can be run without the data. Results on a twin say nothing about the dataset itself.

They go to DIR/NAME_SIZE, from where `supremix prepare NAME --name NAME_SIZE` (stsb_dir: --split SIZE) prepares them.

sizes: tiny (dozens of items, for tests), small (a few hundred, for tables in minutes), demo (trains on a laptop's
processor in minutes), real (as the dataset)

examples:
  supremix twin ukb && supremix prepare ukb --name ukb_demo
  supremix twin stsb_dir && supremix prepare stsb_dir --split demo
  supremix twin agedb_dir --size tiny --out /tmp/raw"""


def main(arguments: list[str] | None = None) -> int:
    """Run ``supremix twin`` and return the exit code."""
    parser = argparse.ArgumentParser(
        "supremix twin", description=ABOUT, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_arguments(parser)
    return run(parser.parse_args(arguments))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("name", choices=sorted(MODULES), help="the dataset")
    parser.add_argument("--size", choices=TWIN_SIZES, default="demo", help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    add_folder(parser, "--out", "SUPREMIX_DATA", "data", "raw data")
    add_workers(parser)


def run(args: argparse.Namespace) -> int:
    """Write the twin that the options ask for, and return the exit code."""

    def body() -> None:
        from supremix.prepare.twins.raw_folder import TwinOptions

        if args.seed < 0 or args.workers < 1:
            raise UserError(f"--seed {args.seed} --workers {args.workers}: give a seed of 0 or more, 1 worker or more")
        if args.name in NEEDS:
            package, extra = NEEDS[args.name]
            needs(package, extra)
        options = TwinOptions(args.name, args.size, args.seed, args.out, args.workers)
        import_module(f"supremix.prepare.twins.{MODULES[args.name]}").generate(options)
        files = sum(path.is_file() for path in options.folder.rglob("*"))
        print(f"{options.folder}: synthetic {args.name}, size {args.size}, seed {args.seed}, {files} files")
        which = f"--split {args.size}" if args.name == "stsb_dir" else f"--name {options.folder.name}"
        print(f"prepare it: supremix prepare {args.name} {which} --data {args.out}")

    return exit_code(body)
