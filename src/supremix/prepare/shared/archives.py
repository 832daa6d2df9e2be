"""Read files from where they were downloaded to: a folder, a zip or a tar archive, without unpacking anything."""

import os
import tarfile
import zipfile
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from supremix.errors import UserError
from supremix.prepare.shared.progress import meter

BLOCK = 512  # bytes; the unit of a tar


class Place(NamedTuple):
    """Where a file's bytes are.

    Attributes:
        path: the file itself, or the archive.
        size: bytes.
        member: its name in a zip.
        offset: its start in a tar.
    """

    path: str
    size: int
    member: str | None = None
    offset: int | None = None

    def read(self) -> bytes:
        """Read the file's content; raise OSError or ValueError where it is damaged."""
        if self.member is not None:
            try:
                return _zip(self.path).read(self.member)
            except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
                raise OSError(str(error)) from error
        with open(self.path, "rb") as file:
            file.seek(self.offset or 0)
            content = file.read(self.size)
        if len(content) < self.size:
            raise OSError(f"{len(content)} of {self.size} bytes")
        return content


def list_files(source: Path) -> dict[str, Place]:
    """List all files of a folder (with its subfolders), a .zip or a .tar: path inside it, with slashes → place.

    Sorted by path. Raises UserError where the source is missing, damaged, encrypted or empty.
    """
    try:
        if source.is_dir():
            places = dict(_in_folder(source))
        elif source.suffix == ".tar":
            places = dict(_in_tar(source))
        else:
            places = dict(_in_zip(source))
    except FileNotFoundError:
        raise UserError(f"{source}: not there: check the path") from None
    except (OSError, tarfile.TarError, zipfile.BadZipFile) as error:
        raise UserError(f"{source}: damaged or not a .zip, .tar or folder ({error}): get it again") from error
    if not places:
        raise UserError(f"{source}: holds no files: get it again")
    return dict(sorted(places.items()))


def _in_folder(source: Path) -> Iterator[tuple[str, Place]]:
    def refuse(error: OSError) -> None:
        raise error

    for folder, _, names in os.walk(source, onerror=refuse):
        for name in names:
            path = Path(folder, name)
            size = path.stat().st_size if path.exists() else 0  # a dangling link: reading it will say so
            yield path.relative_to(source).as_posix(), Place(str(path), size)


def _in_zip(source: Path) -> Iterator[tuple[str, Place]]:
    with zipfile.ZipFile(source) as archive:
        for entry in archive.infolist():
            if entry.flag_bits & 1:
                raise UserError(f"{source}: protected by a password: unpack it with yours, then name the folder")
            if not entry.is_dir():
                yield entry.filename, Place(str(source), entry.file_size, member=entry.filename)


def _in_tar(source: Path) -> Iterator[tuple[str, Place]]:
    size = source.stat().st_size
    with tarfile.open(source, "r:") as archive, meter(f"listing {source.name}", size) as advance:
        end = 0
        while entry := archive.next():
            archive.members = []  # type: ignore[attr-defined]  # else it keeps every header, half a million
            start, end = end, entry.offset_data + -(-entry.size // BLOCK) * BLOCK
            advance(end - start)
            if entry.isfile():
                yield entry.name.removeprefix("./"), Place(str(source), entry.size, offset=entry.offset_data)
    with source.open("rb") as file:
        file.seek(end)
        if file.read(BLOCK) != bytes(BLOCK):  # tarfile itself takes a file that was cut for a shorter one
            raise tarfile.ReadError("truncated: its end mark is missing")


@lru_cache(maxsize=4)
def _zip(path: str) -> zipfile.ZipFile:
    return zipfile.ZipFile(path)
