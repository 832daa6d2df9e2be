"""Which runs a table needs, and their identities."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from supremix.errors import UserError
from supremix.settings import identity
from supremix.settings.compose import composed
from supremix.settings.overrides import check_added_keys, key_of
from supremix.settings.source import data_configs
from supremix.suite.spec import Spec


@dataclass(frozen=True)
class Cell:
    """One run of a table: a panel, a row and a seed.

    ``run_id`` is None while its data is not there; ``dataset`` and ``hint`` say then which and what to do.
    ``pretrain_id`` is None where nothing is pre-trained on that data.
    """

    panel: str
    row: str
    seed: int
    overrides: list[str]
    run_id: str | None = None
    pretrain_id: str | None = None
    dataset: str = ""
    method: str = ""
    hint: str | None = None

    @property
    def label(self) -> str:
        """For progress lines."""
        return " · ".join(part for part in (self.row, self.panel, f"seed {self.seed}") if part)


def plan(spec: Spec, conf: Path, overrides: list[str]) -> list[Cell]:
    """Plan every cell of a table, with overrides after the table's own; raise UserError if one would do nothing."""
    for override in overrides:
        if key_of(override) == "seed":
            raise UserError(f"{override}: every run of a table has a seed of its own: use --seeds")
    lines = [[*spec.overrides, *panel.overrides, *row.overrides, *overrides] for panel, row in spec.cells()]
    cfgs = [composed(conf, line) for line in lines]
    _check_added(overrides, cfgs)
    cells: list[Cell] = []
    checksums = Checksums()
    for (panel, row), line, cfg in zip(spec.cells(), lines, cfgs, strict=True):
        sums, absent = checksums.all(cfg)
        dataset, hint = absent or (cfg.dataset.name, None)
        if hint and spec.size:
            hint = f"made before the first run at SIZE={spec.size}"
        for seed in spec.seeds:
            cfg.seed = seed
            run_id, pretrain_id = ids(cfg, sums) if absent is None else (None, None)
            about = (dataset, cfg.method.name, hint)
            cells.append(Cell(panel.name, row.name, seed, [*line, f"seed={seed}"], run_id, pretrain_id, *about))
    return cells


def _check_added(overrides: list[str], cfgs: list[DictConfig]) -> None:
    """Raise UserError for ``+key=value`` that no row reads; one row may have what another does not."""
    for override in overrides:
        refused = []
        for cfg in cfgs:
            try:
                check_added_keys(cfg, OmegaConf.create([override]))
            except UserError as error:
                refused.append(error)
        if refused and len(refused) == len(cfgs):
            raise refused[0]


class Checksums:
    """Checksums of data, read once for each way to load it: a checksum does not depend on the seed."""

    def __init__(self) -> None:
        self.known: dict[str, tuple[str | None, str | None]] = {}

    def of(self, cfg: DictConfig) -> tuple[str | None, str | None]:
        """Return the checksum of data, or None and how to prepare it."""
        from supremix.settings.build import build

        key = json.dumps(OmegaConf.to_container(cfg.dataset.load, resolve=True), sort_keys=True)
        if key not in self.known:
            try:
                self.known[key] = build("dataset.load", cfg.dataset.load).sha256, None
            except UserError as error:
                self.known[key] = None, str(error)
        return self.known[key]

    def all(self, cfg: DictConfig) -> tuple[list[str], tuple[str, str] | None]:
        """Return the checksums of all data of a run, and the first unprepared dataset with how to prepare it."""
        sums: list[str] = []
        for one in data_configs(cfg):
            sha256, hint = self.of(one)
            if sha256 is None:
                return sums, (one.dataset.name, str(hint))
            sums.append(sha256)
        return sums, None


def ids(cfg: DictConfig, sums: list[str]) -> tuple[str, str | None]:
    """Return the id of a run, and that of its pre-trained encoder or None.

    sums: of the run's data, and with transfer of the source's after it.
    """
    origin = data_configs(cfg)[-1]
    pretrain_id = identity.pretrain_id(identity.scientific(origin), sums[-1]) if cfg.method.loss is not None else None
    return identity.run_id(identity.scientific(cfg), *sums), pretrain_id


def with_seeds(spec: Spec, seeds: list[int] | None) -> Spec:
    """Return the table over other seeds."""
    return spec if seeds is None else replace(spec, seeds=seeds)


def shown_plan(spec: Spec, conf: Path, overrides: list[str]) -> list[Cell]:
    """Plan as `plan` does, with a status line while it lasts, at a terminal."""
    from rich.console import Console
    from rich.markup import escape

    count = len(spec.cells()) * len(spec.seeds)
    with Console(stderr=True).status(f"composing {count} runs of {escape(spec.title)} …"):
        return plan(spec, conf, overrides)
