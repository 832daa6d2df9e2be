"""Frame Hydra's command line: mistakes in one line; keys, sweeps and folders that Hydra alone would let through."""

import hashlib
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from hydra._internal.utils import get_args_parser
from hydra.conf import HydraConf
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from supremix.errors import MISTAKES, UserError, mistake_in_path, one_line
from supremix.runtime import ranks
from supremix.runtime.entry import entry_point
from supremix.runtime.log import show
from supremix.runtime.output import Unheard, trouble
from supremix.settings import resolvers
from supremix.settings.compose import check_own, own_folder
from supremix.settings.overrides import check_added_keys, check_overrides, is_science, spelt

log = logging.getLogger(__name__)
_began = False  # whether a job of the driver did


@contextmanager
def driving() -> Iterator[None]:
    """Frame the driver's jobs: a mistake of the user ends them with one line on stderr and exit code 1."""
    global _began
    resolvers.register()
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # makes Hydra raise, instead of printing its own report
    _began = False
    try:
        with entry_point():
            sys.argv[1:] = map(spelt, sys.argv[1:])
            given = get_args_parser().parse_args(sys.argv[1:])
            check_overrides(given.overrides)
            sys.argv[1:] = with_own_configs(with_sweep_tag(sys.argv[1:]))
            if given.config_dir is not None:
                check_own(given.config_dir)
            yield
    except MISTAKES as error:
        sys.exit(f"error: {one_line(error)}")
    except (ValueError, OSError, RecursionError) as error:
        if isinstance(error, OSError) and (mistake := mistake_in_path(error)):
            sys.exit(f"error: {mistake}")
        if _began or trouble(sys.stdout):
            raise  # of a run, and no mistake that is known; before one, of Hydra
        sys.exit(f"error: {one_line(error)}: {_way_out(error)}")


def _way_out(error: ValueError | OSError | RecursionError) -> str:
    """Return what to do about what Hydra raises before a job begins."""
    if isinstance(error, RecursionError):
        return "a config includes itself, or its values are nested too deep: correct the defaults of your own configs"
    if isinstance(error, OSError):
        return "set paths.runs to a folder that can be written"
    if "Config group override" in str(error):
        return "choose options by name, as in dataset=uci_airfoil"
    return "correct it, or see `supremix train --help`"


def check_job(cfg: DictConfig, job: HydraConf) -> None:
    """Refuse what Hydra lets through, keys that nothing reads and a sweep on the ranks of one run; say what starts."""
    global _began
    _began = True
    resolvers.register()
    show()  # a launcher may have started a process for the job
    if job.mode == RunMode.MULTIRUN:
        try:
            ranks.check_alone()
        except UserError as error:
            sys.exit(f"error: {error}")  # and no other job of the sweep is tried
    check_added_keys(cfg, job.overrides.task)
    if job.mode == RunMode.RUN and cfg.trainer.progress in ("auto", "bar") and Unheard(sys.stderr).isatty():
        log.info("%s: starting", _named(cfg))  # before what is slow to import; a sweep announces its jobs


def _named(cfg: DictConfig) -> str:
    """Return what a run is, for the eye."""
    keys = ("dataset.name", "method.name", "protocol.name", "seed")
    dataset, method, protocol, seed = (OmegaConf.select(cfg, key) for key in keys)
    return f"{dataset} · {method} · {protocol} · seed {seed}"


def with_sweep_tag(arguments: Sequence[str]) -> list[str]:
    """Add a W&B tag to the arguments of a sweep (-m), by which its runs are found.

    The same sweep has the same tag, however and wherever it runs. A tag of the user's, ``tracking.sweep=…``, is kept.
    """
    others = tuple(f"tracking={name}" for name in ("none", "tensorboard", "trackio"))
    chosen = any(argument.startswith((*others, "tracking.sweep=")) for argument in arguments)
    if chosen or not {"-m", "--multirun"} & {*arguments}:
        return [*arguments]
    tag = sweep_name(arguments)
    log.info("W&B tag of this sweep's runs: %s", tag)
    return [*arguments, f"tracking.sweep={tag}"]


def sweep_name(arguments: Sequence[str]) -> str:
    """Return the name of a sweep, which follows from what it sweeps."""
    science = [argument for argument in arguments if is_science(argument)]
    return f"sweep-{hashlib.sha256(' '.join(sorted(science)).encode()).hexdigest()[:8]}"


def with_own_configs(arguments: list[str]) -> list[str]:
    """Add the folder of the user's own configs to the arguments, where there is one and they name none."""
    own = own_folder()
    named = any(argument.startswith(("--config-dir", "-cd")) for argument in arguments)
    return arguments if own is None or named else ["--config-dir", str(own), *arguments]
