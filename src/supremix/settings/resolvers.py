"""Functions that configs may call, as in ``${stem:…}``."""

from pathlib import Path

from omegaconf import OmegaConf


def register() -> None:
    """Make the functions known: ``stem`` is a file's name without its endings."""
    OmegaConf.register_new_resolver("stem", stem, replace=True)


def stem(path: str | None) -> str:
    """Return a file's name without its endings; "own" without a file, which the loader tells."""
    return Path(str(path)).name.partition(".")[0] or "own" if path else "own"
