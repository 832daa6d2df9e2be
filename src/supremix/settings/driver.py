"""What Hydra's command line leaves open: mistakes in one line, and keys and sweeps that it would let through."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from hydra.conf import HydraConf
from hydra.types import RunMode
from omegaconf import DictConfig

from supremix.errors import MISTAKES, UserError, one_line
from supremix.runtime import log, ranks
from supremix.runtime.ending import ending_on_signals
from supremix.settings.compose import own_folder
from supremix.settings.overrides import check_added_keys, with_sweep_tag

_began = False  # whether a job of the driver did


@contextmanager
def driving() -> Iterator[None]:
    """Enclose the driver's jobs: a mistake of the user ends them with one line on stderr and exit code 1."""
    global _began
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # makes Hydra raise, instead of printing its own report
    _began = False
    log.show()
    sys.argv[1:] = with_sweep_tag(sys.argv[1:])
    if (own := own_folder()) and not any(argument.startswith(("--config-dir", "-cd")) for argument in sys.argv):
        sys.argv[1:1] = ["--config-dir", str(own)]
    try:
        with ending_on_signals():
            yield
    except MISTAKES as error:
        sys.exit(f"error: {one_line(error)}")
    except (ValueError, OSError) as error:
        if _began:
            raise  # of a run, and no mistake that is known; before one, of Hydra: dataset=5, a folder it cannot make
        sys.exit(f"error: {error}: choose options by name, as in dataset=uci_airfoil, and paths.runs to be a folder")


def check_job(cfg: DictConfig, job: HydraConf) -> None:
    """Refuse what Hydra lets through: keys that nothing reads, and a sweep on the ranks of one run."""
    global _began
    _began = True
    log.show()  # a launcher may have started a process for the job
    if job.mode == RunMode.MULTIRUN:
        try:
            ranks.check_alone()
        except UserError as error:
            sys.exit(f"error: {error}")  # and no other job of the sweep is tried
    check_added_keys(cfg, job.overrides.task)
