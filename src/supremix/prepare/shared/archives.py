"""Read files from where they were downloaded to: a folder, a zip or a tar archive, without unpacking anything."""

import hashlib
import os
import tarfile
import zipfile
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from supremix.errors import UserError
from supremix.runtime.progress import meter
from supremix.runtime.stamps import Stamp, stamp

BLOCK = 512  # bytes; the unit of a tar


class Place(NamedTuple):
    """Where a file's bytes are.

    Attributes:
        path: the file itself, or the archive.
        size: bytes.
        stamp: of the file itself, or of the archive.
        member: its name in a zip.
        offset: its start in a tar.
    """

    path: str
    size: int
    stamp: Stamp
    member: str | None = None
    offset: int | None = None

    def read(self) -> bytes:
        """Read the file's content; raise OSError or ValueError where it is damaged."""
        if self.member is not None:
            try:
                return _zip(self.path, self.stamp).read(self.member)
            except Exception as error:  # zipfile lets zlib's, struct's and its own errors through
                raise OSError(str(error) or type(error).__name__) from error
        with open(self.path, "rb") as file:
            file.seek(self.offset or 0)
            content = file.read(self.size)
        if len(content) < self.size:
            raise OSError(f"{len(content)} of {self.size} bytes")
        return content

    def sha256(self) -> str:
        """Compute the hexadecimal SHA-256 of the file's content."""
        return hashlib.sha256(self.read()).hexdigest()


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
    except UserError:
        raise
    except Exception as error:  # zipfile and tarfile let several kinds through
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
            of_file = stamp(path)  # zeros for a dangling link: reading it will say so
            yield path.relative_to(source).as_posix(), Place(str(path), of_file[0], of_file)


def _in_zip(source: Path) -> Iterator[tuple[str, Place]]:
    of_archive = stamp(source)
    with zipfile.ZipFile(source) as archive:
        for entry in archive.infolist():
            if entry.flag_bits & 1:
                raise UserError(f"{source}: protected by a password: unpack it with yours, then name the folder")
            if not entry.filename.endswith("/"):  # is_dir() fails where a damaged name is empty
                yield entry.filename, Place(str(source), entry.file_size, of_archive, member=entry.filename)


def _in_tar(source: Path) -> Iterator[tuple[str, Place]]:
    of_archive = stamp(source)
    with tarfile.open(source, "r:") as archive, meter(f"listing {source.name}", of_archive[0]) as advance:
        end = 0
        while entry := archive.next():
            archive.members = []  # type: ignore[attr-defined]  # else it keeps every header, half a million
            start, end = end, entry.offset_data + -(-entry.size // BLOCK) * BLOCK
            advance(end - start)
            if entry.isfile():
                place = Place(str(source), entry.size, of_archive, offset=entry.offset_data)
                yield entry.name.removeprefix("./"), place
    with source.open("rb") as file:
        file.seek(end)
        if file.read(BLOCK) != bytes(BLOCK):  # tarfile itself takes a file that was cut for a shorter one
            raise tarfile.ReadError("truncated: its end mark is missing")


@lru_cache(maxsize=4)
def _zip(path: str, stamp: Stamp) -> zipfile.ZipFile:  # opened again where it was replaced
    return zipfile.ZipFile(path)
