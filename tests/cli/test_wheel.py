"""The wheel: what it holds, and that the command works from it outside a checkout."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from supremix.settings.compose import CONF

TOP = Path(__file__).parents[2]
pytest.importorskip("hatchling", reason="the build backend: pip install -e '.[dev]'")


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    """A folder with what the wheel installs."""
    folder = tmp_path_factory.mktemp("wheel")
    build = f"from hatchling.build import build_wheel; print(build_wheel({str(folder)!r}))"
    result = subprocess.run([sys.executable, "-c", build], cwd=TOP, capture_output=True, text=True, check=True)
    with zipfile.ZipFile(folder / result.stdout.split()[-1]) as wheel:
        wheel.extractall(folder / "site")
    return folder / "site"


def test_it_holds_the_package_its_configs_and_the_command(unpacked):
    packaged = {path.relative_to(CONF) for path in CONF.rglob("*.yaml")}
    assert {
        path.relative_to(unpacked / "supremix/conf") for path in (unpacked / "supremix/conf").rglob("*")
    } >= packaged
    modules = {path.relative_to(TOP / "src") for path in (TOP / "src").rglob("*.py")}
    assert {path.relative_to(unpacked) for path in unpacked.rglob("*.py")} == modules
    (entry_points,) = unpacked.glob("*.dist-info/entry_points.txt")
    assert "supremix = supremix.cli.main:command" in entry_points.read_text()


@pytest.mark.slow
def test_data_is_made_and_a_table_runs_in_an_empty_folder(unpacked, tmp_path):
    def supremix(*arguments):
        command = [sys.executable, "-m", "supremix.cli", *arguments]
        kept = {name: value for name, value in os.environ.items() if not name.startswith("SUPREMIX_")}
        result = subprocess.run(
            command, cwd=tmp_path, env=kept | {"PYTHONPATH": str(unpacked)}, capture_output=True, text=True, check=False
        )
        assert result.returncode == 0, result.stderr
        return result.stdout

    where = "import supremix, supremix.settings.compose as c; print(supremix.__file__, c.CONF)"
    found = subprocess.run(
        [sys.executable, "-c", where], cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(unpacked)}, capture_output=True
    )
    assert found.stdout.decode().count(str(unpacked)) == 2
    quiet = ["tracking=none", "trainer.accelerator=cpu", "dataset.recipe.pretrain.epochs=1"]
    quiet += ["dataset.recipe.vanilla.epochs=1", "dataset.recipe.adapt.epochs=1"]
    text = supremix("figure", "2", "--size", "small", "--launcher", "basic", *quiet)  # it makes and prepares its data
    assert "Missing" not in text
    assert (tmp_path / "results" / "small" / "figure_2" / "figure.png").is_file()
    assert supremix("ls").count("uci_airfoil_small") == 4
