"""Functions that configs may call, as in ``${stem:…}``."""

from pathlib import Path

from omegaconf import OmegaConf


def register() -> None:
    """Make the functions known: ``stem`` is a file's name without its endings."""
    OmegaConf.register_new_resolver("stem", lambda path: Path(str(path)).name.partition(".")[0], replace=True)
