"""Every dataset, from raw files through every method and protocol that applies to it, to a test metric."""

from pathlib import Path

import numpy as np
import pytest

from supremix.cli.main import main
from supremix.errors import UserError
from supremix.experiment.run import run
from supremix.settings.compose import CONF, composed
from supremix.store.records import read_record

TWINS = ("agedb_dir", "imdb_wiki", "ukb", "hcp_aging", "stsb_dir", "uci_airfoil")
METHODS = ("vanilla", "vanilla_probe", "supcon", "supcr", "supremix", "random")
REGRESSIONS = sorted(path.stem for path in (CONF / "method" / "regression").glob("*.yaml"))
REFERENCES = ("boosting", "constant", "knn", "linear", "realmlp", "ridge")
LATER = sorted({path.stem for path in (CONF / "method").glob("[!_]*.yaml")} - {*METHODS, *REFERENCES, "simcse"})
QUICK = "uci_airfoil"
ONE_EPOCH = [
    "tracking=none",
    "trainer.progress=off",
    "trainer.accelerator=cpu",
    "trainer.threads=1",
    "dataset.recipe.pretrain.epochs=1",
    "dataset.recipe.adapt.epochs=1",
    "dataset.recipe.vanilla.epochs=1",
]
# Narrower networks on channels-last images corrupt the heap in PyTorch 2.15's CPU kernels.
FACES = ["dataset.load.pixels=32", "dataset.recipe.backbone.width=16"]
TINY = {
    "agedb_dir": FACES,
    "imdb_wiki": FACES,
    "ukb": ["dataset.recipe.backbone.width=8"],
    "hcp_aging": ["dataset.recipe.backbone.width=8"],
    "stsb_dir": ["dataset.recipe.backbone.hidden=8"],
    "uci_airfoil": ["dataset.load.sizes={train:40,val:10,test:10}"],
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> Path:
    """Raw twins of a few dozen items, prepared as a user would run them."""
    root = tmp_path_factory.mktemp("twins")
    for name in TWINS:
        where = ["--data", str(root / "raw"), "--out", str(root / "prepared")]
        where += ["--workers", "1"] if name not in ("stsb_dir", "uci_airfoil") else []
        for command in (
            ["twin", name, "--size", "tiny", "--out", str(root / "raw"), "--workers", "1"],
            ["prepare", name, *(["--split", "tiny"] if name == "stsb_dir" else ["--name", f"{name}_tiny"]), *where],
        ):
            assert main(command) == 0
    return root


def named(name: str) -> list[str]:
    """Overrides that read the tiny twin with the settings of the larger one."""
    return ["dataset.split=tiny"] if name == "stsb_dir" else [f"dataset.name={name}_tiny"]


def run_twin(folders: Path, name: str, *overrides: str) -> tuple[Path, dict]:
    """A run of one epoch in each stage; its directory and record."""
    where = [*TINY[name], f"paths.prepared={folders / 'prepared'}", f"paths.runs={folders / 'runs'}"]
    directory = run(composed(CONF, [f"dataset={name}_demo", *named(name), *ONE_EPOCH, *where, *overrides]))
    return directory, read_record(directory)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", TWINS)
def test_every_method_runs_on_every_twin(folders, name, method):
    directory, record = run_twin(folders, name, f"method={method}")
    assert record["synthetic"] is True
    assert np.isfinite(record["metrics"]["test"]["best"]["mae"])
    if record["pretrain"] is not None:
        assert np.isfinite(record["pretrain"]["final_loss"])
    arrays = np.load(directory / "predictions.npz")
    assert len(arrays["test_best"]) == record["data"]["sizes"]["test"]


def of_all_twins_slowly(values):
    """Parameters for one quick twin, and for the others of which each takes seconds."""
    marks = {name: [] if name == QUICK else [pytest.mark.slow] for name in TWINS}
    return [pytest.param(name, value, marks=marks[name]) for name in TWINS for value in values]


@pytest.mark.parametrize(("name", "method"), of_all_twins_slowly(LATER))
def test_methods_of_the_field_run_on_every_twin(folders, name, method):
    _, record = run_twin(folders, name, f"method={method}")
    assert np.isfinite(record["metrics"]["test"]["best"]["mae"])
    with_interval = any(part in method for part in ("gaussian", "quantile", "hl_gauss"))
    assert (record["interval"] is not None) == with_interval


@pytest.mark.parametrize(("name", "regression"), of_all_twins_slowly(REGRESSIONS))
def test_every_regression_stage_runs_after_pretraining(folders, name, regression):
    overrides = ["method=supremix", "protocol=finetune", f"method/regression={regression}"]
    _, record = run_twin(folders, name, *overrides)
    assert np.isfinite(record["metrics"]["test"]["best"]["mae"])
    assert record["pretrain"] is not None


@pytest.mark.parametrize(
    ("name", "protocol"),
    [
        ("agedb_dir", "finetune"), ("ukb", "linear_probe"), ("hcp_aging", "linear_probe"), ("stsb_dir", "finetune"),
        ("uci_airfoil", "finetune"),
    ],
)  # fmt: skip
def test_the_other_protocol_runs_too(folders, name, protocol):
    _, record = run_twin(folders, name, "method=supremix", f"protocol={protocol}")
    assert record["protocol"] == protocol


@pytest.mark.parametrize("name", TWINS)
def test_ridge_on_raw_inputs(folders, name):
    _, record = run_twin(folders, name, "method=ridge")
    assert np.isfinite(record["metrics"]["test"]["best"]["mae"])


def test_views_are_two_for_faces_and_for_the_baselines_on_volumes():
    views = {
        (name, method): composed(CONF, [f"dataset={name}", f"method={method}"]).method.pretrain.views
        for name in TWINS[:4]
        for method in ("supremix", "supcon")
    }
    assert views == {
        ("agedb_dir", "supremix"): 2, ("agedb_dir", "supcon"): 2, ("imdb_wiki", "supremix"): 2,
        ("imdb_wiki", "supcon"): 2, ("ukb", "supremix"): 1, ("ukb", "supcon"): 2, ("hcp_aging", "supremix"): 1,
        ("hcp_aging", "supcon"): 1,
    }  # fmt: skip


def test_simcse_runs_on_sentences_and_needs_them(folders):
    _, record = run_twin(folders, "stsb_dir", "method=simcse")
    assert np.isfinite(record["pretrain"]["final_loss"])
    with pytest.raises(UserError, match="method=simcse compares sentences, and backbone=resnet18 has none"):
        run_twin(folders, "agedb_dir", "method=simcse")


def test_the_vanilla_encoder_is_trained_once(folders):
    before = {path.parent.name for path in (folders / "runs").glob("*/DONE")}
    _, vanilla = run_twin(folders, "agedb_dir", "method=vanilla", "seed=7")
    _, probe = run_twin(folders, "agedb_dir", "method=vanilla_probe", "seed=7")
    after = {path.parent.name for path in (folders / "runs").glob("*/DONE")}
    assert probe["pretrain_id"] == vanilla["id"]
    assert after - before == {vanilla["id"], probe["id"]}


@pytest.mark.parametrize("method", ["supremix", "vanilla_probe"])
def test_an_encoder_of_one_twin_is_probed_on_another(folders, method):
    smaller = [*FACES, *(override for override in ONE_EPOCH if override.startswith("dataset."))]
    source = [
        "transfer=imdb_wiki_demo",
        "transfer.dataset.name=imdb_wiki_tiny",
        *(f"transfer.{override}" for override in smaller),
    ]
    directory, record = run_twin(folders, "agedb_dir", f"method={method}", *source)
    _, at_home = run_twin(folders, "imdb_wiki", f"method={method.replace('vanilla_probe', 'vanilla')}")
    assert record["pretrain_id"] == (at_home["pretrain_id"] or at_home["id"])
    assert record["dataset"] == "agedb_dir_tiny"
    assert len(np.load(directory / "predictions.npz")["test_best"]) == record["data"]["sizes"]["test"]
