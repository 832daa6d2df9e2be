"""What labels alone say before pre-training: positives of anchors, and errors and warnings with values to set."""

import logging
import re

import numpy as np
import pytest
import torch
from torch import nn

from supremix.data.dataset import Data, Split, TargetScale
from supremix.errors import UserError
from supremix.losses import SimCSELoss, SupConLoss, SupCRLoss, SupReMixLoss
from supremix.training.batches import Items, Stream, batches_of
from supremix.training.preflight import (
    BATCHES,
    check_positives,
    first_batches,
    in_adaptation,
    in_pretraining,
)
from tests.running import run_small
from tests.stages import method, protocol

PRICES = np.random.default_rng(0).lognormal(12, 0.4, 1500).round(2)
BINS = "dataset.load.bin_size"
AGES = np.random.default_rng(1).integers(20, 80, 1500).astype(float)


class Own(nn.Module):
    """A user's loss, which does not count its positives."""

    def forward(self, z_ND, y_N):
        return torch.cdist(z_ND, z_ND).mean()


def data(y_N, bin_size, augment=None):
    split = Split(np.arange(len(y_N)).astype(str), y_N, lambda index_B: torch.from_numpy(y_N[index_B])[:, None])
    return Data(
        "toy", split, split, split, bin_size=bin_size, target=TargetScale(0, 1), input_spec={}, sha256="0",
        synthetic=True, contrastive_views=augment,
    )  # fmt: skip


def check(loss, toy, stage=None, key=BINS, seed=0):
    """The check before a pre-training."""
    check_positives(loss, toy, in_pretraining(toy, stage or method(), seed), key)


def warnings(caplog):
    """The warnings since the last call."""
    messages = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    caplog.clear()
    return messages


def values(message):
    """The values that a message says to set, by key."""
    return {
        key: float(value) for key, value in re.findall(r"(dataset\.(?:load\.)?bin_size|method\.window)=(\S+)", message)
    }


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
@pytest.mark.parametrize("bin_size", [1.0, None])
@pytest.mark.parametrize("name", ["supcon", "supremix"])
def test_labels_that_never_meet_are_an_error_with_values_that_mend_it(name, bin_size, scale, caplog):
    """Prices with airfoil's bin and window: in any unit the values to set are those that work."""

    def loss(window):
        return SupConLoss(0.5) if name == "supcon" else SupReMixLoss(0.5, window)

    toy = data(PRICES * scale, bin_size and bin_size * scale)
    with pytest.raises(UserError) as error:
        check(loss(7.0 * scale), toy)
    message = str(error.value)
    start = (
        r"none of the anchors of 32 batches of 32 rows has a positive, so pre-training would learn nothing \(labels "
    )
    assert re.match(start + rf"from \S+ to \S+ {'in bins of' if bin_size else 'without bins'}", message)
    to_set = values(message)
    assert set(to_set) == {"dataset.load.bin_size"} | ({"method.window"} if name == "supremix" else set())
    window = to_set.get("method.window", 0.0)
    check(loss(window), data(PRICES * scale, to_set["dataset.load.bin_size"]))
    assert not warnings(caplog)


def test_few_positives_are_a_warning_that_says_how_many(caplog):
    y_N = PRICES.copy()
    y_N[:500] = y_N[0]
    check(SupConLoss(0.5), data(y_N, 1.0))
    assert not warnings(caplog), "a third of the rows with one label is no few"
    y_N = PRICES.copy()
    y_N[:60] = y_N[0]
    check(SupConLoss(0.5), toy := data(y_N, 1.0), key=f"transfer.{BINS}")
    (message,) = warnings(caplog)
    share = float(re.search(r"^only (\S+) of the anchors of 32 batches of 32 rows have a positive", message)[1])
    batches = first_batches(y_N, in_pretraining(toy, method(), 0))
    seen = [np.unique(y_N[at_B], return_counts=True)[1] for at_B in batches]
    assert share == pytest.approx(sum(n[n > 1].sum() for n in seen) / sum(n.sum() for n in seen), rel=0.05)
    assert ": set transfer.dataset.load.bin_size=" in message


