"""Take sentences apart, and read new pairs of them as training read the prepared ones. B pairs, L tokens, V words."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from supremix.errors import UserError, needs

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

COLUMNS = ("sentence1", "sentence2")
SIDES = ("a", "b")
"""Of a batch: the first sentences, and of pairs the second ones."""


@dataclass(frozen=True)
class SentencePairs:
    """Pairs of sentences: a DataFrame with the columns sentence1 and sentence2, or a list of pairs of texts.

    Args:
        words: V words by the rows of their vectors, padding first.
        max_length: tokens of a sentence beyond which it is cut.
    """

    words: Sequence[str]
    max_length: int
    kind = "sentence_pairs"

    def read(self, rows: Any) -> "dict[str, Tensor]":
        """Return token numbers "a" and "b" (B, L), padded with 0, and their lengths "a_length" and "b_length" (B,)."""
        if hasattr(rows, "columns"):
            if not {*COLUMNS} <= {*rows.columns}:
                raise UserError(f"the rows have not both columns {' and '.join(COLUMNS)}: name those of the texts so")
            rows = rows[[*COLUMNS]].to_numpy().tolist()
        number = {word: row for row, word in enumerate(self.words)}
        return padded(
            [self._numbers(pair, side, at, number) for at, pair in enumerate(rows, 1)] for side in range(len(SIDES))
        )

    def _numbers(self, pair: Any, side: int, at: int, number: dict[str, int]) -> list[int]:
        text = pair[side] if isinstance(pair, list | tuple) and len(pair) == 2 else None
        tokens = tokenise(text) if isinstance(text, str) else []
        if not tokens:
            raise UserError(f"row {at}: give two sentences, each with a word; sentence {side + 1} is {text!r:.60}")
        return [number.get(token, number.get(token.lower(), 0)) for token in tokens[: self.max_length]]

    def state(self) -> dict[str, Any]:
        """Return the words and the length."""
        return {"words": [*self.words], "max_length": self.max_length}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> "SentencePairs":
        """Return the reader of a state."""
        return cls(state["words"], state["max_length"])


def tokenise(sentence: str) -> list[str]:
    """Split by NLTK's word_tokenize with preserve_line=True: the Treebank rules on the whole text, no data needed."""
    needs("nltk", extra="text")
    from nltk.tokenize import word_tokenize

    return cast(list[str], word_tokenize(sentence, preserve_line=True))


def padded(sides: Iterable[Sequence[Sequence[int]]]) -> "dict[str, Tensor]":
    """Return the batch of the token numbers of one or two sides, each padded with 0 to its longest sentence."""
    import torch

    batch: dict[str, Tensor] = {}
    for side, rows in zip(SIDES, sides, strict=False):
        length_B = torch.tensor([len(row) for row in rows])
        x_BL = torch.zeros(len(rows), int(length_B.max()), dtype=torch.long)
        for x_L, row in zip(x_BL, rows, strict=True):
            x_L[: len(row)] = torch.tensor(row)
        batch |= {side: x_BL, f"{side}_length": length_B}
    return batch


def taken(sentences: "Mapping[str, Tensor]", index_B: "np.ndarray") -> "dict[str, Tensor]":
    """Return the batch of these rows, its sentences no longer than the longest."""
    import torch

    at_B = torch.as_tensor(index_B, dtype=torch.long)
    batch = {key: value[at_B] for key, value in sentences.items()}
    return {
        key: value if key.endswith("_length") else value[:, : int(batch[f"{key}_length"].max())]
        for key, value in batch.items()
    }


def mean_vectors(vectors_VE: "Tensor", x: "Mapping[str, Tensor]") -> "Tensor":
    """Return the mean word vector of each sentence, and of a pair its vector [u; v; |u − v|; u∗v]: for regressors."""
    import torch

    sides = [side for side in SIDES if side in x]
    means = [torch.nn.functional.embedding(x[side], vectors_VE).sum(1) / x[f"{side}_length"][:, None] for side in sides]
    if len(means) == 1:
        return means[0]
    u_BE, v_BE = means
    return torch.cat([u_BE, v_BE, (u_BE - v_BE).abs(), u_BE * v_BE], dim=1)
