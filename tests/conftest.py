"""Fixtures shared by the tests."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from supremix.runtime import log
from tests.tracking.wandb_server import Server, serving


@pytest.fixture(autouse=True)
def shown_lines() -> None:
    """Progress and warnings appear on stderr, as in the package's commands."""
    log.begin()


@pytest.fixture(scope="session")
def real_data() -> Callable[[str], Path]:
    """Path of a raw file in the data directory, e.g. real_data("uci_airfoil/airfoil_self_noise.dat").

    The directory is the environment variable SUPREMIX_DATA, else `data`. Skips where the file is not there.
    """

    def find(file: str) -> Path:
        path = Path(os.environ.get("SUPREMIX_DATA") or "data") / file
        if not path.is_file():
            pytest.skip(f"real data not there: {path} (SUPREMIX_DATA names the data directory)")
        return path

    return find


@pytest.fixture
def wandb_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """W&B keeps to the test's folder, knows no key, and has not been found unreachable."""
    import wandb

    from supremix.tracking import mirror

    for name in ("WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_DATA_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setattr(mirror, "_unreachable", False)
    yield
    wandb.teardown()  # it remembers keys


@pytest.fixture
def wandb_key(wandb_folders: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is a key."""
    monkeypatch.setenv("WANDB_API_KEY", "a" * 40)


@pytest.fixture
def wandb_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A stand-in for W&B's server, to which wandb talks."""
    with serving() as server:
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        yield server
