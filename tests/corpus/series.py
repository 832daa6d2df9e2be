"""Tables of numbers, .npy, CSV and text, as NumPy, pandas, R and spreadsheets write them: the series of hcp_aging."""

import codecs
import io
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.corpus import Odd, ages, have

COMMAND = ages.COMMAND
FRAMES, PARCELS = 40, 400
VALUES_PT = np.random.default_rng(1).normal(size=(PARCELS, FRAMES)).round(4)
sound = ages.sound


def npy(array: Any, **options: Any) -> bytes:
    """The content of a .npy file."""
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


def text(values: np.ndarray = VALUES_PT, delimiter: str = ",", point: str = ".", end: str = "\n") -> str:
    """A table as text."""
    return "".join(delimiter.join(f"{x:.4f}".replace(".", point) for x in row) + end for row in values)


def s1(content: str | bytes, suffix: str = ".npy") -> Callable[[Path], Any]:
    """This content as the series of s1."""

    def write(raw: Path) -> None:
        (raw / "s1.npy").unlink()
        (raw / f"s1{suffix}").write_bytes(content if isinstance(content, bytes) else content.encode())

    return write


def holds(values_PT: np.ndarray = VALUES_PT, rtol: float = 1e-4) -> Callable[[Path], None]:
    """The prepared folder has these values as the series of s1, standardised."""

    def check(folder: Path) -> None:
        have(**ages.AGES)(folder)
        frames_TP = np.concatenate([np.load(path) for path in sorted(folder.glob("frames-*.npy"))])[FRAMES : 2 * FRAMES]
        series_PT = values_PT.astype(np.float64)
        expected_PT = (series_PT - series_PT.mean(1, keepdims=True)) / series_PT.std(1, keepdims=True)
        np.testing.assert_allclose(frames_TP.T, expected_PT, rtol, rtol)

    return check


def changed(at: tuple[int, int] | int, value: Any) -> np.ndarray:
    """The values with another one there, in one place or a whole parcel."""
    values = VALUES_PT.copy()
    values[at] = value
    return values


def claims(shape: str) -> bytes:
    """A .npy file whose header claims a shape that its bytes do not have."""
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + bytes(64)


