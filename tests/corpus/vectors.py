"""Word vectors in GloVe's text format, and what other programs make of it: those of stsb_dir."""

import codecs
import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.corpus import Odd, pairs, put

COMMAND = pairs.COMMAND
sound = pairs.sound
FILE = "vectors.txt"
VECTORS = {"a": [1.0, 2, 3], "cat": [0.5, -1, 0], "dog": [4.0, 4, 4], "the": [0.0, 1, 0]}
LINES = [f"{word} {' '.join(map(str, numbers))}" for word, numbers in VECTORS.items()]
SOUND = "\n".join([*LINES, ""])


def have_vectors(**expected: list[float]) -> Callable[[Path], None]:
    """The prepared folder has these vectors, and zeros for other words."""

    def check(folder: Path) -> None:
        words = (folder / "vocabulary.txt").read_text(encoding="utf-8").splitlines()
        found = dict(zip(words, np.load(folder / "vectors.npy").tolist(), strict=True))
        width = len(next(iter(expected.values())))
        assert found == {word: expected.get(word, [0.0] * width) for word in words}

    return check


def lines(*given: str) -> Callable[[Path], Any]:
    return put(FILE, "\n".join([*given, ""]))


ALL = have_vectors(**VECTORS)
NO_CAT = have_vectors(**{word: numbers for word, numbers in VECTORS.items() if word != "cat"})
RIGHT = {
    "as it is": SOUND,
    "byte order mark": codecs.BOM_UTF8 + SOUND.encode(),
    "Windows line ends": SOUND.replace("\n", "\r\n"),
    "blanks at the ends of lines": SOUND.replace("\n", " \n"),
    "no end of the last line": SOUND.rstrip(),
    "word2vec's header line": "4 3\n" + SOUND,
    "word2vec's header line after a byte order mark": "\ufeff4 3\n" + SOUND,
    "a short line among the first": "\n".join([LINES[0], "sit 1", *LINES[1:], ""]),
    "a short line before all others": "sit 1\n" + SOUND,
    "an empty line": "\n".join([*LINES[:2], "", *LINES[2:], ""]),
    "words of several parts": "a cat 9 9 9\n. . . 8 8 8\n" + SOUND,
    "a word for the second time": SOUND + "cat 7 7 7\n",
    "a damaged line of another word": SOUND + "zebra 1 x\nyak 1 2 nan\n",
    "bytes of Latin-1": SOUND.encode() + b"caf\xe9 1 2 3\n",
    "a number as a word": "7 7 7 7\n" + SOUND,
}
REFUSED: dict[str, tuple[str | bytes, list[str]]] = {
    "decimal commas": (SOUND.replace(".", ","), ["line 1", "decimal commas"]),
    "a cut line": (SOUND.rstrip()[:-4], ["line 4 is damaged", "a word and 3 numbers"]),
    "a word for a number": (SOUND.replace("-1", "one"), ["line 2 is damaged"]),
    "NaN": (SOUND.replace("-1", "nan"), ["line 2 is damaged"]),
    "a number beyond float32": (SOUND.replace("-1", "1e39"), ["line 2 is damaged"]),
    "an underscore": (SOUND.replace("-1", "1_0"), ["line 2 is damaged"]),
    "two blanks": (SOUND.replace("0.5 -1", "0.5  -1"), ["line 2 is damaged"]),
    "another width than the header line's": ("4 50\n" + SOUND, ["first line", "50 numbers", "3"]),
    "tabs": (SOUND.replace(" ", "\t"), ["not in GloVe's text format"]),
    "commas": (SOUND.replace(" ", ","), ["not in GloVe's text format"]),
    "UTF-16": (SOUND.encode("utf-16"), ["UTF-16"]),
    "gzip": (gzip.compress(SOUND.encode()), ["vectors.txt"]),
    "zip": (b"PK\x03\x04" + bytes(range(256)), ["not in GloVe's text format"]),
    "words alone": ("a\ncat\n", ["not in GloVe's text format"]),
    "nothing": ("", ["not in GloVe's text format"]),
    "a header line alone": ("4 3\n", ["not in GloVe's text format"]),
    "another language": ("chat 1 2 3\nchien 1 2 3\n", ["none of the words"]),
    "a page of an error": ("<html> <body> 404\n", ["vectors.txt"]),
}
CASES = [
    *(Odd(name, put(FILE, content), right=ALL) for name, content in RIGHT.items()),
    *(Odd(name, put(FILE, content), refused=(FILE, *words)) for name, (content, words) in REFUSED.items()),
    Odd("other words in capitals", put(FILE, SOUND.replace("cat", "CAT")), right=NO_CAT),
    Odd("most lines of another width", put(FILE, SOUND + "zoo 1 2 3 4\n" * 9), refused=(FILE, "line 1", "4 numbers")),
    Odd("a missing file", lambda raw: (raw / FILE).unlink(), refused=(FILE, "check the path")),
    Odd("a folder in its place", lambda raw: (raw / FILE).unlink() or (raw / FILE).mkdir(), refused=(FILE,)),
]  # fmt: skip
