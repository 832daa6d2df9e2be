"""Render every table from the store, and results/README.md, which states the progress of each."""

import sys
from collections.abc import Iterator
from pathlib import Path

from supremix.settings.compose import composed, own_folder
from supremix.store.folders import Store
from supremix.suite.keep import settings_of
from supremix.suite.plan import shown_plan
from supremix.suite.reading import load
from supremix.suite.size import PAPER, Size
from supremix.suite.spec import Panel, Spec
from supremix.tables import computed, files
from supremix.tables.cells import MISSING, digits_of
from supremix.tables.gains import gained, paper_gain, verdict, worded
from supremix.tables.render import DETAILS, md_head, md_line
from supremix.tables.reproduce import stored
from supremix.tables.results import Results

ABOUT = [
    "A line for each table of the paper: how many runs are finished, our error, how it compares with the best other",
    "row that is no reference, and whether the paper's order is reproduced. Made by `supremix table --render-all` from",
    "the records beside each table.",
]
HEADER = ["table", "", "finished", "ours", "beside the best other", "the paper", "the paper's order"]


def specs(conf: Path, size: Size) -> list[Spec]:
    """Return the specifications of the paper's tables that runs fill, in their order, at a size."""
    return [size.spec(load(path)) for path in paths(conf) if computed.kind(path) is None]


def paths(conf: Path) -> list[Path]:
    """Return the specification files of the paper's tables, in their order, then the user's own."""
    numbered = [path for path in (conf / "table").glob("*.yaml") if path.stem.isdecimal()]
    own = own_folder()
    others = sorted((own / "table").glob("[!_]*.yaml")) if own else []
    return [*sorted(numbered, key=lambda path: int(path.stem)), *others]


def render_stored(conf: Path, out: Path, overrides: list[str], size: Size = PAPER) -> Iterator[str]:
    """Render every table without running anything, then the index; yield one line on each table.

    A written table of more finished runs than the store has, or of other settings, keeps its records, and so do all
    where the store is empty, and the tables beyond the paper's: they are rendered from the records beside them.

    Args:
        conf: the config folder.
        out: parent folder of the tables.
        overrides: those that the runs were made with.
        size: the paper's, or one of conf/size/.
    """
    settings, overrides = settings_of(overrides), size.line(overrides)
    store, tables, further = Store(composed(conf, overrides).paths.runs), specs(conf, size), beyond(conf, out, size)
    empty = not any(store.root.glob("*/DONE"))
    for spec in tables:
        folder = out / spec.name
        if empty and (folder / files.RECORDS).is_file():
            yield _anew(spec, folder)
            continue
        cells = shown_plan(spec, conf, overrides)
        results, records = stored(spec, cells, store, settings)
        if not (why := files.why_kept(results, records, folder)):
            files.write(results, records, folder)
        else:
            _anew(spec, folder)
        yield "; ".join(filter(None, [f"{spec.title}: {len(records)} of {len(cells)} runs", why]))
    for spec in further:
        yield _anew(spec, out / spec.name)
    others = [computed.compute(path, conf, overrides, size) for path in paths(conf) if computed.kind(path)]
    for table in others:
        if not (why := computed.why_kept(table, out / table.name)):
            computed.write(table, out / table.name)
        yield "; ".join(filter(None, [f"{table.title}: computed", why]))
    files.write_texts(out, {"README.md": text(tables, others, further, out)})


def beyond(conf: Path, out: Path, size: Size) -> list[Spec]:
    """Return the specifications of the tables in ``out`` that are not the paper's, by name."""
    names = sorted({path.stem for path in (conf / "table").glob("[!_]*.yaml")} - {path.stem for path in paths(conf)})
    rendered = [name for name in names if (out / name / files.RECORDS).is_file()]
    return [size.spec(load(conf / "table" / f"{name}.yaml")) for name in rendered]


