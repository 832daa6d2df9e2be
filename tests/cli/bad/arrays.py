"""Prepared images, sentence pairs, volumes and time series with something wrong in them."""

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from supremix.prepare.shared.prepared import describe_pieces, write_manifest, write_meta
from tests.cli.bad import Case

N = 12
SPLIT = ["train"] * 8 + ["val", "val", "test", "test"]
LABELS = [20.0 + i for i in range(N)]
FACES = ("dataset=agedb_dir", "dataset.load.pixels=8", "dataset.load.padding=1")
PAIRS = ("dataset=stsb_dir", "dataset.vector_width=3")
BRAINS = ("dataset=ukb_demo", "method=random", "protocol=linear_probe", "dataset.recipe.backbone.width=1")
PARCELS = ("dataset=hcp_aging_demo", "method=random", "protocol=linear_probe", "dataset.recipe.backbone.width=1")


def write(
    folder: Path, name: str, arrays: dict[str, Any], columns: dict[str, Sequence[Any]] | None = None, **meta: Any
) -> Path:
    """Write a prepared folder as the preparation scripts do, sums included; return it."""
    prepared = folder / "prepared" / name
    prepared.mkdir(parents=True)
    write_manifest(prepared, {"id": [f"s-{i}" for i in range(N)], "label": LABELS, "split": SPLIT} | (columns or {}))
    for file, array in arrays.items():
        np.save(prepared / file, array)
    source = {"file": "raw", "sha256": "0" * 64, "url": ""}
    write_meta(prepared, name=name, rows=N, label="years", source=source, synthetic=True, **meta)
    return prepared


def faces(folder: Path, images: Any = None, place: Sequence[Any] = range(N), pixels: int = 8) -> Path:
    """Twelve images of 8×8 pixels."""
    images = np.zeros((N, 8, 8, 3), np.uint8) if images is None else images
    return write(folder, "agedb_dir", {"faces.npy": images}, {"row": place}, pixels=pixels, images=N)


def pairs(folder: Path, tokens: Any = None, lengths: Any = None, vectors: Any = None, split: str = "yang") -> Path:
    """Twelve pairs of sentences of one word, of a vocabulary of 24."""
    arrays = {
        "tokens.npy": np.arange(1, 2 * N + 1, dtype="<i4") if tokens is None else tokens,
        "lengths.npy": np.ones((N, 2), "<i4") if lengths is None else lengths,
        "vectors.npy": np.ones((2 * N + 1, 3), "<f4") if vectors is None else vectors,
    }
    return write(folder, "stsb_dir-yang-3d", arrays, split=split)


def brains(folder: Path, value: float = 0.5, row: int = 0, shape: tuple[int, ...] = (16, 16, 16)) -> Path:
    """Twelve volumes, of which one has a voxel of this value."""
    volumes = np.random.default_rng(0).random((N, *shape)).astype("<f2")
    volumes[row].flat[3] = value
    array = describe_pieces(["volumes-0.npy"], [N], "float16", shape)
    return write(folder, "ukb_demo", {"volumes-0.npy": volumes}, array=array)


def parcels(folder: Path, value: float = 0.5, row: int = 0, frames: Sequence[Any] = [20] * N) -> Path:
    """Twelve series of 4 parcels and 20 frames, of which one has this value somewhere."""
    series = np.random.default_rng(0).normal(size=(N * 20, 4)).astype("<f4")
    series[row * 20 + 3, 1] = value
    array = describe_pieces(["frames-0.npy"], [N * 20], "float32", [4])
    return write(folder, "hcp_aging_demo", {"frames-0.npy": series}, {"frames": frames}, array=array)


def place_of(row: object) -> list[object]:
    """The column `row` of a manifest of images, of which the third is this one."""
    return [row if i == 2 else i for i in range(N)]


def one(shape: tuple[int, ...], at: tuple[int, ...], value: float, dtype: str) -> np.ndarray:
    """Ones, but for this value at that place."""
    array = np.ones(shape, dtype)
    array[at] = value
    return array


def without_array(folder: Path) -> None:
    """Volumes whose description says nothing of the array."""
    path = brains(folder) / "meta.json"
    meta = json.loads(path.read_text())
    del meta["array"]
    path.write_text(json.dumps(meta))


def case(name: str, arguments: Sequence[str], damage: Callable[[Path], Any], *says: str) -> Case:
    """A case of a run on the folder that ``damage`` writes."""
    return Case(name, says, arguments, damage)


