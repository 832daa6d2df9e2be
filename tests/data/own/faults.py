"""Tables as people have them: each with its fault, and what is to become of it.

A case is text or bytes of a file, what changes in the layout, and either the error, a pattern, or the number of usable
rows with a pattern for each of the lines that tell what was understood.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

ROWS = 40


@dataclass(frozen=True)
class Case:
    """A file and what is to become of it."""

    content: str | bytes
    error: str | None = None
    rows: int = ROWS
    tells: tuple[str, ...] = ()
    layout: dict[str, Any] = field(default_factory=dict)
    file: str = "rows.csv"


def lines(rows: int = ROWS) -> list[list[str]]:
    """Fields of a sound table: header, then rows of id, size, kind, label."""
    made = [[f"r{i}", str(20 + i * 7 % 31), ("red", "green", "blue")[i % 3], str(1.5 * i)] for i in range(rows)]
    return [["id", "size", "kind", "y"], *made]


def text(table: list[list[str]], separator: str = ",", end: str = "\n") -> str:
    """The file's text."""
    return end.join(separator.join(row) for row in table) + end


def changed(*changes: tuple[int, int, str]) -> str:
    """A sound table's text with other cells at (row from 1, column from 0)."""
    table = lines()
    for row, column, cell in changes:
        table[row][column] = cell
    return text(table)


def column(name: str, cell: Any) -> str:
    """A sound table with a further column; ``cell`` makes its cells of the row number."""
    table = lines()
    return text([[*row, name if i == 0 else str(cell(i - 1))] for i, row in enumerate(table)])


def labels(cell: Any) -> str:
    """A sound table with other labels; ``cell`` makes them of the row number."""
    table = lines()
    return text([table[0], *([*row[:3], str(cell(i))] for i, row in enumerate(table[1:]))])


def wide(columns: int) -> str:
    """A table of many columns."""
    cells = np.random.default_rng(0).normal(size=(ROWS, columns)).round(2).astype(str)
    header = ",".join([*(f"x{i}" for i in range(columns)), "y"])
    return "\n".join([header, *(",".join([*row, str(i)]) for i, row in enumerate(cells))])


SOUND = text(lines())
HALF = ROWS // 2

