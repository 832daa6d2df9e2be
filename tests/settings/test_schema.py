"""Typed settings: keys that may and may not stand in a group, messages, and the two settings of a transfer."""

import pytest
import yaml

from supremix.errors import UserError
from supremix.settings.check import settings_of
from supremix.settings.compose import CONF, composed
from supremix.settings.schema import Adapt, Contrastive, NoTraining, Plain
from tests.running import config

METHODS = sorted(path.stem for path in (CONF / "method").glob("[!_]*.yaml"))


def changed(tmp_path, change, *overrides):
    """The settings of a small run whose config has this change, past what Hydra would refuse."""
    from omegaconf import open_dict

    cfg = config(tmp_path, *overrides)
    with open_dict(cfg):
        change(cfg)
    return settings_of(cfg)


@pytest.mark.parametrize("name", METHODS)
def test_every_method_has_settings_and_those_without_a_loss_do_not_pretrain(name):
    settings = settings_of(composed(CONF, ["dataset=stsb_dir", f"method={name}"]))
    written = yaml.safe_load((CONF / "method" / f"{name}.yaml").read_text())
    has_loss = written.get("method", written).get("loss") is not None  # those that begin as Vanilla have none
    assert isinstance(settings.method, Contrastive if has_loss else Plain)
    assert isinstance(settings.protocol, Adapt if settings.method.estimator is None else NoTraining)


def test_values_are_those_of_the_config_with_types(tmp_path):
    cfg = config(tmp_path, "method=supremix", "method.pretrain.clip=5")
    settings = settings_of(cfg)
    assert settings.contrastive.pretrain.batch_size == cfg.method.pretrain.batch_size
    assert settings.contrastive.pretrain.clip == 5.0
    assert settings.contrastive.loss["temperature"] == cfg.method.temperature
    assert settings.adapt.select == cfg.protocol.select


def test_datasets_methods_and_backbones_may_hold_keys_of_their_own_and_other_groups_not(tmp_path):
    def own(cfg):
        for group in (cfg.dataset, cfg.method, cfg.backbone):
            group.my_own = {"key": 1}

    assert changed(tmp_path, own).dataset.name == "diabetes"
    for place in ("protocol", "trainer", "tracking", "imbalance", "method.pretrain", "dataset.subset"):

        def added(cfg, place=place):
            group = cfg
            for part in place.split("."):
                group = group[part]
            group.my_own = 1

        with pytest.raises(UserError, match=rf"^{place}\.my_own=1: nothing reads this key"):
            changed(tmp_path, added)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("~protocol.epochs", "protocol.epochs: the key is missing"),
        ("~method.loss", "method.loss: the key is missing"),
        ("~method.loss._target_", "method.loss._target_: the key is missing"),
        ("method.loss=5", "method.loss=5: it is a group of settings, not a value: set the keys below it, or null"),
        ("method.pretrain.scheduler=5", "method.pretrain.scheduler=5: give a group with the _target_ .*, or null"),
        ("method.fidelity.renormalise=1", "method.fidelity.renormalise=1: use true or false"),
        ("tracking.tags=[5]", r"tracking.tags.0=5: give a name"),
        ("trainer.channels_last=1", "trainer.channels_last=1: use true, false or auto"),
        ("method.pretrain.sampler=pairs", "method.pretrain.sampler=pairs: use one of shuffled, paired"),
        ("protocol.epochs=true", "protocol.epochs=True: give a whole number, 1 or more"),
        ("method.pretrain.clip=true", "method.pretrain.clip=True: give a number above 0, or null"),
        ("dataset.load.split_seed=x", "dataset.load.split_seed=x: give a whole number, 0 or more"),
    ],
)
def test_a_mistake_names_the_key_the_value_and_the_way_out(tmp_path, override, message):
    with pytest.raises(UserError, match=f"^{message}"):
        settings_of(config(tmp_path, "method=supremix", override))


def test_pairs_fill_batches_of_an_even_size(tmp_path):
    paired = ["method=supcon", "method.pretrain.sampler=paired"]
    assert settings_of(config(tmp_path, *paired)).contrastive.pretrain.sampler == "paired"
    with pytest.raises(UserError, match=r"^method\.pretrain\.batch_size=33: sampler=paired .* such as 34$"):
        settings_of(config(tmp_path, *paired, "method.pretrain.batch_size=33"))


def test_a_transfer_has_the_settings_of_both_datasets():
    overrides = ["dataset=agedb_dir", "method=supremix", "transfer=imdb_wiki"]
    settings = settings_of(composed(CONF, overrides))
    alone = settings_of(composed(CONF, ["dataset=imdb_wiki", "method=supremix"]))
    assert settings.transfer is not None
    assert settings.transfer.dataset == alone.dataset
    assert settings.transfer.contrastive == settings.contrastive == alone.contrastive
    assert settings.dataset.name == "agedb_dir"
    with pytest.raises(UserError, match=r"^transfer\.dataset\.subset\.train_size=1: give a whole number, 2 or more"):
        settings_of(composed(CONF, [*overrides, "transfer.dataset.subset.train_size=1"]))


@pytest.mark.parametrize("dataset", ["agedb_dir", "imdb_wiki"])
def test_faces_have_the_values_of_the_paper_the_release_and_yang_et_al(dataset):
    cfg = composed(CONF, [f"dataset={dataset}", "method=supremix", "imbalance=lds_fds"])
    views, pretrain = cfg.dataset.load.views, cfg.method.pretrain
    assert (views.flip, views.grey, views.jitter, list(views.crop_scale)) == (0, 0, 0.8, [0.2, 1])
    assert (pretrain.epochs, list(pretrain.scheduler.milestones), pretrain.scheduler.gamma) == (100, [80], 0.1)
    lds, fds = cfg.imbalance.lds, cfg.imbalance.fds
    assert (lds.kernel, lds.size, lds.sigma, lds.reweight) == ("gaussian", 5, 2, "sqrt_inv")
    assert (fds.kernel, fds.size, fds.sigma, fds.momentum) == ("gaussian", 5, 2, 0.9)
    assert (fds.start_update, fds.start_smooth) == (0, 1)
    vanilla = composed(CONF, [f"dataset={dataset}", "method=vanilla"]).protocol
    assert (vanilla.epochs, vanilla.loss, vanilla.batch_size, vanilla.optimizer.lr) == (90, "l1", 256, 1e-3)
    assert (list(vanilla.scheduler.milestones), vanilla.scheduler.gamma, vanilla.bias_init) == ([60, 80], 0.1, "mean")
