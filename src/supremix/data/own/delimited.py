"""Read text files of rows: encoding, delimiter, quotes and header are found, and lines that do not fit are named."""

import csv
import gzip
import io
import re
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from supremix.data.own.problems import Problem
from supremix.data.own.sheet_columns import Header, header_of
from supremix.data.prepared.cells import is_number
from supremix.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
SAMPLE = 200
"""Lines from which the delimiter is found."""
MISSING = ["?", "-", "--", ".", "missing", "Missing"]
"""Words for a missing value, besides pandas' own (empty, NA, NaN, null, None and the like)."""
RAGGED_AT_MOST = 0.2
"""Part of lines with too many or too few fields above which the file is refused."""
HEADER_AGAIN = "the header again"
ONE_COLUMN = "\x1f"
"""The delimiter of a file that has none: ASCII's own, which texts do not hold."""
DECIMAL_COMMA = re.compile(r"^[+-]?\d*,\d+$")
BOMS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}


@dataclass(frozen=True, eq=False)
class Delimited:
    """What was read; see `sheet.Sheet`."""

    frame: "pd.DataFrame"
    facts: list[str]
    problems: list[Problem]
    decimal_comma: bool


class Form(NamedTuple):
    """How lines become fields, and the lines (N,) and numbers of fields (N,) that follow from it.

    ``void``: the lines of records whose fields are all empty, which are no rows. ``as_text``: whether cells stay as
    they are written, those of numbers too.
    """

    delimiter: str
    quotes: bool
    line_N: np.ndarray
    fields_N: np.ndarray
    void: list[int]
    as_text: bool = False

    def in_words(self) -> str:
        """Return what divides a line."""
        separated = "one column" if self.delimiter == ONE_COLUMN else f"separated by {DELIMITERS[self.delimiter]}"
        return separated if self.quotes else f"{separated}, quotes are ordinary characters"

    @property
    def ragged(self) -> int:
        """Number of records that differ from the most frequent number of fields."""
        return int((self.fields_N != most_frequent(self.fields_N)).sum())


@contextmanager
def cells_of_any_length() -> Iterator[None]:
    """Let cells be as long as texts may be; the limit of Python's csv, which is of all modules, comes back."""
    before = csv.field_size_limit(2**31 - 1)
    try:
        yield
    finally:
        csv.field_size_limit(before)


@cells_of_any_length()
def read_delimited(
    path: Path, raw: bytes, columns: Sequence[str] | None, labels: Sequence[str] | None = None
) -> Delimited:
    """Read a text file's content; see `sheet.read_sheet`."""
    text, encoding = decoded(path, raw)
    widths = set() if columns is None else {len(columns), len(columns) - len(labels or ())}
    form = form_of(text, widths)._replace(as_text=labels is not None)
    if len(form.line_N) == 0:
        raise UserError(f"{path}: the file has no row with a value: give a table with a header and a row for each item")
    header = header_of(path, next(records(text, form)), form.fields_N, columns)
    width = most_frequent(form.fields_N[header.lines :]) if len(form.fields_N) > header.lines else len(header.names)
    ends_empty = width == len(header.names) + 1 and _ends_empty(text, form, header.lines, width)
    names = [*header.names, ""] if ends_empty else header.names_for(path, width, labels or ())
    body_N = np.arange(len(form.line_N)) >= header.lines
    wrong_N = body_N & (form.fields_N != width)
    if wrong_N.sum() > RAGGED_AT_MOST * max(body_N.sum(), 1):
        at = int(wrong_N.argmax())
        raise UserError(
            f"{path}: {wrong_N.sum():,} of {body_N.sum():,} lines have not {width} fields, such as line "
            f"{form.line_N[at]} with {form.fields_N[at]}: put fields that contain {form.delimiter!r} into quotes"
        )
    problems = [
        Problem(f"line {form.line_N[at]}", f"{form.fields_N[at]} fields in place of {width}", "", True)
        for at in np.flatnonzero(wrong_N)
    ]
    problems += [
        Problem(f"line {at}", "an empty row", "", True) for at in form.void if form.line_N[0] < at < form.line_N[-1]
    ]
    kept_N = body_N & ~wrong_N
    frame = _parsed(text, form, kept_N, header.lines, names)
    again_N = _is_header(frame, names)
    problems += [Problem(place, HEADER_AGAIN, "", True) for place in frame.index[again_N]]
    if again_N.any():  # the columns' types have to be found without these lines
        kept_N[np.flatnonzero(kept_N)[again_N]] = False
        frame = _parsed(text, form, kept_N, header.lines, names)
    if ends_empty:
        frame, names = frame.iloc[:, :-1], names[:-1]
    facts = [f"{encoding}, {form.in_words()}, {header.fact}", *_unusual(header, names, ends_empty)]
    facts.append(f"{len(frame):,} rows of {len(names):,} columns")
    return Delimited(frame, facts, problems, form.delimiter == ";")


