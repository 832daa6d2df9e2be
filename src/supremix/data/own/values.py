"""Numbers and dates as people write them: units, currencies, decimal commas, several forms of a date. N cells."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

MOSTLY = 0.9
"""Part of a column's texts that has to be numbers, or dates, for the column to count as such."""
SAME_FORM = 2 / 3
"""Part that has to be written in the form, and the unit, that most have."""
NUMBER = re.compile(
    r"^\s*(?P<before>[$€£¥]?)\s*(?P<number>[+-]?(?:\d[\d.,'\u00a0 ]*|[.,]\d+)(?:[eE][+-]?\d+)?)\s*(?P<unit>[^\d.,]*)$"
)
COMMA_THOUSANDS = re.compile(r"^[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d+)?$")
POINT_THOUSANDS = re.compile(r"^[+-]?[1-9]\d{0,2}(\.\d{3})+(,\d+)?$")
INFINITE = re.compile(r"^\s*[+-]?(inf|infinity|∞)\s*$", re.IGNORECASE)
DATE_FORMATS = (
    "%Y-%m-%d", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y/%m/%d", "%d.%m.%Y", "%d/%m/%Y",
    "%m/%d/%Y", "%d-%m-%Y", "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%d.%m.%y", "%m/%d/%y", "%Y%m%d",
)  # fmt: skip
FORMATS_AT_MOST = 3


@dataclass(frozen=True)
class NumberFormat:
    """How a column writes numbers.

    Attributes:
        decimal: "." or ",".
        thousands: what stands between groups of digits, "" for nothing.
        unit: what follows each number, such as "kg".
        before: what precedes each, such as "$".
    """

    decimal: str = "."
    thousands: str = ""
    unit: str = ""
    before: str = ""

    def state(self) -> dict[str, str]:
        """Return the attributes."""
        return asdict(self)

    def in_words(self) -> str:
        """Return what is unusual in it, "" for plain numbers."""
        parts = ["decimal commas"] if self.decimal == "," else []
        parts += [f"{self.thousands!r} between thousands"] if self.thousands else []
        parts += [f"in {self.unit or self.before}"] if self.unit or self.before else []
        return ", ".join(parts)


PLAIN = NumberFormat()
BOOLEANS = {"True": "1", "TRUE": "1", "true": "1", "False": "0", "FALSE": "0", "false": "0"}
"""As pandas reads a column of nothing else."""


def numbers_of(cells: "pd.Series", form: NumberFormat) -> np.ndarray:
    """Read numbers (N,) float64 written in this form; NaN for all else."""
    import pandas as pd

    if cells.dtype.kind in "iufb":
        return cells.to_numpy(dtype=np.float64, na_value=np.nan)
    texts = cells.astype("str").str.strip()
    if form == PLAIN and texts[cells.notna()].isin(BOOLEANS).mean() > 0.5:
        texts = texts.replace(BOOLEANS)
    if form.before:
        texts = texts.str.removeprefix(form.before)
    if form.unit:
        texts = texts.str.removesuffix(form.unit).str.rstrip()
    if form != PLAIN:
        texts = texts.str.replace("\u00a0", "")
        if form.thousands:
            texts = texts.str.replace(form.thousands, "", regex=False)
        if form.decimal == ",":
            texts = texts.mask(texts.str.contains(".", regex=False), "").str.replace(",", ".", regex=False)
    return pd.to_numeric(texts, errors="coerce").to_numpy(dtype=np.float64)


def number_format(cells: "pd.Series", decimal_comma: bool) -> NumberFormat | None:
    """Find how a column writes numbers; None where most cells are none.

    Args:
        cells: of the column.
        decimal_comma: how to read 1,234: as a number below 2, or as one above 1000.
    """
    if cells.dtype.kind in "iufb":
        return PLAIN
    texts = [str(cell) for cell in cells.dropna()]
    matches = [match for text in texts if (match := NUMBER.match(text))]
    if not texts or len(matches) + sum(bool(INFINITE.match(text)) for text in texts) < MOSTLY * len(texts):
        return None
    if not matches:
        return None
    before, unit = Counter((match["before"], match["unit"].strip()) for match in matches).most_common(1)[0][0]
    digits = [match["number"].strip() for match in matches]
    form = NumberFormat(unit=unit, before=before)
    with_comma = [text for text in digits if "," in text]
    if with_comma:
        thousands = all(COMMA_THOUSANDS.match(text) for text in with_comma)
        if thousands and not (decimal_comma and all(text.count(",") == 1 and "." not in text for text in with_comma)):
            form = NumberFormat(".", ",", unit, before)
        else:
            dotted = any(POINT_THOUSANDS.match(text) for text in with_comma if "." in text)
            form = NumberFormat(",", "." if dotted else "", unit, before)
    elif any(separator in text for text in digits for separator in "'\u00a0 "):
        separator = next(separator for separator in ("'", "\u00a0", " ") if any(separator in text for text in digits))
        form = NumberFormat(".", separator, unit, before)
    return form if np.isfinite(numbers_of(cells.dropna(), form)).mean() >= SAME_FORM else None


def dates_of(cells: "pd.Series", formats: Sequence[str]) -> Any:
    """Read dates (N,) datetime64, each by the first of the formats that fits; NaT for all else."""
    import pandas as pd

    if cells.dtype.kind == "M":
        return cells.to_numpy(dtype="datetime64[s]")
    texts = cells.astype("str").str.strip()
    dates = pd.Series(pd.NaT, index=range(len(texts)), dtype="datetime64[s]").to_numpy().copy()
    for form in formats:
        left = np.isnat(dates)
        if left.any():
            read = pd.to_datetime(texts[left], format=form, errors="coerce")
            dates[left] = read.to_numpy(dtype="datetime64[s]")
    return dates


def date_formats(cells: "pd.Series") -> list[str]:
    """Find the formats of a column's dates, the most frequent first; [] where most cells are no dates."""
    import pandas as pd

    if cells.dtype.kind == "M":
        return ["%Y-%m-%d %H:%M:%S", "%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]  # as files of text have them
    texts = cells.dropna().astype("str").str.strip()
    looks = texts.str.contains(r"\d", regex=True) & texts.str.len().between(6, 30)
    if texts.empty or looks.mean() < MOSTLY:
        return []
    sample = texts if len(texts) <= 2000 else texts.iloc[:: len(texts) // 2000]
    formats: list[str] = []
    while len(formats) < FORMATS_AT_MOST and len(sample):
        fits = {form: pd.to_datetime(sample, format=form, errors="coerce").notna() for form in DATE_FORMATS}
        best = max(DATE_FORMATS, key=lambda form: int(fits[form].sum()))
        if not fits[best].any():
            break
        formats.append(best)
        sample = sample[~fits[best]]
    return formats if (~np.isnat(dates_of(texts, formats))).mean() >= MOSTLY else []


def ambiguous(cells: "pd.Series", formats: Sequence[str]) -> bool:
    """Return whether the dates could as well be read with day and month exchanged."""
    swapped = {"%d/%m/%Y": "%m/%d/%Y", "%m/%d/%Y": "%d/%m/%Y"}
    other = swapped.get(formats[0])
    return other is not None and not np.isnat(dates_of(cells.dropna(), [other])).any()
