"""Say which rows of a table have settings that a search on validation found for them, by what their runs have."""

from supremix.suite.spec import Row
from supremix.tables.outcomes import own_splits
from supremix.tables.results import Results


def tuned_rows(results: Results, behind: bool = False) -> list[Row]:
    """Return the rows whose finished runs all have what was tuned for them, be it their own settings.

    With ``behind`` those of which a run lacks it.
    """
    begun = {name for (_, name), seeds in results.runs.items() if seeds}
    known = [row for row in results.spec.rows if row.tuned is not None and row.name in begun]
    return [row for row in known if (row.name in results.untuned) == behind]


def tuning(results: Results) -> list[str]:
    """Return what the reader of a table must know of tuned rows."""
    texts, rows, behind = [], tuned_rows(results), tuned_rows(results, behind=True)
    if rows:
        texts.append(f"Tuned on validation: {_names(rows)}. All others have the settings that they came with.")
    if rows and any(own_splits(results.outcomes, panel.name) for panel in results.spec.panels):
        texts.append(
            "The search drew splits of its own: rows that chose these settings are among the test rows here, which "
            "favours tuned rows a little."
        )
    if behind:
        texts.append(f"Settings were tuned for {_names(behind)}, which these runs do not have.")
    return texts


def settings(results: Results) -> list[str]:
    """Return the settings that were found for each row that has them, for details.md."""
    listed = [f"{row.name}: {' '.join(row.tuned or []) or 'its own settings'}" for row in tuned_rows(results)]
    return [f"Tuned on validation: {'; '.join(listed)}"] if listed else []


def _names(rows: list[Row]) -> str:
    return "; ".join(row.name for row in rows)
