"""Fixtures shared by the tests."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest


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
