"""Tables that no run fills: the datasets as prepared (table 12), the hyper-parameters as composed (table 13)."""

import csv
import io
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
from supremix.tables.files import write_texts
from supremix.tables.latex import tex
from supremix.tables.render import md_line

COLUMNS = ("target", "range", "bin size", *SPLITS)  # of the datasets' table


@dataclass(frozen=True)
class Entry:
    """One cell: the value here as text, None where there is none yet, and the paper's, hidden beside synthetic data."""

    row: str
    column: str
    here: str | None
    paper: str
    same: bool
    synthetic: bool = False

    @property
    def text(self) -> str:
        """What the cell shows."""
        shown = self.here or "–"
        return shown if self.same or self.synthetic else f"{shown} (paper: {self.paper})"


@dataclass(frozen=True)
class Overview:
    """A table of entries, row by row, with statements and notes under it; the settings are the user's."""

    name: str
    title: str
    entries: list[Entry]
    notes: list[str]
    settings: list[str] = field(default_factory=list)


def kind(path: Path) -> str | None:
    """``datasets`` or ``hyperparameters`` where the specification is such a table's, None where runs fill it."""
    return _read(path).get("kind") if path.is_file() else None


def compute(path: Path, conf: Path, overrides: list[str], size: Size = PAPER) -> Overview:
    """The table that ``path`` specifies, at a size; UserError naming the file where it does not fit."""
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
    """Names of the datasets whose prepared folders the table would read, and which are not there."""
    chosen = [one["dataset"] for one in _read(path)["datasets"]] if kind(path) == "datasets" else []
    cfgs = [_composed(conf, dataset, [], overrides, size) for dataset in chosen]
    return [cfg.dataset.name for cfg in cfgs if not Path(cfg.dataset.load.folder).exists()]


def write(overview: Overview, folder: Path) -> None:
    """Write table.md, table.csv and table.tex."""
    texts = {"table.md": markdown(overview), "table.csv": as_csv(overview), "table.tex": latex(overview)}
    write_texts(folder, texts)


def why_kept(overview: Overview, folder: Path) -> str | None:
    """Why the table in a folder stays, rather than to be replaced by this one; None where it need not."""
    count = sum(entry.here is not None for entry in overview.entries)
    return kept(folder / "table.md", filled(folder), count, overview.settings, "value")


def filled(folder: Path) -> int:
    """How many cells of a written table have a value of ours; 0 where there is no such table."""
    path = folder / "table.csv"
    if not path.is_file():
        return 0
    with path.open(newline="") as file:
        return sum(bool(row.get("here")) for row in csv.DictReader(file))


def datasets(spec: Mapping[str, Any], conf: Path, overrides: list[str], size: Size) -> Overview:
    """Table 12: what each prepared folder holds, beside what the paper says."""
    entries, told = [], []
    for one in spec["datasets"]:
        cfg = _composed(conf, one["dataset"], [], overrides, size)
        folder = Path(cfg.dataset.load.folder)
        if not folder.exists():
            told.append(f"{one['name']}: not prepared: {one['prepare']}")
            entries += [Entry(one["name"], key, None, text, False) for key, text in fact_texts(one["paper"]).items()]
            continue
        meta = read_meta(folder)
        manifest = read_manifest(folder / "manifest.csv", meta["rows"])
        found = facts(meta["label"], manifest, cfg.dataset.load.bin_size, cfg.dataset.load.get("sizes"))
        compared = compare_facts(one["name"], found, one["paper"])
        if meta["synthetic"]:
            told.append(f"{one['name']}: synthetic data, not to be compared with the paper")
            compared = [replace(entry, synthetic=True) for entry in compared]
        else:
            told.append(_differences(one["name"], {entry.column: entry for entry in compared}))
        entries += compared
    return Overview(spec["name"], spec["title"], entries, [*told, *spec.get("notes", [])])


def facts(label: str, manifest: Manifest, bin_size: float | None, sizes: Mapping[str, int] | None) -> dict[str, Any]:
    """A prepared dataset in the paper's columns; sizes: of the splits where they are drawn when it is loaded."""
    counts = {s: len(rows) for s, rows in manifest.rows.items()} if manifest.rows is not None else dict(sizes or {})
    low, high = float(manifest.y.min()), float(manifest.y.max())
    return {"target": label, "range": [low, high], "bin size": bin_size, **{split: counts[split] for split in SPLITS}}


