"""Where the configs are, and the config that a list of overrides makes. Quick to import."""

from pathlib import Path

from omegaconf import DictConfig

PACKAGE = Path(__file__).parents[1]
CONF = PACKAGE / "conf" if (PACKAGE / "conf").is_dir() else PACKAGE.parents[1] / "conf"
"""The config folder: inside an installed wheel, or at the top of the source tree."""


def composed(conf: Path, overrides: list[str]) -> DictConfig:
    """The config that the driver would run with these overrides."""
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    GlobalHydra.instance().clear()
    with initialize_config_dir(version_base="1.3", config_dir=str(conf)):
        return compose("config", overrides=overrides)
