"""What a report is made from: the runs of a store or beside rendered tables, and these tables."""

import csv
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from supremix.errors import UserError
from supremix.settings.compose import CONF, specification
from supremix.settings.repeat import overrides_of
from supremix.settings.written import read_yaml
from supremix.store.folders import Store, finished
from supremix.store.records import RUN, Record, read_record, wrong_value
from supremix.suite.plan import Cell
from supremix.suite.reading import load
from supremix.suite.swept import settings_of
from supremix.tables import computed, files
from supremix.tables.results import Results

METRICS = {"mae": "MAE", "rmse": "RMSE", "spearman": "Spearman", "r2": "R²"}
SPLITS = {"val": "validation", "test": "test"}
FACTS = ("dataset", "method", "protocol", "seed")
SHOWN: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("id", "dataset", "method", "protocol"), (str,)),
    **dict.fromkeys(("data", "metrics.val", "metrics.val.best", "metrics.test.best"), (dict,)),
}
"""What a page needs of a record beside a rendered table, and `files.read` does not ask for."""
DRAWN = {key: types for key, types in RUN.items() if key not in ("config", "weights")}
"""What it needs to draw a run that the store has."""


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        record: of the run; beside a rendered table it has no config.
        folder: in the store; None where the store has it not.
        given: the overrides that a rendered table keeps of it; None in a store.
        row: its row of a rendered table, with the panel; empty in a store.
    """

    record: dict[str, Any]
    folder: Path | None
    given: list[str] | None = None
    row: str = ""

    @property
    def name(self) -> str:
        """What is compared: its row of a table, else method and protocol."""
        protocol = self.record["protocol"].replace("_", " ")
        return self.row or ", ".join([self.record["method"], *[protocol] * (protocol != "none")])

    @property
    def task(self) -> str:
        """What it is measured on: its dataset, and what is predicted where a dataset leaves that open."""
        label = self.record["data"].get("label")
        return ", ".join([self.record["dataset"], *[str(label)] * (label is not None)])

    @property
    def settings(self) -> tuple[str, ...]:
        """What tells it from runs that are more than its repetition with another seed."""
        if self.given is not None:
            return tuple(sorted(text for text in self.given if not text.startswith("seed=")))
        return tuple(f"{key}={value}" for key, value in settings_of(self.record["config"]).items())

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
        runs: by task, those of the lowest validation MAE first.
        tables: title → a rendered table; of one without readable runs its lines, headings first.
        unread: what is wrong with runs and tables that cannot be read.
    """

    runs: list[Run] = field(default_factory=list)
    tables: dict[str, Results | list[list[str]]] = field(default_factory=dict)
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
    folders = [folder for folder in (what, *what.glob("*/")) if (folder / "table.csv").is_file()]
    for folder in sorted(folders, key=_place):
        _add_table(gathered, folder, store)
    if not folders:
        _add_store(gathered, Store(what))
    if not (gathered.runs or gathered.tables):
        raise UserError(
            gathered.unread[0]
            if gathered.unread
            else f"{what}: neither a store with finished runs nor a folder of rendered tables: name one"
        )
    unique = {run.record["id"]: run for run in reversed(gathered.runs)}  # of several tables by the first
    gathered.runs = sorted(unique.values(), key=_rank)
    return gathered


def _place(folder: Path) -> tuple[bool, int, str]:
    """Return what orders rendered tables: the paper's by their numbers, then others."""
    number = folder.name.removeprefix("table_")
    return not number.isdecimal(), int(number) if number.isdecimal() else 0, folder.name


def _title(path: Path) -> str | None:
    """Return the title in a specification; None without one."""
    title: str | None = read_yaml(path).get("title") if path.is_file() else None
    return title


def _rank(run: Run) -> tuple[str, bool, float]:
    return run.task, run.validation is None, run.validation or 0.0


def _add_store(gathered: Gathered, store: Store) -> None:
    for folder in store.finished_runs():
        try:
            gathered.runs.append(Run(read_record(folder), folder))
        except UserError as error:
            gathered.unread.append(str(error))


def _add_table(gathered: Gathered, folder: Path, store: Store) -> None:
    """Add a rendered table with its runs; as it stands where there are none, or none that can be read."""
    path = specification(CONF, "table", folder.name.removeprefix("table_"))
    if path.is_file() and computed.kind(path) is None and (folder / files.RECORDS).is_file():
        try:
            results, records = files.read(load(path), folder)
            runs = [_of_table(cell, record, store) for cell, record in records]
        except UserError as error:
            gathered.unread.append(str(error))
        else:
            gathered.tables[results.spec.title] = results
            gathered.runs += runs
            return
    try:
        with (folder / "table.csv").open(encoding="utf-8", newline="") as file:
            if lines := list(csv.reader(file)):
                gathered.tables[_title(path) or folder.name] = lines
    except (OSError, ValueError, csv.Error) as error:
        gathered.unread.append(f"{folder / 'table.csv'}: not a readable table ({error}); render the table again")


def _of_table(cell: Cell, record: Record, store: Store) -> Run:
    if mistake := wrong_value(record, SHOWN):
        raise UserError(f"{store.run(str(record.get('id')))}: {mistake}")
    place = store.run(record["id"])
    there = finished(place) and not wrong_value(record, DRAWN)
    row = ", ".join(filter(None, [cell.row, cell.panel]))
    return Run(record, place if there else None, cell.overrides, row)
