"""Hydra's launchers by the names that ``--launcher`` knows them by."""

import importlib.util
import logging
import os
from dataclasses import dataclass

from supremix.errors import UserError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Launcher:
    """Hydra overrides that choose a launcher and configure it.

    Args:
        overrides: as in a command line, ``hydra/launcher=joblib`` first.
        at_once: the most runs that are handed over together; None for a launcher with a limit of its own.
    """

    overrides: list[str]
    at_once: int | None = None


IN_PROCESS = Launcher(["hydra/launcher=basic"])
"""Runs one after another in this process."""


def usual() -> str:
    """Name the launcher for a command line that names none: joblib, or basic where joblib's plugin is missing."""
    if importlib.util.find_spec("hydra_plugins") and importlib.util.find_spec("hydra_plugins.hydra_joblib_launcher"):
        return "joblib"
    log.info("note: one run at a time; for several at once: pip install 'supremix[sweep]'")
    return "basic"


def named(name: str, jobs: int | None = None) -> Launcher:
    """Return the launcher of this name.

    Args:
        name: a key of ``known`` below; UserError for another.
        jobs: runs at a time; by default as many as this machine has cores, on Slurm as
            conf/hydra/launcher/slurm.yaml says.
    """
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
