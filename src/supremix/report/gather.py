"""What a report is made from: the runs of a store or beside rendered tables, and these tables."""

import csv
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from supremix.errors import UserError
from supremix.settings.compose import CONF, specification
from supremix.settings.repeat import overrides_of
from supremix.store.folders import Store, finished
from supremix.store.records import read_record
from supremix.suite.reading import load
from supremix.tables import computed, files
from supremix.tables.results import Results


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        record: of the run; beside a rendered table it has no config.
        folder: in the store; None where the store has it not.
        given: the overrides that a rendered table keeps of it; None in a store.
    """

    record: dict[str, Any]
    folder: Path | None
    given: list[str] | None = None

    @property
    def validation(self) -> float | None:
        """Its validation MAE, by which runs are ranked."""
        mae: float | None = self.record["metrics"]["val"]["best"].get("mae")
        return mae

    def overrides(self) -> list[str] | None:
        """Return what follows ``supremix train`` to run it again; None where that cannot be told."""
        if self.given is not None:
            return self.given
        return overrides_of(self.folder, self.record["config"]) if self.folder else None


@dataclass
class Gathered:
    """What there is to report.

    Attributes:
        runs: by dataset, those of the lowest validation MAE first.
        tables: rendered from specifications.
        others: title → lines of rendered tables without one, headings first.
        unread: what is wrong with runs that cannot be read.
    """

    runs: list[Run] = field(default_factory=list)
    tables: list[Results] = field(default_factory=list)
    others: dict[str, list[list[str]]] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)


def gather(what: Path, store: Store) -> Gathered:
    """Read a store, a rendered table's folder, or a folder of these.

    Args:
        what: the folder.
        store: where runs of rendered tables are looked up.

    Raises:
        UserError: there is nothing to report.
    """
    gathered = Gathered()
    folders = [folder for folder in (what, *sorted(what.glob("*/"))) if (folder / "table.csv").is_file()]
    for folder in folders:
        _add_table(gathered, folder, store)
    if not folders:
        _add_store(gathered, Store(what))
    if not (gathered.runs or gathered.tables or gathered.others):
        raise UserError(f"{what}: neither a store with finished runs nor a folder of rendered tables: name one")
    unique = {run.record["id"]: run for run in gathered.runs}
    gathered.runs = sorted(unique.values(), key=_rank)
    return gathered


def _rank(run: Run) -> tuple[str, bool, float]:
    return run.record["dataset"], run.validation is None, run.validation or 0.0


def _add_store(gathered: Gathered, store: Store) -> None:
    for folder in store.finished_runs():
        try:
            gathered.runs.append(Run(read_record(folder), folder))
        except UserError as error:
            gathered.unread.append(str(error))


def _add_table(gathered: Gathered, folder: Path, store: Store) -> None:
    path = specification(CONF, "table", folder.name.removeprefix("table_"))
    if path.is_file() and computed.kind(path) is None and (folder / files.RECORDS).is_file():
        results, records = files.read(load(path), folder)
        gathered.tables.append(results)
        for cell, record in records:
            place = store.run(record["id"])
            gathered.runs.append(Run(record, place if finished(place) else None, cell.overrides))
    else:
        with (folder / "table.csv").open(encoding="utf-8", newline="") as file:
            gathered.others[folder.name] = list(csv.reader(file))
