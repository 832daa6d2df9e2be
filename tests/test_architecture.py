"""The rules of the house: imports run one way, defaults live in YAML, every config composes."""

import ast
import itertools
import re
from pathlib import Path

import pytest
import yaml
from hydra.errors import ConfigCompositionException

from supremix.settings.compose import CONF, composed

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "supremix"
PLACES = ("src", "conf", "tests", "docs", "scripts", "data_prep", "README.md", "CONTRIBUTING.md", "Makefile", ".github")
KINDS = (".py", ".yaml", ".yml", ".md", ".json", "")
RETIRED = {
    "a stage is pretrain or adapt": r"\b[Ss]tage[ _-]?[12]\b|\bregression stage\b",
    "a recipe's blocks are pretrain and adapt": r"\brecipe\.(stage2|batch_size|lr)\b",
    "an encoder's id is pretrain_id": r"\bself\.encoder_id\b|\bidentity\.encoder_id\b",
    "rows are SupReMix, as written / as released": r"SupReMix \((paper|release)\)",
    "small data is NAME_small, SIZE=small": r"SIZE=twin\b|--size[ =]twin\b|_small_twin\b"
    r"|\b(uci_airfoil|agedb_dir|imdb_wiki|stsb_dir|hcp_aging|ukb)_twin\b",
    "index.text(), seeds.Summary, describe()": r"\bsummary\.overview\(|\bstats\.Summary\b|\bdashboards\.summary\(",
    "states are missing, begun, finished": r"\bsettled\(|\bunfinished\(|\bdone, unfinished\b",
    "ranks.is_first(), rank(), world_size(), should_report(), close()": r"\branks\.(first|number|count|tells|leave)\(",
    "signals.received()": r"\bstopping\.asked\b",
    "with several ranks, …": r"\b[Oo]f several ranks\b",
    "the number itself, or the argument's name": r"\bso many\b",
}
"""What a name is now → the pattern of those that it replaced."""


def test_one_place_instantiates_configs():
    users = {path.stem for path in SOURCE.rglob("*.py") if "hydra.utils" in path.read_text()}
    assert users == {"build"}


def texts():
    """Every text file of the project but this one, as (path, content)."""
    for place in PLACES:
        path = ROOT / place
        for file in [path] if path.is_file() else sorted(path.rglob("*")):
            generated = ROOT / "docs" / "generated" in file.parents
            if file.suffix in KINDS and file.is_file() and file != Path(__file__) and not generated:
                yield file, file.read_text(errors="replace")


def retired(text):
    """The names in a text that another one replaced, over the ends of lines too."""
    line = re.sub(r"\s*\n\s*(?:[#*|>-]+\s+)?", " ", text)
    return [match[0] for pattern in RETIRED.values() for match in re.finditer(pattern, line)]


def is_there(dotted):
    """Whether ``supremix.a.b`` names a module, or something in the module before it."""
    place = SOURCE
    for name in dotted.split(".")[1:]:
        if (place / name).is_dir() or (place / f"{name}.py").is_file():
            place /= name
        else:
            module = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
            return re.search(rf"\b{name}\b", module.read_text()) is not None
    return True


def test_no_retired_name_comes_back():
    assert {str(path.relative_to(ROOT)): names for path, text in texts() if (names := retired(text))} == {}


def test_a_retired_name_would_be_seen():
    assert retired("stage 2 of SupReMix (paper), uci_airfoil_twin: ranks.first()") == [
        "stage 2", "SupReMix (paper)", "uci_airfoil_twin", "ranks.first(",
    ]  # fmt: skip
    assert retired("smoothing to the regression\n    # stage") == ["regression stage"]
    assert retired("## plan: done, unfinished, failed, missing") == ["done, unfinished"]
    assert retired("stages of SupReMix, as written, uci_airfoil_small: ranks.is_first()") == []


def test_every_module_that_is_named_is_there():
    dotted = re.compile(r"\bsupremix(?:\.[a-z]\w*)+")
    named = {name for path, text in texts() if "tests" not in path.parts for name in dotted.findall(text)}
    others = {"supremix.models.mine", "supremix.fish"}  # a reader's own, and a file of a shell's completion
    assert {name for name in named if not is_there(name)} <= others
    assert not is_there("supremix.commandline")
    assert not is_there("supremix.data.contract")
    assert is_there("supremix.losses.supremix.SupReMixLoss")


def test_every_name_that_a_test_imports_is_there():
    """Some tests run on a GPU alone, or now and then."""
    files = [file for place in ("tests", "scripts", "data_prep") for file in (ROOT / place).rglob("*.py")]
    imports = [
        node for file in files for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.ImportFrom)
    ]
    names = {f"{node.module}.{name.name}" for node in imports for name in node.names}
    assert [name for name in names if name.startswith("supremix.") and not is_there(name)] == []


def test_the_driver_is_short():
    assert len((SOURCE / "train.py").read_text().splitlines()) <= 40


def options(group):
    return sorted(path.stem for path in (CONF / group).glob("*.yaml") if not path.stem.startswith("_"))


def pairs():
    """Datasets and methods, slow but for each with few; of datasets that only make another one smaller, those alone."""
    for dataset, method in itertools.product(options("dataset"), options("method")):
        few = method in ("supremix", "vanilla", "ridge")
        quick = few or dataset in ("uci_airfoil", "agedb_dir", "stsb_dir")
        if not dataset.endswith(("_demo", "_small")) or few:
            yield pytest.param(dataset, method, marks=[] if quick else pytest.mark.slow)


@pytest.mark.parametrize(("dataset", "method"), list(pairs()))
def test_every_dataset_composes_with_every_method(dataset, method):
    cfg = composed(CONF, [f"dataset={dataset}", f"method={method}"])
    from omegaconf import OmegaConf

    OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)
    references = ("constant", "linear", "ridge", "knn", "boosting", "realmlp")
    expected = {"vanilla": "end_to_end"} | dict.fromkeys(references, "none")
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


OWN = {"images", "signals", "table", "texts", "volumes"}
"""Datasets of a user's own, whose values are this project's."""


@pytest.mark.parametrize("dataset", sorted(set(options("dataset")) - OWN))
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


@pytest.mark.whole
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


PLACEHOLDER = re.compile(r"NAME|^DIR/|/N\.yaml$")


def paths_in(text):
    """The files that a text names: in backticks with an ending, or as the target of a link."""
    quoted = re.findall(r"`((?:\w+/)+[\w.]+\.(?:py|yaml|md|json)|[a-z]+\.py)`", text)
    return [*quoted, *re.findall(r"\]\((?!https?:|#)([^)#\s]+)", text)]


LEAST = {"README.md": 15, "CONTRIBUTING.md": 40, "docs/mathematics.md": 5, "results/README.md": 16}
"""Page → how many paths it names at least."""
PAGES = [*LEAST, *{f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")} - {*LEAST}]


@pytest.mark.parametrize(("page", "least"), [(page, LEAST.get(page, 0)) for page in sorted(PAGES)])
def test_every_path_in_a_page_is_there(page, least):
    places = (ROOT, SOURCE, (ROOT / page).parent)
    paths = [path for path in paths_in((ROOT / page).read_text()) if not PLACEHOLDER.search(path)]
    gone = [path for path in paths if not any((place / path).is_file() for place in places)]
    assert len(paths) >= least
    assert gone == []


def test_every_test_file_that_a_text_names_is_there():
    path = re.compile(r"\btests/[\w/]+\.py\b")
    named = {name for file, text in texts() for name in path.findall(text)}
    assert {name for name in named if not PLACEHOLDER.search(name) and not (ROOT / name).is_file()} == set()
