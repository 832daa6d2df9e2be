"""A rendered table on disk: its files, the records they are made of, and rendering them again from these alone."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from supremix.errors import UserError, writing_to
from supremix.suite.keep import kept
from supremix.suite.plan import Cell, with_seeds
from supremix.suite.reading import load
from supremix.suite.size import PAPER, Size
from supremix.suite.spec import Spec
from supremix.tables.latex import latex
from supremix.tables.render import as_csv, markdown
from supremix.tables.results import Results, collect

Record = dict[str, Any]
Found = tuple[Cell, Record]
RECORDS, STATE = "records.jsonl", "state.json"
NAMES = ("table.md", "table.csv", "table.tex", RECORDS, STATE)


def write(results: Results, found: Iterable[Found], folder: Path) -> None:
    """Write table.md, table.csv, table.tex, the records they are made of, and what else went into them."""
    state = {
        "seeds": results.spec.seeds,
        "synthetic": results.synthetic,
        "failed": sorted(map(list, results.failed)),
        "unprepared": results.unprepared,
    } | ({"settings": results.settings} if results.settings else {})
    texts = {
        RECORDS: "".join(json.dumps(small(*pair), sort_keys=True) + "\n" for pair in found),
        STATE: json.dumps(state, indent=1, sort_keys=True) + "\n",
        "table.md": markdown(results),
        "table.csv": as_csv(results),
        "table.tex": latex(results),
    }
    write_texts(folder, texts)


def why_kept(results: Results, found: list[Found], folder: Path) -> str | None:
    """Why the table in a folder stays, rather than to be replaced by this one; None where it need not."""
    return kept(folder / "table.md", finished_cells(folder), len(found), results.settings)


def write_texts(folder: Path, texts: Mapping[str, str]) -> None:
    """Write these files into a folder; where the system refuses one, UserError, and what was there stays as it was."""
    with writing_to(folder, "make space, or name another folder with --out"):
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=folder, prefix=".") as scratch:
            for name, text in texts.items():
                (Path(scratch) / name).write_text(text)
            for name in texts:
                (Path(scratch) / name).replace(folder / name)


def small(cell: Cell, record: Record) -> Record:
    """A record without its config, which the cell's overrides stand for, and the sums of weights, which stay away."""
    place = {"panel": cell.panel, "row": cell.row, "overrides": cell.overrides}
    return {key: value for key, value in record.items() if key not in ("config", "weights")} | {"cell": place}


def rerender(name: str, conf: Path, out: Path | None, size: Size = PAPER) -> Path:
    """Render a table again from the records that stand beside it; needs neither data nor store."""
    spec = size.spec(load(conf / "table" / f"{name}.yaml"))
    folder = out or spec.folder
    write(*read(spec, folder), folder)
    return folder


def read(spec: Spec, folder: Path) -> tuple[Results, list[Found]]:
    """The results in a rendered table's folder, over the seeds that were planned when it was written."""
    try:
        lines = [json.loads(line) for line in (folder / RECORDS).read_text().splitlines()]
        state = json.loads((folder / STATE).read_text()) if (folder / STATE).exists() else {}
        found = [(Cell(**line.pop("cell"), seed=line["seed"]), line) for line in lines]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{folder}: no readable records ({error}); run the table first") from None
    spec = with_seeds(spec, state.get("seeds") or sorted({*spec.seeds, *(cell.seed for cell, _ in found)}))
    failed = {(panel, row, seed) for panel, row, seed in state.get("failed", [])}
    return collect(spec, found, failed, state.get("unprepared"), state.get("settings")), found


def finished_cells(folder: Path) -> int:
    """How many finished cells a rendered table holds; 0 where there is none."""
    path = folder / RECORDS
    return len(path.read_text().splitlines()) if path.is_file() else 0
