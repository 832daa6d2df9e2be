"""Tables of ages, CSV and tab-separated, as people and programs write them: hcp_aging reads them as ukb does."""

import codecs
from pathlib import Path

import numpy as np

from tests.corpus import RAW, Odd, have, put

COMMAND = ["hcp_aging", "--source", RAW, "--workers", "1"]
AGES = {"s0": 40.0, "s1": 63.0, "s2": 42.0, "s3": 43.0}
ROWS = [f"{subject},{age:g}" for subject, age in AGES.items()]
SOUND = "\n".join(["subject,age", *ROWS, ""])
ALL = have(**AGES)


def sound(raw: Path) -> None:
    """Four series of 400 parcels and 40 frames, and their table."""
    for i, subject in enumerate(AGES):
        np.save(raw / f"{subject}.npy", np.random.default_rng(i).normal(size=(400, 40)).astype(np.float32))
    (raw / "ages.csv").write_text(SOUND)


def table(content: str | bytes):
    return put("ages.csv", content)


def cell(text: str):
    """The table with this as the age of s1."""
    return table(SOUND.replace("s1,63", f"s1,{text}"))


def column(header: str, rows: list[str]) -> str:
    """The table with a further column."""
    return "\n".join([f"subject,age,{header}", *(f"{row},{more}" for row, more in zip(ROWS, rows, strict=True)), ""])


