"""The one driver: ``python -m supremix.train dataset=… method=… protocol=… seed=…``."""

import os
import sys

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import CompactHydraException
from hydra.types import RunMode
from omegaconf import DictConfig

from supremix.commandline import CONF, MISTAKES, check_job, ending_on_signals, one_line


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")
def main(cfg: DictConfig) -> None:
    """Execute one job; in a sweep, a failed job is told and the others go on."""
    job = HydraConfig.get()
    try:
        check_job(cfg, job)
        from supremix.experiment import run  # heavy imports stay out of --help and --cfg

        run(cfg)
    except MISTAKES as error:
        if job.mode == RunMode.RUN:
            sys.exit(f"error: {one_line(error)}")
        raise CompactHydraException(f"{job.job.override_dirname}: {one_line(error)}") from None


def cli() -> None:
    """Entry point; a mistake of the user is one line on stderr and exit code 1."""
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # makes Hydra raise, instead of printing its own report
    try:
        with ending_on_signals():
            main()
    except MISTAKES as error:
        sys.exit(f"error: {one_line(error)}")
    except (ValueError, OSError) as error:
        if HydraConfig.initialized():
            raise  # of a run; before one, of Hydra itself: dataset=5, or a sweep's folder that cannot be made
        sys.exit(f"error: {error}: choose options by name, as in dataset=uci_airfoil, and paths.runs to be a folder")


if __name__ == "__main__":
    cli()
