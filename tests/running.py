"""Small runs on scikit-learn's diabetes data, for tests of everything between the command line and the record."""

import sys
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from supremix.experiment.run import run
from supremix.settings.compose import CONF, composed
from supremix.store.records import read_record

SMALL = [
    "dataset=diabetes",
    "tracking=none",
    "trainer.progress=off",
    "trainer.accelerator=cpu",
    "dataset.recipe.pretrain.epochs=2",
    "dataset.recipe.vanilla.epochs=2",
    "dataset.recipe.adapt.epochs=3",
]


def config(tmp_path: Path, *overrides: str) -> DictConfig:
    """The composed config of a small run whose store is below ``tmp_path``."""
    return composed(CONF, [*SMALL, f"paths.runs={tmp_path / 'runs'}", *overrides])


def run_small(tmp_path: Path, *overrides: str) -> tuple[Path, dict[str, Any]]:
    """Run it; the run's directory and record."""
    directory = run(config(tmp_path, *overrides))
    return directory, read_record(directory)


def without_verdict(text: str) -> list[str]:
    """The lines of an output, less the warning of a run too short to learn anything."""
    return [line for line in text.splitlines() if "nothing was learnt" not in line]


def forget_modules(folder: Path) -> None:
    """Forget the modules that were imported from a folder, so that another of their names is found by later tests."""
    for name in [name for name, module in sys.modules.items() if str(folder) in str(getattr(module, "__file__", ""))]:
        del sys.modules[name]
