"""Which runs a table needs, and their identities."""

from dataclasses import dataclass, replace
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig

from supremix import identity
from supremix.errors import UserError
from supremix.tables.spec import Spec
from supremix.transfer import data_configs


@dataclass(frozen=True)
class Cell:
    """One run of a table: a panel, a row and a seed. ``run_id`` is None while its data is not there."""

    panel: str
    row: str
    seed: int
    overrides: list[str]
    run_id: str | None = None

    @property
    def label(self) -> str:
        """For progress lines."""
        return " · ".join(part for part in (self.row, self.panel, f"seed {self.seed}") if part)


def plan(spec: Spec, conf: Path, overrides: list[str]) -> list[Cell]:
    """Every cell of the table; ``overrides`` come after the table's own."""
    from supremix.experiment import build

    cells: list[Cell] = []
    checksums: dict[str, str | None] = {}
    for panel, row in spec.cells():
        line = [*spec.overrides, *panel.overrides, *row.overrides, *overrides]
        cfg = composed(conf, line)
        configs = data_configs(cfg)
        for one in configs:
            if one.dataset.name not in checksums:
                try:
                    checksums[one.dataset.name] = build("dataset.load", one.dataset.load).sha256
                except UserError:
                    checksums[one.dataset.name] = None
        found = [sha256 for one in configs if (sha256 := checksums[one.dataset.name])]
        for seed in spec.seeds:
            cfg.seed = seed
            run_id = identity.run_id(identity.scientific(cfg), *found) if len(found) == len(configs) else None
            cells.append(Cell(panel.name, row.name, seed, [*line, f"seed={seed}"], run_id))
    return cells


def with_seeds(spec: Spec, seeds: list[int] | None) -> Spec:
    """The same table over other seeds."""
    return spec if seeds is None else replace(spec, seeds=seeds)


def composed(conf: Path, overrides: list[str]) -> DictConfig:
    """The config that the driver would run with these overrides."""
    GlobalHydra.instance().clear()
    with initialize_config_dir(version_base="1.3", config_dir=str(conf)):
        return compose("config", overrides=overrides)
