"""The rules of the house: imports run one way, defaults live in YAML, every config composes."""

import itertools
import re
from pathlib import Path

import pytest
import yaml
from hydra.errors import ConfigCompositionException

from supremix.settings.compose import CONF, composed

SOURCE = Path(__file__).parents[1] / "src" / "supremix"


def test_one_place_instantiates_configs():
    users = {path.stem for path in SOURCE.rglob("*.py") if "hydra.utils" in path.read_text()}
    assert users == {"build"}


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


@pytest.mark.parametrize("dataset", options("dataset"))
def test_every_dataset_explains_its_marks(dataset):
    assert "P the paper, R the authors' review-time release, Y" in (CONF / "dataset" / f"{dataset}.yaml").read_text()


PROTOCOLS = {
    "linear_probe": "adapt",
    "finetune": "adapt",
    "end_to_end": "vanilla",
    "linear_probe_release": "adapt_release",
}


@pytest.mark.parametrize(("protocol", "block"), PROTOCOLS.items())
def test_a_protocol_takes_the_values_of_its_recipe_block(protocol, block):
    recipe = f"dataset.recipe.{block}"
    values = [f"{recipe}.epochs=3", f"{recipe}.lr=0.5", f"{recipe}.clip=7", f"++{recipe}.scheduler={{a: 1}}"]
    cfg = composed(CONF, ["dataset=agedb_dir", "method=supremix", f"protocol={protocol}", *values])
    assert (cfg.protocol.epochs, cfg.protocol.optimizer.lr, cfg.protocol.clip) == (3, 0.5, 7)
    assert cfg.protocol.scheduler.a == 1
    assert (cfg.method.pretrain.epochs, cfg.method.pretrain.optimizer.lr) == (100, 1e-3)


def test_the_batch_and_the_rate_of_pre_training_are_its_own():
    for dataset in options("dataset"):
        changed = ["dataset.recipe.pretrain.batch_size=7", "dataset.recipe.pretrain.lr=0.7"]
        cfg = composed(CONF, [f"dataset={dataset}", "method=supremix", *changed])
        assert (cfg.method.pretrain.batch_size, cfg.method.pretrain.optimizer.lr) == (7, 0.7)
        assert cfg.protocol.batch_size != 7
        assert cfg.protocol.optimizer.lr != 0.7


def test_configs_are_valid_yaml_without_tabs():
    for path in CONF.rglob("*.yaml"):
        yaml.safe_load(path.read_text())
        assert "\t" not in path.read_text()
