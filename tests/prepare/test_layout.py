"""What stands in data/ is what runs read, and every command of preparation answers --help at once."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import supremix.data
from supremix.settings.compose import CONF

DATA = Path(supremix.data.__path__[0])
DATASETS = ("agedb_dir", "hcp_aging", "imdb_wiki", "stsb_dir", "uci_airfoil", "ukb")


def targets(node: object) -> set[str]:
    """Every ``_target_`` in a config."""
    if isinstance(node, dict):
        own = {node["_target_"]} if isinstance(node.get("_target_"), str) else set()
        return own.union(*map(targets, node.values()))
    return set().union(*map(targets, node)) if isinstance(node, list) else set()


@pytest.mark.slow
def test_every_module_of_data_is_imported_by_runs_and_none_of_preparation():
    configs = [yaml.safe_load(path.read_text()) for path in CONF.rglob("*.yaml")]
    loaders = sorted({target.rpartition(".")[0] for target in targets(configs) if ".data." in target})
    assert loaders
    late = ["supremix.experiment.record", "supremix.data.raw.pictures"]  # imported where they are used
    imports = ", ".join(["supremix.train", "supremix.experiment.run", *late, *loaders])
    code = f"import sys, {imports}\nprint(*(name for name in sys.modules if 'supremix.' in name))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    imported = set(done.stdout.split())
    modules = {".".join(path.relative_to(DATA.parents[1]).with_suffix("").parts) for path in DATA.rglob("*.py")}
    assert {module.removesuffix(".__init__") for module in modules} <= imported
    assert not [module for module in imported if module.startswith("supremix.prepare")]


@pytest.mark.parametrize("name", [*DATASETS, "digits", "twins.command"])
def test_help_imports_nothing_heavy_and_ends_with_examples(name):
    code = (
        f"import sys\nfrom supremix.prepare.{name} import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: print(sorted({'joblib', 'nibabel', 'numpy', 'PIL', 'scipy', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    command = "supremix twin" if name == "twins.command" else f"supremix prepare {name}"
    assert done.stdout.startswith(f"usage: {command} [-h]")
    assert f"examples:\n  {command}" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("dataset", "package", "extra"), [("agedb_dir", "PIL", "images"), ("ukb", "nibabel", "volumes")]
)
def test_a_missing_package_is_one_line_with_its_extra(dataset, package, extra, tmp_path):
    code = (
        f"import sys\nsys.modules[{package!r}] = None\n"
        "from supremix.prepare.twins.command import main\n"
        f"sys.exit(main([{dataset!r}, '--size', 'tiny', '--out', {str(tmp_path)!r}, '--workers', '1']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == f"error: {package} is not installed: pip install 'supremix[{extra}]'\n"
