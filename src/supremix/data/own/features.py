"""Turn a user's columns into numbers that a network takes, fitted on the training rows. N rows, F numbers of a row.

Fitting is scikit-learn's (median, standardisation, one-hot with rare values together); what it found is kept as plain
values, and applied from these alone, in training as later.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from supremix.data.own.kinds import check_columns, check_range
from supremix.data.own.values import BOOLEANS, NumberFormat, dates_of, numbers_of

if TYPE_CHECKING:
    import pandas as pd

TRUTH = {word: str(bool(int(digit))) for word, digit in (*BOOLEANS.items(), ("1", "1"), ("0", "0"))}
"""Words for true and false as pandas names them: so they are in training where some cells of their column are empty."""
MISSING = "(missing)"
"""The category of cells without a value."""
CATEGORIES_AT_MOST = 50
"""The most categories of a column that count by themselves."""
RARE = 0.005
"""Part of the training rows below which a category counts as rare, and at least two rows."""
DAY, YEAR, WEEK = 86400.0, 365.2425, 7.0
EXTREME = 10.0
"""Standard deviations at which numbers are cut: a typing error must not be all that a network sees of a row."""


@dataclass(frozen=True, eq=False)
class TableReader:
    """Reads rows of a table.

    Attributes:
        numbers: column → form of its numbers.
        dates: column → formats of its dates.
        categories: column → its values that have a number of their own; all others share one.
        median_F, mean_F, std_F: of numbers and of what dates become.
        flag_F: whether a missing value among them has a flag.
        cut: deviations at which numbers are cut; None where they are as they are.
    """

    numbers: dict[str, NumberFormat]
    dates: dict[str, list[str]]
    categories: dict[str, list[str]]
    median_F: np.ndarray
    mean_F: np.ndarray
    std_F: np.ndarray
    flag_F: np.ndarray
    cut: float | None = EXTREME

    kind = "table"

    @property
    def columns(self) -> list[str]:
        """The columns that are read."""
        return [*self.numbers, *self.dates, *self.categories]

    def read(self, rows: Any) -> torch.Tensor:
        """Return the rows as (B, F) float32; see `supremix.data.dataset.RowReader`."""
        check_columns(rows, self.columns)
        x_NF = raw_numbers(rows, self.numbers, self.dates)
        absent_NF = np.isnan(x_NF)
        scaled_NF = (np.where(absent_NF, self.median_F, x_NF) - self.mean_F) / self.std_F
        if self.cut is not None:
            scaled_NF = np.clip(scaled_NF, -self.cut, self.cut)
        check_range(scaled_NF, [*self.numbers])
        parts = [scaled_NF, absent_NF[:, self.flag_F]]
        parts += [one_hot(known_cells(rows[name], values), values) for name, values in self.categories.items()]
        return torch.from_numpy(np.concatenate(parts, axis=1, dtype=np.float32))

    def parsed(self, rows: Any) -> "tuple[pd.DataFrame, list[str]]":
        """Return the columns of new rows by their kind, which `read` takes too, and doubts.

        Doubts say in words which cells are not of the kind that their column had in training.
        """
        import pandas as pd

        check_columns(rows, self.columns)
        columns: dict[str, np.ndarray] = {}
        doubts = []
        for name, form in self.numbers.items():
            columns[name] = numbers_of(rows[name], form)
            doubts += _told(rows[name], np.isnan(columns[name]), "no number, and counts as missing")
        for name, formats in self.dates.items():
            columns[name] = dates_of(rows[name], formats)
            what = f"no date as {' or '.join(formats)}, and counts as missing"
            doubts += _told(rows[name], np.isnat(columns[name]), what)
        for name, values in self.categories.items():
            columns[name] = known_cells(rows[name], values)
            strange_N = ~np.isin(columns[name], [*values, MISSING])
            doubts += _told(rows[name], strange_N, "none of the values that are frequent in training")
        return pd.DataFrame(columns), doubts

    def state(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return {
            "numbers": [[name, form.state()] for name, form in self.numbers.items()],
            "dates": [[name, formats] for name, formats in self.dates.items()],
            "categories": [[name, values] for name, values in self.categories.items()],
            "median": self.median_F,
            "mean": self.mean_F,
            "std": self.std_F,
            "flag": self.flag_F,
            "cut": self.cut,
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> "TableReader":
        """Make the reader whose `state` this is."""
        numbers = {name: NumberFormat(**form) for name, form in state["numbers"]}
        dates, categories = dict(state["dates"]), dict(state["categories"])
        cut = state.get("cut", EXTREME)  # runs of earlier versions cut raw numbers too, and were trained so
        return cls(numbers, dates, categories, state["median"], state["mean"], state["std"], state["flag"], cut)


def fit_table(
    frame: "pd.DataFrame",
    numbers: dict[str, NumberFormat],
    dates: dict[str, list[str]],
    categories: Sequence[str],
    scaling: str,
) -> TableReader:
    """Fit a reader to training rows by scikit-learn's ColumnTransformer.

    Args:
        frame: the training rows.
        numbers, dates: columns with their forms.
        categories: other columns.
        scaling: "standard" or "raw" of numbers and dates.
    """
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    x_NF = raw_numbers(frame, numbers, dates)
    width = x_NF.shape[1]
    cells = [category_cells(frame[name]) for name in categories]
    table = np.empty((len(frame), width + len(cells)), dtype=object)
    table[:, :width] = x_NF
    for place, cell_N in enumerate(cells):
        table[:, width + place] = cell_N
    median = SimpleImputer(strategy="median", keep_empty_features=True)
    one_hot = OneHotEncoder(
        min_frequency=max(2, int(RARE * len(frame))),
        max_categories=CATEGORIES_AT_MOST,
        handle_unknown="infrequent_if_exist",
    )
    fitted = ColumnTransformer(
        [
            ("numbers", make_pipeline(median, StandardScaler()), [*range(width)]),
            ("categories", one_hot, [*range(width, width + len(cells))]),
        ]
    ).fit(table)
    median_F, mean_F, std_F = np.zeros(0), np.zeros(0), np.ones(0)
    if width:
        pipeline = fitted.named_transformers_["numbers"]
        median_F = np.asarray(pipeline[0].statistics_, dtype=np.float64)
        mean_F, std_F = pipeline[1].mean_, pipeline[1].scale_
        if scaling == "raw":
            mean_F, std_F = np.zeros(width), np.ones(width)
    values: dict[str, list[str]] = {}
    if cells:
        encoder = fitted.named_transformers_["categories"]
        for name, known, rare in zip(categories, encoder.categories_, encoder.infrequent_categories_, strict=True):
            together = {*(rare if rare is not None else [])}
            values[name] = [str(value) for value in known if value not in together]
    flag_F, cut = np.isnan(x_NF).any(axis=0), EXTREME if scaling == "standard" else None
    return TableReader(numbers, dates, values, median_F, mean_F, std_F, flag_F, cut)


def raw_numbers(frame: "pd.DataFrame", numbers: dict[str, NumberFormat], dates: dict[str, list[str]]) -> np.ndarray:
    """Return numbers, and for a date its day and place in year and week, (N, F) float64; NaN where missing."""
    parts = [_finite(numbers_of(frame[name], form))[:, None] for name, form in numbers.items()]
    for name, formats in dates.items():
        date_N = dates_of(frame[name], formats)
        day_N = date_N.astype("datetime64[s]").astype(np.float64) / DAY
        day_N[np.isnat(date_N)] = np.nan
        turns = [day_N * (2 * np.pi / period) for period in (YEAR, WEEK)]
        parts.append(np.stack([day_N, *(wave(turn) for turn in turns for wave in (np.sin, np.cos))], axis=1))
    return np.concatenate(parts, axis=1) if parts else np.zeros((len(frame), 0))


def category_cells(cells: "pd.Series") -> np.ndarray:
    """Return cells as texts (N,), with MISSING for those without a value."""
    if cells.dtype.kind == "f":  # numbers of kinds, with missing ones among them
        x_N = cells.to_numpy(dtype=np.float64, na_value=np.nan)
        whole_N = (np.abs(x_N) < 2**53) & (x_N % 1 == 0)
        if (whole_N | np.isnan(x_N)).all():
            return np.array([str(int(x)) if x == x else MISSING for x in x_N], dtype=object)
    return cells.astype("str").str.strip().mask(cells.isna(), MISSING).to_numpy(dtype=object)


def known_cells(cells: "pd.Series", values: Sequence[str]) -> np.ndarray:
    """Return cells as `category_cells` does, true and false by the words of training (N,)."""
    cell_N = category_cells(cells)
    if not {*values} <= {MISSING, *TRUTH.values()}:
        return cell_N
    return np.array([TRUTH.get(cell, cell) for cell in cell_N], dtype=object)


def one_hot(cell_N: np.ndarray, values: Sequence[str]) -> np.ndarray:
    """Return (N, K + 1): which of the K values a cell has, or in the last column that it has another."""
    place = {value: at for at, value in enumerate(values)}
    at_N = np.array([place.get(cell, len(values)) for cell in cell_N], dtype=np.int64)
    return np.eye(len(values) + 1)[at_N]


def _told(cells: "pd.Series", strange_N: np.ndarray, what: str) -> list[str]:
    strange = cells[strange_N].dropna().astype("str")
    strange = strange[strange.str.strip() != ""]
    if strange.empty:
        return []
    return [f"column {cells.name!r}: {len(strange)} of {len(cells)} cells, such as {strange.iloc[0]!r}: {what}"]


def _finite(x_N: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(x_N), x_N, np.nan)
