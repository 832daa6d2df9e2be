"""The one driver: ``python -m supremix.train dataset=… method=… protocol=… seed=…``."""

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from supremix.errors import MISTAKES, UserError, one_line
from supremix.runtime.output import ending
from supremix.settings.compose import CONF
from supremix.settings.driver import check_job, driving
from supremix.suite.sweep import summed_up


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")
def main(cfg: DictConfig) -> str:
    """Execute one job and return its run's id; in a sweep, a failed job is reported and the others go on."""
    job = HydraConfig.get()
    try:
        check_job(cfg, job)
        from supremix.experiment.run import run

        return run(cfg).name
    except MISTAKES as error:
        if job.mode == RunMode.RUN:
            raise SystemExit(f"error: {one_line(error)}") from None
        raise UserError(one_line(error)) from None


def cli() -> None:
    """Entry point; a mistake of the user is one line on stderr and exit code 1."""
    with driving(), summed_up():
        main()


if __name__ == "__main__":
    with ending():
        cli()