def test_a_window_that_reaches_no_label_is_a_warning_with_one_that_does(caplog):
    toy = data(AGES, 1.0)
    check(SupReMixLoss(0.5, 0.5), toy)
    (message,) = warnings(caplog)
    assert message.startswith("none of the anchors of 32 batches of 32 rows has a Mix-pos (labels from 20 to 79")
    window = values(message)
    assert window == {"method.window": 5.0}
    check(SupReMixLoss(0.5, 5.0), toy)
    check(SupReMixLoss(0.5, 0.5, mix_pos=False), toy)
    assert not warnings(caplog)


def test_labels_in_order_are_said_in_the_log_of_the_run_alone(caplog):
    with caplog.at_level(logging.INFO):
        check(SupReMixLoss(0.5, 5.0), toy := data(AGES, 1.0))
    (record,) = caplog.records
    assert record.file_only
    share, mixed = re.fullmatch(
        r"(\S+) of the anchors of 32 batches of 32 rows have a positive; (\S+) Mix-pos an anchor", record.message
    ).groups()
    seen = [AGES[index_B] for index_B in first_batches(AGES, in_pretraining(toy, method(), 0))]
    gaps = [(y_B - y_B[:, None]) for y_B in seen]
    pairs = [((gap > 0) & (gap <= 5)).sum(1) * ((gap < 0) & (gap >= -5)).sum(1) for gap in gaps]
    assert float(mixed) == pytest.approx(np.concatenate(pairs).mean(), rel=0.01)
    has = [(pair > 0) | ((gap == 0).sum(1) > 1) for pair, gap in zip(pairs, gaps, strict=True)]
    assert float(share) == pytest.approx(np.concatenate(has).mean(), rel=0.01)


@pytest.mark.parametrize("epochs", [1, 2, 50])
@pytest.mark.parametrize("labels", ["raw", "binned"])
@pytest.mark.parametrize("sampler", ["shuffled", "paired"])
def test_the_batches_are_those_that_training_sees_first(sampler, labels, epochs):
    toy, stage = data(np.arange(200.0), 3.0), method(labels=labels, epochs=epochs, sampler=sampler)
    label_N = toy.training_labels(labels)
    items = Items(toy.train, label_N, labels_on=torch.device("cpu"), sampler=sampler)
    trained = batches_of(items, 32, Stream(5, "pretrain"), torch.device("cpu"))
    seen = [y_B for epoch in range(1, epochs + 1) for _, y_B in trained(epoch)]
    looked_at = first_batches(label_N, in_pretraining(toy, stage, 5))
    assert len(looked_at) == min(BATCHES, 7 * epochs)
    for index_B, y_B in zip(looked_at, seen, strict=False):
        np.testing.assert_array_equal(label_N[index_B], y_B)


def test_in_pairs_every_anchor_has_a_positive_where_labels_repeat(caplog):
    ages_N = np.repeat(np.arange(300.0), 5)
    shares = {}
    for sampler in ("shuffled", "paired"):
        with caplog.at_level(logging.INFO):
            check(SupConLoss(0.5), data(ages_N, 1.0), method(sampler=sampler))
        shares[sampler] = caplog.records[0].message.partition(" ")[0]
        caplog.clear()
    assert float(shares["shuffled"]) < 0.2
    assert shares["paired"] == "1"


def test_two_views_of_a_row_are_each_others_positives(caplog):
    def views(x, uniform_BP):
        return x

    views.draws = 1
    check(SupConLoss(0.5), data(PRICES, 1.0, views), method(views=2))
    check(SupCRLoss(), data(PRICES, 1.0), method(labels="raw"))
    assert not warnings(caplog)
    with pytest.raises(UserError, match="none of the anchors"):
        check(SupConLoss(0.5), data(PRICES, 1.0), method(views=2))


