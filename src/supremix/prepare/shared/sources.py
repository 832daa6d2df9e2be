"""Find out by content whether a prepared folder was made from the sources that are there now.

meta.json notes the SHA-256 of the sources' content, and stamps.json beside it the stamps that they had when they were
read (see `supremix.runtime.stamps`). Where the stamps are the same, so is the content. Where one differs, the
sources are read again, and only their content counts.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from supremix.data.prepared.folder import read_meta, redo
from supremix.data.prepared.making import fingerprint
from supremix.errors import UserError
from supremix.prepare.shared.prepared import check_files, is_prepared
from supremix.runtime.disk import put
from supremix.runtime.progress import meter
from supremix.runtime.stamps import Stamp, let_settle

STAMPS = "stamps.json"
Check = Callable[[Path, Mapping[str, Any]], None]


@dataclass(frozen=True)
class Source:
    """What a prepared folder is made from.

    Attributes:
        listing: SHA-256 of what is known before reading: names, sizes, labels, settings.
        stamps: SHA-256 of all files' stamps.
        contents: reads all files and returns the SHA-256 of each, None for one that cannot be read.
    """

    listing: str
    stamps: str
    contents: Callable[[], Sequence[str | None]]

    def describe(self, file: str, url: str, contents: Sequence[str | None]) -> dict[str, str]:
        """Return "file", "listing", "sha256" and "url" for meta.json."""
        return {"file": file, "listing": self.listing, "sha256": fingerprint(self.listing, contents), "url": url}


def find_source(
    listing: Sequence[Any], stamps: Sequence[Stamp], contents: Callable[[], Sequence[str | None]]
) -> Source:
    """Make a source of values that JSON can hold; to be called before any file is read."""
    let_settle(stamps)
    return Source(fingerprint(*listing), fingerprint(*stamps), contents)


def read_all(reads: Sequence[Callable[[], str]]) -> list[str | None]:
    """Call functions that each read a file and return its SHA-256; None for one that raises OSError or ValueError."""
    sums: list[str | None] = []
    with meter("comparing the sources' content", len(reads)) as advance:
        for read in reads:
            try:
                sums.append(read())
            except (OSError, ValueError):
                sums.append(None)
            advance(1)
    return sums


def is_current(folder: Path, name: str, source: Source | None, check: Check = check_files) -> bool:
    """Say whether `folder` holds this dataset, whole and made from that source's content; False where there is nothing.

    Raises UserError where there is something else, which is the user's to remove.

    Args:
        source: None where the source is gone, so that nothing can be compared.
        check: raises UserError where a prepared file is damaged.
    """
    if not is_prepared(folder, name, None, check):
        return False
    if source is None:
        return True
    noted = read_meta(folder)["source"]
    if "listing" not in noted:
        raise UserError(f"{folder}: made by a version that noted no content of its sources: {redo(folder)}")
    if noted["listing"] != source.listing:
        raise UserError(f"{folder}: made from another source or with other settings than these: {redo(folder)}")
    if _read_stamps(folder) != [noted["sha256"], source.stamps]:
        if fingerprint(source.listing, source.contents()) != noted["sha256"]:
            raise UserError(f"{folder}: made from other files than these, of the same names: {redo(folder)}")
        write_stamps(folder, noted["sha256"], source)
    return True


def write_stamps(folder: Path, sha256: str, source: Source) -> None:
    """Note that the content of this SHA-256 had these stamps; without effect where the folder cannot be written to."""
    new = folder / f".{STAMPS}.new"
    try:
        new.write_text(json.dumps([sha256, source.stamps]) + "\n", encoding="utf-8")
        put(new, folder / STAMPS)
    except OSError:
        new.unlink(missing_ok=True)


def _read_stamps(folder: Path) -> Any:
    try:
        return json.loads((folder / STAMPS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
