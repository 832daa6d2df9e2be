"""The figures of the check: written as JSON and as a Markdown table as soon as they come."""

import json
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class Report:
    """Figures by section and row in a folder; the processes of the check add to them in turn.

    Args:
        folder: of gpu.json and gpu.md; made where it is not there.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "gpu.json"
        self.attempts_failed: list[str] = []

    def begin(self, about: dict[str, str]) -> None:
        """Start anew.

        Args:
            about: what the figures are of.
        """
        self._write({"about": about, "seconds": {}, "sections": {}, "goals": [], "failed": []})

    def add(self, section: str, row: str, **values: Any) -> None:
        """Add a row's values, and print them."""
        print(f"{section}: {row}: " + ", ".join(f"{name} {shown(value)}" for name, value in values.items()), flush=True)
        content = self._read()
        content["sections"].setdefault(section, {}).setdefault(row, {}).update(values)
        self._write(content)

    def goal(self, name: str, value: float, least: float | None = None, most: float | None = None) -> None:
        """Compare a value with a goal."""
        met = value >= least if least is not None else most is not None and value <= most
        bound = f"at least {shown(least)}" if least is not None else f"at most {shown(most)}"
        content = self._read()
        content["goals"].append({"name": name, "value": value, "bound": bound, "met": met})
        self._write(content)
        print(f"goal: {name}: {shown(value)}, {bound}: {'met' if met else 'NOT MET'}", flush=True)

    def add_about(self, **facts: str) -> None:
        """Add to what the figures are of."""
        content = self._read()
        content["about"].update(facts)
        self._write(content)

    def took(self, section: str, seconds: float) -> None:
        """Note how long a section took."""
        content = self._read()
        content["seconds"][section] = round(seconds, 1)
        self._write(content)

    def failed(self, sections: list[str]) -> None:
        """Note which sections failed."""
        self._write(self._read() | {"failed": sections})

    @contextmanager
    def attempt(self, what: str) -> Iterator[None]:
        """Print what goes wrong inside, note it, and go on."""
        try:
            yield
        except Exception:
            print(f"{what} failed:\n{traceback.format_exc()}", flush=True)
            self.attempts_failed.append(what)

    def text(self) -> str:
        """Return everything as Markdown."""
        content = self._read()
        lines = ["# GPU check", "", ", ".join(f"{name} {value}" for name, value in content["about"].items()), ""]
        if content["goals"]:
            lines += ["| goal | measured | wanted | met |", "|---|---:|---|---|"]
            lines += [
                f"| {goal['name']} | {shown(goal['value'])} | {goal['bound']} | {'yes' if goal['met'] else 'no'} |"
                for goal in content["goals"]
            ]
            lines.append("")
        for section, rows in content["sections"].items():
            took = content["seconds"].get(section)
            lines += [f"## {section}" + (f", {took:.0f} s" if took is not None else ""), ""]
            lines += table(rows)
        if content["failed"]:
            lines += [f"Failed: {', '.join(content['failed'])}", ""]
        return "\n".join(lines)

    def _read(self) -> dict[str, Any]:
        return json.loads(self.path.read_text())

    def _write(self, content: dict[str, Any]) -> None:
        self.path.write_text(json.dumps(content, indent=2) + "\n")
        self.path.with_suffix(".md").write_text(self.text())


def table(rows: dict[str, dict[str, Any]]) -> list[str]:
    """Return the lines of Markdown tables, one for all rows with the same columns."""
    lines: list[str] = []
    for columns in dict.fromkeys(tuple(values) for values in rows.values()):
        lines += ["| | " + " | ".join(columns) + " |", "|---" * (1 + len(columns)) + "|"]
        for row, values in rows.items():
            if tuple(values) == columns:
                lines.append(f"| {row} | " + " | ".join(shown(values[name]) for name in columns) + " |")
        lines.append("")
    return lines


def shown(value: Any) -> str:
    """Return a value as text, numbers with four digits."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
