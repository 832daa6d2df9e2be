"""Prepare UCI airfoil self-noise: the raw file, checked, becomes a prepared folder.

1503 wind-tunnel measurements of NASA airfoil sections: five features and the scaled sound pressure level in
decibels, which is the label. The split is drawn when the data is loaded.
"""

import hashlib
import math
from pathlib import Path

from supremix.data.prepared.cells import WITH_COMMA, number
from supremix.data.prepared.folder import read_meta
from supremix.errors import UserError
from supremix.prepare.shared import command
from supremix.prepare.shared.download import download
from supremix.prepare.shared.marker import marker
from supremix.prepare.shared.prepared import is_prepared, write_manifest, write_meta
from supremix.prepare.shared.working_folder import atomic_folder

NAME = "uci_airfoil"
FILE = "airfoil_self_noise.dat"
URL = "https://archive.ics.uci.edu/ml/machine-learning-databases/00291/airfoil_self_noise.dat"
SHA256 = "74c75fd71783f1e6b71f8a622b993dc592897a97cd689c5090a07147a1b097b3"
ROWS = 1503
FEATURES = ["frequency_hz", "angle_deg", "chord_m", "velocity_m_s", "displacement_m"]
LABEL = "scaled sound pressure level, dB"
ABOUT = f"""\
Prepare the airfoil self-noise data for training.

source: UCI Machine Learning Repository, "Airfoil Self-Noise" (Brooks, Pope and Marcolini, 1989), {ROWS} rows,
        https://archive.ics.uci.edu/dataset/291/airfoil+self+noise, doi:10.24432/C5VW2C
terms:  Creative Commons Attribution 4.0 International (CC BY 4.0): free to use and share, with attribution

The file is taken from --source, else from DATA/{NAME}/{FILE}, else downloaded to there (60 kB).

examples:
  supremix prepare {NAME}
  supremix prepare {NAME} --source ~/{FILE} --out ~/prepared
  supremix twin {NAME} && supremix prepare {NAME} --name {NAME}_demo     made-up rows instead"""


def prepare(source: Path, out: Path, name: str = NAME, *, expected_sha256: str = SHA256) -> Path:
    """Check the raw file and write the prepared folder, which is returned; a whole one is left as it is.

    Raises UserError where the file is missing or damaged, or something else stands in the folder's place.

    Args:
        source: the raw file; a twin's may have any number of rows.
        out: directory of prepared folders.
        name: of the prepared folder.
        expected_sha256: of the published file.
    """
    folder, twin = out / name, marker(source)
    if not source.exists() and is_prepared(folder, name, None if twin is not None else expected_sha256):
        return folder
    if twin is not None:
        expected_sha256 = hashlib.sha256(_read(source)).hexdigest()
    there = is_prepared(folder, name, expected_sha256)
    table = read_raw(source, expected_sha256, ROWS if twin is None else None)

    if there:
        return folder

    import numpy as np

    with atomic_folder(folder) as working:
        ids = [f"airfoil-{i + 1:04d}" for i in range(len(table))]
        write_manifest(working, {"id": ids, "label": [row[-1] for row in table]})
        np.save(working / "features.npy", np.array([row[:-1] for row in table], dtype="<f8"))
        origin = {"file": source.name, "sha256": expected_sha256, "url": URL}
        size = len(table)
        made_up = twin is not None
        write_meta(working, name=name, rows=size, label=LABEL, source=origin, synthetic=made_up, features=FEATURES)
    return folder


def read_raw(source: Path, expected_sha256: str, rows: int | None) -> list[list[float]]:
    """Read the raw file's rows, five features and then the label; raise UserError where it is missing or damaged."""
    try:
        return parse(_read(source), expected_sha256, rows)
    except ValueError as error:
        raise UserError(f"{source}: {error}: get the file again from {URL}") from error


def _read(source: Path) -> bytes:
    try:
        return source.read_bytes()
    except OSError as error:
        raise UserError(f"{source}: cannot be read ({error.strerror}): check the path") from error


def parse(raw: bytes, expected_sha256: str, rows: int | None) -> list[list[float]]:
    """Parse the raw file's content into rows; raise ValueError that names the damaged row and the damage.

    Args:
        rows: how many it must have; None for any number.
    """
    lines = raw.decode("latin-1").splitlines()
    if not lines and rows is None:
        raise ValueError("the file is empty")
    rows = len(lines) if rows is None else rows
    table = []
    for i, line in enumerate(lines):
        row = _numbers(line)
        if row is not None:
            table.append(row)
        elif not table or i + 1 < len(lines) or len(lines) >= rows:  # a truncated file's last row may be cut
            commas = ", but decimal commas" if any(map(WITH_COMMA.fullmatch, line.split())) else ""
            raise ValueError(
                f"row {i + 1} is malformed, not {len(FEATURES) + 1} finite numbers{commas} ({line[:60]!r})"
            )
    if len(lines) < rows:
        raise ValueError(f"truncated, {len(lines)} of {rows} rows")
    if len(lines) > rows:
        raise ValueError(f"{len(lines)} rows instead of {rows}")
    if hashlib.sha256(raw).hexdigest() != expected_sha256:
        raise ValueError(f"{rows} good rows, but its SHA-256 differs: values or line endings were changed")
    return table


def _numbers(line: str) -> list[float] | None:
    row = [number(cell) for cell in line.split()]
    return row if len(row) == len(FEATURES) + 1 and all(map(math.isfinite, row)) else None


def main(arguments: list[str] | None = None) -> int:
    """Run ``supremix prepare NAME`` and return the exit code."""
    parser = command.parser(NAME, ABOUT)
    parser.add_argument("--source", type=Path, metavar="FILE", help="the raw file, wherever it is")
    parser.add_argument("--name", default=NAME, help="name of raw and prepared folder (default: %(default)s)")
    args = parser.parse_args(arguments)

    def body() -> None:
        folder = args.out / args.name
        there = folder.exists()
        source = args.source or args.data / args.name / FILE
        if args.source is None and args.name == NAME and not source.exists() and not there:
            download(source, URL, SHA256)
        prepare(source, args.out, args.name)
        if there:
            print(f"{folder}: already prepared, left as it is")
            return
        print(f"{folder}: {read_meta(folder)['rows']} rows, {len(FEATURES)} features, label {LABEL}; from {source}")

    return command.exit_code(body)
