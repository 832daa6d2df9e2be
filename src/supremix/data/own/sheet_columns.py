"""The names of a text file's columns: from its first line, or given by the user."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from supremix.data.prepared.cells import is_number
from supremix.errors import UserError


class Header(NamedTuple):
    """Names of the columns, the number of lines that they take, and this in words."""

    names: list[str]
    lines: int
    fact: str

    def names_for(self, path: Path, width: int, labels: Sequence[str] = ()) -> list[str]:
        """Return a name for each of this many fields; R writes one name less, of the row names.

        A file without a line of names may lack the columns of labels.
        """
        if len(self.names) == width:
            return self.names
        others = [name for name in self.names if name not in labels]
        if not self.lines and len(others) == width:
            return others
        if self.lines and len(self.names) == width - 1:
            return ["row_names", *self.names]
        if self.lines:
            raise UserError(
                f"{path}: the first line has {len(self.names)} names, but most lines have {width} fields: correct the "
                "first line, or name all columns by dataset.columns=[…] and remove it"
            )
        raise UserError(
            f"dataset.columns={self.names}: {len(self.names)} names, but {path} has {width} columns: name each of them"
        )


def header_of(path: Path, first: Sequence[str], fields_N: np.ndarray, columns: Sequence[str] | None) -> Header:
    """Return the header.

    Args:
        path: of the file, for messages.
        first: fields of its first line.
        fields_N: numbers of fields of all lines.
        columns: names for a file without a header; one whose first line holds such names alone, in any order, has one.
    """
    names = [name.strip() for name in first]
    if columns is None:
        numbers = [name for name in names if is_number(name)]
        if len(numbers) == len(names) or (len(fields_N) == 1 and numbers):
            raise UserError(
                f"{path}: the first line ({', '.join(names[:4])}{', …' if len(names) > 4 else ''}) holds numbers, not "
                f"names of columns: name all {len(names)} columns by dataset.columns=[…]"
            )
        return Header(names, 1, "names in the first line")
    given = names_given(columns)
    matches = names_found(path, names, given)
    return Header(given, 0, "no line with names") if matches is None else Header(matches, 1, "names in the first line")


def names_given(columns: Sequence[str]) -> list[str]:
    """Return the user's names of columns; UserError where two are equal."""
    given = [str(name).strip() for name in columns]
    if len({*given}) < len(given):
        raise UserError(f"dataset.columns={given}: a name occurs twice: give each column its own")
    return given


def names_found(path: Path, first: Sequence[str], given: Sequence[str]) -> list[str] | None:
    """Return what the first line names of the given columns, in its order and their case; None where it is a row.

    An empty field at its end does not count. UserError where most are names, and one is not.
    """
    names = [name.strip() for name in first]
    names = names[:-1] if names and not names[-1] else names
    by_case = {name.casefold(): name for name in given}
    matches = [name if name in given else by_case.get(name.casefold()) for name in names]
    known = [name for name in matches if name is not None]
    if known and len(known) == len(names) == len({*known}):
        return known
    if len(known) > len(names) / 2:
        other = next(
            name for name, match in zip(names, matches, strict=True) if match is None or matches.count(match) > 1
        )
        raise UserError(f"{path}: the first line holds names of columns, but not {other!r}: correct it, or remove it")
    return None
