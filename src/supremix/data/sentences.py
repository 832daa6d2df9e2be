"""Take sentences apart, and read new pairs of them as training read the prepared ones. B pairs, L tokens, V words."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from supremix.errors import UserError, needs

if TYPE_CHECKING:
    from torch import Tensor

COLUMNS = ("sentence1", "sentence2")


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
        import torch

        if hasattr(rows, "columns"):
            if not {*COLUMNS} <= {*rows.columns}:
                raise UserError(f"the rows have not both columns {' and '.join(COLUMNS)}: name those of the texts so")
            rows = rows[[*COLUMNS]].to_numpy().tolist()
        number = {word: row for row, word in enumerate(self.words)}
        batch: dict[str, Tensor] = {}
        for side, key in enumerate(("a", "b")):
            tokens = [self._numbers(pair, side, at, number) for at, pair in enumerate(rows, 1)]
            length_B = torch.tensor([len(row) for row in tokens])
            padded = [row + [0] * (int(length_B.max()) - len(row)) for row in tokens]
            batch |= {key: torch.tensor(padded), f"{key}_length": length_B}
        return batch

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
