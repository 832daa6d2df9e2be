"""What is wrong with rows of a user's file, row by row, and as lines for the terminal."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

EXAMPLES = 3


class Problem(NamedTuple):
    """A fault of one row.

    Attributes:
        place: where the row stands, as "line 17" of a text file.
        reason: the same words for the same fault, so that they can be counted.
        value: what stands there, "" for nothing.
        left_out: whether the row is left out; else it is kept, and the value counts as missing.
    """

    place: str
    reason: str
    value: str
    left_out: bool


def summary(problems: Iterable[Problem]) -> list[str]:
    """Count problems by reason, the most frequent first, with the first places of each."""
    by_reason: dict[str, list[Problem]] = {}
    for problem in problems:
        by_reason.setdefault(("left out: " if problem.left_out else "kept: ") + problem.reason, []).append(problem)
    return [
        f"{len(group):,} × {reason}: {_examples(group)}"
        for reason, group in sorted(by_reason.items(), key=lambda item: -len(item[1]))
    ]


def _examples(problems: Sequence[Problem]) -> str:
    shown = [
        f"{problem.place} ({problem.value[:40]!r})" if problem.value else problem.place
        for problem in problems[:EXAMPLES]
    ]
    return ", ".join([*shown, "…"] if len(problems) > EXAMPLES else shown)
