"""The ways to start a table's runs: Hydra's launchers, by the names that the command lines give them."""

import argparse
import importlib.util
import logging
import os
from dataclasses import dataclass

from supremix.errors import UserError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Launcher:
    """Hydra overrides that choose a launcher and configure it.

    at_once: the most runs that are handed to it together; None hands it all, for it has a limit of its own.
    """

    overrides: list[str]
    at_once: int | None = None


IN_PROCESS = Launcher(["hydra/launcher=basic"])
"""One run after another in this process."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options that ``from_options`` reads."""
    known = "basic, joblib (default where it is installed), submitit_local, slurm or ray"
    parser.add_argument("--launcher", help=known)
    parser.add_argument("--jobs", type=int, help="runs at a time (default: this machine's cores; on Slurm no limit)")


def from_options(options: argparse.Namespace, overrides: list[str]) -> tuple[Launcher, list[str]]:
    """The launcher of the command line, and what is left of the overrides; those of Hydra itself are its own."""
    own = [override for override in overrides if override.lstrip("+~").startswith(("hydra.", "hydra/"))]
    launcher = named(options.launcher or usual(), options.jobs)
    rest = [override for override in overrides if override not in own]
    return Launcher([*launcher.overrides, *own], launcher.at_once), rest


def usual() -> str:
    """Name the launcher for a command line that names none: joblib, or basic where joblib's plugin is missing."""
    if importlib.util.find_spec("hydra_plugins") and importlib.util.find_spec("hydra_plugins.hydra_joblib_launcher"):
        return "joblib"
    log.info("note: one run at a time; for several at once: pip install 'supremix[sweep]'")
    return "basic"


def named(name: str, jobs: int | None = None) -> Launcher:
    """The launcher of this name with so many runs at a time; by default as many as cores, on Slurm as it allows."""
    if jobs is not None and jobs < 1:
        raise UserError(f"--jobs={jobs}: give a whole number, 1 or more")
    number = jobs or os.cpu_count() or 1
    known = {
        "basic": IN_PROCESS,
        "joblib": Launcher(["hydra/launcher=joblib", f"hydra.launcher.n_jobs={number}"]),
        "submitit_local": Launcher(["hydra/launcher=submitit_local"], at_once=number),
        "slurm": Launcher(["hydra/launcher=slurm", *([f"hydra.launcher.array_parallelism={jobs}"] if jobs else [])]),
        "ray": Launcher(["hydra/launcher=ray", f"+hydra.launcher.ray.init.num_cpus={number}"]),
    }
    if name not in known:
        raise UserError(f"--launcher={name}: use one of {', '.join(known)}")
    return known[name]
