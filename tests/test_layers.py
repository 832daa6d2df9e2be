"""The contracts of imports in pyproject.toml hold, and would notice what breaks them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
RUN = "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())"


def lint(folder: Path, source: Path) -> subprocess.CompletedProcess[str]:
    """Check the package below ``source`` by the contracts of ``folder``'s pyproject.toml."""
    environment = {**os.environ, "PYTHONPATH": str(source)}
    command = [sys.executable, "-c", RUN, "--no-cache"]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of the package that a test may break; its contracts stand beside it."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "src" / "supremix", tmp_path / "src" / "supremix", ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path / "src" / "supremix"


def test_the_contracts_hold():
    done = lint(ROOT, ROOT / "src")
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(("file", "line", "says"), [
    ("losses/supcon.py", "from supremix.data.dataset import Data", "supremix.losses -> supremix.data"),
    ("training/loop.py", "def late():\n    from supremix.store import files\n    from supremix.tracking import mirror",
     "supremix.training -> supremix.tracking"),
    ("store/folders.py", "from supremix.experiment import record", "supremix.store -> supremix.experiment"),
    ("losses/pairs.py", "from supremix.losses import supremix", "No cycles are allowed in supremix.losses"),
    ("new_unit.py", "", "new_unit"),
])  # fmt: skip
def test_a_violation_is_found(package, file, line, says):
    with (package / file).open("a") as text:
        text.write(f"\n{line}\n")
    done = lint(package.parents[1], package.parent)
    assert done.returncode != 0
    words = " ".join(done.stdout.replace("is not allowed to import", "->").split())
    assert says in words, done.stdout