def compare_facts(row: str, found: Mapping[str, Any], paper: Mapping[str, Any]) -> list[Entry]:
    """The entries of one dataset: targets agree by their words, ranges in whole numbers, all else exactly."""
    same = {key: found[key] == paper[key] for key in COLUMNS}
    same["target"] = _words(paper["target"]) <= _words(found["target"])
    same["range"] = [round(end) for end in found["range"]] == paper["range"]
    here, beside = fact_texts(found), fact_texts(paper)
    return [Entry(row, key, here[key], beside[key], same[key]) for key in COLUMNS]


def fact_texts(values: Mapping[str, Any]) -> dict[str, str]:
    """The facts of a dataset as text, in the order of the columns."""
    return {key: " to ".join(map(_shown, values[key])) if key == "range" else _shown(values[key]) for key in COLUMNS}


def hyperparameters(spec: Mapping[str, Any], conf: Path, overrides: list[str], size: Size) -> Overview:
    """Table 13: each value where the composed config has it, beside the paper's."""
    cfgs = {dataset: _composed(conf, dataset, spec["overrides"], overrides, size) for dataset in spec["datasets"]}
    entries = []
    for row in spec["rows"]:
        for (dataset, column), paper in zip(spec["datasets"].items(), row["paper"], strict=True):
            value = setting(cfgs[dataset], row["keys"], row.get("words", {}))
            entries.append(Entry(row["name"], column, _shown(value), _shown(paper), value == paper))
    names = spec["datasets"].values()
    told = [_differences(name, {entry.row: entry for entry in entries if entry.column == name}) for name in names]
    return Overview(spec["name"], spec["title"], entries, [*told, *spec.get("notes", [])])


def setting(cfg: DictConfig, keys: list[str], words: Mapping[str, str]) -> Any:
    """The value at the keys that the config has, several joined by commas, in the words that stand for it."""
    there = [value for key in keys if (value := OmegaConf.select(cfg, key)) is not None]
    values = [OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value for value in there]
    value = values[0] if len(values) == 1 else ", ".join(map(_shown, values))
    return words.get(_shown(value), value)


def markdown(overview: Overview) -> str:
    """The table and the statements under it."""
    header, *lines = _grid(overview)
    table = [md_line(header), md_line(["---"] * len(header)), *map(md_line, lines)]
    notes = [*stated(overview.settings), *overview.notes]
    return "\n".join([f"# {overview.title}", "", *table, "", *(f"- {note}" for note in notes)]) + "\n"


def latex(overview: Overview) -> str:
    """The same as a LaTeX ``tabular`` (booktabs)."""
    header, *lines = ([*map(tex, line)] for line in _grid(overview))
    notes = [*(text.replace("**", "") for text in stated(overview.settings)), *overview.notes]
    out = [f"% {tex(overview.title)}", f"\\begin{{tabular}}{{{'l' * len(header)}}}", "\\toprule"]
    out += [" & ".join(header) + r" \\", "\\midrule", *(" & ".join(line) + r" \\" for line in lines)]
    out += ["\\bottomrule", "\\end{tabular}", *(f"% {tex(note)}" for note in notes)]
    return "\n".join(out) + "\n"


def as_csv(overview: Overview) -> str:
    """One line for each cell."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["table", "row", "column", "here", "paper", "synthetic"])
    for entry in overview.entries:
        paper = None if entry.synthetic else entry.paper
        writer.writerow([overview.name, entry.row, entry.column, entry.here, paper, entry.synthetic])
    return file.getvalue()


def _grid(overview: Overview) -> list[list[str]]:
    rows: dict[str, list[str]] = {}
    for entry in overview.entries:
        rows.setdefault(entry.row, []).append(entry.text)
    columns = list(dict.fromkeys(entry.column for entry in overview.entries))
    corner = "synthetic data" if all(entry.synthetic for entry in overview.entries) else ""
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