CASES: dict[str, Case] = {
    "sound": Case(SOUND, tells=("UTF-8, separated by commas", "ids from 'id'", "1 of numbers, 1 of categories")),
    # the file
    "empty": Case("", "the file is empty"),
    "blank": Case("\n\n  \n", "the file is empty"),
    "only a header": Case("id,size,kind,y\n", r"only a header \(id, size, kind, y\), no rows"),
    "not text": Case(b"\x89PNG\x00\x00\x01" * 20, "not a text file"),
    "cut gzip": Case(b"\x1f\x8b\x08\x00abc", "truncated or damaged gzip"),
    "no parquet": Case(b"PAR1 and nothing", "cannot be read as Parquet", file="rows.parquet"),
    "no excel": Case(b"PK\x03\x04 and nothing", "cannot be read as Excel", file="rows.xlsx"),
    "a mark": Case("\ufeff" + SOUND, tells=("UTF-8 with a mark",)),
    "utf-16": Case(SOUND.encode("utf-16"), tells=("UTF-16",)),
    "latin-1": Case(changed((3, 2, "ro\xe9")).encode("latin-1"), tells=("read as Windows-1252",)),
    "euros of windows": Case(labels(lambda i: f"€{i + 1}").encode("cp1252"), tells=("label 'y', in €: from 1 to 40",)),
    "windows lines": Case(text(lines(), end="\r\n")),
    "old mac lines": Case(text(lines(), end="\r")),
    "no last line end": Case(SOUND.rstrip()),
    "blank lines": Case(SOUND.replace("\n", "\n\n")),
    # separators and quotes
    "semicolons": Case(text(lines(), ";"), tells=("separated by semicolons",)),
    "tabs": Case(text(lines(), "\t"), tells=("separated by tabs",)),
    "bars": Case(text(lines(), "|"), tells=("separated by bars",)),
    "spaces after commas": Case(text(lines(), ", "), tells=("1 of numbers, 1 of categories",)),
    "quoted": Case(text([[f'"{cell}"' for cell in row] for row in lines()]), tells=("1 of numbers",)),
    "a comma in quotes": Case(changed((2, 2, '"red, dark"'))),
    "a line end in quotes": Case(changed((2, 2, '"red\ndark"'))),
    "an open quote": Case(changed((2, 2, '"red')), tells=("quotes are ordinary characters",)),
    "a quote inside": Case(changed((2, 2, '5" red'))),
    "short lines": Case(SOUND.replace("r7,38,green,10.5", "r7,38"), rows=39, tells=("2 fields in place of 4: line 9",)),
    "long lines": Case(SOUND.replace("r7,", "r7,x,"), rows=39, tells=("5 fields in place of 4: line 9",)),
    "ragged": Case(
        text([[*row, *["z"] * (i % 3)] for i, row in enumerate(lines())]), r"lines have not \d fields, such as line"
    ),
    "trailing commas": Case(text([[*row, ""] for row in lines()]), tells=("no inputs, empty: column_5",)),
    "commas at the end of rows alone": Case(
        text([row if i == 0 else [*row, ""] for i, row in enumerate(lines())]),
        tells=("an empty field at the end of each line, left out", "label 'y': from 0 to 58.5", "40 rows of 4 columns"),
    ),
    "an empty row": Case(SOUND.replace("r7,38,green,10.5", ",,,"), rows=39, tells=("left out: an empty row: line 9",)),
    "empty rows at the end": Case(SOUND + ",,,\n" * 3, tells=("40 rows of 4 columns",)),
    "a long cell": Case(changed((2, 2, "x" * 200_000))),
    "texts with commas in one column": Case(
        "text\n" + "".join(f"word {i}, more\n" for i in range(ROWS)),
        "one column|has no such column: it has text",
    ),
    "a title": Case("My table\n" + SOUND, "the first line has 1 names, but most lines have 4 fields"),
    "row names without a name": Case(
        text([lines()[0], *([str(i), *row] for i, row in enumerate(lines()[1:]))]),
        tells=("no name for the first field of a line, called row_names",),
    ),
    # the header
    "no header": Case(
        text([row[1:2] + row[3:] for row in lines()[1:]]), r"holds numbers, not names of columns: name all 2 columns"
    ),
    "no header but texts": Case(text(lines()[1:]), r"dataset\.label=y: .* its first line holds values \(r0, 20, red\)"),
    "names given": Case(
        text(lines()[1:]), layout={"columns": ["id", "size", "kind", "y"]}, tells=("no line with names",)
    ),
    "names given and there": Case(SOUND, layout={"columns": ["id", "size", "kind", "y"]}),
    "names given and there in another order": Case(
        text([[row[3], row[0], row[2], row[1]] for row in lines()]),
        layout={"columns": ["id", "size", "kind", "y"]},
        tells=("names in the first line", "label 'y': from 0 to 58.5"),
    ),
    "names given and semicolons between decimal commas": Case(
        "".join(f"{i},5;{i % 7},25;{i},75\n" for i in range(ROWS)),
        layout={"columns": ["a", "b", "y"]},
        tells=("separated by semicolons", "label 'y', decimal commas: from 0.75 to 39.75", "2 of numbers"),
    ),
    "too few names": Case(text(lines()[1:]), "3 names, but .* has 4 columns", layout={"columns": ["id", "size", "y"]}),
    "a name twice": Case(
        text([["id", "size", "size", "y"], *lines()[1:]]),
        tells=(r"columns named twice, the later ones numbered: size",),
    ),
    "a name twice, and its number": Case(
        text([["size", "size", "size (2)", "y"], *lines()[1:]]),
        tells=(r"columns named twice, the later ones numbered: size",),
    ),
    "a name given twice": Case(
        text(lines()[1:]), "a name occurs twice", layout={"columns": ["id", "size", "size", "y"]}
    ),
    "a column without a name": Case(text([["", "size", "kind", "y"], *lines()[1:]])),
    "spaces around names": Case(SOUND.replace("id,size,kind,y", "id, size , kind, y ")),
    "the header again": Case(SOUND + SOUND, rows=2 * ROWS, tells=("the header again: line 42", "ids occur again")),
    # the label
    "no such label": Case(
        SOUND.replace(",y\n", ",price\n"), r"dataset\.label=y: .* has no such column: it has id, size"
    ),
    "another case": Case(SOUND.replace(",y\n", ",Y\n"), "has no such column: did you mean Y?"),
    "a similar name": Case(
        SOUND.replace(",y\n", ",Sale_Price\n"), "did you mean Sale_Price", layout={"label": "SalePrice"}
    ),
    "no label named": Case(SOUND, r"dataset\.label: .* has the columns id, size, kind, y", layout={"label": None}),
    "two labels": Case(
        changed((3, 3, ""), (4, 1, "NA"), (4, 3, "")),
        rows=38,
        layout={"label": ["size", "y"]},
        tells=("label 'size'", "label 'y'", "no label in 'y': line 4", "no label in 'size': line 5"),
    ),
    "a label twice": Case(SOUND, "a column is named twice", layout={"label": ["y", "y"]}),
    "a label like a metric": Case(
        SOUND.replace("size", "corrected"),
        r"^targets corrected, y: two of their metrics would be mae_corrected: rename a column",
        layout={"label": ["corrected", "y"]},
    ),
    "two labels of one metric": Case(
        SOUND.replace("size", "corrected_y"), "would be mae_corrected_y", layout={"label": ["y", "corrected_y"]}
    ),
    "of two labels one": Case(
        labels(lambda i: 3), "all 28 training rows have the label 3", layout={"label": ["size", "y"]}
    ),
    "missing labels": Case(
        changed((3, 3, ""), (4, 3, "NA")), rows=38, tells=("2 × left out: no label in 'y': line 4, line 5",)
    ),
    "hardly any label": Case(labels(lambda i: i if i < 10 else ""), "30 of 40 rows have no number in the label column"),
    "an empty label": Case(labels(lambda i: ""), "the label column 'y' is empty"),
    "a text label": Case(
        labels(lambda i: "abc"[i % 3]), "holds texts such as 'a', 'b', 'c', and regression needs numbers"
    ),
    "a date label": Case(labels(lambda i: f"2024-01-{i % 28 + 1:02d}"), "holds dates such as '2024-01-01'"),
    "a true or false label": Case(labels(lambda i: i % 2 == 0), "regression needs numbers"),
    "text among labels": Case(
        changed((5, 3, "high")), rows=39, tells=(r"the label in 'y' is no number: line 6 \('high'\)",)
    ),
    "infinite labels": Case(
        changed((5, 3, "inf"), (6, 3, "-inf")), rows=38, tells=("the label in 'y' is not finite: line 6",)
    ),
    "huge labels": Case(changed((5, 3, "1e39")), rows=39, tells=("left out",)),
    "one label": Case(labels(lambda i: 3), "all 28 training rows have the label 3"),
    "labels with a unit": Case(labels(lambda i: f"{i + 1} kg"), tells=("label 'y', in kg: from 1 to 40",)),
    "labels with two units": Case(
        labels(lambda i: f"{i + 1} {'g' if i == 4 else 'kg'}"), rows=39, tells=(r"no number in kg: line 6 \('5 g'\)",)
    ),
    "labels with a currency": Case(
        labels(lambda i: f'"${1000 + i:,}"'), tells=("',' between thousands, in \\$: from 1000",)
    ),
    "decimal commas like thousands": Case(
        labels(lambda i: f'"{i % 9},{100 + i}"'), tells=("label 'y', decimal commas: from 0.1 to 8.135",)
    ),
    "decimal commas": Case(text(lines(), ";").replace(".", ","), tells=("label 'y', decimal commas: from 0 to 58.5",)),
    "quoted decimal commas": Case(labels(lambda i: f'"{i},25"'), tells=("decimal commas: from 0.25 to 39.25",)),
    "thousands": Case(labels(lambda i: f'"{1 + i},250"'), tells=("between thousands: from 1250 to 40250",)),
    "points and commas": Case(
        labels(lambda i: f'"{1 + i}.250,5"'), tells=("decimal commas, '.' between thousands: from 1250.5",)
    ),
    "percent": Case(labels(lambda i: f"{i}%"), tells=("in %: from 0 to 39",)),
    # inputs
    "text in numbers": Case(
        changed((4, 1, "big")), tells=(r"kept: no number in 'size', taken as missing: line 5 \('big'\)",)
    ),
    "words for every fifth number": Case(
        column("c", lambda i: i % 7 if i % 5 else "none of them"), tells=("1 of numbers, 2 of categories",)
    ),
    "infinite inputs": Case(changed((4, 1, "inf")), tells=("kept: no number in 'size', taken as missing: line 5",)),
    "a constant": Case(column("c", lambda i: 7), tells=("the same in every row: c",)),
    "an empty column": Case(column("c", lambda i: ""), tells=("no inputs, empty: c",)),
    "numbers with a unit": Case(column("c", lambda i: f"{i} m²"), tells=("'c': numbers, in m²", "2 of numbers")),
    "codes that end alike": Case(column("c", lambda i: f"{i % 3}{'AB'[i % 2]}"), tells=("1 of numbers, 2 of cat",)),
    "dates in two formats": Case(
        column("d", lambda i: f"2024-03-{i % 28 + 1:02d}" if i % 2 else f"{i % 28 + 1:02d}.03.2024"),
        tells=(r"'d': dates as %\S+ and %\S+", "1 of dates"),
    ),
    "dates that may be either": Case(
        column("d", lambda i: f"0{i % 9 + 1}/0{i % 7 + 1}/2024"), tells=("read with the day first",)
    ),
    "dates that cannot be either": Case(
        column("d", lambda i: f"{i % 28 + 1:02d}/0{i % 7 + 1}/2024"), tells=(r"'d': dates as %d/%m/%Y(\n|$)",)
    ),
    "a date that is none": Case(
        column("d", lambda i: "someday" if i == 3 else f"2024-03-{i % 28 + 1:02d}"), tells=("no date in 'd'.*line 5",)
    ),
    "free text": Case(column("c", lambda i: f"remark {i * i}"), tells=("nearly every row has a text of its own: c",)),
    "true and false": Case(column("c", lambda i: i % 2 == 0), tells=("2 of numbers",)),
    "no inputs": Case(text([[row[0], row[3]] for row in lines()]), "no column is left to predict 'y' from"),
    "2000 columns": Case(wide(2000), tells=("2,000 of numbers",)),
    # ids, splits, groups
    "ids twice": Case(changed((4, 0, "r1")), tells=(r"1 of its ids occur again.*dataset\.group=id",)),
    "a missing id": Case(changed((4, 0, "")), tells=("'id' is no input; 1 of its ids are missing, so rows",)),
    "few rows": Case(text(lines(6)), "6 usable rows: training, validation and test need 10 or more"),
    "a split column": Case(
        column("split", lambda i: "train" if i < 24 else "dev" if i < 32 else "test"), tells=("24/8/8, by the file",)
    ),
    "a split without validation": Case(
        column("split", lambda i: "train" if i < 30 else "test"), tells=(r"\d+/\d/10, by the file",)
    ),
    "a row without split": Case(
        column("split", lambda i: "" if i == 5 else "train" if i < 30 else "test"),
        rows=39,
        layout={"split": "split"},
        tells=("no split in 'split': not train, val or test: line 7",),
    ),
    "no split there": Case(column("part", lambda i: i % 2), "it must say train or test", layout={"split": "part"}),
    "no such group": Case(SOUND, r"dataset\.group=who: .* has no such column", layout={"group": "who"}),
    "a group in two splits": Case(
        text(
            [
                [*row, "who", "split"] if i == 0 else [*row, f"p{i % 5}", ("train", "val", "test")[i % 3]]
                for i, row in enumerate(lines())
            ]
        ),
        r"^dataset\.group: the file has rows of 'p0' in test and in train, 5 groups are so: correct its split",
        layout={"group": "who"},
    ),
    "rows without a group": Case(
        column("who", lambda i: "" if i % 4 == 0 else i % 12),
        layout={"group": "who"},
        tells=("10 × kept: no value in 'who', a group of its own",),
    ),
    "two groups": Case(column("who", lambda i: i % 2), "2 groups are too few", layout={"group": "who"}),
    "a drop that is no list": Case(SOUND, layout={"drop": "kind"}, tells=("1 of numbers",)),
    "a drop that is a number": Case(SOUND.replace("size", "2019"), layout={"drop": [2019]}, tells=("1 of categories",)),
    "no such drop among years": Case(
        SOUND.replace("size", "2019"), r"dataset\.drop=2020: .* it has id, 2019", layout={"drop": [2020]}
    ),
    "no such drop": Case(SOUND, r"dataset\.drop=sise: .* did you mean size\?", layout={"drop": ["sise"]}),
}
