"""Where the configs are, and the config that a list of overrides makes. Quick to import."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from omegaconf import DictConfig

PACKAGE = Path(__file__).parents[1]
CONF = PACKAGE / "conf" if (PACKAGE / "conf").is_dir() else PACKAGE.parents[1] / "conf"
"""The config folder: inside an installed wheel, or at the top of the source tree."""

OWN = "SUPREMIX_CONFIG_DIR"
"""Environment variable that names a folder with configs of the user's, in addition to the packaged ones."""


def own_folder() -> Path | None:
    """Return the folder of the user's own configs, such as ``dataset/x.yaml`` in it; None where there is none."""
    value = os.environ.get(OWN)
    return Path(value).absolute() if value else None


@contextmanager
def own_configs(folder: str | Path | None) -> Iterator[None]:
    """Add a folder of configs, for this process and those that it starts; None changes nothing.

    Raises UserError as `check_own` does.
    """
    if folder is None:
        yield
        return
    own = check_own(folder)
    before = os.environ.get(OWN)
    os.environ[OWN] = str(own)
    try:
        yield
    finally:
        if before is None:
            del os.environ[OWN]
        else:
            os.environ[OWN] = before


def check_own(folder: str | Path) -> Path:
    """Return a folder of the user's configs, absolute.

    Raises UserError where it is not there, has another file by the name of a packaged one, or one that is no config.
    """
    from supremix.errors import UserError
    from supremix.settings.written import read_yaml

    own = Path(folder).absolute()
    if not own.is_dir():
        raise UserError(f"--config-dir {folder}: no such folder: name one that is there")
    for path in sorted(own.rglob("*.yaml")):
        packaged = CONF / path.relative_to(own)
        if packaged.is_file() and (not path.is_file() or packaged.read_bytes() != path.read_bytes()):
            raise UserError(f"{path}: {path.relative_to(own)} is packaged already: give this one another name")
        if not isinstance(read_yaml(path), dict):
            raise UserError(f"{path}: it has no keys: write it like the packaged ones, key: value")
    return own


def search_path() -> list[str]:
    """Return Hydra's override that adds the user's own configs; none without them."""
    from supremix.settings.overrides import quoted

    own = own_folder()
    return [f"hydra.searchpath=[{quoted(f'file://{own}')}]"] if own else []


def specifications(conf: Path, group: str) -> dict[str, Path]:
    """Name → file of the configs of a group such as ``table``, the packaged ones first, then the user's own."""
    folders = [conf, *filter(None, [own_folder()])]
    paths = [path for folder in folders for path in sorted((folder / group).glob("*.yaml"))]
    return {path.stem: path for path in paths if not path.stem.startswith("_")}


def specification(conf: Path, group: str, name: str) -> Path:
    """Return the file of a table, figure or size, which need not exist."""
    return specifications(conf, group).get(name, conf / group / f"{name}.yaml")


def composed(conf: Path, overrides: list[str]) -> "DictConfig":
    """Compose the config that the driver would run with these overrides."""
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from hydra.initialize import get_gh_backup, restore_gh_from_backup

    from supremix.settings import resolvers

    resolvers.register()
    before = get_gh_backup()  # of a program that uses Hydra itself
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(version_base="1.3", config_dir=str(conf)):
            return compose("config", overrides=[*search_path(), *overrides])
    finally:
        restore_gh_from_backup(before)
