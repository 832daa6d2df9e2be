"""Compute the tables that no run fills: datasets as prepared (table 12), hyper-parameters as composed (table 13)."""

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from supremix.data.prepared.folder import SPLITS, read_meta
from supremix.data.prepared.manifest import Manifest, read_manifest
from supremix.errors import UserError
from supremix.settings.compose import composed
from supremix.suite.keep import kept, settings_of, stated
from supremix.suite.reading import reading
from supremix.suite.size import PAPER, Size
from supremix.tables.cells import csv_text
from supremix.tables.files import write_texts
from supremix.tables.latex import comments, titled
from supremix.tables.latex import table as typeset
from supremix.tables.render import md_head, md_line

COLUMNS = ("target", "range", "bin size", *SPLITS)  # of the datasets' table


@dataclass(frozen=True)
class Entry:
    """A cell of a computed table.

    Attributes:
        row, column: its place.
        here: our value as text; None before there is one.
        paper: the paper's value as text.
        same: whether the two agree.
        synthetic: whether our value is of synthetic data, beside which the paper's is hidden.
    """

    row: str
    column: str
    here: str | None
    paper: str
    same: bool
    synthetic: bool = False

    @property
    def text(self) -> str:
        """The text that the cell shows."""
        shown = self.here or "–"
        return shown if self.same or self.synthetic else f"{shown} (paper: {self.paper})"


@dataclass(frozen=True)
class ComputedTable:
    """A table of entries.

    Attributes:
        name: its folder's name.
        title: its heading.
        entries: cells, row by row.
        notes: statements under it.
        settings: the user's overrides.
    """

    name: str
    title: str
    entries: list[Entry]
    notes: list[str]
    settings: list[str] = field(default_factory=list)


def kind(path: Path) -> str | None:
    """Return ``datasets`` or ``hyperparameters`` for a specification of such a table; None if runs fill the table."""
    return _read(path).get("kind") if path.is_file() else None


def compute(path: Path, conf: Path, overrides: list[str], size: Size = PAPER) -> ComputedTable:
    """Compute a table.

    Args:
        path: its specification.
        conf: the config folder.
        overrides: the user's.
        size: the paper's, or one of conf/size/.

    Raises:
        UserError: the specification does not fit; names the file.
    """
    make = {"datasets": datasets, "hyperparameters": hyperparameters}
    spec = _read(path)
    if spec.get("kind") not in make:
        raise UserError(f"{path}: kind {spec.get('kind')!r}: use one of {', '.join(make)}")
    try:
        table = make[spec["kind"]](spec, conf, overrides, size)
    except (TypeError, KeyError, ValueError) as error:
        raise UserError(f"{path}: {type(error).__name__}: {error}") from None
    if size.name:
        synthetic = [replace(entry, synthetic=True) for entry in table.entries]
        table = replace(table, title=size.title(table.title), entries=synthetic, notes=[size.note])
    return replace(table, settings=settings_of(overrides))


def unprepared(path: Path, conf: Path, overrides: list[str], size: Size) -> list[str]:
    """Return the names of the datasets that the table needs and that are not prepared."""
    chosen = [row["dataset"] for row in _read(path)["datasets"]] if kind(path) == "datasets" else []
    cfgs = [_composed(conf, dataset, [], overrides, size) for dataset in chosen]
    return [cfg.dataset.name for cfg in cfgs if not Path(cfg.dataset.load.folder).exists()]


def write(table: ComputedTable, folder: Path) -> None:
    """Write table.md, table.csv and table.tex."""
    texts = {"table.md": markdown(table), "table.csv": as_csv(table), "table.tex": latex(table)}
    write_texts(folder, texts)


def why_kept(table: ComputedTable, folder: Path) -> str | None:
    """Return why the table in a folder is not to be replaced by this one; None if it may be."""
    count = sum(entry.here is not None for entry in table.entries)
    return kept(folder / "table.md", filled(folder), count, table.settings, "value")


def filled(folder: Path) -> int:
    """Return the number of cells of a written table that hold our value; 0 without such a table."""
    path = folder / "table.csv"
    if not path.is_file():
        return 0
    with path.open(encoding="utf-8", newline="") as file:
        return sum(bool(row.get("here")) for row in csv.DictReader(file))


def datasets(spec: Mapping[str, Any], conf: Path, overrides: list[str], size: Size) -> ComputedTable:
    """Compute table 12: the content of each prepared folder beside the paper's numbers."""
    entries, remarks = [], []
    for row in spec["datasets"]:
        cfg = _composed(conf, row["dataset"], [], overrides, size)
        folder = Path(cfg.dataset.load.folder)
        if not folder.exists():
            remarks.append(f"{row['name']}: not prepared: supremix {row['prepare']}")
            entries += [Entry(row["name"], key, None, text, False) for key, text in fact_texts(row["paper"]).items()]
            continue
        meta = read_meta(folder)
        manifest = read_manifest(folder / "manifest.csv", meta["rows"])
        held = facts(meta["label"], manifest, cfg.dataset.load.bin_size, cfg.dataset.load.get("sizes"))
        compared = compare_facts(row["name"], held, row["paper"])
        if meta["synthetic"]:
            remarks.append(f"{row['name']}: synthetic data, not to be compared with the paper")
            compared = [replace(entry, synthetic=True) for entry in compared]
        else:
            remarks.append(_differences(row["name"], {entry.column: entry for entry in compared}))
        entries += compared
    return ComputedTable(spec["name"], spec["title"], entries, [*remarks, *spec.get("notes", [])])


