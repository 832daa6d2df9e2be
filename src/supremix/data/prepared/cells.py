"""Read tables of text and their cells, and show a cell in a message."""

import codecs
import csv
import io
import math
import re
from collections import Counter
from dataclasses import dataclass

NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
WITH_COMMA = re.compile(r"[+-]?[0-9.]*,[0-9.,]*(?:[eE][+-]?[0-9]+)?")
MARKS = {codecs.BOM_UTF16_LE: "UTF-16", codecs.BOM_UTF16_BE: "UTF-16"}
"""What a file in an encoding other than UTF-8 begins with, as spreadsheets write "Unicode text"."""


@dataclass(frozen=True)
class Table:
    """A header, and the rows under it that are not blank, each with its number; the first under the header is 1."""

    header: list[str]
    rows: list[tuple[int, list[str]]]


def decode(raw: bytes) -> str:
    """Decode text in UTF-8, with or without a byte order mark; raise ValueError that says where it is none."""
    for mark, name in MARKS.items():
        if raw.startswith(mark):
            raise ValueError(f"text in {name}; save it as UTF-8")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise ValueError(f"line {line} is not in UTF-8; save it as UTF-8") from None
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise ValueError(f"line {line} has a zero byte, so that it is no text")
    return text


def read_table(raw: bytes) -> Table:
    """Read a table whose first line says what parts its cells: tabs, semicolons or commas.

    Names in the header have no white space around them. Raises ValueError where it is none, or a name stands twice.
    """
    text = decode(raw)
    first = text.partition("\n")[0]
    delimiter = "\t" if "\t" in first else ";" if ";" in first and "," not in first else ","
    try:
        lines = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise ValueError(str(error)) from None
    if not lines or not any(cell.strip() for cell in lines[0]):
        raise ValueError("no header in its first line")
    header = [name.strip() for name in lines[0]]
    double = [name for name, count in Counter(header).items() if count > 1 and name]
    if double:
        raise ValueError(f"column {double[0]!r} occurs twice in the header; rename one")
    return Table(header, [(number, row) for number, row in enumerate(lines[1:], start=1) if row])


def length_fault(row: list[str], header: list[str]) -> str | None:
    """Say that a row has not as many cells as the header; None where it has."""
    if len(row) == len(header):
        return None
    more = " (a comma inside a cell needs quotes, a number a point)" if len(row) > len(header) else ""
    return f"{len(row)} fields, the header {len(header)}{more}"


def number(cell: str) -> float:
    """Return a cell's number, NaN where it is none: only Python takes 1_000 and digits of all scripts for numbers."""
    text = cell.strip(" \t\r\n")
    return float(text) if NUMBER.fullmatch(text) else math.nan


def is_number(text: str) -> bool:
    """Return whether Python takes a text for a number, as 1_000, NaN and digits of all scripts."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def shown(cell: str) -> str:
    """Quote a cell for a message, and say where a comma is in the way."""
    quoted = repr(cell if len(cell) <= 80 else f"{cell[:80]}…")
    return f"{quoted}, a comma where a number has a point" if WITH_COMMA.fullmatch(cell.strip()) else quoted
