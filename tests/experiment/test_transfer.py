"""An encoder from one table of features, probed on another of the same width."""

import shutil

import numpy as np
import pytest
import yaml
from safetensors.torch import load_file

from supremix.errors import UserError
from supremix.experiment.run import run
from supremix.prepare.shared.prepared import write_manifest, write_meta
from supremix.settings import identity
from supremix.settings.compose import CONF, composed
from supremix.settings.source import on_source
from supremix.store.records import read_record
from supremix.suite.plan import plan
from supremix.suite.spec import Panel, Row, Spec

SIZES = "{train: 40, val: 10, test: 10}"
HERE = ["dataset=uci_airfoil", "dataset.name=here", f"dataset.load.sizes={SIZES}", "dataset.recipe.pretrain.epochs=1"]
FAST = ["dataset.recipe.adapt.epochs=2", "tracking=none", "trainer.progress=off", "trainer.accelerator=cpu"]
THERE = [
    "dataset=uci_airfoil", "dataset.name=there", f"dataset.load.sizes={SIZES}", "dataset.recipe.pretrain.epochs=2",
    "dataset.recipe.vanilla.epochs=2", "dataset.recipe.temperature=0.3", "dataset.recipe.adapt.epochs=2",
]  # fmt: skip
FROM_THERE = ["transfer=uci_airfoil", *(f"transfer.{override}" for override in THERE[1:])]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three tables of 60 rows, the last one wider; and a config folder in which the airfoil data can be a source."""
    root = tmp_path_factory.mktemp("transfer")
    for seed, (name, width) in enumerate({"here": 5, "there": 5, "wide": 6}.items()):
        place = root / "prepared" / name
        place.mkdir(parents=True)
        x_NF = np.random.default_rng(seed).normal(size=(60, width))
        write_manifest(place, {"id": [f"{name}-{i}" for i in range(60)], "label": (100 + 10 * x_NF[:, 0]).tolist()})
        np.save(place / "features.npy", x_NF)
        features = [f"f{i}" for i in range(width)]
        synthetic = name == "there"
        write_meta(place, name=name, rows=60, features=features, label="y", source={}, synthetic=synthetic)
    shutil.copytree(CONF, root / "conf")
    text = (CONF / "transfer" / "imdb_wiki.yaml").read_text().replace("imdb_wiki", "uci_airfoil")
    (root / "conf" / "transfer" / "uci_airfoil.yaml").write_text(text)
    return root


def cfg_of(folder, *overrides, store="runs"):
    where = [f"paths.prepared={folder / 'prepared'}", f"paths.runs={folder / store}"]
    return composed(folder / "conf", [*overrides, *FAST, *where])


def test_the_source_encoder_is_trained_once_with_the_sources_settings(folder, monkeypatch):
    first = run(cfg_of(folder, *HERE, "method=supremix", *FROM_THERE))
    record = read_record(first)
    encoders = list((folder / "runs" / "encoders").glob("*/DONE"))
    assert [done.parent.name for done in encoders] == [record["pretrain_id"]]
    encoder = read_record(encoders[0].parent)
    assert encoder["config"]["dataset"]["name"] == "there"
    assert encoder["config"]["method"]["temperature"] == 0.3
    assert encoder["pretrain"]["epochs"] == 2
    assert record["config"]["method"]["temperature"] == 0.3
    assert (record["dataset"], record["config"]["transfer"]["dataset"]["name"]) == ("here", "there")
    assert record["synthetic"] is True  # though its own data is real
    stored, used = load_file(encoders[0].parent / "backbone.safetensors"), load_file(first / "best.safetensors")
    assert all((stored[key] == used[f"backbone.{key}"]).all() for key in stored)
    assert np.load(first / "predictions.npz")["test_id"][0].startswith("here-")

    monkeypatch.setattr("supremix.training.pretrain.pretrain", None)  # would fail if called
    tuned = read_record(run(cfg_of(folder, *HERE, "method=supremix", *FROM_THERE, "protocol=finetune")))
    at_home = read_record(run(cfg_of(folder, *THERE, "method=supremix")))  # a plain run over there has the same encoder
    assert {one["pretrain_id"] for one in (record, tuned, at_home)} == {record["pretrain_id"]}
    assert len({one["id"] for one in (record, tuned, at_home)}) == 3


def test_vanillas_encoder_is_that_of_its_end_to_end_run_over_there(folder):
    vanilla = read_record(run(cfg_of(folder, *THERE, "method=vanilla", store="vanilla")))
    probe = read_record(run(cfg_of(folder, *HERE, "method=vanilla_probe", *FROM_THERE, store="vanilla")))
    assert probe["pretrain_id"] == vanilla["id"]
    assert probe["dataset"] == "here"
    assert len(list((folder / "vanilla").glob("*/DONE"))) == 2


def test_the_stored_config_says_what_was_used(folder):
    from omegaconf import OmegaConf

    stored = OmegaConf.load(run(cfg_of(folder, *HERE, "method=supremix", *FROM_THERE)) / "config.yaml")
    assert stored.transfer.dataset.load.name == "there"
    assert stored.transfer.dataset.load.folder.endswith("/there")
    assert (stored.dataset.load.name, stored.method.temperature) == ("here", 0.3)


def test_identity_hears_the_source_its_data_and_not_the_targets_unused_settings(folder):
    def science(*overrides):
        return identity.scientific(cfg_of(folder, *HERE, *overrides))

    plain = identity.run_id(science(), "here")
    moved = science(*FROM_THERE)
    assert len({plain, identity.run_id(moved, "here", "there"), identity.run_id(moved, "here", "changed")}) == 3
    assert science(*FROM_THERE, "transfer.dataset.recipe.window=9") != moved
    assert science(*FROM_THERE, "transfer.dataset.name=elsewhere") != moved
    assert science(*FROM_THERE, "dataset.recipe.temperature=0.9") == moved


def test_the_planner_and_the_run_agree_on_the_identity(folder):
    where = [*FAST, f"paths.prepared={folder / 'prepared'}", f"paths.runs={folder / 'runs'}"]
    row = Row("SupReMix", "ours", ["method=supremix"])
    spec = Spec("t", "t", HERE, [0], {"best/mae": "MAE"}, [Panel("", FROM_THERE)], [row])
    planned = plan(spec, folder / "conf", where)[0]
    directory = run(cfg_of(folder, *HERE, "method=supremix", *FROM_THERE))
    assert (planned.run_id, planned.pretrain_id) == (directory.name, read_record(directory)["pretrain_id"])
    absent = plan(spec, folder / "conf", [*where, "transfer.dataset.name=absent"])[0]
    assert (absent.run_id, absent.dataset) == (None, "absent")
    assert "no prepared data" in absent.hint


@pytest.mark.parametrize("target", ["uci_airfoil", "agedb_dir", "imdb_wiki_demo"])
@pytest.mark.parametrize("name", sorted(p.stem for p in (CONF / "transfer").glob("[!_]*.yaml") if p.stem != "none"))
def test_source_and_target_have_the_configs_of_their_own_runs(name, target):
    for method in ("supremix", "vanilla_probe"):
        moved = composed(CONF, [f"dataset={target}", f"method={method}", f"transfer={name}"])
        source, alone = (composed(CONF, [f"dataset={one}", f"method={method}"]) for one in (name, target))
        assert identity.scientific(on_source(moved)) == identity.scientific(source)
        assert (moved.dataset, moved.backbone, moved.protocol) == (alone.dataset, alone.backbone, alone.protocol)


def test_a_dataset_that_builds_on_another_can_stand_below_transfer():
    for path in (CONF / "dataset").glob("*.yaml"):
        bases = [entry for entry in yaml.safe_load(path.read_text()).get("defaults", []) if isinstance(entry, str)]
        assert all(entry == "_self_" or entry.endswith("@_here_") for entry in bases), path


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["method=random"], "transfer=there: method=random takes no encoder from elsewhere: use a contrastive method"),
        (["method=vanilla"], "transfer=there: method=vanilla takes no encoder"),
        (["transfer.dataset.recipe.backbone.hidden=[4]"], "transfer=there: its backbone .*same"),
        (["transfer.dataset.name=wide"], "transfer=wide: its inputs have another form than those of dataset=here"),
        (["transfer.dataset.name=absent"], "absent: no prepared data"),
        (["transfer.dataset.recipe.pretrain.epochs=0"], "pretrain.epochs=0"),
    ],
)
def test_what_cannot_be_transferred_is_one_line(folder, overrides, message):
    with pytest.raises(UserError, match=message) as error:
        run(cfg_of(folder, *HERE, *FROM_THERE, *overrides))
    assert "\n" not in str(error.value)