NAMED = np.zeros(FRAMES, dtype=[(f"p{i}", "f8") for i in range(4)])
NOISE = np.random.default_rng(2).normal(size=FRAMES)
RIGHT = {
    "float32": (npy(VALUES_PT.astype("f4")), VALUES_PT),
    "float16": (npy(VALUES_PT.astype("f2")), VALUES_PT.astype("f2")),
    "long doubles": (npy(VALUES_PT.astype(np.longdouble)), VALUES_PT),
    "the other byte order": (npy(VALUES_PT.astype(">f8")), VALUES_PT),
    "columns first": (npy(np.asfortranarray(VALUES_PT)), VALUES_PT),
    "whole numbers": (npy((VALUES_PT * 1000).astype("i2")), (VALUES_PT * 1000).astype("i2")),
    "unsigned": (npy((VALUES_PT * 1000 + 9000).astype("u4")), (VALUES_PT * 1000 + 9000).astype("u4")),
    "large": (npy(VALUES_PT * 1e30), VALUES_PT),
    "so large that nearly all are whole": (npy(VALUES_PT * 1e17), VALUES_PT),
    "small": (npy(VALUES_PT * 1e-30), VALUES_PT),
    "on a high level": (npy(VALUES_PT + 1e4), VALUES_PT),
}  # fmt: skip
RIGHT_TEXT = {
    "commas": (".csv", text()),
    "tabs": (".tsv", text(delimiter="\t")),
    "blanks": (".txt", text(delimiter="  ")),
    "byte order mark": (".csv", codecs.BOM_UTF8 + text().encode()),
    "Windows line ends": (".csv", text(end="\r\n")),
    "tabs in .csv": (".csv", text(delimiter="\t")),
    "semicolons": (".csv", text(delimiter=";")),
    "comments": (".txt", "# made by hand\n" + text(delimiter=" ")),
    "blank lines": (".csv", text().replace("\n", "\n\n")),
    "no end of the last line": (".csv", text().rstrip()),
    "cells in quotes": (".csv", "\n".join(",".join(f'"{c}"' for c in line.split(",")) for line in text().split())),
}
LABELLED = {
    "an index as pandas writes it": (".csv", ",".join(["", *map(str, range(FRAMES))]) + "\n"
        + "".join(f"{i},{line}\n" for i, line in enumerate(text().split())), "column"),
    "names of frames": (".csv", ",".join(f"t{i}" for i in range(FRAMES)) + "\n" + text(), "header line left out"),
    "R's names without a corner": (".txt", " ".join(f'"V{i}"' for i in range(FRAMES)) + "\n"
        + "".join(f'"p{i}" {line}\n' for i, line in enumerate(text(delimiter=" ").splitlines())), "column of names"),
}  # fmt: skip
REFUSED = {
    "complex": (npy(VALUES_PT + 1j), ["not readable as a table of numbers", "complex"]),
    "objects": (npy(VALUES_PT.astype(object), allow_pickle=True), ["not readable as a table of numbers"]),
    "texts": (npy(VALUES_PT.astype(str)), ["not readable as a table of numbers"]),
    "days": (npy(np.zeros((400, 40), "M8[D]")), ["not readable as a table of numbers"]),
    "named fields": (npy(NAMED), ["not readable as a table of numbers"]),
    "an archive of arrays": (b"PK\x03\x04" + bytes(30), ["not readable as a table of numbers"]),
    "a pickle": (pickle.dumps([1.0]), ["not readable as a table of numbers"]),
    "a cut file": (npy(VALUES_PT)[:5000], ["not readable as a table of numbers"]),
    "an empty file": (b"", ["the file is empty"]),
    "text named .npy": (text(), ["not readable as a table of numbers"]),
    "a header that claims terabytes": (claims("(400, 1000000000)"), ["not readable as a table of numbers"]),
    "a header with a negative size": (claims("(400, -1)"), ["not readable as a table of numbers"]),
    "three axes": (npy(VALUES_PT[None]), ["no 400 parcels", "1×400×40 values"]),
    "one axis": (npy(VALUES_PT[:, 0]), ["no 400 parcels"]),
    "one number": (npy(1.0), ["no 400 parcels"]),
    "no frame": (npy(VALUES_PT[:, :0]), ["fewer than 32 frames"]),
    "31 frames": (npy(VALUES_PT[:, :31]), ["fewer than 32 frames", "31"]),
    "399 parcels": (npy(VALUES_PT[1:]), ["no 400 parcels", "399×40"]),
    "as many frames as parcels": (npy(np.tile(VALUES_PT, 10)), ["cannot be told apart", "--parcels-in"]),
    "NaN": (npy(changed((6, 3), np.nan)), ["NaN or infinite", "parcel 7, frame 4"]),
    "infinity": (npy(changed((6, 3), -np.inf)), ["NaN or infinite", "parcel 7, frame 4"]),
    "a constant parcel": (npy(changed(6, 2.5)), ["constant parcels", "1 of 400: 7"]),
    "a parcel of zeros": (npy(changed(6, 0)), ["constant parcels", "7"]),
    "a parcel constant but for rounding": (npy(changed(6, 0.1 + 1e-16 * NOISE)), ["constant parcels", "7"]),
    "a parcel constant but for float32's rounding": (npy(changed(6, 1e4 * (1 + 1e-8 * NOISE))), ["constant parcels"]),
    "beyond float32": (npy(changed(6, 1e39 * NOISE)), ["beyond single precision", "parcel 7"]),
    "below float32": (npy(changed(6, 1e-42 * NOISE)), ["beyond single precision", "parcel 7"]),
    "long doubles beyond float64": (npy(VALUES_PT.astype(np.longdouble) * np.longdouble("1e400")), ["dropped"]),
    "truth": (npy(VALUES_PT > 99), ["constant parcels", "400 of 400"]),
}
REFUSED_TEXT = {
    "decimal commas between semicolons": (".csv", text(delimiter=";", point=","), ["commas where numbers"]),
    "decimal commas between tabs": (".tsv", text(delimiter="\t", point=","), ["commas where numbers have a point"]),
    "decimal commas between blanks": (".txt", text(delimiter=" ", point=","), ["commas where numbers have a point"]),
    "decimal commas between commas": (".csv", text(point=","), ["commas where numbers have a point"]),
    "UTF-16 text": (".csv", text().encode("utf-16"), ["UTF-16"]),
    "Latin-1 text": (".csv", "é\n".encode("latin-1") + text().encode(), ["line 1 is not in UTF-8"]),
    "a short row": (".csv", text().replace("\n", ",1\n", 1), ["not readable as a table of numbers"]),
    "a word among numbers": (".csv", text().replace(f"{VALUES_PT[5, 5]:.4f}", "none"), ["'none'"]),
    "an empty cell": (".csv", text().replace(f"{VALUES_PT[5, 5]:.4f}", ""), ["not readable as a table of numbers"]),
    "NaN as text": (".csv", text().replace(f"{VALUES_PT[5, 5]:.4f}", "nan"), ["NaN or infinite"]),
    "underscores": (".csv", text().replace(f"{VALUES_PT[5, 5]:.4f}", "1_0"), ["'1_0'"]),
    "a page of an error": (".csv", "<html>404</html>", ["dropped"]),
    "comments alone": (".txt", "# nothing\n", ["no line of numbers"]),
}  # fmt: skip
CASES = [
    *(Odd(name, s1(content), right=holds(values, 2e-3)) for name, (content, values) in RIGHT.items()),
    *(Odd(name, s1(content, suffix), right=holds()) for name, (suffix, content) in RIGHT_TEXT.items()),
    *(Odd(name, s1(content, suffix), report=("s1", "kept", word), right=holds())
      for name, (suffix, content, word) in LABELLED.items()),
    *(Odd(name, s1(content), report=("s1.npy", "dropped", *words), right=have(s1=None))
      for name, (content, words) in REFUSED.items()),
    *(Odd(f"{name} ({suffix})", s1(content, suffix), report=(f"s1{suffix}", "dropped", *words), right=have(s1=None))
      for name, (suffix, content, words) in REFUSED_TEXT.items()),
    Odd("another ending", s1(npy(VALUES_PT), ".mat"), report=("s1.mat", "dropped", "no SUBJECT.npy"),
        right=have(s1=None)),
    Odd("two files of one subject", lambda raw: (raw / "s1.csv").write_text(text()),
        report=("s1", "dropped", "another file of the same subject"), right=have(**ages.AGES)),
    Odd("a file whose name is no text", lambda raw: (raw / "s\udce4.npy").write_bytes(npy(VALUES_PT)),
        report=("dropped", "file, but no usable age"), right=have(**ages.AGES)),
    Odd("a folder in the place of a file", lambda raw: (raw / "s9.npy").mkdir(), report=("s9.npy", "dropped"),
        right=have(**ages.AGES)),
    Odd("another way than the others", lambda raw: np.save(raw / "s1.npy", VALUES_PT.T),
        report=("s1", "kept", "parcels in columns, in most files in rows"), right=holds()),
]  # fmt: skip
