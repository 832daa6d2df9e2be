"""Face images, wherever they are, into one array of equally large images with a manifest beside it."""

import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from supremix.data.prepared.folder import SPLITS, sha256_file, write_manifest, write_meta
from supremix.errors import UserError
from supremix.prepare.shared.archives import Place
from supremix.prepare.shared.command import Finding, meter, need_space, resumable_folder, write_report
from supremix.prepare.shared.face_command import ARRAY, Face

RESIZING = "Pillow, bilinear with antialiasing, aspect ratio not kept"
SMALLEST_SIDE = 8  # pixels; anything below holds no face
CHUNK = 64  # images that are decoded, written and noted as done together


def decode(content: bytes, pixels: int) -> np.ndarray:
    """An image file's content → (pixels, pixels, 3) uint8, RGB; ValueError says why it cannot be."""
    try:
        with Image.open(io.BytesIO(content)) as image:
            if min(image.size) < SMALLEST_SIDE:
                raise ValueError(f"only {image.width}×{image.height} pixels")
            return np.asarray(image.convert("RGB").resize((pixels, pixels), Image.Resampling.BILINEAR))
    except UnidentifiedImageError:  # its own message holds a memory address
        raise ValueError(f"{len(content)} bytes that are no image") from None
    except ValueError:
        raise
    except Exception as error:  # Pillow's decoders let OSError, SyntaxError, struct.error and others through
        raise ValueError(str(error) or type(error).__name__) from error


def write_faces(
    folder: Path,
    faces: Sequence[Face],
    *,
    pixels: int,
    workers: int,
    key: str,
    findings: Sequence[Finding],
    meta: Mapping[str, Any],
    tables: Mapping[str, str],
) -> tuple[dict[str, int], list[Finding]]:
    """Decode, resize and store `faces` as the prepared folder `folder`; goes on where an earlier call was stopped.

    Args:
        key: fingerprint of the source and the settings; leftovers with another one are not used.
        findings: what was found before decoding; images that cannot be decoded are added to it in report.csv.
        meta: for meta.json: name, label, source, synthetic, and whatever else.
        tables: further files for the folder, name → content.

    Returns the rows of each split and all findings. faces.npy is (N, pixels, pixels, 3) uint8, a row for each of
    `faces`; the manifest lists those that could be decoded, with their row.
    """
    with resumable_folder(folder, key) as (working, notes):
        failed = fill(working / ARRAY, notes / "done.jsonl", [face.place for face in faces], pixels, workers)
        rows = [row for row in range(len(faces)) if row not in failed]
        every = [*findings, *(Finding(faces[row].id, "dropped", "unreadable", failed[row]) for row in sorted(failed))]
        sizes = {split: sum(faces[row].split == split for row in rows) for split in SPLITS}
        for split in SPLITS:
            if sizes[split] == 0:
                first = f", the first: {every[0].file}: {every[0].reason} {every[0].detail}" if every else ""
                raise UserError(f"{folder.name}: no {split} image is left ({len(every)} inputs with faults{first})")
        for leftover in working.iterdir():  # of a call that was stopped between here and the end
            if leftover.name != ARRAY:
                leftover.unlink()
        columns: dict[str, list[Any]] = {
            "id": [faces[row].id for row in rows],
            "label": [faces[row].label for row in rows],
            "split": [faces[row].split for row in rows],
            "row": rows,
        }
        write_manifest(working, columns)
        for name, content in tables.items():
            (working / name).write_text(content, encoding="utf-8")
        with meter("checksum", (working / ARRAY).stat().st_size) as advance:
            sums = {ARRAY: sha256_file(working / ARRAY, advance)}
        write_meta(working, rows=len(rows), pixels=pixels, images=len(faces), resizing=RESIZING, sums=sums, **meta)
        write_report(working, every)
    return sizes, every


def fill(array: Path, state: Path, places: Sequence[Place], pixels: int, workers: int) -> dict[int, str]:
    """Write the images at `places` into the .npy file `array`, one row each; the rows that failed, with the reason.

    state: notes which rows are done, so that a second call with the same arguments does only the others. The
    content is the same for any number of workers. A failed image's row stays zero.
    """
    failed: dict[int, str] = {}
    done: set[int] = set()
    if array.exists():
        for chunk, reasons in _read_state(state):
            done.add(chunk)
            failed |= reasons
    else:
        need_space(array.parent, len(places) * pixels * pixels * 3)
        _create(array, (len(places), pixels, pixels, 3))
        state.unlink(missing_ok=True)
    starts = [start for start in range(0, len(places), CHUNK) if start not in done]
    work = partial(_write_chunk, str(array), pixels)
    with state.open("a", encoding="utf-8") as notes, meter("decoding faces", len(places)) as advance:
        advance(sum(len(places[start : start + CHUNK]) for start in done))
        for start, reasons in _results(work, [(start, places[start : start + CHUNK]) for start in starts], workers):
            failed |= reasons
            notes.write(json.dumps([start, list(reasons.items())]) + "\n")
            notes.flush()
            advance(len(places[start : start + CHUNK]))
    return failed


Chunk = tuple[int, Sequence[Place]]  # first row, images
Result = tuple[int, dict[int, str]]  # first row, failed row → reason


def _results(work: Callable[[Chunk], Result], chunks: Sequence[Chunk], workers: int) -> Iterator[Result]:
    if workers == 1 or len(chunks) <= 1:
        yield from map(work, chunks)
        return
    # Spawned, not forked: a fork of a process with threads (the progress bar has one) can hang.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        try:
            for future in as_completed([pool.submit(work, chunk) for chunk in chunks]):
                yield future.result()
        except BrokenProcessPool:
            raise UserError("a worker process was killed, perhaps for memory: go on with fewer --workers") from None
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _write_chunk(array: str, pixels: int, chunk: Chunk) -> Result:
    start, places = chunk
    images = np.zeros((len(places), pixels, pixels, 3), dtype=np.uint8)
    reasons = {}
    for i, place in enumerate(places):
        try:
            images[i] = decode(place.read(), pixels)
        except (OSError, ValueError) as error:
            reasons[start + i] = " ".join(str(error).split())
    # Written, not mapped: a full disk is then an error and not a bus fault.
    with open(array, "r+b") as file:
        file.seek(_header_bytes(array) + start * pixels * pixels * 3)
        file.write(images.tobytes())
    return start, reasons


def _create(array: Path, shape: tuple[int, ...]) -> None:
    new = array.with_suffix(".new")
    with new.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
        file.truncate(file.tell() + int(np.prod(shape)))
    new.rename(array)


def _header_bytes(array: str) -> int:
    with open(array, "rb") as file:
        np.lib.format.read_magic(file)
        np.lib.format.read_array_header_1_0(file)
        return file.tell()


def _read_state(state: Path) -> Iterator[Result]:
    """The chunks noted as done; a line that was cut by the interruption counts as not done."""
    for line in state.read_text(encoding="utf-8").splitlines() if state.exists() else []:
        try:
            start, reasons = json.loads(line)
            yield start, {int(row): reason for row, reason in reasons}
        except ValueError:
            continue
