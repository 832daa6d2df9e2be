"""The rules of the house: imports run one way, defaults live in YAML, every config composes."""

import ast
import itertools
import re
from pathlib import Path

import pytest
import yaml
from hydra.errors import ConfigCompositionException

from supremix.commandline import CONF
from supremix.tables.plan import composed

SOURCE = Path(__file__).parents[1] / "src" / "supremix"
# A module may import from its own rank or from a higher one, never from a lower one.
RANKS = {"train": 0, "search": 0, "tables": 0, "figures": 0, "dashboards": 0, "experiment": 1, "stages": 2}
RANKS |= {"record": 3, "pretrain": 3, "adapt": 3, "readings": 4, "progress": 4, "tracking": 4, "engine": 5}
RANKS |= {"checkpoint": 6, "watch": 6}
LOWEST = 9
ALONE = ("losses", "backbones")


def imported(path):
    """Names below ``supremix`` that a file imports, at its top or inside a function; not those for types alone."""
    tree = ast.parse(path.read_text())
    for_types = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and id(node) not in for_types:
            if node.module == "supremix":
                yield from (alias.name for alias in node.names)
            elif node.module.startswith("supremix."):
                yield node.module.split(".")[1]


def module(path):
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_run_one_way(path):
    here = module(path)
    for name in imported(path):
        if here in ALONE:
            assert name == here, f"{here} imports {name}: losses and backbones stand alone"
        if name != here:
            assert RANKS.get(name, LOWEST) >= RANKS.get(here, LOWEST), f"{here} imports {name}"


def test_one_place_instantiates_configs():
    users = {module(path) for path in SOURCE.rglob("*.py") if "hydra.utils" in path.read_text()}
    assert users == {"building"}


def test_the_driver_is_short():
    assert len((SOURCE / "train.py").read_text().splitlines()) <= 40


def options(group):
    return sorted(path.stem for path in (CONF / group).glob("*.yaml") if not path.stem.startswith("_"))


@pytest.mark.parametrize(("dataset", "method"), list(itertools.product(options("dataset"), options("method"))))
def test_every_dataset_composes_with_every_method(dataset, method):
    cfg = composed(CONF, [f"dataset={dataset}", f"method={method}"])
    from omegaconf import OmegaConf

    OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)
    expected = {"vanilla": "end_to_end", "constant": "none", "linear": "none", "ridge": "none"}
    assert cfg.protocol.name == expected.get(method, cfg.protocol.name)


def test_the_command_line_has_the_last_word_on_the_protocol():
    assert composed(CONF, ["method=vanilla", "protocol=finetune"]).protocol.name == "finetune"


def test_unknown_keys_are_refused():
    with pytest.raises(ConfigCompositionException):
        composed(CONF, ["method.temprature=1"])


def test_airfoil_has_the_hyper_parameters_of_table_13():
    cfg = composed(CONF, ["dataset=uci_airfoil", "method=supremix"])
    assert (cfg.method.temperature, list(cfg.method.beta), cfg.method.window) == (1.0, [2, 8], 7)
    assert cfg.protocol.name == "linear_probe"
    assert cfg.backbone.name == "mlp"
    assert cfg.method.projection.out == 128
    assert cfg.method.pretrain.optimizer.lr == cfg.protocol.optimizer.lr == 1e-3
    assert cfg.method.pretrain.batch_size == 32
    assert cfg.dataset.load.sizes == {"train": 1203, "val": 150, "test": 150}


def test_every_value_of_a_recipe_says_where_it_comes_from():
    lines = (CONF / "dataset" / "uci_airfoil.yaml").read_text().split("recipe:")[1].strip().splitlines()
    for line in lines:
        comment = line.partition("#")[2]
        assert re.search(r"\b[PRYO]([,:; ]|$)", comment), line


def test_configs_are_valid_yaml_without_tabs():
    for path in CONF.rglob("*.yaml"):
        yaml.safe_load(path.read_text())
        assert "\t" not in path.read_text()
