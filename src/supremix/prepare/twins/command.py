"""Twins: synthetic raw files in the on-disk format of a dataset that cannot be downloaded freely."""

import argparse
import os
from collections.abc import Callable
from pathlib import Path

from supremix.errors import UserError
from supremix.prepare.shared.command import command
from supremix.prepare.twins import agedb_dir, airfoil, brains, imdb_wiki, parcels, sentences
from supremix.prepare.twins.common import Order

TWINS: dict[str, Callable[[Order], None]] = {
    "agedb_dir": agedb_dir.generate,
    "hcp_aging": parcels.generate,
    "imdb_wiki": imdb_wiki.generate,
    "stsb_dir": sentences.generate,
    "uci_airfoil": airfoil.generate,
    "ukb": brains.generate,
}
SIZES = ("tiny", "small", "demo", "real")
WHICH = {"stsb_dir": "--split twin"}  # the options that choose the twin, where a name does not
ABOUT = """\
Write synthetic raw files in the format of a dataset, with content that depends on the label, so that the whole path
from raw files to a table can be run without the data. Results on a twin say nothing about the dataset itself.

They go to DIR/<name>_twin, from where data_prep/<name>.py --name <name>_twin (stsb_dir: --split twin) prepares them.

sizes: tiny (dozens of items, for tests), small (a few hundred, for tables at SIZE=twin), demo (trains on a laptop's
processor in minutes), real (as the dataset)"""


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=ABOUT, formatter_class=argparse.RawDescriptionHelpFormatter)
    data = Path(os.environ.get("SUPREMIX_DATA") or "data")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    parser.add_argument("name", choices=sorted(TWINS), help="the dataset")
    parser.add_argument("--size", choices=SIZES, default="demo", help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        default=data,
        help="directory of raw data (default: $SUPREMIX_DATA, else data; now %(default)s)",
    )
    parser.add_argument("--workers", type=int, default=cores, help="processes at once (default: %(default)s)")
    args = parser.parse_args(arguments)

    def body() -> None:
        if args.seed < 0 or args.workers < 1:
            raise UserError(f"--seed {args.seed} --workers {args.workers}: give a seed of 0 or more, 1 worker or more")
        order = Order(args.name, args.size, args.seed, args.out, args.workers)
        TWINS[args.name](order)
        there = sum(path.is_file() for path in order.folder.rglob("*"))
        print(f"{order.folder}: synthetic {args.name}, size {args.size}, seed {args.seed}, {there} files")
        which = WHICH.get(args.name, f"--name {order.folder.name}")
        print(f"prepare it: python data_prep/{args.name}.py {which} --data {args.out}")

    return command(body)