CASES = [
    # images
    case("images of another size", FACES, lambda f: faces(f, pixels=16),
         "prepared/agedb_dir", "16 pixels", "dataset.load.pixels=8", "--pixels 8"),
    case("images as floats", FACES, lambda f: faces(f, np.zeros((N, 8, 8, 3))), "faces.npy", "expected uint8",
         "supremix prepare agedb_dir"),
    case("images truncated", FACES, lambda f: os.truncate(faces(f) / "faces.npy", 500), "faces.npy", "truncated",
         "again"),
    case("image of nobody", FACES, lambda f: faces(f, place=place_of(N)), "manifest.csv", "row 3", "'12'",
         "supremix prepare agedb_dir"),
    case("image of two people", FACES, lambda f: faces(f, place=place_of(0)), "manifest.csv",
         "again the image of row 1"),
    case("image place as text", FACES, lambda f: faces(f, place=place_of("last")), "manifest.csv", "row 3", "'last'"),
    case("impossible views", (*FACES, "dataset.load.views.flip=2"), faces, "dataset.load", "flip=2", "from 0 to 1"),
    case("padding as wide as the image", (*FACES, "dataset.load.padding=8"), faces, "padding=8", "0 to 7"),
    # sentence pairs
    case("token outside the vocabulary", PAIRS, lambda f: pairs(f, tokens=np.full(2 * N, 99, "<i4")),
         "tokens.npy", "1 to 24", "supremix prepare stsb_dir"),
    case("sentence without a word", PAIRS, lambda f: pairs(f, lengths=one((N, 2), (4, 1), 0, "<i4")),
         "lengths.npy", "row 5, sentence 2", "supremix prepare stsb_dir"),
    case("fewer tokens than lengths", PAIRS, lambda f: pairs(f, tokens=np.ones(N, "<i4")), "tokens.npy", "12 tokens",
         "24"),
    case("NaN in a word vector", PAIRS, lambda f: pairs(f, vectors=one((2 * N + 1, 3), (7, 0), np.nan, "<f4")),
         "vectors.npy", "row 7", "not finite", "supremix prepare stsb_dir"),
    case("word vectors of another width", PAIRS, lambda f: pairs(f, vectors=np.ones((25, 5), "<f4")),
         "vectors.npy", "5 numbers a word", "dataset.vector_width=3"),
    case("another division into splits", PAIRS, lambda f: pairs(f, split="authors"), "'authors', not 'yang'",
         "supremix prepare stsb_dir"),
    case("length limit of nothing", (*PAIRS, "dataset.load.max_length=0"), pairs, "max_length=0", "1 or more"),
    # volumes
    case("NaN voxel in training", BRAINS[:1], lambda f: brains(f, np.nan),
         "became nan in epoch 1, step 1", "s-0", "check these inputs"),
    case("NaN voxel in validation", BRAINS, lambda f: brains(f, np.nan, row=9), "s-9", "not finite",
         "prepare the data again"),
    case("infinite voxel before ridge regression", ("dataset=ukb_demo", "method=ridge"),
         lambda f: brains(f, np.inf, row=11),
         "s-11", "not finite", "prepare the data again"),
    case("volumes that are no cubes", BRAINS, lambda f: brains(f, shape=(16, 16)), "(16, 16)", "expected cubes",
         "supremix prepare ukb"),
    case("volumes missing", BRAINS, lambda f: (brains(f) / "volumes-0.npy").unlink(), "volumes-0.npy", "missing",
         "supremix prepare ukb"),
    case("volumes with something after them", BRAINS,
         lambda f: (brains(f) / "volumes-0.npy").open("ab").write(b"more"), "volumes-0.npy", "not as it was written"),
    case("volumes without a description", BRAINS, without_array, "meta.json", "'array'", "supremix prepare ukb"),
    # time series
    case("NaN frame in test", PARCELS, lambda f: parcels(f, np.nan, row=10), "s-10", "not finite",
         "prepare the data again"),
    case("frames as text", PARCELS, lambda f: parcels(f, frames=[20] * 11 + ["all"]), "manifest.csv", "row 12",
         "'all'"),
    case("frames that do not add up", PARCELS, lambda f: parcels(f, frames=[21] * N), "252 frames", "240",
         "supremix prepare hcp_aging"),
    case("sentences asked of time series", ("dataset=hcp_aging_demo", "method=simcse"), parcels,
         "method=simcse", "backbone=resnet18_1d", "sentence pairs"),
]  # fmt: skip
