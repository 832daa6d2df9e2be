"""Write a twin of STS-B-DIR: invented sentences in the same files, and vectors of their words in GloVe's text format.

A word has a meaning, near which its vector lies, and a few synonyms. The second sentence of a pair says the first
one again: of its words a share that grows with the score stays or becomes a synonym, the others change meaning.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from supremix.prepare.twins.raw_folder import TwinOptions, raw_folder

SIZES = {"tiny": (60, 24, 24), "small": (240, 60, 60), "demo": (1000, 200, 200), "real": (5249, 1000, 1000)}
FILES = ("train_new.tsv", "dev_new.tsv", "test_new.tsv")
VECTORS = "vectors.50d.txt"
HEADER = ["index", "genre", "filename", "year", "old_index", "source1", "source2", "sentence1", "sentence2", "score"]
MEANINGS, SYNONYMS, WIDTH = 120, 3, 50
FUNCTION_WORDS = ("the", "a", "of", "in", "and", "to")


def generate(options: TwinOptions) -> None:
    """Write the three files of pairs, and vectors.50d.txt."""
    with raw_folder(options) as folder:
        if folder is not None:
            write(folder, options.size, options.seed)


def write(folder: Path, size: str, seed: int) -> None:
    """Write the raw files of a twin to `folder`. The same seed writes the same bytes."""
    rng = np.random.default_rng(seed)
    words = _words(rng)
    _write_vectors(folder / VECTORS, words, rng)
    number = iter(range(sum(SIZES[size])))
    for file, rows, balanced in zip(FILES, SIZES[size], (False, True, True), strict=True):
        lines = ["\t".join(HEADER)]
        lines += ["\t".join(_row(index, next(number), words, balanced, rng)) for index in range(rows)]
        (folder / file).write_text("\n".join(lines) + "\n", encoding="utf-8")


def _words(rng: np.random.Generator) -> np.ndarray:
    """(MEANINGS, SYNONYMS) distinct invented words."""
    syllables = [consonant + vowel for consonant in "bdfgklmnprstvz" for vowel in "aeiou"]
    words: dict[str, None] = {}
    while len(words) < MEANINGS * SYNONYMS:
        words["".join(rng.choice(syllables, rng.integers(2, 4)))] = None
    return np.array(list(words)).reshape(MEANINGS, SYNONYMS)


def _write_vectors(path: Path, words: np.ndarray, rng: np.random.Generator) -> None:
    centre_ME = rng.normal(size=(MEANINGS, 1, WIDTH))
    vector_WE = (centre_ME + 0.4 * rng.normal(size=(MEANINGS, SYNONYMS, WIDTH))).reshape(-1, WIDTH)
    common_FE = 0.3 * rng.normal(size=(len(FUNCTION_WORDS) + 1, WIDTH))
    known = zip([*words.flat, *FUNCTION_WORDS, "."], [*vector_WE, *common_FE], strict=True)
    # Every 50th word has no vector, as some of STS-B's have none.
    lines = [f"{word} " + " ".join(f"{x:.5g}" for x in vector) for i, (word, vector) in enumerate(known) if i % 50]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _row(index: int, number: int, words: np.ndarray, balanced: bool, rng: np.random.Generator) -> Iterator[str]:
    # As in the benchmark: training scores crowd the upper half; a mean of five marks, or a finer one.
    raw = rng.uniform(0, 5) if balanced else 5 * rng.beta(2, 1.4)
    score = round(raw * 5) / 5 if rng.random() < 0.7 else round(raw, 3)
    first = rng.integers(MEANINGS, size=rng.integers(3, 12))
    second = np.where(rng.random(len(first)) < score / 5, first, rng.integers(MEANINGS, size=len(first)))
    yield from (str(index), "main-captions", "twin", "2012train", f"{number:04d}", "none", "none")
    yield from (_sentence(first, words, rng), _sentence(second, words, rng), f"{score:.3f}")


def _sentence(meanings: np.ndarray, words: np.ndarray, rng: np.random.Generator) -> str:
    chosen = [word for m in meanings for word in (rng.choice(FUNCTION_WORDS), words[m, rng.integers(SYNONYMS)])]
    if rng.random() < 0.1:
        chosen[-1] = f'"{chosen[-1]}"'
    return " ".join(chosen).capitalize() + "."
