"""Saves a stage while it runs, so that a killed run ends with the same bits as one that was never interrupted.

A checkpoint is one file: a SHA-256, and the content that it is of, a dict of plain values and tensors as torch saves
it. It says which run, stage, epoch and step it is of. Loading it executes no code (``weights_only``).
"""

import hashlib
import io
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import torch

from supremix.errors import UserError, means_damage, writing_to
from supremix.runtime import ranks
from supremix.runtime.disk import put
from supremix.runtime.seeding import global_states, set_global_states

log = logging.getLogger(__name__)

Progress = TypeVar("Progress")

FORMAT = 3
DIGEST = hashlib.sha256().digest_size
KEPT = 2  # the newest one, and the one before in case the newest is damaged


class Checkpoints:
    """The checkpoints of one stage.

    Args:
        folder: where the files are; made when the first is saved.
        stage: the first word of their names.
        minutes: least time between two; 0 saves after every step, None only when the run is stopped.
    """

    def __init__(self, folder: Path, stage: str, minutes: float | None) -> None:
        self.folder, self.stage = folder, stage
        self._seconds = float("inf") if minutes is None else 60 * minutes
        self._last = time.monotonic()
        self._refused: set[Path] = set()

    def due(self) -> bool:
        """Return whether it is time to save."""
        return time.monotonic() - self._last >= self._seconds

    def save(self, epoch: int, step: int, state: dict[str, Any]) -> None:
        """Write the stage's state after ``step`` steps of ``epoch``; the two newest files are kept."""
        buffer = io.BytesIO()
        path = self.folder / f"{self.stage}-epoch-{epoch:06d}-step-{step:09d}.ckpt"
        torch.save(state | {"format": FORMAT, "of": _place(path)}, buffer)
        scratch = path.with_suffix(".tmp")
        good = self.newest() or f"the beginning of {self.stage}"
        try:
            with writing_to(path, f"make space, then run again: it goes on from {good}"):
                self.folder.mkdir(parents=True, exist_ok=True)  # somebody may have removed it
                # Closed at once: Python 3.12.1 crashes where a traceback keeps an open view (cpython issue 111049).
                with scratch.open("wb") as file, buffer.getbuffer() as content:
                    file.write(hashlib.sha256(content).digest())
                    file.write(content)
                put(scratch, path)
        finally:
            scratch.unlink(missing_ok=True)
        self._refused.discard(path)
        for old in self._paths()[KEPT:]:
            old.unlink(missing_ok=True)
        self._last = time.monotonic()

    def load(self) -> dict[str, Any] | None:
        """Return the newest state that is whole, or None. A damaged file is named in a warning, and removed."""
        for path in self._paths():
            try:
                return _read(path)
            except Exception as error:  # unpickling damaged content can fail in any way
                if not means_damage(error):
                    raise
                self.refuse(error)
        return None

    def refuse(self, error: Exception) -> None:
        """Name the newest checkpoint in a warning, remove it, and go on as if it were not there."""
        path, *others = self._paths()
        instead = "the one before it" if others else f"the beginning of {self.stage}"
        log.warning("%s: not a whole checkpoint (%s); going on from %s", path, _in_short(error), instead)
        self._refused.add(path)
        with suppress(OSError):
            path.unlink()

    def newest(self) -> Path | None:
        """Return the path of the newest checkpoint."""
        return next(iter(self._paths()), None)

    def _paths(self) -> list[Path]:
        """Return all paths, the newest first."""
        paths = self.folder.glob(f"{self.stage}-epoch-*.ckpt")
        return sorted((path for path in paths if path not in self._refused), reverse=True)


def resumed(
    checkpoints: Checkpoints,
    parts: Mapping[str, Any],
    generators: Sequence[torch.Generator],
    device: torch.device,
    read: Callable[[dict[str, Any]], Progress],
) -> Progress | None:
    """Put parts and generators in the state of the newest checkpoint that fits them; None where none does.

    One that does not fit is refused, as a damaged one is: its content is not what this run saved.

    Args:
        parts, generators, device: as `restore` has them.
        read: makes the progress from what the checkpoint holds of it; raises where that is none.
    """
    beginning: dict[str, Any] | None = None
    while (state := ranks.from_first(checkpoints.load)) is not None:
        beginning = beginning or deepcopy(snapshot(parts, generators, device, {}))
        try:
            progress = read(restore(state, parts, generators, device))
        except Exception as error:
            if not means_damage(error):
                raise
            ranks.from_first(partial(checkpoints.refuse, error))
        else:
            log.info("%s goes on from %s", checkpoints.stage, checkpoints.newest())
            return progress
    if beginning is not None:  # which what did not fit may have changed
        restore(beginning, parts, generators, device)
    return None


def _place(path: Path) -> str:
    """Return what a checkpoint is of: run or encoder, code, stage, epoch and step."""
    return "/".join(path.parts[-3:])


def _in_short(error: Exception) -> str:
    """Return the first line of an error, which may be long, with its type where the text alone says little."""
    line = (str(error).splitlines() or [""])[0][:200]
    return line if isinstance(error, ValueError) else f"{type(error).__name__}: {line}"


def _read(path: Path) -> dict[str, Any]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read ({error.strerror or error}): "
            "run again, or remove it to go on from the one before it"
        ) from error
    if hashlib.sha256(content[DIGEST:]).digest() != content[:DIGEST]:
        raise ValueError("its content is not what its checksum says")
    state = torch.load(io.BytesIO(content[DIGEST:]), map_location="cpu", weights_only=True)
    if state["format"] != FORMAT:
        raise ValueError(f"of format {state['format']}, this version reads {FORMAT}")
    if state["of"] != _place(path):
        raise ValueError(f"it is the one of {state['of']}")
    return state


def snapshot(
    parts: Mapping[str, Any], generators: Sequence[torch.Generator], device: torch.device, progress: dict[str, Any]
) -> dict[str, Any]:
    """Return all that the rest of a stage depends on.

    Args:
        parts: objects with ``state_dict`` and ``load_state_dict``: model, optimiser, schedule, gradient scaling.
        generators: the stage's own streams; torch's global ones, which dropout draws from, are always in it.
        progress: plain values and tensors that say how far the stage has come.
    """
    random = global_states(device) | {"own": [generator.get_state() for generator in generators]}
    return {"parts": {name: part.state_dict() for name, part in parts.items()}, "random": random, "progress": progress}


def restore(
    state: dict[str, Any], parts: Mapping[str, Any], generators: Sequence[torch.Generator], device: torch.device
) -> dict[str, Any]:
    """Put parts and generators in the state of a snapshot; return the progress, its tensors on the CPU.

    Raises UserError where that was on a GPU and this is not, or the other way round: a random stream has another form
    there, and cannot go on here.
    """
    if (state["random"]["cuda"] is not None) != (device.type == "cuda"):
        began, here = ("cpu", "cuda") if device.type == "cuda" else ("cuda", "cpu")
        raise UserError(
            f"this run began on another kind of device, and its random numbers cannot go on on {here}: run it with "
            f"trainer.accelerator={began}, or remove the folder of the checkpoint named above to begin anew"
        )
    for name, part in parts.items():
        part.load_state_dict(state["parts"][name])
    random = state["random"]
    set_global_states(random, device)
    for generator, own in zip(generators, random["own"], strict=True):
        generator.set_state(own)
    return state["progress"]
