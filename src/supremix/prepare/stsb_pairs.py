"""Read STS-B's tab-separated files: every row is taken, or listed with the reason why not.

The files have no quoting: a double quote is a character of the sentence like any other, and a reader that pairs
them loses rows. A file that was saved again with quotes around its fields is another one, and refused.
"""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from supremix.data.prepared.cells import decode, number, shown
from supremix.errors import UserError
from supremix.prepare.shared.report import Finding

COLUMNS = ("filename", "year", "old_index", "sentence1", "sentence2", "score")
LOWEST, HIGHEST = 0.0, 5.0
HIDDEN = -1.0  # stands for the score where a benchmark keeps its test labels to itself
QUOTED = re.compile(r'"(?:[^"]|"")*"')

HIDDEN_SCORE = "score is hidden, -1"

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
        before, first_finding = len(pairs), len(findings)
        for row in _read_file(split, path, tokenise):
            if isinstance(row, Finding):
                findings.append(row)
            elif row.id in pairs:
                detail = f"{row.id}, first: {pairs[row.id].place}"
                findings.append(Finding(row.place, "dropped", "an id for the second time", detail))
            else:
                pairs[row.id] = row
        if len(pairs) == before:
            reasons = {finding.reason for finding in findings[first_finding:]}
            if reasons == {HIDDEN_SCORE}:
                raise UserError(f"{path}: every score is -1, so its labels are hidden: get the {split} split with them")
            why = f" ({findings[first_finding].reason}: {findings[first_finding].detail})" if reasons else ""
            raise UserError(f"{path}: no usable row{why}: check that it is the {split} split of STS-B")
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
        raw = path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{path}: missing: `--help` says where to get it") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}): check the path") from error
    header, *lines = raw.split(b"\n")
    try:
        names = decode(header).rstrip("\r").split("\t")
    except ValueError as error:
        raise UserError(f"{path}: its first line cannot be read ({error}): is it one of STS-B's files?") from None
    missing = [name for name in COLUMNS if name not in names]
    if missing and all(f'"{name}"' in names for name in missing):
        raise _saved_again(path, 1)
    if missing == ["score"]:
        raise UserError(f"{path}: no column score, so its labels are hidden: get the {split} split with them")
    if missing:
        shown = ", ".join(names)[:100]
        raise UserError(
            f"{path}: no column {', '.join(missing)} in its first line ({shown}): is it one of STS-B's files?"
        )
    if lines and not lines[-1]:
        lines.pop()  # after the last line's end
    for at, line in enumerate(lines, 2):
        if b'"' in line and any(map(_is_quoted, line.decode("utf-8", "replace").rstrip("\r").split("\t"))):
            raise _saved_again(path, at)
        yield _read_row(split, f"{path.name}:{at}", names, line, tokenise)


def _is_quoted(field: str) -> bool:
    """Say whether a program put quotes around a field, which doubles those inside."""
    return '""' in field[1:-1] and QUOTED.fullmatch(field) is not None


def _saved_again(path: Path, line: int) -> UserError:
    return UserError(
        f"{path}: line {line} has fields in quotes, as programs save them that quote text; STS-B's files have no such "
        "quotes: get the file again, or save it without them"
    )


def _read_row(split: str, place: str, names: list[str], line: bytes, tokenise: Tokenise) -> Pair | Finding:
    try:
        fields = line.decode("utf-8").rstrip("\r").split("\t")
    except UnicodeDecodeError as error:
        return Finding(place, "dropped", "not UTF-8", f"at byte {error.start + 1}")
    if len(fields) != len(names):
        return Finding(place, "dropped", "wrong number of fields", f"{len(fields)} instead of {len(names)}")
    row = dict(zip(names, fields, strict=True))
    row_id = "-".join(row[name] for name in ("filename", "year", "old_index"))
    score = number(row["score"])
    if not math.isfinite(score):
        return Finding(place, "dropped", "score is not a finite number", f"{row_id}: {shown(row['score'])}")
    if score == HIDDEN:
        return Finding(place, "dropped", HIDDEN_SCORE, row_id)
    if not LOWEST <= score <= HIGHEST:
        return Finding(place, "dropped", f"score outside {LOWEST:g} to {HIGHEST:g}", f"{row_id}: {row['score']}")
    sentences = (row["sentence1"], row["sentence2"])
    tokens = (tokenise(sentences[0]), tokenise(sentences[1]))
    if not all(tokens):
        return Finding(place, "dropped", "a sentence without a word", row_id)
    return Pair(row_id, split, sentences, tokens, score, place)
