"""Options that the sub-commands share, and what becomes of them. Quick to import, so that help is instant."""

import argparse
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from supremix.settings.compose import CONF, OWN, specifications

if TYPE_CHECKING:
    from supremix.inference.model import Model
    from supremix.suite.launchers import Launcher
    from supremix.suite.size import Size

GROUPS = ("dataset", "method", "protocol", "backbone", "transfer", "imbalance", "trainer", "tracking")
DIGITS_OF_SEED = 18
LAUNCHERS = ("basic", "joblib", "submitit_local", "slurm", "ray")


def names(group: str) -> list[str]:
    """List the configs of a group by name, numbers first and in their order."""
    return sorted(specifications(CONF, group), key=lambda name: (not name.isdecimal(), name.zfill(3)))


def completed(group: str) -> Callable[..., list[str]]:
    """Return what completes the name of a config of this group at a shell."""
    return lambda **_: names(group)


def complete_override(prefix: str, **_: object) -> list[str]:
    """Complete ``group=name`` at a shell: the group first, then the names of its configs."""
    group, equals, _part = prefix.partition("=")
    return [f"{group}={name}" for name in names(group)] if equals else [f"{group}=" for group in GROUPS]


def add_overrides(parser: argparse.ArgumentParser, what: str = "Hydra overrides for every run") -> None:
    """Add the positional ``key=value``, which come last."""
    argument = parser.add_argument("overrides", nargs="*", metavar="key=value", help=what)
    argument.completer = complete_override  # type: ignore[attr-defined]


def add_config_dir(parser: argparse.ArgumentParser) -> None:
    """Add the folder of the user's own configs."""
    parser.add_argument(
        "--config-dir",
        type=Path,
        metavar="DIR",
        default=os.environ.get(OWN),
        help=f"folder with table/, dataset/, method/ … of your own, beside the packaged ones (default: ${OWN})",
    )


def add_store(parser: argparse.ArgumentParser) -> None:
    """Add the folder of the store."""
    folder = Path(os.environ.get("SUPREMIX_RUNS") or "runs")
    parser.add_argument(
        "--store", type=Path, metavar="DIR", default=folder, help="default: $SUPREMIX_RUNS, else runs; now %(default)s"
    )


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add the positional that names a model."""
    parser.add_argument("model", metavar="RUN", help="a run's folder or how its id begins, or a saved model's folder")


def add_rows(parser: argparse.ArgumentParser) -> None:
    """Add the positional that names a file with rows."""
    parser.add_argument("file", metavar="FILE", type=Path, help="rows: .csv, .tsv, .parquet, .xlsx, or arrays in .npy")


def add_head(parser: argparse.ArgumentParser) -> None:
    """Add which head predicts."""
    parser.add_argument(
        "--head", choices=("trained", "ridge"), default="trained", help="ridge: the linear probe in closed form"
    )


def model_of(options: argparse.Namespace) -> "Model":
    """Load the model that `add_model` names."""
    from supremix.inference.load import load
    from supremix.inference.model import CONFIG
    from supremix.store.folders import Store
    from supremix.suite.stored import find_run

    saved = Path(options.model)
    return load(saved if (saved / CONFIG).is_file() else find_run(Store(options.store), options.model))


def rows_of(path: Path, model: "Model") -> Any:
    """Read the rows of a file: a DataFrame, or an array of a .npy file.

    Args:
        path: of the file.
        model: knows the names of the columns where the training file had no line of names.
    """
    import numpy as np

    from supremix.data.own.delimited import HEADER_AGAIN
    from supremix.data.own.sheet import read_sheet
    from supremix.data.readers import Features
    from supremix.errors import UserError

    if path.suffix != ".npy":
        labels = None if isinstance(model.intake.reader, Features) else model.intake.labels
        sheet = read_sheet(path, model.intake.columns, labels)
        lost = [problem for problem in sheet.problems if problem.reason != HEADER_AGAIN]
        if lost:
            more = f", and {len(lost) - 1} more such lines" if len(lost) > 1 else ""
            raise UserError(f"{path}: {lost[0].place}: {lost[0].reason}{more}: correct it, so that no row is left out")
        if unusual := sheet.facts[1:-1]:  # between the form of the file and the number of rows
            logging.getLogger(__name__).warning("%s: %s", path, "; ".join(unusual))
        return sheet.frame.reset_index(drop=True)
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"{path}: not readable as an array ({error}): give one that numpy.save wrote") from None


def add_size(parser: argparse.ArgumentParser) -> None:
    """Add the size of the data."""
    listed = ", ".join(names("size"))
    argument = parser.add_argument("--size", help=f"small synthetic data in place of the real: {listed}")
    argument.completer = completed("size")  # type: ignore[attr-defined]


def add_launcher(parser: argparse.ArgumentParser) -> None:
    """Add the options that say what starts the runs."""
    known = f"{', '.join(LAUNCHERS)} (default: joblib where it is installed, else basic)"
    argument = parser.add_argument("--launcher", help=f"what starts the runs: {known}")
    argument.completer = lambda **_: LAUNCHERS  # type: ignore[attr-defined]
    default = "this machine's cores; on Slurm array_parallelism of conf/hydra/launcher/slurm.yaml"
    parser.add_argument("--jobs", type=int, help=f"runs at a time (default: {default})")


def launcher_of(options: argparse.Namespace) -> "tuple[Launcher, list[str]]":
    """Return the launcher that was chosen, and the overrides that are not Hydra's own; those belong to the launcher."""
    from supremix.suite.launchers import Launcher, named, usual

    own = [override for override in options.overrides if override.lstrip("+~").startswith(("hydra.", "hydra/"))]
    launcher = named(options.launcher or usual(), options.jobs)
    rest = [override for override in options.overrides if override not in own]
    return Launcher([*launcher.overrides, *own], launcher.at_once), rest


def size_of(options: argparse.Namespace) -> "Size":
    """Return the size that was chosen; the paper's by default."""
    from supremix.suite import size

    return size.load(CONF, options.size)


def seeds_of(text: str | None) -> list[int] | None:
    """Return the seeds of an option ``--seeds 0,1,2``; None where it is not given."""
    from supremix.errors import UserError, shortened

    parts = [part.strip() for part in text.split(",")] if text is not None else []
    fitting = all(part.isascii() and part.isdecimal() and len(part) <= DIGITS_OF_SEED for part in parts)
    if not fitting or len({*map(int, parts)}) < len(parts):
        raise UserError(
            f"--seeds {shortened(str(text))}: give whole numbers, 0 or more, each once, with commas between them, of "
            f"{DIGITS_OF_SEED} digits at most"
        )
    return [int(part) for part in parts] or None


def overrides_of(given: list[str]) -> list[str]:
    """Check that what no parser knows are overrides; UserError for an option that the sub-command does not have."""
    from supremix.errors import UserError

    for argument in given:
        if argument.startswith("-"):
            raise UserError(f"unknown option {argument}: see --help")
    return given
