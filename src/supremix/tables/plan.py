"""Which runs a table needs, and their identities."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf

from supremix import identity
from supremix.errors import UserError
from supremix.tables.spec import Spec
from supremix.transfer import data_configs


@dataclass(frozen=True)
class Cell:
    """One run of a table: a panel, a row and a seed.

    ``run_id`` is None while its data is not there, and ``hint`` says then what to do; ``stage1_id`` is None where
    nothing is pre-trained on that data.
    """

    panel: str
    row: str
    seed: int
    overrides: list[str]
    run_id: str | None = None
    stage1_id: str | None = None
    dataset: str = ""
    method: str = ""
    hint: str | None = None

    @property
    def label(self) -> str:
        """For progress lines."""
        return " · ".join(part for part in (self.row, self.panel, f"seed {self.seed}") if part)


def plan(spec: Spec, conf: Path, overrides: list[str]) -> list[Cell]:
    """Every cell of the table; ``overrides`` come after the table's own."""
    cells: list[Cell] = []
    checksums = Checksums()
    for panel, row in spec.cells():
        line = [*spec.overrides, *panel.overrides, *row.overrides, *overrides]
        cfg = composed(conf, line)
        sha256s, hint = checksums.of(cfg)
        for seed in spec.seeds:
            cfg.seed = seed
            run_id, stage1_id = ids(cfg, sha256s) if sha256s else (None, None)
            about = (cfg.dataset.name, cfg.method.name, hint)
            cells.append(Cell(panel.name, row.name, seed, [*line, f"seed={seed}"], run_id, stage1_id, *about))
    return cells


class Checksums:
    """Checksums of data, read once for each way to load it: a checksum does not depend on the seed."""

    def __init__(self) -> None:
        self.known: dict[str, tuple[str | None, str | None]] = {}

    def of(self, cfg: DictConfig) -> tuple[list[str], str | None]:
        """Those of all data that the run reads; none, and what is to be done, where some of it is not there."""
        found = [self._of_one(one) for one in data_configs(cfg)]
        hint = next((hint for _, hint in found if hint), None)
        return [] if hint else [str(sha256) for sha256, _ in found], hint

    def _of_one(self, cfg: DictConfig) -> tuple[str | None, str | None]:
        from supremix.experiment import build

        key = json.dumps(OmegaConf.to_container(cfg.dataset.load, resolve=True), sort_keys=True)
        if key not in self.known:
            try:
                self.known[key] = build("dataset.load", cfg.dataset.load).sha256, None
            except UserError as error:
                self.known[key] = None, str(error)
        return self.known[key]


def ids(cfg: DictConfig, sha256s: list[str]) -> tuple[str, str | None]:
    """Identity of a run, and of the encoder that it pre-trains or takes from the store, where there is one.

    sha256s: of the run's data; with transfer, of the data that the encoder comes from last.
    """
    origin = identity.scientific(data_configs(cfg)[-1])
    encoder_id = identity.encoder_id(origin, sha256s[-1]) if cfg.method.loss is not None else None
    return identity.run_id(identity.scientific(cfg), *sha256s), encoder_id


def with_seeds(spec: Spec, seeds: list[int] | None) -> Spec:
    """The same table over other seeds."""
    return spec if seeds is None else replace(spec, seeds=seeds)


def composed(conf: Path, overrides: list[str]) -> DictConfig:
    """The config that the driver would run with these overrides."""
    GlobalHydra.instance().clear()
    with initialize_config_dir(version_base="1.3", config_dir=str(conf)):
        return compose("config", overrides=overrides)
