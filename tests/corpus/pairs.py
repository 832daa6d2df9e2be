"""Tab-separated sentence pairs as programs save them again: the files of stsb_dir."""

import codecs
import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.corpus import RAW, Odd, have, put

COMMAND = ["stsb_dir", "--split", "mine", "--source", RAW, "--vectors", f"{RAW}/vectors.txt"]
HEADER = ["filename", "year", "old_index", "sentence1", "sentence2", "score"]
FILES = {"train_new.tsv": 4, "dev_new.tsv": 2, "test_new.tsv": 2}
ROWS = {
    file: [
        ["news", "2012", f"{part}{i}", f"a cat sits {part}{i}", f"the dog {part}{i} ran", f"{i + 0.25}"]
        for i in range(count)
    ]
    for part, (file, count) in enumerate(FILES.items())
}
ALL = {f"news-2012-{part}{i}": i + 0.25 for part, count in enumerate(FILES.values()) for i in range(count)}
ODD = "news-2012-01"
TRAIN = "train_new.tsv"


def text(rows: list[list[str]], header: list[str] = HEADER) -> str:
    return "".join("\t".join(row) + "\n" for row in [header, *rows])


def sound(raw: Path) -> None:
    """Three splits of pairs, and vectors of three numbers."""
    for file, rows in ROWS.items():
        (raw / file).write_text(text(rows))
    words = ["a", "cat", "sits", "the", "dog", "ran"]
    (raw / "vectors.txt").write_text("".join(f"{word} {i} 0.5 -{i}\n" for i, word in enumerate(words)))


def cell(column: str, value: str) -> Callable[[Path], Any]:
    """Training pairs with this in the second row."""
    rows = [list(row) for row in ROWS[TRAIN]]
    rows[1][HEADER.index(column)] = value
    return put(TRAIN, text(rows))


def saved(file: str = TRAIN, sentence: str = 'he said "no" to it', header: bool = True, **options: Any) -> Callable:
    """A file saved again by Python's csv, as pandas, R and spreadsheets do."""
    target = io.StringIO()
    writer = csv.writer(target, delimiter="\t", lineterminator="\n", **options)
    rows = [list(row) for row in ROWS[file]]
    rows[1][3] = sentence
    writer.writerows(rows if header is False else [HEADER, *rows])
    return put(file, ("" if header else "\t".join(HEADER) + "\n") + target.getvalue())


def hidden(file: str, rows: range) -> Callable[[Path], Any]:
    """A file in which scores of these rows are -1."""
    return put(file, text([[*row[:5], "-1"] if i in rows else row for i, row in enumerate(ROWS[file])]))


