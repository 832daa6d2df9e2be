"""Images of all modes and their table, CSV, as cameras, editors and spreadsheets write them: the faces of agedb_dir."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.corpus import RAW, Odd, have, labels, put

PIXELS = 8
COMMAND = ["agedb_dir", "--source", RAW, "--pixels", str(PIXELS), "--workers", "1"]
SPLITS = ["train", "train", "val", "test"]
FILES = [f"{i}_Ann_{30 + i}_f.jpg" for i in range(4)]
ODD = f"AgeDB/{FILES[1]}"
ALL = {f"AgeDB/{file}": 30.0 + i for i, file in enumerate(FILES)}
TABLE = "\n".join(["age,path,split", *(f"{30 + i},AgeDB/{FILES[i]},{SPLITS[i]}" for i in range(4)), ""])
COLOURS = np.random.default_rng(0).integers(0, 256, (PIXELS, PIXELS, 3)).astype(np.uint8)
GREY = COLOURS[..., 0]


def sound(raw: Path) -> None:
    """Four images and their table."""
    for i, file in enumerate(FILES):
        (raw / file).write_bytes(saved(Image.fromarray(np.roll(COLOURS, i, 1) if i != 1 else COLOURS)))
    (raw / "agedb.csv").write_text(TABLE)


def saved(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """The content of an image file."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def read_back(content: bytes) -> bool:
    """Whether Pillow reads what it wrote: a TIFF of YCbCr from version 13 on."""
    try:
        Image.open(io.BytesIO(content)).load()
    except OSError:
        return False
    return True


def image(content: bytes) -> Callable[[Path], Any]:
    """This content as the second image."""
    return put(FILES[1], content)


def shows(expected_HWC: np.ndarray, tolerance: int = 0) -> Callable[[Path], None]:
    """The prepared folder has these colours of the second image."""

    def check(folder: Path) -> None:
        assert labels(folder) == ALL
        found = np.load(folder / "faces.npy")[1].astype(int)
        np.testing.assert_allclose(found, expected_HWC, atol=tolerance)

    return check


def grey(values: np.ndarray = GREY) -> np.ndarray:
    """Shades as colours."""
    return np.repeat(values[..., None], 3, -1)


