"""Stores: damaged records, encoders and checkpoints, places that are in the way, full and forbidden disks."""

import hashlib
import json
import math
import os
import pickle
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from tests.cli.bad import HERE, Case
from tests.cli.bad.places import permissions, room_for

STORED = ()  # the very run that the store holds
PROBE = ("protocol.epochs=2",)  # a run that takes the stored encoder
NEW = ("seed=1",)  # nothing of it is stored
SOURCE = ("method=vanilla_probe",)  # a run that takes the stored vanilla run's weights
ELSEWHERE = "make space or set paths.runs to another folder"


def the_run(folder: Path, method: str = "supremix") -> Path:
    """The stored run of a method."""
    (found,) = [
        path.parent
        for path in (folder / "runs").glob("*/record.json")
        if json.loads(path.read_text())["method"] == method
    ]
    return found


def the_encoder(folder: Path) -> Path:
    """The stored encoder."""
    (found,) = [path.parent for path in (folder / "runs" / "encoders").glob("*/DONE")]
    return found


def record(place: Callable[[Path], Path], **changes: Any) -> Callable[[Path], Any]:
    """Change what a record says."""

    def damage(folder: Path) -> None:
        path = place(folder) / "record.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return damage


def without(place: Callable[[Path], Path], key: str) -> Callable[[Path], Any]:
    """Take a key out of a record."""

    def damage(folder: Path) -> None:
        path = place(folder) / "record.json"
        content = json.loads(path.read_text())
        del content[key]
        path.write_text(json.dumps(content))

    return damage


def metric(value: float | None) -> Callable[[Path], Any]:
    """Change a metric of the run's, or take it out."""

    def damage(folder: Path) -> None:
        metrics = json.loads((the_run(folder) / "record.json").read_text())["metrics"]
        metrics["test"]["best"] |= {"mae": value}
        if value is None:
            del metrics["test"]["best"]["mae"]
        record(the_run, metrics=metrics)(folder)

    return damage


def without_code(folder: Path) -> None:
    """Every record as schema 1 had it."""
    for path in (folder / "runs").rglob("record.json"):
        content = json.loads(path.read_text())
        path.write_text(json.dumps({key: value for key, value in content.items() if key != "code"} | {"schema": 1}))


def poisoned(folder: Path) -> None:
    """Weights as a pickle that makes a folder when it is loaded."""

    class Harm:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(folder / "harm"),)

    (the_encoder(folder) / "backbone.safetensors").write_bytes(pickle.dumps(Harm()))


def weights(change: Callable[[dict[str, torch.Tensor]], Any]) -> Callable[[Path], Any]:
    """Change the encoder's weights, and the checksum in its record with them."""

    def damage(folder: Path) -> None:
        changed(change)(folder)
        sums = json.loads((the_encoder(folder) / "record.json").read_text())["weights"]
        content = (the_encoder(folder) / "backbone.safetensors").read_bytes()
        record(the_encoder, weights=sums | {"backbone.safetensors": hashlib.sha256(content).hexdigest()})(folder)

    return damage


def changed(change: Callable[[dict[str, torch.Tensor]], Any]) -> Callable[[Path], Any]:
    """Change the encoder's weights alone."""

    def damage(folder: Path) -> None:
        path = the_encoder(folder) / "backbone.safetensors"
        state = load_file(path)
        change(state)
        save_file(state, path)

    return damage


def instead_of(below: str) -> Callable[[Path], Any]:
    """A file where a folder of the store should be."""

    def damage(folder: Path) -> None:
        path = folder / below
        path.parent.mkdir(exist_ok=True)
        path.write_text("in the way")

    return damage


def encoder(name: str, damage: Callable[[Path], Any], *says: str) -> Case:
    """A damaged encoder that a new run asks for."""
    return Case(name, ["runs/encoders/", *says, "remove", "and run again"], PROBE, damage)


def stored(name: str, damage: Callable[[Path], Any], *says: str) -> Case:
    """A damaged run that is asked for again."""
    return Case(name, ["record.json", *says, "remove", "and run again"], STORED, damage)


def store_at(name: str, place: str, damage: Callable[[Path], Any], arguments: Sequence[str] = NEW) -> Case:
    """A store that cannot be where it should."""
    return Case(name, [place, "cannot be written", ELSEWHERE], [*arguments, f"paths.runs={HERE}/{place}"], damage)