TRAIN_TEXT = text(ROWS[TRAIN])
QUOTES = ["train_new.tsv", "fields in quotes", "save it without them"]
SCORES = {
    "": "''", "nan": "'nan'", "inf": "'inf'", "1_0": "'1_0'", "٣": "'٣'", "3.2 of 5": "'3.2 of 5'", '"3.2"': "3.2",
    "3,2": "'3,2', a comma where a number has a point", "4\xa0": r"4\xa0", "-0.5": "-0.5", "5.0001": "5.0001",
    "1e9": "1e9", "#N/A": "#N/A",
}  # fmt: skip
CASES = [
    *(Odd(f"score {score!r}", cell("score", score), report=("train_new.tsv:3", "dropped", "score", shown),
          right=have(**{ODD: None})) for score, shown in SCORES.items()),
    Odd("score 1.25e0", cell("score", "1.25e0"), right=have(**ALL)),
    Odd("score with blanks", cell("score", " 1.25 "), right=have(**ALL)),
    Odd("a hidden score", hidden(TRAIN, range(1, 2)), report=("train_new.tsv:3", "dropped", "score is hidden, -1"),
        right=have(**{ODD: None})),
    Odd("hidden test scores", hidden("test_new.tsv", range(2)), refused=("test_new.tsv", "every score is -1")),
    Odd("no column of scores", put("test_new.tsv", text([row[:5] for row in ROWS["test_new.tsv"]], HEADER[:5])),
        refused=("test_new.tsv", "no column score", "hidden")),
    Odd("byte order mark before the first name", put(TRAIN, codecs.BOM_UTF8 + TRAIN_TEXT.encode()), right=have(**ALL)),
    Odd("two byte order marks", put(TRAIN, codecs.BOM_UTF8 * 2 + TRAIN_TEXT.encode()),
        refused=("train_new.tsv", "no column filename", r"\ufefffilename")),
    Odd("a blank that nobody sees in a name", put(TRAIN, TRAIN_TEXT.replace("score", "score\u200b")),
        refused=("train_new.tsv", "no column score")),
    Odd("UTF-16", put(TRAIN, TRAIN_TEXT.encode("utf-16")), refused=("train_new.tsv", "UTF-16")),
    Odd("Windows line ends", put(TRAIN, TRAIN_TEXT.replace("\n", "\r\n")), right=have(**ALL)),
    Odd("no end of the last line", put(TRAIN, TRAIN_TEXT.rstrip()), right=have(**ALL)),
    Odd("line ends of the first Macs", put(TRAIN, TRAIN_TEXT.replace("\n", "\r")), refused=("train_new.tsv",)),
    Odd("quotes where they are needed", saved(), refused=(*QUOTES, "line 3")),
    Odd("quotes around all fields", saved(quoting=csv.QUOTE_ALL), refused=(*QUOTES, "line 1")),
    Odd("quotes around texts", saved(quoting=csv.QUOTE_NONNUMERIC), refused=QUOTES),
    Odd("quotes that are the sentence's", saved(sentence='"no" he said "yes"', quoting=csv.QUOTE_NONE, quotechar=None),
        right=have(**ALL)),
    Odd("a sentence in quotes", cell("sentence1", '"no cat"'), right=have(**ALL)),
    Odd("a quote without its pair", cell("sentence1", '"no cat'), report=("kept", "unpaired double quote"),
        right=have(**ALL)),
    Odd("commas in the place of tabs", put(TRAIN, TRAIN_TEXT.replace("\t", ",")), refused=("no column filename",)),
    Odd("a tab in a sentence", cell("sentence1", "a\tcat"), report=("train_new.tsv:3", "wrong number of fields", "7"),
        right=have(**{ODD: None})),
    Odd("a short row", put(TRAIN, TRAIN_TEXT + "news\t2012\n"), report=("train_new.tsv:6", "2 instead of 6"),
        right=have(**ALL)),
    Odd("a blank line", put(TRAIN, TRAIN_TEXT + "\n\n"), report=("train_new.tsv:6", "1 instead of 6"),
        right=have(**ALL)),
    Odd("bytes of Latin-1", put(TRAIN, TRAIN_TEXT.encode().replace(b"cat sits 01", b"caf\xe9")),
        report=("train_new.tsv:3", "not UTF-8"), right=have(**{ODD: None})),
    Odd("an empty sentence", cell("sentence2", ""), report=("train_new.tsv:3", "a sentence without a word", ODD),
        right=have(**{ODD: None})),
    Odd("a sentence of blanks", cell("sentence2", " \u3000 "), report=("train_new.tsv:3", "a sentence without a word"),
        right=have(**{ODD: None})),
    Odd("separators of Unicode in a sentence", cell("sentence1", "a\u2028cat\x0bsits\x85"), right=have(**ALL)),
    Odd("an id twice", put(TRAIN, TRAIN_TEXT + "\t".join(ROWS[TRAIN][1]) + "\n"),
        report=("train_new.tsv:6", "an id for the second time", "train_new.tsv:3"), right=have(**ALL)),
    Odd("a pair in train and test", put("test_new.tsv", text([[*ROWS[TRAIN][0][:2], "77", *ROWS[TRAIN][0][3:]]])),
        report=("test_new.tsv:2", "kept", "pair in train too")),
    Odd("columns in another order", put(TRAIN, text([row[::-1] for row in ROWS[TRAIN]], HEADER[::-1])),
        right=have(**ALL)),
    Odd("a further column", put(TRAIN, text([[*row, "x"] for row in ROWS[TRAIN]], [*HEADER, "genre"])),
        right=have(**ALL)),
    Odd("a header alone", put(TRAIN, "\t".join(HEADER) + "\n"), refused=("train_new.tsv", "no usable row")),
    Odd("nothing", put(TRAIN, ""), refused=("train_new.tsv", "no column filename")),
    Odd("a page of an error", put(TRAIN, "<html>404</html>"), refused=("train_new.tsv", "<html>")),
    Odd("a missing file", lambda raw: (raw / TRAIN).unlink(), refused=("train_new.tsv", "--help")),
    Odd("a folder in the place of a file", lambda raw: (raw / TRAIN).unlink() or (raw / TRAIN).mkdir(),
        refused=("train_new.tsv", "cannot be read")),
]  # fmt: skip
