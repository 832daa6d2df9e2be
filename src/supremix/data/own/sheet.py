"""Read a user's table from a file of any usual kind: CSV and TSV as they come, Parquet, Excel."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from supremix.data.own.delimited import read_delimited
from supremix.data.own.problems import Problem
from supremix.data.own.sheet_columns import Header, names_found, names_given
from supremix.errors import UserError, needs

if TYPE_CHECKING:
    import pandas as pd

NESTED = (list, tuple, dict, set, np.ndarray)
"""What a cell of Parquet may be; such cells count as texts."""
FOLDER = "folder"
"""In the ``attrs`` of a table: the folder that its paths are relative to."""
EXCEL, PARQUET = (".xlsx", ".xls", ".xlsm"), (".parquet", ".pq")


@dataclass(frozen=True, eq=False)
class Sheet:
    """A table as it was read.

    Attributes:
        path: the file.
        frame: its rows; the index holds the place of each, as "line 17". Columns are numbers where all values are, else
            texts; missing values are NaN.
        facts: what was understood of the file, in words.
        problems: of rows that were left out.
        decimal_comma: whether the file's form makes commas in numbers decimal ones.
        sha256: of the file's content.
    """

    path: Path
    frame: "pd.DataFrame"
    facts: list[str]
    problems: list[Problem] = field(default_factory=list)
    decimal_comma: bool = False
    sha256: str = ""


def read_sheet(path: Path | str, columns: Sequence[str] | None = None, labels: Sequence[str] | None = None) -> Sheet:
    """Read a table; raise UserError where there is none, or no way to tell its columns.

    Args:
        path: .parquet, .xlsx, or a text file with a delimiter, which may be compressed (.gz).
        columns: names, for a file without a header.
        labels: of a file that a model reads, the columns of its labels, which a file without a header may lack. All
            cells of a text file then stay texts: the model knows whether 1.234 is above 1000, and 007 a number.
    """
    path = Path(path)
    if path.is_dir():
        raise UserError(f"{path}: a folder: give the file with a row for each item, such as {path / 'labels.csv'}")
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{path}: no such file{_near(path)}: check dataset.path") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}): check dataset.path") from None
    if not raw.strip():
        raise UserError(f"{path}: the file is empty: give a table with a header and a row for each item")
    kind = path.suffix.lower()
    if kind in PARQUET or raw[:4] == b"PAR1":
        sheet = _by_pandas(path, "read_parquet", "pyarrow", "Parquet", columns, labels)
    elif kind in EXCEL or raw[:4] == b"PK\x03\x04":
        sheet = _by_pandas(path, "read_excel", "openpyxl", "Excel, first sheet", columns, labels)
    else:
        text = read_delimited(path, raw, columns, labels)
        sheet = Sheet(path, text.frame, text.facts, text.problems, text.decimal_comma)
    if sheet.frame.empty:
        raise UserError(f"{path}: only a header ({', '.join(map(str, sheet.frame.columns[:5]))}), no rows: add rows")
    frame = _named(path, sheet)
    frame.attrs[FOLDER] = str(path.parent)
    return replace(sheet, frame=frame, sha256=sha256(raw).hexdigest())


def _by_pandas(
    path: Path,
    function: str,
    module: str,
    kind: str,
    columns: Sequence[str] | None,
    labels: Sequence[str] | None,
) -> Sheet:
    import pandas as pd

    needs(module, "files")

    def read(**options: Any) -> "pd.DataFrame":
        try:
            return getattr(pd, function)(path, **options)
        except Exception as error:  # the libraries raise their own types for each kind of damage
            raise UserError(f"{path}: cannot be read as {kind} ({error}): save it again, or as CSV") from None

    frame, given = read(), None if columns is None else names_given(columns)
    if given is not None:
        names = names_found(path, [str(name) for name in frame.columns], given)
        if names is None and function == "read_excel":
            frame = read(header=None)
        frame.columns = names or Header(given, 0, "").names_for(path, len(frame.columns), labels or ())
    index = [name for name in frame.index.names if name is not None and name not in frame.columns]
    frame = (frame.reset_index(level=index) if index else frame).reset_index(drop=True)
    for at, dtype in enumerate(frame.dtypes):
        if dtype.kind == "O" and frame.iloc[:, at].map(lambda cell: isinstance(cell, NESTED)).any():
            frame.isetitem(at, frame.iloc[:, at].astype("str"))
    frame.index = [f"row {number}" for number in range(1, len(frame) + 1)]
    return Sheet(path, frame, [f"{kind}, {len(frame):,} rows of {len(frame.columns):,} columns"])


def _named(path: Path, sheet: Sheet) -> "pd.DataFrame":
    """Give every column a name of its own."""
    seen: dict[str, int] = {}
    names, taken = list[str](), {str(name).strip() for name in sheet.frame.columns}
    for number, name in enumerate(sheet.frame.columns, 1):
        text = str(name).strip()
        text = f"column_{number}" if text in ("", "nan") or text.startswith("Unnamed: ") else text
        seen[text] = seen.get(text, 0) + 1
        while seen[text] > 1 and f"{text} ({seen[text]})" in (*names, *taken):
            seen[text] += 1
        names.append(text if seen[text] == 1 else f"{text} ({seen[text]})")
    twice = [name for name, count in seen.items() if count > 1]
    if twice:
        sheet.facts.append(f"columns named twice, the later ones numbered: {', '.join(twice[:5])}")
    return sheet.frame.set_axis(names, axis=1)


def _near(path: Path) -> str:
    folder = path.parent
    if not folder.is_dir():
        return f", and no folder {folder}"
    near = get_close_matches(path.name, [entry.name for entry in folder.iterdir()], 2, 0.6)
    return f"; there is {' and '.join(near)}" if near else ""