CASES = [
    # records
    stored("record truncated", lambda f: os.truncate(the_run(f) / "record.json", 200), "not a readable record"),
    stored("record missing, DONE there", lambda f: (the_run(f) / "record.json").unlink(), "not a readable record"),
    Case("a store of an older schema", ["runs: a store", "schema 1", "schema 2", "paths.runs", "SUPREMIX_RUNS"], STORED,
         without_code),
    Case("a store of an older schema, another run", ["runs: a store", "schema 1", "paths.runs"], NEW, without_code),
    stored("record without metrics", without(the_run, "metrics"), "it has no metrics"),
    stored("record without its code", without(the_run, "code"), "it has no code"),
    stored("record with text for a number", record(the_run, seconds={"adapt": "long", "total": 1.0}),
           "seconds.adapt is 'long'"),
    stored("record with a metric that is none",
           record(the_run, metrics={"val": {"best": {}}, "test": {"best": {"mae": "low"}}}), "metrics.test.best.mae"),
    stored("record with a truth value for the seed", record(the_run, seed=True), "seed is True"),
    stored("record of another run", record(the_run, id="0123456789abcdef"), "0123456789abcdef", "does not belong here"),
    stored("record with NaN for a metric", metric(math.nan), "metrics.test.best.mae is nan", "supremix evaluate"),
    stored("record without a metric", metric(None), "it has no metrics.test.best.mae", "supremix evaluate"),
    stored("record of a choice by nothing", record(the_run, selection={}), "it has no selection.split"),
    Case("evaluate: one record of two damaged", ["1 of 2 runs not evaluated, 0 records changed", "record.json"],
         damage=record(the_run, config=None), command="evaluate"),
    stored("record that is a list", lambda f: (the_run(f) / "record.json").write_text("[1, 2]"),
           "not a readable record"),
    # encoders
    encoder("encoder poisoned", poisoned, "backbone.safetensors", "not its weights"),
    encoder("encoder truncated", lambda f: os.truncate(the_encoder(f) / "backbone.safetensors", 300),
            "backbone.safetensors"),
    encoder("encoder's weights missing", lambda f: (the_encoder(f) / "backbone.safetensors").unlink(), "No such file"),
    encoder("NaN weights", weights(lambda state: state["layers.0.bias"].fill_(torch.nan)), "layers.0.bias",
            "not finite"),
    encoder("weights of another shape", weights(lambda state: state.update({"layers.0.bias": torch.zeros(3)})),
            "backbone.safetensors", "size mismatch for layers.0.bias"),
    encoder("a weight too few", weights(lambda state: state.pop("layers.0.bias")), "Missing key(s)", "layers.0.bias"),
    encoder("weights changed since they were stored", changed(lambda state: state["layers.0.bias"].add_(0.5)),
            "backbone.safetensors", "SHA-256"),
    encoder("encoder's record of an older schema", record(the_encoder, schema=0), "record.json", "record schema 0",
            "reads 2"),
    encoder("encoder's record without its loss", without(the_encoder, "pretrain"), "record.json", "it has no pretrain"),
    encoder("encoder's history missing", lambda f: (the_encoder(f) / "history.csv").unlink(), "history.csv"),
    encoder("encoder's history damaged", lambda f: (the_encoder(f) / "history.csv").write_text("epoch,loss\n1,low\n"),
            "history.csv", "'low'"),
    Case("source's weights truncated", ["best.safetensors", "remove", "and run again"], SOURCE,
         lambda f: os.truncate(the_run(f, "vanilla") / "best.safetensors", 300)),
    # places
    store_at("the store is a file", "store", instead_of("store")),
    store_at("the store's parent is a file", "parent/store", instead_of("parent")),
    store_at("a file in the place of all encoders", "other", instead_of("other/encoders")),
    Case("a sweep into a file", ["store", "set paths.runs to a folder"],
         ["-m", "seed=1,2", f"paths.runs={HERE}/store"], instead_of("store")),
    Case("read-only store", ["runs/", "Permission denied", ELSEWHERE], NEW, during=permissions("runs", 0o555)),
    Case("unreadable record", ["record.json", "Permission denied", "remove"], STORED,
         during=lambda f: permissions(f"runs/{the_run(f).name}/record.json", 0)(f)),
    *(Case(f"store without permission: {command}", ["runs: cannot be read", "Permission denied", "paths.runs"],
           arguments, during=permissions("runs", 0), command=command)
      for command, arguments in {
          "train": NEW, "ls": (), "show": ("a",), "evaluate": (), "table": ("quickstart", "--plan"),
          "search": ("dataset=diabetes", "method=supremix", "method.temperature=1,2", "tracking=none"),
      }.items()),
    # full disks
    Case("no room for a lock", ["runs/", "File too large", ELSEWHERE], NEW, during=room_for(5)),
    Case("no room for weights", ["runs/encoders/", "cannot be written", "File too large", ELSEWHERE], NEW,
         during=room_for(1000)),
    Case("no room for a record", ["runs/", "cannot be written", ELSEWHERE], ["method=constant", "seed=1"],
         during=room_for(1000)),
    Case("no room for a checkpoint", [".ckpt", "make space", "goes on from the beginning of pretrain"],
         [*NEW, "trainer.checkpoint.minutes=0"], during=room_for(2000)),
]  # fmt: skip
