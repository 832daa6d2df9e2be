"""Read STS-B's tab-separated files: every row is taken, or listed with the reason why not.

The files have no quoting: a double quote is a character of the sentence like any other, and a reader that pairs
them loses rows.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from supremix.errors import UserError
from supremix.prepare.shared.report import Finding

COLUMNS = ("filename", "year", "old_index", "sentence1", "sentence2", "score")
LOWEST, HIGHEST = 0.0, 5.0

Tokenise = Callable[[str], list[str]]


@dataclass(frozen=True)
class Pair:
    """A scored pair of sentences.

    Attributes:
        id: its place in the original SemEval files, the same in whatever split it stands.
        split: train, val or test.
        sentences: both, as they stand.
        tokens: of each sentence.
        score: similarity, 0 to 5.
        place: file and line.
    """

    id: str
    split: str
    sentences: tuple[str, str]
    tokens: tuple[list[str], list[str]]
    score: float
    place: str


def read_pairs(files: Mapping[str, Path], tokenise: Tokenise) -> tuple[list[Pair], list[Finding]]:
    """Read the usable pairs of all splits, in order, and what is odd about any row.

    Raises UserError where a file is missing, is no such table or has no usable row.

    Args:
        files: split → its file.
        tokenise: sentence → tokens.
    """
    pairs: dict[str, Pair] = {}
    findings: list[Finding] = []
    for split, path in files.items():
        before = len(pairs)
        for row in _read_file(split, path, tokenise):
            if isinstance(row, Finding):
                findings.append(row)
            elif row.id in pairs:
                detail = f"{row.id}, first: {pairs[row.id].place}"
                findings.append(Finding(row.place, "dropped", "an id for the second time", detail))
            else:
                pairs[row.id] = row
        if len(pairs) == before:
            raise UserError(f"{path}: no usable row: check that it is the {split} split of STS-B")
    return list(pairs.values()), findings + oddities(pairs.values())


def oddities(pairs: Iterable[Pair]) -> list[Finding]:
    """List what is odd about rows that are kept, since the published data has them: unpaired quotes, repeated pairs."""
    findings = []
    first: dict[tuple[str, str], Pair] = {}
    for pair in pairs:
        if any(sentence.count('"') % 2 for sentence in pair.sentences):
            findings.append(Finding(pair.place, "kept", "unpaired double quote", pair.id))
        other = first.setdefault(pair.sentences, pair)
        if other is not pair:
            reason = "pair twice in its split" if other.split == pair.split else f"pair in {other.split} too"
            findings.append(Finding(pair.place, "kept", reason, f"{pair.id}, first: {other.place}"))
    return findings


def in_train_too(pairs: list[Pair], split: str) -> int:
    """Count the pairs of a split that have both sentences, in this order, in a training pair."""
    train = {pair.sentences for pair in pairs if pair.split == "train"}
    return sum(pair.split == split and pair.sentences in train for pair in pairs)


def _read_file(split: str, path: Path, tokenise: Tokenise) -> Iterator[Pair | Finding]:
    try:
        header, *lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        raise UserError(f"{path}: missing: `--help` says where to get it") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}): check the path") from error
    names = header.decode("utf-8", "replace").rstrip("\r").split("\t")
    missing = [name for name in COLUMNS if name not in names]
    if missing:
        raise UserError(f"{path}: no column {', '.join(missing)} in its first line: is it one of STS-B's files?")
    if lines and not lines[-1]:
        lines.pop()  # after the last line's end
    for number, line in enumerate(lines, 2):
        yield _read_row(split, f"{path.name}:{number}", names, line, tokenise)


def _read_row(split: str, place: str, names: list[str], line: bytes, tokenise: Tokenise) -> Pair | Finding:
    try:
        fields = line.decode("utf-8").rstrip("\r").split("\t")
    except UnicodeDecodeError as error:
        return Finding(place, "dropped", "not UTF-8", f"at byte {error.start + 1}")
    if len(fields) != len(names):
        return Finding(place, "dropped", "wrong number of fields", f"{len(fields)} instead of {len(names)}")
    row = dict(zip(names, fields, strict=True))
    row_id = "-".join(row[name] for name in ("filename", "year", "old_index"))
    try:
        score = float(row["score"])
    except ValueError:
        score = math.nan
    if not math.isfinite(score):
        return Finding(place, "dropped", "score is not a finite number", f"{row_id}: {row['score']!r}")
    if not LOWEST <= score <= HIGHEST:
        return Finding(place, "dropped", f"score outside {LOWEST:g} to {HIGHEST:g}", f"{row_id}: {row['score']}")
    sentences = (row["sentence1"], row["sentence2"])
    tokens = (tokenise(sentences[0]), tokenise(sentences[1]))
    if not all(tokens):
        return Finding(place, "dropped", "a sentence without a word", row_id)
    return Pair(row_id, split, sentences, tokens, score, place)
