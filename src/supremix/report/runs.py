"""The page of `supremix report`: rendered tables, all runs in one table, what was swept, where methods err, maps."""

from collections.abc import Collection, Sequence
from pathlib import Path

from supremix.errors import writing_to
from supremix.report import detail, html
from supremix.report.by_label import errors
from supremix.report.compare import plain, rendered
from supremix.report.gather import FACTS, METRICS, Gathered, Run, gather
from supremix.report.groups import groups
from supremix.report.maps import maps
from supremix.report.sweep import sweeps
from supremix.store.folders import Store
from supremix.tables import statements
from supremix.tables.results import Results

PLANNED = "no run of it is finished; what is planned"
HEADER = (
    {"id": "text"}
    | {name: "number" if name == "seed" else "text" for name in FACTS}
    | {f"{name}, val": "number" for name in METRICS.values()}
    | {f"{name}, test": "" for name in METRICS.values()}
    | {"code": "text", "synthetic": "text"}
)
RANKED = (
    "The runs of each dataset and label are in the order of their validation MAE. Errors are in units of the label, of "
    "several labels in standard deviations. No column of the test rows sorts: who chooses by them has no estimate "
    "left. The code is the digest of what can change a number."
)


def report(what: Path, store: Store, out: Path) -> list[str]:
    """Write the page. Returns what was left out of it.

    Args:
        what: a store, a rendered table's folder, or a folder of these.
        store: where the runs of rendered tables are looked up.
        out: file to write.

    Raises:
        UserError: there is nothing to report, or the file cannot be written.
    """
    gathered = gather(what, store)
    store = store if gathered.tables else Store(what)
    details = detail.details(gathered.runs, store)
    left = list(gathered.unread)
    if len(details) < len(gathered.runs):
        left.append(f"{len(details)} of {len(gathered.runs)} runs are shown in detail, the first of the table")
    compared = groups(gathered.runs)
    sections = _tables(gathered) | {
        f"{len(gathered.runs)} finished runs": _table(gathered.runs, details),
        "Swept settings": sweeps(gathered.runs),
        "Error by shot and by label": errors(compared, store),
        "Maps of the features": maps(compared),
        "Each run": [html.paragraph(detail.ABOUT), *details.values()] if details else [],
    }
    used = html.terms([part for section in sections.values() for part in section])
    parts = [*map(html.paragraph, left), *html.sections(sections | {"Terms": [used]}), html.script()]
    with writing_to(out.parent, "make space, or name another file with -o"):
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(html.page(f"supremix: {what.name or what.absolute().name}", parts), encoding="utf-8")
    return left


def _tables(gathered: Gathered) -> dict[str, list[str]]:
    """Return title → parts, of rendered tables; what has no finished run is folded."""
    tables = {}
    for title, table in gathered.tables.items():
        if isinstance(table, list):
            tables[title] = [html.table(table[0], table[1:])]
            continue
        panels = table.spec.panels
        parts = [html.paragraph(plain(text)) for text in _above(table)]
        for panel in panels:
            parts += [html.subheading(panel.name)] * bool(panel.name) + rendered(table, panel)
        begun = any(table.finished(panel, row.name) for panel in panels for row in table.spec.rows_of(panel))
        tables[title] = parts if begun else [html.folded(PLANNED, parts)]
    return tables


def _table(runs: Sequence[Run], linked: Collection[str]) -> list[str]:
    if not runs:
        return []
    return [html.paragraph(RANKED), html.runs(HEADER, [_line(run) for run in runs], linked)]


def _above(results: Results) -> list[str]:
    return [*statements.warnings(results), statements.selection_rule(results)]


def _line(run: Run) -> list[str]:
    record = run.record
    values = [html.number(record["metrics"][split]["best"].get(name)) for split in ("val", "test") for name in METRICS]
    code = record.get("code", {}).get("digest", "")[:8]
    facts = (run.task, *(str(record[name]) for name in FACTS[1:]))
    return [record["id"], *facts, *values, code, "yes" if record["synthetic"] else "no"]
