"""The one driver: ``python -m supremix.train dataset=… method=… protocol=… seed=…``."""

import logging
import sys

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from supremix.errors import MISTAKES, UserError, one_line
from supremix.runtime.output import Unheard, ending
from supremix.settings.compose import CONF
from supremix.settings.driver import check_job, driving
from supremix.suite.sweep import summed_up

log = logging.getLogger("supremix.train")  # as a script it has another name


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")
def main(cfg: DictConfig) -> str:
    """Execute one job and return its run's id; in a sweep, a failed job is reported and the others go on."""
    job = HydraConfig.get()
    try:
        check_job(cfg, job)
        if job.mode == RunMode.RUN and cfg.trainer.progress in ("auto", "bar") and Unheard(sys.stderr).isatty():
            log.info("%s: starting", named(cfg))  # before what is slow to import; a sweep announces its jobs
        from supremix.experiment.run import run

        return run(cfg).name
    except MISTAKES as error:
        if job.mode == RunMode.RUN:
            raise SystemExit(f"error: {one_line(error)}") from None
        raise UserError(one_line(error)) from None


def named(cfg: DictConfig) -> str:
    """Return what a run is, for the eye."""
    keys = ("dataset.name", "method.name", "protocol.name", "seed")
    dataset, method, protocol, seed = (OmegaConf.select(cfg, key) for key in keys)
    return f"{dataset} · {method} · {protocol} · seed {seed}"


def cli() -> None:
    """Entry point; a mistake of the user is one line on stderr and exit code 1."""
    with driving(), summed_up():
        main()


if __name__ == "__main__":
    with ending():
        cli()