def turned(orientation: int) -> bytes:
    """The image with this orientation in its EXIF."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return saved(Image.fromarray(COLOURS), exif=exif)


def cell(column: int, text: str) -> Callable[[Path], Any]:
    """The table with this in a column of its second row."""
    rows = TABLE.splitlines()
    cells = rows[2].split(",")
    cells[column] = text
    rows[2] = ",".join(cells)
    return put("agedb.csv", "\n".join(rows))


def table(content: str | bytes) -> Callable[[Path], Any]:
    return put("agedb.csv", content)


ALPHA = np.where(np.arange(PIXELS) < 4, 0, 255).astype(np.uint8) * np.ones((PIXELS, 1), np.uint8)
ON_WHITE = np.where(ALPHA[..., None] == 0, 255, COLOURS)
PALETTE = Image.fromarray(COLOURS).quantize(64)
DEEP = GREY.astype(np.uint16) * 257
CMYK = Image.fromarray(COLOURS).convert("CMYK")
BIG = Image.new("1", (9000, 9000))
RIGHT: dict[str, tuple[bytes, np.ndarray]] = {
    "PNG named .jpg": (saved(Image.fromarray(COLOURS)), COLOURS),
    "BMP": (saved(Image.fromarray(COLOURS), "BMP"), COLOURS),
    "TIFF": (saved(Image.fromarray(COLOURS), "TIFF"), COLOURS),
    "GIF": (saved(PALETTE, "GIF"), np.asarray(PALETTE.convert("RGB"))),
    "a palette": (saved(PALETTE), np.asarray(PALETTE.convert("RGB"))),
    "shades": (saved(Image.fromarray(GREY)), grey()),
    "black and white": (saved(Image.fromarray(GREY > 127)), grey((GREY > 127) * 255)),
    "16-bit shades": (saved(Image.fromarray(DEEP)), grey()),
    "16-bit TIFF": (saved(Image.fromarray(DEEP), "TIFF"), grey()),
    "CMYK": (saved(CMYK, "TIFF"), np.asarray(CMYK.convert("RGB"))),
    "see-through pixels": (saved(Image.fromarray(np.dstack([COLOURS, ALPHA]))), ON_WHITE),
    "see-through shades": (saved(Image.fromarray(np.dstack([GREY, ALPHA]), "LA")),
                           np.where(ALPHA[..., None] == 0, 255, grey())),
    "opaque alpha": (saved(Image.fromarray(np.dstack([COLOURS, np.full_like(GREY, 255)]))), COLOURS),
    "one colour that is see-through": (saved(Image.fromarray(COLOURS), transparency=tuple(map(int, COLOURS[0, 0]))),
                                       np.where((COLOURS[0, 0] == COLOURS).all(-1)[..., None], 255, COLOURS)),
    "several frames": (saved(Image.fromarray(COLOURS), "TIFF", save_all=True,
                             append_images=[Image.fromarray(COLOURS[::-1])]), COLOURS),
    "upside down": (turned(3), COLOURS[::-1, ::-1]),
    "on its side": (turned(6), np.rot90(COLOURS, -1)),
    "an orientation that is none": (turned(77), COLOURS),
}  # fmt: skip
DROPPED: dict[str, tuple[bytes, list[str]]] = {
    "floats": (saved(Image.fromarray(GREY.astype(np.float32) / 255), "TIFF"), ["floating-point", "8 or 16 bits"]),
    "32 bits": (saved(Image.fromarray(GREY.astype(np.int32)), "TIFF"), ["32-bit pixels"]),
    "an empty file": (b"", ["0 bytes that are no image"]),
    "a cut file": (saved(Image.fromarray(COLOURS))[:80], ["unreadable"]),
    "a cut JPEG": (saved(Image.fromarray(COLOURS).resize((90, 90)), "JPEG")[:900], ["unreadable", "truncated"]),
    "a page of an error": (b"<html>404</html>", ["no image"]),
    "a drawing": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", ["no image"]),
    "one pixel": (saved(Image.new("RGB", (1, 1))), ["only 1×1 pixels"]),
    "a line": (saved(Image.new("RGB", (300, 2))), ["only 300×2 pixels"]),
    "a bomb": (saved(Image.new("1", (20000, 20000))), ["decompression bomb"]),
}  # fmt: skip
YCBCR = Image.fromarray(COLOURS).convert("YCbCr")
if read_back(saved(YCBCR, "TIFF")):
    RIGHT["YCbCr"] = (saved(YCBCR, "TIFF"), np.asarray(YCBCR.convert("RGB")))
else:
    DROPPED["YCbCr"] = (saved(YCBCR, "TIFF"), ["unreadable"])
AGES = {"": "''", "nan": "'nan'", "-1": "'-1'", "121": "'121'", "1e9": "'1e9'", "3_1": "'3_1'",
        "٣١": "'٣١'", '"31,5"': "a comma where a number has a point", "thirty": "'thirty'"}  # fmt: skip
CASES = [
    *(Odd(name, image(content), right=shows(expected, 1)) for name, (content, expected) in RIGHT.items()),
    *(Odd(name, image(content), report=(FILES[1], "dropped", *words), right=have(**{ODD: None}))
      for name, (content, words) in DROPPED.items()),
    Odd("one colour", image(saved(Image.new("RGB", (9, 9), (200, 10, 10)))), report=(FILES[1], "kept", "flat"),
        right=shows(np.full((8, 8, 3), (200, 10, 10)))),
    Odd("very large", image(saved(BIG)), report=(FILES[1], "kept", "flat"), right=shows(np.zeros((8, 8, 3)))),
    *(Odd(f"age {text!r}", cell(0, text), report=(FILES[1], "dropped", "age missing or out of range", shown),
          right=have(**{ODD: None})) for text, shown in AGES.items()),
    Odd("age 31.0", cell(0, "31.0"), right=have(**ALL)),
    Odd("age in quotes", cell(0, '"31"'), right=have(**ALL)),
    Odd("age with blanks", cell(0, " 31 "), right=have(**ALL)),
    Odd("another age than in the name", cell(0, "32"), report=(FILES[1], "kept", "another age"),
        right=have(**{ODD: 32.0})),
    Odd("a decimal comma without quotes", cell(0, "31,0"), report=("dropped", "wrong number of fields", "comma"),
        right=have(**{ODD: None})),
    Odd("an unknown split", cell(2, "valid"), report=("dropped", "unknown split", "valid"), right=have(**{ODD: None})),
    Odd("no split", cell(2, ""), report=("dropped", "unknown split", "''"), right=have(**{ODD: None})),
    Odd("no path", cell(1, ""), report=("dropped", "no path in the csv"), right=have(**{ODD: None})),
    Odd("a path to elsewhere", cell(1, "../../etc/passwd"), report=("dropped", "not named"), right=have(**{ODD: None})),
    Odd("a path of Windows", cell(1, f"AgeDB\\{FILES[1]}"), report=("dropped", "not named"), right=have(**{ODD: None})),
    Odd("a file that is not there", cell(1, "AgeDB/9_Bob_31_m.jpg"), report=("9_Bob_31_m.jpg", "missing file")),
    Odd("a file twice", table(TABLE + TABLE.splitlines()[2]), report=(FILES[1], "listed twice", "row 5"),
        right=have(**ALL)),
    Odd("a file that the table does not name", lambda raw: (raw / "8_Bob_33_m.jpg").write_bytes(b"x"),
        report=("8_Bob_33_m.jpg", "dropped", "not in the csv"), right=have(**ALL)),
    Odd("a file with another name", lambda raw: (raw / "me.jpg").write_bytes(b"x"),
        report=("me.jpg", "dropped", "not named"), right=have(**ALL)),
    Odd("a file whose name is no text", lambda raw: (raw / "8_B\udce4_33_m.jpg").write_bytes(b"x"),
        report=("dropped", "not in the csv"), right=have(**ALL)),
    Odd("a link to nowhere", lambda raw: (raw / FILES[1]).unlink() or (raw / FILES[1]).symlink_to(raw / "gone"),
        report=(FILES[1], "dropped", "unreadable"), right=have(**{ODD: None})),
    Odd("table with a byte order mark", table("\ufeff" + TABLE), right=have(**ALL)),
    Odd("table with Windows line ends", table(TABLE.replace("\n", "\r\n")), right=have(**ALL)),
    Odd("table with semicolons", table(TABLE.replace(",", ";")), right=have(**ALL)),
    Odd("table with tabs", table(TABLE.replace(",", "\t")), right=have(**ALL)),
    Odd("table with an index", table("".join(f"{i},{line}\n" for i, line in enumerate(TABLE.split()))
                                     .replace("0,age", ",age", 1)), right=have(**ALL)),
    Odd("table in UTF-16", table(TABLE.encode("utf-16")), refused=("agedb.csv", "UTF-16", "UTF-8")),
    Odd("table in Latin-1", table(TABLE.encode() + "31,é,train\n".encode("latin-1")), refused=("agedb.csv", "line 6")),
    Odd("table without a header", table(TABLE.partition("\n")[2]), refused=("agedb.csv", "must have age,path,split")),
    Odd("table with a mark inside a name", table(TABLE.replace("path", "\u200bpath")),
        refused=("agedb.csv", r"\u200bpath", "must have age,path,split")),
    Odd("table with two ages", table(TABLE.replace("path", "age")), refused=("agedb.csv", "'age' occurs twice")),
    Odd("an empty table", table(""), refused=("agedb.csv", "no header")),
    Odd("a table of nobody", table("age,path,split\n"), refused=("none of the 0 images",)),
    Odd("a table without a test split", table(TABLE.replace("test", "train")), refused=("no test image is left",)),
    Odd("no table", lambda raw: (raw / "agedb.csv").unlink(), refused=("agedb.csv", "--split-csv")),
]  # fmt: skip
