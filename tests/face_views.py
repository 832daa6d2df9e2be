"""The colour views of faces with the values of conf/dataset/agedb_dir.yaml, for tests."""

from typing import Any

from omegaconf import OmegaConf

from supremix.data.views.images import ColourViews
from supremix.settings.compose import CONF


def colour_views(**changes: Any) -> ColourViews:
    """The views of pre-training; ``changes`` in place of the config's values."""
    values: Any = OmegaConf.to_container(OmegaConf.load(CONF / "dataset" / "agedb_dir.yaml").dataset.load.views)
    del values["_target_"]
    return ColourViews(**values | changes)