def facts(label: str, manifest: Manifest, bin_size: float | None, sizes: Mapping[str, int] | None) -> dict[str, Any]:
    """Return a prepared dataset's values of the paper's columns.

    Args:
        label: what the label is.
        manifest: the dataset's manifest.
        bin_size: width of label bins, label units, or None.
        sizes: rows of each split, for a manifest without splits.
    """
    counts = {s: len(rows) for s, rows in manifest.rows.items()} if manifest.rows is not None else dict(sizes or {})
    low, high = float(manifest.y.min()), float(manifest.y.max())
    return {"target": label, "range": [low, high], "bin size": bin_size, **{split: counts[split] for split in SPLITS}}


def compare_facts(row: str, held: Mapping[str, Any], paper: Mapping[str, Any]) -> list[Entry]:
    """Compare a dataset with the paper's row: targets by their words, ranges in whole numbers, all else exactly."""
    same = {key: held[key] == paper[key] for key in COLUMNS}
    same["target"] = _words(paper["target"]) <= _words(held["target"])
    same["range"] = [round(end) for end in held["range"]] == paper["range"]
    here, beside = fact_texts(held), fact_texts(paper)
    return [Entry(row, key, here[key], beside[key], same[key]) for key in COLUMNS]


def fact_texts(values: Mapping[str, Any]) -> dict[str, str]:
    """Return the values of a dataset as text, in the order of the columns."""
    return {key: " to ".join(map(_shown, values[key])) if key == "range" else _shown(values[key]) for key in COLUMNS}


def hyperparameters(spec: Mapping[str, Any], conf: Path, overrides: list[str], size: Size) -> ComputedTable:
    """Compute table 13: each value of the composed config beside the paper's."""
    cfgs = {dataset: _composed(conf, dataset, spec["overrides"], overrides, size) for dataset in spec["datasets"]}
    entries = []
    for row in spec["rows"]:
        for (dataset, column), paper in zip(spec["datasets"].items(), row["paper"], strict=True):
            value = setting(cfgs[dataset], row["keys"], row.get("words", {}))
            entries.append(Entry(row["name"], column, _shown(value), _shown(paper), value == paper))
    names = spec["datasets"].values()
    remarks = [_differences(name, {entry.row: entry for entry in entries if entry.column == name}) for name in names]
    return ComputedTable(spec["name"], spec["title"], entries, [*remarks, *spec.get("notes", [])])


def setting(cfg: DictConfig, keys: list[str], words: Mapping[str, str]) -> Any:
    """Return the value at the keys that the config has, in the specification's words; several are joined by commas."""
    present = [value for key in keys if (value := OmegaConf.select(cfg, key)) is not None]
    values = [OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value for value in present]
    value = values[0] if len(values) == 1 else ", ".join(map(_shown, values))
    return words.get(_shown(value), value)


def markdown(table: ComputedTable) -> str:
    """Return the table in Markdown, with the statements under it."""
    header, *lines = _grid(table)
    grid = [*md_head(header, numbers=False), *map(md_line, lines)]
    notes = [*stated(table.settings), *table.notes]
    return "\n".join([f"# {table.title}", "", *grid, "", *(f"- {note}" for note in notes)]) + "\n"


def latex(table: ComputedTable) -> str:
    """Return the table in LaTeX, with the statements as comments."""
    header, *lines = _grid(table)
    notes = [*(text.replace("**", "") for text in stated(table.settings)), *table.notes]
    out = [*typeset(f"{titled(table.title)}.", table.name, "l" * len(header), header, lines), *comments(notes)]
    return "\n".join(out) + "\n"


def as_csv(table: ComputedTable) -> str:
    """Return a header, and one line for each cell."""
    rows = [
        [table.name, entry.row, entry.column, entry.here, None if entry.synthetic else entry.paper, entry.synthetic]
        for entry in table.entries
    ]
    return csv_text(("table", "row", "column", "here", "paper", "synthetic"), rows)


def _grid(table: ComputedTable) -> list[list[str]]:
    rows: dict[str, list[str]] = {}
    for entry in table.entries:
        rows.setdefault(entry.row, []).append(entry.text)
    columns = list(dict.fromkeys(entry.column for entry in table.entries))
    corner = "synthetic data" if all(entry.synthetic for entry in table.entries) else ""
    return [[corner, *columns], *([name, *texts] for name, texts in rows.items())]


def _differences(dataset: str, entries: Mapping[str, Entry]) -> str:
    parts = [f"{what} {entry.here}, in the paper {entry.paper}" for what, entry in entries.items() if not entry.same]
    return f"{dataset}: {'; '.join(parts) or 'as in the paper'}"


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.lower()))


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.10g}"
    return ", ".join(map(_shown, value)) if isinstance(value, list) else str(value)


def _composed(conf: Path, dataset: str, own: list[str], overrides: list[str], size: Size) -> DictConfig:
    return composed(conf, [*size.line([f"dataset={dataset}", *own]), *overrides])


def _read(path: Path) -> dict[str, Any]:
    with reading(path, "table") as raw:
        return raw