def test_without_bins_to_widen_the_message_says_what_else_there_is():
    with pytest.raises(UserError, match=r"from 0 to 1\.5 without bins\): change the labels, method\.loss or "):
        check(SimCSELoss(0.5), data(np.linspace(0, 1.5, 50), None), method(labels="raw"))


def test_no_generator_that_training_uses_is_drawn_from():
    state = torch.get_rng_state()
    check(SupReMixLoss(0.5, 5.0), data(AGES, 1.0))
    assert torch.equal(torch.get_rng_state(), state)


def test_data_of_ones_own_has_its_own_key_of_the_bins(tmp_path):
    rows = [f"{number},{number * 1.5}" for number in range(60)]
    (tmp_path / "own.csv").write_text("\n".join(["x,y", *rows]))
    own = ("dataset=table", f"dataset.path={tmp_path / 'own.csv'}", "dataset.label=y", "dataset.label_unit=label")
    with pytest.raises(UserError, match=r": set dataset\.bin_size=") as error:
        run_small(tmp_path, *own, "method=supcon", "dataset.bin_size=1e-9")
    (key, value), *_ = values(str(error.value)).items()
    assert run_small(tmp_path, *own, "method=supcon", f"{key}={value}")[1]["pretrain"]


@pytest.mark.parametrize("name", ["supcon", "supremix"])
def test_a_run_that_would_learn_nothing_ends_before_it_trains(tmp_path, name):
    with pytest.raises(UserError, match=r"would learn nothing \(labels from .* in bins of 1e-09\): set dataset\.load"):
        run_small(
            tmp_path,
            f"method={name}",
            "dataset.load.bin_size=1e-9",
            "dataset.recipe.window=0",
            "dataset.subset.train_size=12",
        )
    assert not list((tmp_path / "runs").rglob("*.ckpt"))


def test_a_loss_that_does_not_count_its_positives_trains_and_is_recorded(tmp_path):
    own = (f"method.loss._target_={__name__}.Own", "~method.loss.temperature")
    directory, record = run_small(tmp_path, "method=supcon", *own, "dataset.load.bin_size=1e-9")
    assert record["pretrain"]["anchors_without_positive"] is None
    (history,) = (tmp_path / "runs" / "encoders").glob("*/history.csv")
    assert history.read_text().splitlines()[0] == "epoch,loss,positive_logit,negative_logit"
    assert directory.exists()


def test_a_regulariser_that_finds_no_positive_is_an_error_that_names_it(caplog):
    """SupReMix without Mix-pos on labels that never repeat: its value would be 0 in every batch."""

    def check_term(loss, toy, labels):
        seen = in_adaptation(toy, protocol(batch_size=32, epochs=2), "supremix", labels, 1, 0)
        check_positives(loss, toy, seen, BINS)

    with pytest.raises(UserError) as error:
        check_term(SupReMixLoss(0.5, 5.0, mix_pos=False), data(PRICES, 1.0), "raw")
    assert re.match(
        r"the regulariser supremix: none of the anchors of 32 batches of 32 rows has a positive, so it would add "
        r"nothing \(.*\): change the labels, method\.regression\.regularisers\.supremix or protocol\.batch_size$",
        str(error.value),
    )
    check_term(SupReMixLoss(0.5, 0.5), data(AGES, 1.0), "binned")
    (message,) = warnings(caplog)
    assert message.endswith(": set dataset.recipe.window=5")


def test_a_run_with_such_a_regulariser_stops_before_it_trains(tmp_path):
    line = ("method=supcon_joint", "dataset.load.bin_size=1e-9", "dataset.subset.train_size=12")
    with pytest.raises(UserError, match=r"the regulariser supcon: none of .* set dataset\.load\.bin_size="):
        run_small(tmp_path, *line)