def _unusual(header: Header, names: Sequence[str], ends_empty: bool) -> list[str]:
    """Return in words what the names of columns were taken from, where that is no line of as many names."""
    facts = [] if header.lines else [f"read as {', '.join(names[:8])}{', …' * (len(names) > 8)}"]
    if ends_empty:
        facts.append("an empty field at the end of each line, left out")
    if names[:1] == ["row_names"] != header.names[:1]:
        facts.append("no name for the first field of a line, called row_names")
    return facts


def decoded(path: Path, raw: bytes) -> tuple[str, str]:
    """Return a file's text and its encoding in words."""
    if raw[:2] == b"\x1f\x8b":
        try:
            raw = gzip.decompress(raw)
        except (EOFError, OSError, zlib.error) as error:
            raise UserError(f"{path}: truncated or damaged gzip ({error}): get the file again") from None
    for bom, name in BOMS.items():
        if raw.startswith(bom):
            return raw.decode(name, errors="replace"), f"{'UTF-8' if name == 'utf-8-sig' else 'UTF-16'} with a mark"
    if b"\x00" in raw[:4096]:
        raise UserError(f"{path}: not a text file: give a CSV, TSV, Parquet or Excel file with a row for each item")
    try:
        return raw.decode("utf-8"), "UTF-8"
    except UnicodeDecodeError:
        return raw.decode("cp1252", errors="replace"), "not UTF-8, read as Windows-1252"


def form_of(text: str, widths: set[int]) -> Form:
    """Find delimiter and quoting.

    The delimiter is that by which most of the first lines have as many fields as the first one, and of those that with
    most fields; where names are given, that with as many fields as ``widths`` has, of two such semicolons between
    decimal commas, or that with more numbers. A first line that none divides is the name of the only column. Quotes
    count as ordinary characters where lines fit better so: a quote that is never closed would swallow the lines up to
    the next one.
    """
    head = [line for line in text[: 1 << 20].splitlines()[:SAMPLE] if line.strip()]

    def fit(delimiter: str) -> tuple[float, int, int]:  # share of lines alike, as named, fields
        rows = [*csv.reader(head, delimiter=delimiter)]
        counts = [len(fields) for fields in rows]
        if counts[0] == 1:
            return 0.0, 0, counts[1] if _has_columns(rows[1:]) else 1
        with_comma = [field.strip() for fields in rows for field in fields if "," in field]
        decimal = delimiter == ";" and bool(with_comma) and all(map(DECIMAL_COMMA.match, with_comma))
        named = (1 + sum(map(is_number, rows[0])) + 100 * decimal) * (counts[0] in widths)
        return float(np.mean([count == counts[0] for count in counts])), named, counts[0]

    try:
        fits = {delimiter: fit(delimiter) for delimiter in DELIMITERS}
        delimiter = max(fits, key=lambda delimiter: fits[delimiter])
        if fits[delimiter][2] == 1:
            delimiter = ONE_COLUMN
    except csv.Error:
        delimiter = ","
    plain = scan(text, delimiter, quotes=False)
    if '"' not in text:
        return plain._replace(quotes=True)
    try:
        quoted = scan(text, delimiter, quotes=True)
    except csv.Error:  # a field without end
        return plain
    fits_better = (plain.ragged, -len(plain.line_N)) < (quoted.ragged, -len(quoted.line_N))
    return plain if fits_better else quoted