def text(tables: list[Spec], others: list[computed.ComputedTable], further: list[Spec], out: Path) -> str:
    """Return the index: a line for each panel of each table in ``out`` by number, those of ours, other pages."""
    lines = ["# Results", "", *ABOUT, ""]
    lines += md_head(HEADER, numbers=False)
    of_table: dict[str, list[str]] = {
        table.name: [md_line([f"[{table.title}]({table.name}/table.md)", "", "computed", "", "", "", ""])]
        for table in others
    }
    for spec in tables:
        folder = out / spec.name
        if not (folder / files.RECORDS).is_file():
            continue
        results, _ = files.read(spec, folder)
        title = f"[{spec.title}]({spec.name}/table.md)"
        for panel in spec.panels:
            line = md_line([title, panel.name, _finished(results, panel), *headline(results, panel)])
            of_table.setdefault(spec.name, []).append(line)
            title = ""
    lines += [line for name in sorted(of_table, key=_number) for line in of_table[name]]
    if further:
        pages = {"which_method.md": "which method to use", "ranks/ranks.md": "mean ranks"}
        named = [f"[{words}]({page})" for page, words in pages.items() if (out / page).is_file()]
        about = f", with {' and '.join(named)} by the extended ones" if named else ""
        lines += ["", f"Beyond the paper's{about}:", ""]
        lines += [f"- [{spec.title}]({spec.name}/table.md): {_counted(spec, out / spec.name)}" for spec in further]
    if links := _pages(out):
        lines += ["", "Figures and measurements:", "", *links]
    return "\n".join(lines) + "\n"


def headline(results: Results, panel: Panel) -> list[str]:
    """Return a panel's gain: our value, beside the best other row, the paper's, and whether its order holds."""
    spec, gain, column = results.spec, results.spec.gain_of(panel), results.spec.gain_column(panel)
    if gain is None:
        return ["", "", "", ""]
    name, digits = spec.metrics_of(panel)[column], digits_of(results, panel, column)
    summary, gains = results.summary(panel, gain.row, column), gained(results, panel, gain)
    values = [MISSING, MISSING, "", verdict(results, panel)]
    if summary and summary.complete:
        spread = f" ± {summary.std:.{digits}f}" if summary.n > 1 else ""
        values[0] = f"{gain.row}: {name} {summary.mean:.{digits}f}{spread}"
    if gains:
        values[1] = worded(gains.over_rival, gains.rival)
    row = next(row for row in spec.rows_of(panel) if row.name == gain.row)
    paper = results.paper(panel, row, column)
    if paper is not None:
        values[2] = ", ".join(filter(None, [f"{name} {paper:.{digits}f}", paper_gain(results, panel, gain)]))
    return values if not results.synthetic else [*values[:2], "synthetic data", ""]


def _number(name: str) -> tuple[int, str]:
    """Return by what tables are ordered: the paper's by number, then the user's own by name."""
    number = name.removeprefix("table_")
    return (int(number), "") if number.isdecimal() else (sys.maxsize, name)


def _pages(out: Path) -> list[str]:
    """Return a link to each other page, with its title."""
    all_pages = sorted(path for pattern in ("*.md", "*/*.md") for path in out.glob(pattern))
    pages = [
        path for path in all_pages if path.name not in ("README.md", "table.md", DETAILS, "ranks.md", "which_method.md")
    ]
    titles = {path: path.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ") for path in pages}
    return [f"- [{title}]({path.relative_to(out)})" for path, title in titles.items()]


def _anew(spec: Spec, folder: Path) -> str:
    """Render a table from the records beside it; return a line that says so."""
    files.write(*files.read(spec, folder), folder)
    return f"{spec.title}: {_counted(spec, folder)}, rendered from the records beside it"


def _counted(spec: Spec, folder: Path) -> str:
    results, _ = files.read(spec, folder)
    finished = sum(results.finished(panel, row.name) for panel, row in spec.cells())
    return f"{finished} of {len(spec.cells()) * len(results.spec.seeds)} runs"


def _finished(results: Results, panel: Panel) -> str:
    rows = results.spec.rows_of(panel)
    count = sum(results.finished(panel, row.name) for row in rows)
    return f"{count} of {len(rows) * len(results.spec.seeds)}"
