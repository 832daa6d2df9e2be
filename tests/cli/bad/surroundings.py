"""What is wrong around a command: its environment, the working directory, the places that paths name."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.cli.bad import HERE, Case

TORCHRUN = {"LOCAL_RANK": "0", "WORLD_SIZE": "2", "RANK": "0", "LOCAL_WORLD_SIZE": "2", "MASTER_PORT": "29500",
            "MASTER_ADDR": "localhost"}  # fmt: skip


def environment(**values: str) -> Callable[[Path], AbstractContextManager[None]]:
    """These variables are set while the command runs."""

    @contextmanager
    def during(_: Path) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in values.items():
                patch.setenv(name, value)
            yield

    return during


@contextmanager
def nowhere(folder: Path) -> Iterator[None]:
    """The working directory is deleted."""
    gone, before = folder / "gone", Path.cwd()
    gone.mkdir()
    os.chdir(gone)
    gone.rmdir()
    try:
        yield
    finally:
        os.chdir(before)


def rank(**changes: str | None) -> Callable[[Path], AbstractContextManager[None]]:
    """The environment of a rank of torchrun, with these changes; None leaves a variable out."""
    return environment(**{name: value for name, value in (TORCHRUN | changes).items() if value is not None})


def file(name: str) -> Callable[[Path], None]:
    """There is a file of this name."""
    return lambda folder: (folder / name).write_text("")


LONG = "r" * 300
PLACES = ["-m", "method=constant", "seed=0,1"]
NEW = ["seed=1", "method=constant"]

CASES = [
    # ranks
    *(Case(f"ranks: {name} is {value!r}", ["LOCAL_RANK is in the environment", f"{name} is {value!r}", "torchrun"],
           during=rank(**{name: value}))
      for name in ("LOCAL_RANK", "WORLD_SIZE", "RANK", "LOCAL_WORLD_SIZE", "MASTER_PORT") for value in ("x", "-1", "")),
    *(Case(f"ranks: no {name}", ["LOCAL_RANK is in the environment", f"{name} is not there", "torchrun"],
           during=rank(**{name: None}))
      for name in ("RANK", "LOCAL_WORLD_SIZE", "MASTER_PORT", "MASTER_ADDR")),
    # places
    Case("the store is a file", ["store/", "cannot be written", "paths.runs"], [*NEW, f"paths.runs={HERE}/store"],
         file("store")),
    Case("the store is in a file", ["store/x/", "cannot be written", "paths.runs"],
         [*NEW, f"paths.runs={HERE}/store/x"], file("store")),
    Case("the store of a sweep is a file", ["store", "set paths.runs to a folder"],
         [*PLACES, f"paths.runs={HERE}/store"], file("store")),
    Case("the store of a sweep is in a file", ["store/x", "set paths.runs to a folder"],
         [*PLACES, f"paths.runs={HERE}/store/x"], file("store")),
    Case("a store whose name is too long", ["rrr", "a part of this path is too long"], [*NEW, f"paths.runs={LONG}"]),
    Case("a store of a sweep whose name is too long", ["rrr", "is too long"], [*PLACES, f"paths.runs={LONG}"]),
    Case("prepared data whose name is too long", ["rrr", "no prepared data", "set paths.prepared"],
         ["dataset=uci_airfoil", f"dataset.name={LONG}"]),
    Case("a store by the variable that is a file", ["store", "cannot be written"], NEW, file("store"),
         environment(SUPREMIX_RUNS="store")),
    Case("configs by the variable that are not there", ["--config-dir /nowhere", "no such folder"],
         ["quickstart", "--plan"], during=environment(SUPREMIX_CONFIG_DIR="/nowhere"), command="table"),
    Case("a run's folder that is no store", ["runs/x: in ", "no such run"], ["runs/x"], command="show"),
    # the working directory
    Case("deleted working directory", ["the working directory is gone", "change to one"], NEW, during=nowhere),
    Case("deleted working directory of a sweep", ["the working directory is gone"], PLACES, during=nowhere),
    Case("deleted working directory of a table", ["the working directory is gone"], ["quickstart", "--plan"],
         during=nowhere, command="table"),
    Case("deleted working directory of a search", ["the working directory is gone"], ["method.window=1,2"],
         during=nowhere, command="search"),
]  # fmt: skip
