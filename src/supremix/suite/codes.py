"""Which code made the runs of a table or figure, in words."""

from collections.abc import Iterable
from typing import Any

from supremix.suite.plan import Cell

UNSTATED = ""
"""The code of records that do not state it."""
Codes = dict[str, list[tuple[str, str]]]
"""Digest of the code that made runs, or UNSTATED → (panel, row) of these runs."""


def codes_of(records: Iterable[tuple[Cell, dict[str, Any]]]) -> Codes:
    """Collect the codes that made finished runs and their encoders."""
    codes: Codes = {}
    for cell, record in records:
        for digest in digests(record):
            if (place := (cell.panel, cell.row)) not in codes.setdefault(digest, []):
                codes[digest].append(place)
    return codes


def digests(record: dict[str, Any]) -> list[str]:
    """Return the digests of the code that made a run and its encoder; UNSTATED for a record that does not name it."""
    if record.get("schema", 1) == 1:  # which names no code; a line without a schema names none either
        return [UNSTATED]
    made = [record["code"]["digest"], record["pretrain_code"]]
    return list(dict.fromkeys(digest for digest in made if digest))


def made_by(codes: Codes) -> list[str]:
    """Return which code made the finished runs; with several codes, which rows each of them made."""
    if not codes:
        return []
    if len(codes) == 1:
        return [f"Code: {_name(next(iter(codes)))}"]
    parts = []
    for digest, places in codes.items():
        rows = ", ".join(" · ".join(filter(None, (row, panel))) for panel, row in places)
        parts.append(f"{_name(digest)} ({rows})")
    return [f"Code: {len(parts)} different ones: {'; '.join(parts)}"]


def _name(digest: str) -> str:
    return "records of schema 1, which do not say what code made them" if digest == UNSTATED else digest
