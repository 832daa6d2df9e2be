"""A table of the user's own: manifest.csv, as spreadsheets and programs save it, beside features.npy and meta.json."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from supremix.prepare.shared.prepared import write_manifest, write_meta
from tests.corpus import Odd, put

NAMES = [f"r{i}" for i in range(8)]
LABELS = [10.5, 11.0, 12.0, 13.0, 14.0, 15.0, 16.0, 17.0]
SPLITS = ["train"] * 4 + ["val"] * 2 + ["test"] * 2
FEATURES = np.random.default_rng(0).normal(size=(8, 3))
SOUND = "\n".join(["id,label,split", *(f"{n},{y},{s}" for n, y, s in zip(NAMES, LABELS, SPLITS, strict=True)), ""])


def sound(folder: Path) -> None:
    """Eight rows with three features."""
    write_manifest(folder, {"id": NAMES, "label": LABELS, "split": SPLITS})
    np.save(folder / "features.npy", FEATURES)


def seal(folder: Path) -> None:
    """Describe what is in the folder."""
    source = {"file": "mine.csv", "sha256": "0" * 64, "url": ""}
    write_meta(folder, name="mine", rows=8, label="", source=source, synthetic=False, features=["a", "b", "c"])


def manifest(content: str | bytes) -> Callable[[Path], Any]:
    return put("manifest.csv", content)


def label(text: str) -> Callable[[Path], Any]:
    return manifest(SOUND.replace("r1,11.0", f"r1,{text}"))


def features(at: tuple[int, int], value: float) -> Callable[[Path], Any]:
    """Features with another value there."""
    values = FEATURES.copy()
    values[at] = value
    return lambda folder: np.save(folder / "features.npy", values)


HIDDEN = SOUND.replace("16.0", "-1").replace("17.0", "-1.0")
BAD_LABELS = {
    "": "''", "nan": "'nan'", "inf": "'inf'", "1_1": "'1_1'", "１１": "'１１'", "11 €": "'11 €'", "1e39": "'1e39'",
    '"11,5"': "'11,5', a comma where a number has a point", '"1,100"': "a comma where", "#REF!": "'#REF!'",
}  # fmt: skip
RIGHT = {
    "byte order mark": "\ufeff" + SOUND,
    "Windows line ends": SOUND.replace("\n", "\r\n"),
    "semicolons": SOUND.replace(",", ";"),
    "tabs": SOUND.replace(",", "\t"),
    "blank lines at the end": SOUND + "\n\n",
    "blanks around names": SOUND.replace("id,label", " id , label "),
    "all in quotes": '"' + SOUND.rstrip().replace(",", '","').replace("\n", '"\n"') + '"\n',
    "labels with blanks": SOUND.replace("r1,11.0", "r1, 11.0 "),
}
REFUSED: dict[str, tuple[str | bytes, list[str]]] = {
    "UTF-16": (SOUND.encode("utf-16"), ["UTF-16", "UTF-8"]),
    "Latin-1": (SOUND.replace("r1", "é").encode("latin-1"), ["line 3 is not in UTF-8"]),
    "two byte order marks": ("\ufeff\ufeff" + SOUND, [r"\ufeffid", "no column id"]),
    "decimal commas": (SOUND.replace("10.5", "10,5"), ["row 1 has 4 fields, the header 3", "comma"]),
    "decimal commas between semicolons": (SOUND.replace(",", ";").replace("10.5", "10,5"), ["row 1", "'10,5', a"]),
    "an id twice": (SOUND.replace("r2", "r1"), ["'r1'", "row 2", "row 3"]),
    "no id": (SOUND.replace("r2", " "), ["row 3 has no id"]),
    "an unknown split": (SOUND.replace("val", "valid"), ["row 5", "'valid'"]),
    "no test row": (SOUND.replace("test", "val"), ["no row has the split test"]),
    "a short row": (SOUND.replace("r1,11.0", "r1"), ["row 2 has 2 fields"]),
    "a name twice": (SOUND.replace("split", "label"), ["column 'label' occurs twice"]),
    "no label": (SOUND.replace("label", "labels"), ["no column label"]),
    "a row too few": (SOUND.replace("r1,11.0,train\n", ""), ["7 rows", "8"]),
    "hidden test labels": (HIDDEN, ["every test label is -1", "hidden"]),
    "labels equal but for rounding": (
        "\n".join(["id,label,split", *(f"{n},{y!r},{s}" for n, y, s in zip(
            NAMES, [0.3, 0.1 + 0.2, 0.3, 0.3, *LABELS[4:]], SPLITS, strict=True)), ""]), ["at least two different"]),
    "nothing": ("", ["no header"]),
}  # fmt: skip
CASES = [
    *(Odd(name, manifest(content)) for name, content in RIGHT.items()),
    *(Odd(f"label {text!r}", label(text), refused=("manifest.csv", "row 2", "'r1'", shown))
      for text, shown in BAD_LABELS.items()),
    *(Odd(name, manifest(content), refused=(("manifest.csv",) if name != "labels equal but for rounding" else ())
          + tuple(words)) for name, (content, words) in REFUSED.items()),
    Odd("a feature that is NaN", features((2, 1), np.nan), refused=("features.npy", "row 3", "'b'")),
    Odd("a feature beyond float32", features((2, 1), 1e39), refused=("features.npy", "row 3", "'b'")),
]  # fmt: skip
