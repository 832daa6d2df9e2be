"""Prepared tables of features: what their files can have wrong, found when a run loads them."""

import json
import os
import pickle
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from supremix.prepare.shared.prepared import write_manifest, write_meta
from tests.cli.bad import Case
from tests.cli.bad.places import permissions

N = 12
NAMES = ["chord_m", "velocity_m_s"]
AIRFOIL = ("dataset=uci_airfoil", "dataset.load.sizes={train:8,val:2,test:2}")
BY_COLUMN = ("dataset=uci_airfoil", "dataset.load.sizes=null")
AGAIN = "run `supremix prepare uci_airfoil --out"


def write(
    folder: Path,
    ids: Sequence[str] = [f"a-{i}" for i in range(N)],
    labels: Sequence[Any] = [100.0 + i for i in range(N)],
    split: Sequence[str] | None = None,
    features: np.ndarray | None = None,
) -> Path:
    """Write the prepared folder as a preparation script does, sums included; return it."""
    prepared = folder / "prepared" / "uci_airfoil"
    prepared.mkdir(parents=True)
    write_manifest(prepared, {"id": ids, "label": labels} | ({"split": split} if split else {}))
    x_NF = np.arange(2.0 * N).reshape(N, 2) if features is None else features
    np.save(prepared / "features.npy", x_NF)
    source = {"file": "raw", "sha256": "0" * 64, "url": ""}
    write_meta(prepared, name="uci_airfoil", rows=N, label="dB", source=source, synthetic=True, features=NAMES)
    return prepared


def with_feature(value: float) -> np.ndarray:
    """Features of which one, in the third row, has this value."""
    x_NF = np.arange(2.0 * N).reshape(N, 2)
    x_NF[2, 1] = value
    return x_NF


def with_label(label: object) -> list[object]:
    """Labels of which the seventh is this one."""
    return [label if i == 6 else 100.0 + i for i in range(N)]


def meta(**changes: Any) -> Callable[[Path], Any]:
    """Change what meta.json says."""

    def damage(folder: Path) -> None:
        path = write(folder) / "meta.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return damage


def poisoned(folder: Path) -> None:
    """Features as a pickle that makes a folder when it is loaded."""

    class Harm:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(folder / "harm"),)

    (write(folder) / "features.npy").write_bytes(pickle.dumps(Harm()))


def case(name: str, damage: Callable[[Path], Any], *says: str, arguments: Sequence[str] = AIRFOIL) -> Case:
    """A case of a run on the folder that ``damage`` writes."""
    return Case(name, ["prepared/uci_airfoil", *says], arguments, damage)


CASES = [
    # features
    case("NaN feature", lambda f: write(f, features=with_feature(np.nan)),
         "features.npy", "row 3", "'velocity_m_s'", "nan", "correct it at the source"),
    case("infinite feature", lambda f: write(f, features=with_feature(-np.inf)),
         "features.npy", "row 3", "-inf", "correct it at the source"),
    case("feature too large for float32", lambda f: write(f, features=with_feature(1e39)),
         "features.npy", "row 3", "1e+39", "correct it at the source"),
    case("features for other rows", lambda f: write(f, features=np.zeros((N - 1, 2))),
         "features.npy", "(11, 2)", "(12, 2)", AGAIN),
    case("features as text", lambda f: write(f, features=np.full((N, 2), "1.0")),
         "features.npy", "float64", AGAIN),
    case("features truncated", lambda f: os.truncate(write(f) / "features.npy", 150), "features.npy", "truncated",
         AGAIN),
    case("features missing", lambda f: (write(f) / "features.npy").unlink(), "features.npy", "missing", AGAIN),
    case("features poisoned", poisoned, "features.npy", "not a .npy file", AGAIN),
    case("features changed", lambda f: np.save(write(f) / "features.npy", np.ones((N, 2))),
         "features.npy", "changed after preparation", AGAIN),
    # the manifest
    case("label as text", lambda f: write(f, labels=with_label("loud")),
         "manifest.csv", "row 7", "'a-6'", "'loud'", "correct it at the source"),
    case("label missing", lambda f: write(f, labels=with_label("")), "manifest.csv", "row 7", "''", AGAIN),
    case("infinite label", lambda f: write(f, labels=with_label("inf")), "manifest.csv", "row 7", "'inf'", AGAIN),
    case("duplicate id", lambda f: write(f, ids=["a-1" if i == 4 else f"a-{i}" for i in range(N)]),
         "manifest.csv", "'a-1'", "row 2", "again in row 5", "give each row its own"),
    case("row without an id", lambda f: write(f, ids=[" " if i == 4 else f"a-{i}" for i in range(N)]),
         "manifest.csv", "row 5 has no id", AGAIN),
    case("rows missing", lambda f: write(f, ids=["a", "b"], labels=[1, 2]), "manifest.csv", "2 rows", "12", AGAIN),
    case("no label column", lambda f: (write(f) / "manifest.csv").write_text("id,dB\n" + "a,1\n" * N),
         "manifest.csv", "no column label", AGAIN),
    case("a row cut short", lambda f: (write(f) / "manifest.csv").write_text("id,label\na,1\nb\n"),
         "manifest.csv", "row 2 has 1 fields", AGAIN),
    case("manifest that is no text", lambda f: (write(f) / "manifest.csv").write_bytes(b"id,label\n\xff\xfe,1\n"),
         "manifest.csv", "not readable as CSV", AGAIN),
    # the split and the labels in it
    Case("one label only", ["8 training rows have the label 7", "two different labels"],
         AIRFOIL, lambda f: write(f, labels=[7.0] * N)),
    case("unknown split", lambda f: write(f, split=["train"] * 9 + ["dev", "val", "test"]),
         "manifest.csv", "row 10", "'dev'", "train, val or test", AGAIN, arguments=BY_COLUMN),
    case("empty split", lambda f: write(f, split=["train"] * 9 + ["val"] * 3),
         "manifest.csv", "no row has the split test", "give each at least one", arguments=BY_COLUMN),
    case("no split at all", lambda f: write(f), "no split column", "set dataset.load.sizes", arguments=BY_COLUMN),
    case("two splits that disagree", lambda f: write(f, split=["train"] * 10 + ["val", "test"]),
         "manifest.csv", "disagrees", "set dataset.load.sizes=null"),
    # meta.json
    case("meta truncated", lambda f: os.truncate(write(f) / "meta.json", 60), "meta.json", "not readable as JSON",
         AGAIN),
    case("meta missing", lambda f: (write(f) / "meta.json").unlink(), "meta.json", "missing", AGAIN),
    case("meta of a later format", meta(format=2), "meta.json", "format 2", "reads format 1", AGAIN),
    case("meta with rows as text", meta(rows="12"), "meta.json", "wrong type: rows", AGAIN),
    case("meta without a sum", meta(sha256={}), "features.npy", "SHA-256", AGAIN),
    case("a file where the folder should be",
         lambda f: ((f / "prepared").mkdir(), (f / "prepared" / "uci_airfoil").touch()), "meta.json", AGAIN),
    Case("unreadable features", ["features.npy", "Permission denied", AGAIN], AIRFOIL, write,
         permissions("prepared/uci_airfoil/features.npy", 0)),
    Case("unreadable folder", ["prepared/uci_airfoil", "Permission denied"], AIRFOIL, write,
         permissions("prepared/uci_airfoil", 0)),
]  # fmt: skip
