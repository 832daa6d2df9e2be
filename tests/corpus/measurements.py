"""Columns of numbers between white space: the measurements of uci_airfoil, here made up, of which any number may be."""

from pathlib import Path

from tests.corpus import RAW, Odd, have, put

FILE = "airfoil_self_noise.dat"
COMMAND = ["uci_airfoil", "--source", f"{RAW}/{FILE}"]
ROWS = [[800 + i, 0.5 * i, 0.3048, 71.3, 0.0026, 126.25 + i] for i in range(6)]
SOUND = "".join("\t".join(map(str, row)) + "\n" for row in ROWS)
ALL = have(**{f"airfoil-{i + 1:04d}": row[-1] for i, row in enumerate(ROWS)})


def sound(raw: Path) -> None:
    """Six made-up measurements."""
    (raw / FILE).write_text(SOUND)
    (raw / "SYNTHETIC").write_text("{}")


def damaged(text: str) -> str:
    """The file with another third row."""
    lines = SOUND.splitlines()
    lines[2] = text
    return "\n".join([*lines, ""])


RIGHT = {
    "blanks in the place of tabs": SOUND.replace("\t", "  "),
    "Windows line ends": SOUND.replace("\n", "\r\n"),
    "no end of the last line": SOUND.rstrip(),
    "blanks around rows": SOUND.replace("\n", " \n"),
    "exponents": SOUND.replace("0.0026", "2.6E-3"),
    "signs": SOUND.replace("71.3", "+71.3"),
}
REFUSED = {
    "decimal commas": (SOUND.replace(".", ","), ["row 1", "decimal commas"]),
    "commas between": (SOUND.replace("\t", ","), ["row 1 is malformed"]),
    "a word": (damaged("802 1.0 0.3 x 0.0026 128"), ["row 3 is malformed"]),
    "too few": (damaged("802 1.0 0.3 0.0026 128"), ["row 3 is malformed"]),
    "too many": (damaged("802 1.0 0.3 71.3 0.0026 128 1"), ["row 3 is malformed"]),
    "NaN": (damaged("802 1.0 0.3 71.3 0.0026 nan"), ["row 3 is malformed"]),
    "infinity": (damaged("802 1.0 0.3 71.3 inf 128"), ["row 3 is malformed"]),
    "beyond float64": (damaged("802 1.0 0.3 71.3 1e400 128"), ["row 3 is malformed"]),
    "an underscore": (damaged("802 1.0 0.3 7_1 0.0026 128"), ["row 3 is malformed"]),
    "digits of another script": (damaged("٨٠٢ 1.0 0.3 71.3 0.0026 128"), ["row 3 is malformed"]),
    "a blank row": (damaged(""), ["row 3 is malformed"]),
    "a header": ("frequency angle chord velocity displacement sound\n" + SOUND, ["row 1 is malformed"]),
    "a byte order mark": ("\ufeff" + SOUND, ["row 1 is malformed"]),
    "UTF-16": (SOUND.encode("utf-16"), ["row 1 is malformed"]),
    "a page of an error": ("<!DOCTYPE html>", ["row 1 is malformed", "<!DOCTYPE"]),
    "nothing": ("", ["the file is empty"]),
}
CASES = [
    *(Odd(name, put(FILE, content), right=ALL) for name, content in RIGHT.items()),
    *(Odd(name, put(FILE, content), refused=(FILE, *words, "get the file again"))
      for name, (content, words) in REFUSED.items()),
    Odd("a real file of other content", lambda raw: (raw / "SYNTHETIC").unlink(), refused=(FILE, "6 of 1503 rows")),
    Odd("no file", lambda raw: (raw / FILE).unlink(), refused=(FILE, "cannot be read")),
    Odd("a folder in its place", lambda raw: (raw / FILE).unlink() or (raw / FILE).mkdir(),
        refused=(FILE, "cannot be read")),
    Odd("a mark of a twin that is none", put("SYNTHETIC", "{"), refused=("SYNTHETIC", "make the twin again")),
]  # fmt: skip