GOOD_CELLS = ["63.0", "63.", "063", "+63", "6.3e1", "630E-1", " 63 ", '"63"', "63\t", "63\xa0"]
BAD_CELLS = {
    "\u200b63": r"\u200b63", "6_3": "6_3", "６３": "６３", "٦٣": "٦٣", "nan": "nan", "NaN": "NaN",
    "NA": "NA", "": "''", "inf": "inf", "-inf": "-inf", "1e400": "1e400", "-1": "-1", "0": "'0'", "122.6": "122.6",
    "=63": "=63", "63 years": "63 years", "0x3F": "0x3F", "63;": "63;", "six": "six", "63-64": "63-64",
    "1963-05-01": "1963-05-01", "--63": "--63", "6 3": "6 3", "1e-400": "1e-400", "#REF!": "#REF!",
}  # fmt: skip
RIGHT = {
    "byte order mark": codecs.BOM_UTF8 + SOUND.encode(),
    "Windows line ends": SOUND.replace("\n", "\r\n"),
    "line ends of the first Macs": SOUND.replace("\n", "\r"),
    "no end of the last line": SOUND.rstrip(),
    "tabs": SOUND.replace(",", "\t"),
    "semicolons": SOUND.replace(",", ";"),
    "blank lines between and after": SOUND.replace("\n", "\n\n") + "\n\n",
    "blanks around names": SOUND.replace("subject,age", " subject , age "),
    "all cells in quotes": "\n".join(",".join(f'"{c}"' for c in line.split(",")) for line in SOUND.split()) + "\n",
    "an index as pandas writes it": "\n".join([",subject,age", *(f"{i},{row}" for i, row in enumerate(ROWS))]),
    "two empty names": "\n".join(["subject,age,,", *(f"{row},," for row in ROWS)]),
    "columns the other way round": "\n".join(["age,subject", *(",".join(row.split(",")[::-1]) for row in ROWS)]),
    "a cell of two lines": column("note", ['"one\ntwo"', "", '"a, b"', '"say ""x"""']),
    "separators of Unicode in a cell": column("note", ["a\u2028b", "a\x0bb", "a\x1cb", "a\x85b"]),
    "months": "\n".join(["src_subject_id,interview_age", "s0,480", "s1,756", "s2,504", "s3,516"]),
}
REFUSED: dict[str, tuple[str | bytes, list[str]]] = {
    "UTF-16": (SOUND.encode("utf-16"), ["UTF-16", "UTF-8"]),
    "UTF-16 of the other byte order": (codecs.BOM_UTF16_BE + SOUND.encode("utf-16-be"), ["UTF-16"]),
    "Latin-1": (column("name", ["Zoë", "", "", ""]).encode("latin-1"), ["line 2 is not in UTF-8"]),
    "a zero byte": (SOUND.replace("s2", "s\x002"), ["line 4", "zero byte"]),
    "nothing": ("", ["no header"]),
    "blank lines alone": ("\n\n\n", ["no header"]),
    "two byte order marks": (codecs.BOM_UTF8 * 2 + SOUND.encode(), [r"\ufeffsubject", "no column for the subject"]),
    "a zero-width blank in a name": (SOUND.replace("age", "age\u200b"), [r"age\u200b", "no column for the age"]),
    "names in capitals": (SOUND.upper(), ["no column for the subject", "SUBJECT, AGE"]),
    "no age": (SOUND.replace("age", "years"), ["no column for the age", "interview_age"]),
    "two columns of ages": (column("interview_age", ["480"] * 4), ["2 columns for the age", "age, interview_age"]),
    "two columns of one name": (column("age", ["40"] * 4), ["column 'age' occurs twice"]),
    "no header": ("\n".join(ROWS), ["no column for the subject", "s0, 40"]),
    "a quote without its pair": (SOUND.replace("s1", '"s1'), ["not readable as a table"]),
    "decimal commas without quotes": (SOUND.replace("63", "63,5"), ["row 2 has 3 fields, the header 2", "comma"]),
    "a short row": (SOUND.replace("s1,63", "s1"), ["row 2 has 1 fields, the header 2"]),
    "an unknown split": (column("split", ["train", "valid", "val", "test"]), ["row 2", "s1", "'valid'"]),
    "a split without rows": (column("split", ["train", "train", "val", "val"]), ["no usable subject", "test"]),
    "a page of an error": ("<html><body>404</body></html>", ["no column for the subject", "<html>"]),
    "a cell that never ends": (SOUND.replace("s1", "s" * 200_000), ["field larger than field limit"]),
    "a header alone": ("subject,age\n", ["fewer than 3 usable subjects", "report.csv"]),
    "a spreadsheet's own file": (b"PK\x03\x04" + bytes(40), ["not readable as a table", "zero byte"]),
}  # fmt: skip
CASES = [
    *(Odd(f"age {text!r}", cell(text), right=ALL) for text in GOOD_CELLS),
    *(Odd(f"age {text!r}", cell(text), report=("s1", "dropped", "no usable age", "row 2", shown), right=have(s1=None))
      for text, shown in BAD_CELLS.items()),
    Odd("age with a decimal comma", cell('"63,5"'), report=("s1", "'63,5', a comma where a number has a point"),
        right=have(s1=None)),
    Odd("age with a comma at its thousands", cell('"1,063"'), report=("s1", "a comma where"), right=have(s1=None)),
    Odd("decimal commas between semicolons", table(SOUND.replace(",", ";").replace("63", "63,5")),
        report=("s1", "'63,5', a comma where a number has a point"), right=have(s1=None, s0=40.0)),
    *(Odd(name, table(content), right=ALL) for name, content in RIGHT.items()),
    *(Odd(name, table(content), refused=("ages.csv" if name != "a header alone" else "raw", *words))
      for name, (content, words) in REFUSED.items()
      if name != "a split without rows"),
    Odd("a split without rows", table(REFUSED["a split without rows"][0]), refused=REFUSED["a split without rows"][1]),
    Odd("the same row twice", table(SOUND + "s1,63.0\n"), report=("s1", "kept", "duplicate row", "row 5"), right=ALL),
    Odd("the same row twice, rounded", table(SOUND.replace("63", "63.3") + "s1,63.300000000000004\n"),
        report=("s1", "kept", "duplicate row"), right=have(s1=63.3)),
    Odd("two ages of one subject", table(SOUND + "s1,64\n"), report=("s1", "dropped", "contradictory rows", "row 5"),
        right=have(s1=None)),
    Odd("no subject", table(SOUND.replace("s1", " ")), report=("dropped", "row without a subject", "row 2"),
        right=have(s1=None)),
    Odd("a subject with what nobody sees", table(SOUND.replace("s1", "s1\u200b")),
        report=("dropped", "in the table of ages, but no file"), right=have(s1=None)),
    Odd("a list of withdrawals with a byte order mark", put("out.txt", "\ufeffsubject\r\ns1\r\n"),
        report=("s1", "dropped", "on the list of --exclude"), right=have(s1=None),
        arguments=("--exclude", f"{RAW}/out.txt")),
    Odd("a list of withdrawals in UTF-16", put("out.txt", "s1\n".encode("utf-16")), refused=("out.txt", "UTF-16"),
        arguments=("--exclude", f"{RAW}/out.txt")),
    Odd("a list of withdrawals that is a table", put("out.txt", "s1,2020\n"), refused=("out.txt", "s1,2020"),
        arguments=("--exclude", f"{RAW}/out.txt")),
]  # fmt: skip
