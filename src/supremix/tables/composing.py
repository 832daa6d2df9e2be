"""The plan of a table, with a line at a terminal while its configs are composed, which takes seconds."""

from pathlib import Path

from supremix.tables.plan import Cell, plan
from supremix.tables.spec import Spec


def shown_plan(spec: Spec, conf: Path, overrides: list[str]) -> list[Cell]:
    """As ``plan``; the line is on stderr and gone in the end, and there is none where stderr is no terminal."""
    from rich.console import Console
    from rich.markup import escape

    count = len(spec.cells()) * len(spec.seeds)
    with Console(stderr=True).status(f"composing {count} runs of {escape(spec.title)} …"):
        return plan(spec, conf, overrides)
