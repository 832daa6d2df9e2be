"""A user's texts as data: one or two columns of texts, as word vectors. B rows, L tokens, V words of E numbers."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from supremix.data.dataset import Data
from supremix.data.own.assemble import Inputs, Plan, assembled, divided
from supremix.data.own.layout import Layout, Rows, column, read_rows
from supremix.data.own.problems import Problem
from supremix.data.raw.words import coverage, find_vectors, look_up, wanted_words
from supremix.data.sentences import mean_vectors, padded, taken, tokenise
from supremix.errors import UserError
from supremix.runtime.registered import registered

WORDS_AT_LEAST, WORDS_OF_SENTENCES = 2.0, 4.0
"""Mean number of words from which on a column counts as texts."""


@dataclass(frozen=True, eq=False)
class TextReader:
    """Reads texts, or pairs of texts.

    Args:
        columns: of the texts, one or two.
        words: V by the rows of their vectors, the first for padding and for words that have none.
        max_length: tokens beyond which a text is cut.
    """

    columns: Sequence[str]
    words: Sequence[str]
    max_length: int
    numbers: dict[str, int] = field(init=False)

    kind = "texts"

    def __post_init__(self) -> None:
        object.__setattr__(self, "numbers", {word: row for row, word in enumerate(self.words)})

    def read(self, rows: Any) -> dict[str, Tensor]:
        """Return token numbers "a" (B, L) and "a_length" (B,), for pairs "b" too; see `supremix.data.dataset`."""
        return padded([self.tokens(cell) for cell in cells] for cells in self._cells(rows))

    def tokens(self, cell: Any) -> list[int]:
        """Return a text's words by number; that of padding for an unknown one, and for a text without words."""
        words = tokenise(str(cell)) if cell is not None and cell == cell else []
        get = self.numbers.get
        return [get(word, get(word.lower(), 0)) for word in words[: self.max_length]] or [0]

    def _cells(self, rows: Any) -> list[list[Any]]:
        if not hasattr(rows, "columns"):
            return [list(rows)] if len(self.columns) == 1 else [list(side) for side in zip(*rows, strict=True)]
        for name in self.columns:
            if name not in rows.columns:
                raise UserError(f"the rows have no column {name!r}, which the model was trained on")
        return [rows[name].tolist() for name in self.columns]

    def state(self) -> dict[str, Any]:
        """Return the arguments."""
        return {"columns": [*self.columns], "words": [*self.words], "max_length": self.max_length}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> "TextReader":
        """Make the reader whose `state` this is."""
        return cls(state["columns"], state["words"], state["max_length"])


@registered("dataset/own_texts")
def load_texts(
    *, name: str, path: str, layout: Layout, plan: Plan, input: Any, vectors: str | None, folder: str, max_length: int
) -> Data:
    """Load texts or pairs of texts, with frozen word vectors of the words in the training rows.

    Args:
        name: of the dataset.
        path: of the table.
        layout, plan: as for a table.
        input: column of the texts, or a list of two; None finds them.
        vectors: file in GloVe's text format; None takes one from the folder, or the installed package's.
        folder: where such a file usually is.
        max_length: tokens beyond which a text is cut.
    """
    if max_length < 1:
        raise UserError(f"{name}: dataset.max_length={max_length}: use 1 or more")
    rows = read_rows(path, layout)
    columns = text_columns(rows, input)
    rows = _with_words(rows, columns)
    split = divided(rows, plan)
    training = rows.frame.iloc[split["train"]]
    count = Counter(token for name in columns for cell in training[name] for token in tokenise(str(cell)))
    source = find_vectors(None if vectors is None else Path(vectors), Path(folder))
    vocabulary = look_up(count, source.read(wanted_words(count)))
    reader = TextReader(columns, vocabulary.words, max_length)
    batch = reader.read(rows.frame)
    share = 1 - coverage(count, vocabulary)["tokens_missing"] / max(count.total(), 1)
    vectors_VE = torch.from_numpy(vocabulary.vectors_VE)
    inputs = Inputs(
        fetch=partial(taken, batch),
        reader=reader,
        input_spec={"vectors": vectors_VE, "sentences": len(columns)},
        facts=[
            f"texts in {' and '.join(map(repr, columns))}: {len(vocabulary.words) - 1:,} different words in the "
            f"training rows, {share:.0%} of all with a vector in {source.name}"
        ],
        others={"flatten": partial(mean_vectors, vectors_VE)},
        sha256=content_sha256(vocabulary.words, vocabulary.vectors_VE),
    )
    return assembled(name, rows, split, inputs, plan)


def text_columns(rows: Rows, given: Any) -> list[str]:
    """Return the columns of texts: the given ones, else those of sentences, else those of several words."""
    if given is not None:
        names = [given] if isinstance(given, str) else [*given]
        if not 1 <= len(names) <= 2:
            raise UserError(f"dataset.input={names}: name one column of texts, or two for pairs")
        return [column(rows.sheet, name, "dataset.input") for name in names]
    texts = sentences(rows) or [name for name in rows.texts if word_count(rows.frame[name]) >= WORDS_AT_LEAST]
    if not 1 <= len(texts) <= 2:
        raise UserError(
            f"{rows.sheet.path}: {'no column holds' if not texts else f'{len(texts)} columns hold'} texts of several "
            f"words ({', '.join((texts or rows.texts)[:5])}): name one or two by dataset.input"
        )
    return texts


def sentences(rows: Rows) -> list[str]:
    """Return the columns whose cells are sentences, and mostly different ones."""
    return [
        name
        for name in rows.texts
        if word_count(rows.frame[name]) >= WORDS_OF_SENTENCES and rows.frame[name].nunique() > 0.5 * len(rows.y)
    ]


def content_sha256(words: Sequence[str], vectors_VE: np.ndarray) -> str:
    """Return the SHA-256 of words and their vectors, whichever file they came from."""
    return sha256("\n".join(words).encode() + np.ascontiguousarray(vectors_VE).tobytes()).hexdigest()


def word_count(cells: Any) -> float:
    """Return the mean number of words of a column's cells."""
    return float(cells.dropna().astype("str").str.split().str.len().mean() or 0.0)


def _with_words(rows: Rows, columns: Sequence[str]) -> Rows:
    """Return the rows that have a word in each text."""
    has_N = np.full(len(rows.y), True)
    for name in columns:
        has_N &= (rows.frame[name].notna() & (rows.frame[name].astype("str").str.strip() != "")).to_numpy()
    reason = f"no text in {' or '.join(map(repr, columns))}"
    return rows.keep(has_N, [Problem(str(rows.frame.index[at]), reason, "", True) for at in np.flatnonzero(~has_N)])
