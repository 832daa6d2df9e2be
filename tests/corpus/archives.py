"""Zip and tar archives as downloads, copies and other programs leave them: the images of agedb_dir in one file."""

import io
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

from tests.corpus import RAW, Odd, faces, have, put

ZIP = f"{RAW}/faces.zip"
COMMAND = ["agedb_dir", "--source", ZIP, "--split-csv", f"{RAW}/agedb.csv", *faces.COMMAND[3:]]
CONTENT = {
    file: faces.saved(Image.fromarray(faces.COLOURS if i == 1 else faces.COLOURS[::-1, :: 1 - 2 * (i % 2)] // (i + 1)))
    for i, file in enumerate(faces.FILES)
}
ALL = have(**faces.ALL)
SHOWN = faces.shows(faces.COLOURS)


def zipped(
    files: dict[str, bytes] = CONTENT, method: int = zipfile.ZIP_DEFLATED, folder: str = "AgeDB/", **attributes: int
) -> bytes:
    """A zip of these files, with these attributes of each entry."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(folder + name, content)
    raw = bytearray(target.getvalue())
    for at in _entries(raw) if attributes.get("locked") else []:
        raw[at] |= 1
    return bytes(raw)


def _entries(raw: bytearray) -> list[int]:
    """Places of the flags of all entries."""
    places = []
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = raw.find(mark)
        while at >= 0:
            places.append(at + offset)
            at = raw.find(mark, at + 4)
    return places


def tarred(files: dict[str, bytes] = CONTENT, prefix: str = "AgeDB/", mode: str = "w") -> bytes:
    """A tar of these files."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode=mode) as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(prefix + name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return target.getvalue()


def sound(raw: Path) -> None:
    """A zip of four images, and their table."""
    (raw / "faces.zip").write_bytes(zipped())
    (raw / "agedb.csv").write_text(faces.TABLE)


def damaged(name: str = faces.FILES[1]) -> bytes:
    """A zip in which a byte of one image is another one, which its checksum shows."""
    raw = bytearray(zipped(method=zipfile.ZIP_STORED))
    raw[raw.find(CONTENT[name]) + 20] ^= 1
    return bytes(raw)


def wrong_size() -> bytes:
    """A zip whose list claims four gigabytes of an image."""
    raw = bytearray(zipped(method=zipfile.ZIP_STORED))
    at = raw.find(b"PK\x01\x02", raw.find(b"PK\x01\x02") + 4)
    struct.pack_into("<I", raw, at + 24, 0xFFFFFFFE)
    return bytes(raw)


def archive(content: bytes) -> Callable[[Path], Any]:
    return put("faces.zip", content)


TAR = ("--source", f"{RAW}/faces.tar")
WITH_LINK = tarred(CONTENT | {"9_Bob_39_m.jpg": b""})
CASES = [
    Odd("stored, not compressed", archive(zipped(method=zipfile.ZIP_STORED)), right=SHOWN),
    Odd("another compression", archive(zipped(method=zipfile.ZIP_LZMA)), right=SHOWN),
    Odd("no folder inside", archive(zipped(folder="")), right=SHOWN),
    Odd("folders within folders", archive(zipped(folder="a/b/c/")), right=SHOWN),
    Odd("paths to elsewhere", archive(zipped(folder="../../")), right=SHOWN),
    Odd("paths from the root", archive(zipped(folder="/etc/")), right=SHOWN),
    Odd("something before the zip", archive(b"#!/bin/sh\n" * 9 + zipped()), right=SHOWN),
    Odd("another file too", archive(zipped(CONTENT | {"readme.txt": b"x"})), right=SHOWN),
    Odd("another image too", archive(zipped(CONTENT | {"9_Bob_39_m.jpg": b"x"})),
        report=("9_Bob_39_m.jpg", "dropped", "not in the csv"), right=ALL),
    Odd("the folder of the first Macs", archive(zipped(CONTENT | {f"._{faces.FILES[1]}": b"x"})),
        report=(f"._{faces.FILES[1]}", "dropped", "not named"), right=SHOWN),
    Odd("names in another form of Unicode", archive(zipped({name.replace("Ann", "Zoe\u0308"): content
        for name, content in CONTENT.items()})), right=SHOWN),
    Odd("names of other accents", archive(zipped({name.replace("Ann", "Zo\xc3\xab"): content
        for name, content in CONTENT.items()})), right=SHOWN),
    Odd("a damaged image", archive(damaged()), report=(faces.FILES[1], "dropped", "unreadable", "CRC"),
        right=have(**{faces.ODD: None})),
    Odd("an image that is missing", archive(zipped({n: c for n, c in CONTENT.items() if n != faces.FILES[1]})),
        report=(faces.FILES[1], "dropped", "missing file"), right=have(**{faces.ODD: None})),
    Odd("a size that is none", archive(wrong_size()), right=SHOWN),
    Odd("a name that is empty", archive(zipped(CONTENT | {"x.txt": b""}, folder="").replace(b"x.txt", b"\0.txt")),
        right=SHOWN),
    Odd("a password", archive(zipped(locked=1)), refused=("faces.zip", "password")),
    Odd("no file", archive(zipped({})), refused=("faces.zip", "holds no files")),
    Odd("a cut zip", archive(zipped()[:-30]), refused=("faces.zip", "damaged or not a .zip")),
    Odd("nothing", archive(b""), refused=("faces.zip", "damaged or not a .zip")),
    Odd("a page of an error", archive(b"<html>404</html>"), refused=("faces.zip", "damaged or not a .zip")),
    Odd("a tar named .zip", archive(tarred()), refused=("faces.zip", "damaged or not a .zip")),
    Odd("no archive", lambda raw: (raw / "faces.zip").unlink(), refused=("faces.zip", "not there")),
    Odd("other people's images", archive(zipped({"9_Bob_39_m.jpg": b"x"})), refused=("none of the 4 images",)),
    Odd("a tar", put("faces.tar", tarred()), right=SHOWN, arguments=TAR),
    Odd("a tar from here", put("faces.tar", tarred(prefix="./AgeDB/")), right=SHOWN, arguments=TAR),
    Odd("a tar with a name twice", put("faces.tar", tarred() [:-10240] + tarred()), arguments=TAR,
        right=SHOWN),
    Odd("a compressed tar", put("faces.tar", tarred(mode="w:gz")), refused=("faces.tar", "damaged or not"),
        arguments=TAR),
    Odd("a cut tar", put("faces.tar", tarred()[:-10240 + 400]), refused=("faces.tar", "damaged or not"), arguments=TAR),
    Odd("a tar cut within an image", put("faces.tar", tarred()[:1800]), refused=("faces.tar", "damaged or not"),
        arguments=TAR),
    Odd("an empty tar", put("faces.tar", tarred({})), refused=("faces.tar", "holds no files"), arguments=TAR),
    Odd("an empty image in a tar", put("faces.tar", WITH_LINK), report=("9_Bob_39_m.jpg", "not in the csv"),
        right=ALL, arguments=TAR),
]  # fmt: skip
