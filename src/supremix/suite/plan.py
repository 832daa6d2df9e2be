"""Plan the runs of a table: their overrides and their ids."""

import json
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from supremix.errors import UserError, shortened
from supremix.settings import identity
from supremix.settings.compose import composed
from supremix.settings.overrides import check_added_keys, key_of
from supremix.settings.source import data_configs, on_source
from supremix.suite.spec import Row, Spec


@dataclass(frozen=True)
class Cell:
    """One run of a table.

    Args:
        panel: name of the panel, empty where the table has one block.
        row: name of the row.
        seed: of the run.
        overrides: that make the run's config.
        run_id: None while the run's data is not there.
        pretrain_id: None where nothing is pre-trained, or the data is not there.
        dataset: name of the run's dataset, or of the one that is not there.
        method: name of the method.
        hint: how to prepare the data that is not there.
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
        """Row, panel and seed, for progress lines."""
        return " · ".join(part for part in (self.row, self.panel, f"seed {self.seed}") if part)


def plan(spec: Spec, conf: Path, overrides: list[str], known: "Checksums | None" = None) -> list[Cell]:
    """Return every cell of the table.

    Args:
        spec: the table.
        conf: the config folder.
        overrides: the user's, after the table's own; UserError for one that would do nothing.
        known: checksums of the plans before, which this one reads and adds to; None reads its own.
    """
    for override in overrides:
        if key_of(override) == "seed":
            raise UserError(f"{override}: every run of a table has a seed of its own: use --seeds")
    lines = [[*spec.overrides, *panel.overrides, *row.line, *overrides] for panel, row in spec.cells()]
    cfgs = [composed(conf, line) for line in lines]
    _check_added(overrides, cfgs)
    cells: list[Cell] = []
    checksums = known or Checksums()
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
    """Raise UserError for ``+key=value`` that no row reads; it is enough that one row reads it."""
    for override in overrides:
        errors = []
        for cfg in cfgs:
            try:
                check_added_keys(cfg, OmegaConf.create([override]))
            except UserError as error:
                errors.append(error)
        if errors and len(errors) == len(cfgs):
            raise errors[0]


class Checksums:
    """Checksums of data, read once for each way to load it, since they do not depend on the seed."""

    def __init__(self) -> None:
        self.known: dict[str, tuple[str | None, str | None]] = {}

    def of(self, cfg: DictConfig) -> tuple[str | None, str | None]:
        """Return the checksum and None; None and how to prepare the data where it is not there."""
        from supremix.settings.build import build

        key = json.dumps(OmegaConf.to_container(cfg.dataset.load, resolve=True), sort_keys=True)
        if key not in self.known:
            try:
                self.known[key] = build("dataset.load", cfg.dataset.load).sha256, None
            except UserError as error:
                self.known[key] = None, str(error)
        return self.known[key]

    def all(self, cfg: DictConfig) -> tuple[list[str], tuple[str, str] | None]:
        """Return the checksums of all data of a run, and the first dataset that is not there with how to prepare it."""
        sums: list[str] = []
        for data_cfg in data_configs(cfg):
            sha256, hint = self.of(data_cfg)
            if sha256 is None:
                return sums, (data_cfg.dataset.name, str(hint))
            sums.append(sha256)
        return sums, None


def ids(cfg: DictConfig, sums: list[str]) -> tuple[str, str | None]:
    """Return the id of a run, and that of its pre-training, or None where nothing is pre-trained.

    Args:
        cfg: the composed config.
        sums: checksum of the run's data, and with transfer that of the source's data after it.
    """
    science = identity.scientific(cfg)
    run_id = identity.run_id(science, *sums)
    if cfg.method.loss is None:
        return run_id, None
    of_source = science if cfg.transfer is None else identity.scientific(on_source(cfg))
    return run_id, identity.pretrain_id(of_source, sums[-1])


def with_panels(spec: Spec, overrides: list[str]) -> Spec:
    """Return the table with the panels whose settings the user's overrides do not contradict.

    Raises:
        UserError: they contradict all panels.
    """
    given = {key_of(override): override for override in overrides}
    own = {panel.name: {key_of(override): override for override in panel.overrides} for panel in spec.panels}
    kept = [
        panel for panel in spec.panels if all(given.get(key, line) == line for key, line in own[panel.name].items())
    ]
    if not kept:
        known = sorted({line for lines in own.values() for key, line in lines.items() if key in given})
        raise UserError(f"{spec.title}: its panels set this themselves: choose one of {', '.join(known)}")
    names = {panel.name for panel in kept}
    rows = [row for row in spec.rows if row.panels is None or names & {*row.panels}]
    return replace(spec, panels=kept, rows=[_in_panels(row, names) for row in rows])


def _in_panels(row: Row, names: set[str]) -> Row:
    return row if row.panels is None else replace(row, panels=[name for name in row.panels if name in names])


def with_seeds(spec: Spec, seeds: list[int] | None) -> Spec:
    """Return the table over other seeds; None keeps its own."""
    return spec if seeds is None else replace(spec, seeds=seeds, planned=spec.seeds)


def with_rows(spec: Spec, names: list[str] | None) -> Spec:
    """Return the table with these rows alone; None keeps all. UserError for a row that it does not have."""
    known = [row.name for row in spec.rows]
    for name in names or []:
        if name not in known:
            near = get_close_matches(name, known, 1)
            meant = f"did you mean {near[0]!r}? " if near else ""
            raise UserError(f"--row {name}: {spec.name} has no such row: {meant}there are {'; '.join(known)}")
    return spec if names is None else replace(spec, rows=[row for row in spec.rows if row.name in names])


TITLE = 48  # characters, so that the line fits 80 columns


def shown_plan(spec: Spec, conf: Path, overrides: list[str]) -> list[Cell]:
    """Plan as `plan` does, with a line on stderr meanwhile if that is a terminal."""
    from rich.console import Console
    from rich.markup import escape

    count = len(spec.cells()) * len(spec.seeds)
    with Console(stderr=True).status(f"composing {count} runs of {escape(shortened(spec.title, TITLE))} …"):
        return plan(spec, conf, overrides)