def _has_columns(rows: list[list[str]]) -> bool:
    """Return whether lines under a first line of one field are rows of several.

    They are under a title, or have R's row names before the only column, or a delimiter after it.
    """
    counts = {len(fields) for fields in rows}
    if len(counts) != 1 or counts == {1}:
        return False
    if counts == {2}:
        return all(not fields[1].strip() for fields in rows) or all(
            fields[0].strip() == str(number) for number, fields in enumerate(rows, 1)
        )
    return len(rows) > 1


def scan(text: str, delimiter: str, quotes: bool) -> Form:
    """Count the fields of every row, and note the line on which it begins."""
    lines, counts, void, line = [], [], list[int](), 1
    reader = _reader(text, delimiter, quotes)
    for fields in reader:
        if _is_row(fields, delimiter):
            lines.append(line)
            counts.append(len(fields))
        elif len(fields) > 1:
            void.append(line)
        line = reader.line_num + 1
    return Form(delimiter, quotes, np.array(lines), np.array(counts), void)


def records(text: str, form: Form) -> Iterator[list[str]]:
    """Yield the fields of every row."""
    return (fields for fields in _reader(text, form.delimiter, form.quotes) if _is_row(fields, form.delimiter))


def _is_row(fields: list[str], delimiter: str) -> bool:
    """Return whether a field holds something; the only column of a file may be an empty text in quotes."""
    return any(field.strip() for field in fields) or (len(fields) == 1 and delimiter == ONE_COLUMN)


def _ends_empty(text: str, form: Form, skipped: int, width: int) -> bool:
    """Return whether each line under the header has this many fields, and none in the last."""
    return all(not fields[-1].strip() for fields in islice(records(text, form), skipped, None) if len(fields) == width)


def most_frequent(fields_N: np.ndarray) -> int:
    """Return the most frequent number of fields."""
    return Counter(fields_N.tolist()).most_common(1)[0][0]


def _reader(text: str, delimiter: str, quotes: bool) -> Any:
    return csv.reader(_lines(text), delimiter=delimiter, quoting=csv.QUOTE_MINIMAL if quotes else csv.QUOTE_NONE)


def _lines(text: str) -> io.StringIO:
    return io.StringIO(text, newline="")


def _parsed(text: str, form: Form, kept_N: np.ndarray, skipped: int, names: Sequence[str]) -> "pd.DataFrame":
    import pandas as pd

    frame = None
    if kept_N[skipped:].all():
        frame = _by_pandas(_lines(text), form, skipped, names)
    if frame is None or len(frame) != kept_N.sum():  # pandas and csv disagree on a line, or some are to be left out
        clean = io.StringIO(newline="")
        rows = (fields for fields, kept in zip(records(text, form), kept_N, strict=True) if kept)
        csv.writer(clean, delimiter=form.delimiter, quoting=csv.QUOTE_MINIMAL).writerows(rows)
        frame = _by_pandas(io.StringIO(clean.getvalue(), newline=""), form._replace(quotes=True), 0, names)
    frame.index = pd.Index([f"line {line}" for line in form.line_N[kept_N]])
    return frame


def _by_pandas(file: io.StringIO, form: Form, skipped: int, names: Sequence[str]) -> "pd.DataFrame":
    import pandas as pd

    try:
        return pd.read_csv(
            file,
            sep=form.delimiter,
            quoting=csv.QUOTE_MINIMAL if form.quotes else csv.QUOTE_NONE,
            header=0 if skipped else None,
            names=range(len(names)),
            index_col=False,
            skipinitialspace=True,
            na_values=MISSING,
            low_memory=False,
            skip_blank_lines=form.delimiter != ONE_COLUMN,
            dtype=str if form.as_text else None,
        ).set_axis([*names], axis=1)
    except pd.errors.EmptyDataError:
        return pd.DataFrame(columns=[*names])


def _is_header(frame: "pd.DataFrame", names: Sequence[str]) -> np.ndarray:
    """Return which rows (N,) repeat the header."""
    again_N = np.full(len(frame), True)
    for position, name in enumerate(names):
        column = frame.iloc[:, position]
        again_N &= (column == name).to_numpy() if column.dtype.kind not in "iufb" else False
        if not again_N.any():
            break
    return again_N
