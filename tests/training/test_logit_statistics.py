"""What pre-training reads off its batches: against plain loops, and without a trace in the result."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from supremix.errors import UserError
from supremix.losses import SupConLoss, SupReMixLoss
from supremix.settings import identity
from supremix.training.logit_statistics import LogitStatistics
from tests.running import config, run_small
from tests.stages import histograms

NO_LOSS = torch.zeros(())
HISTOGRAMS = "method.pretrain.histograms={bins: 4, hardest: 30, epochs: [2, 9]}"


def batch(seed, n=12, d=3):
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, generator=draw), torch.randint(0, 4, (n,), generator=draw).float()


def pairs_of(z_ND, y_N):
    """Logits of each unordered pair of rows, positive and negative, by a double loop."""
    found = {True: [], False: []}
    for i in range(len(z_ND)):
        for j in range(i):
            logit = torch.dot(z_ND[i], z_ND[j]) / (z_ND[i].norm() * z_ND[j].norm())
            found[bool(y_N[i] == y_N[j])].append(logit.item())
    return found[True], found[False]


def test_means_and_histograms_are_those_of_all_pairs_read():
    statistics = LogitStatistics(SupConLoss(0.5), histograms(bins=8, hardest=20, epochs=[3, 4, 7]))
    for epoch in (2, 3, 4):
        batches = [batch(10 * epoch + k) for k in range(3)]
        positive, negative, lonely = [], [], []
        for z_ND, y_N in batches:
            statistics.read(epoch, z_ND, y_N, NO_LOSS)
            some = pairs_of(z_ND, y_N)
            positive += some[0]
            negative += some[1]
            lonely.append(np.mean([(y_N == y).sum().item() == 1 for y in y_N]))
        row = statistics.close()
        del row["above_bound"]  # tested below
        expected = {"anchors_without_positive": lonely, "positive_logit": positive, "negative_logit": negative}
        assert row == pytest.approx({name: np.mean(values) for name, values in expected.items()}, abs=1e-6)
        if epoch == 2:
            assert statistics.arrays() == {}
            continue
        arrays = statistics.arrays()
        at = arrays["epochs"].tolist().index(epoch)
        edges = arrays["edges"]
        assert edges == pytest.approx(np.linspace(-1, 1, 9))
        assert arrays["positive"][at].tolist() == np.histogram(positive, edges)[0].tolist()
        assert arrays["hardest"][at].tolist() == np.histogram(sorted(negative)[-20:], edges)[0].tolist()
    assert statistics.arrays()["epochs"].tolist() == [3, 4]


def test_the_ends_of_the_range_are_counted_and_few_negatives_are_all_kept():
    statistics = LogitStatistics(SupConLoss(0.5), histograms(bins=2, hardest=1000, epochs=[1]))
    z_ND, y_N = torch.tensor([[3.0, 0.1], [3.0, 0.1], [-3.0, -0.1]]), torch.tensor([1.0, 1.0, 2.0])
    statistics.read(1, z_ND, y_N, NO_LOSS)  # the positive pair's logit rounds to 1 or just above it, the others' to −1
    arrays = statistics.arrays()
    assert arrays["positive"].tolist() == [[0, 1]]
    assert arrays["hardest"].tolist() == [[2, 0]]


def test_an_epoch_without_a_positive_pair_has_no_mean_and_pairs_of_vectors_have_none_at_all():
    statistics = LogitStatistics(SupConLoss(0.5))
    statistics.read(1, torch.eye(3), torch.arange(3.0), NO_LOSS)
    row = statistics.close()
    assert np.isnan(row["positive_logit"])
    assert row["negative_logit"] == 0
    statistics.read(2, torch.ones(3, 2, 5), torch.arange(3.0), NO_LOSS)
    assert statistics.close() == {"anchors_without_positive": 1.0, "above_bound": 0.0}


def test_the_distance_to_the_lower_bound_is_the_mean_over_the_batches_read():
    criterion = SupReMixLoss(0.5, window=1.0)
    statistics, expected = LogitStatistics(criterion), []
    for seed in (0, 1, 2):
        z_ND, y_N = batch(seed)
        loss = criterion(z_ND, y_N, generator=torch.Generator().manual_seed(seed))
        statistics.read(1, z_ND, y_N, loss)
        expected.append(loss.item() - criterion.lower_bound(y_N))
    assert min(expected) > 0
    assert max(expected) - min(expected) > 0.1
    assert statistics.close()["above_bound"] == pytest.approx(np.mean(expected))


def test_what_was_read_can_be_put_back():
    whole, first, second = (LogitStatistics(SupConLoss(0.5), histograms(8, 20, [1])) for _ in range(3))
    for seed in (0, 1):
        whole.read(1, *batch(seed), NO_LOSS)
    first.read(1, *batch(0), NO_LOSS)
    second.state = {name: value.clone() for name, value in first.state.items()}
    second.read(1, *batch(1), NO_LOSS)
    assert second.close() == whole.close()
    for name, values in whole.arrays().items():
        np.testing.assert_array_equal(second.arrays()[name], values)


@pytest.mark.whole
@pytest.mark.parametrize("method", ["supcon", "supremix"])
def test_reading_changes_no_bit_of_the_encoder(tmp_path, method):
    states = {}
    for name, overrides in (
        ("seldom", ["trainer.log_every=1000"]),
        ("each", ["trainer.log_every=1"]),
        ("histograms", ["trainer.log_every=1", HISTOGRAMS]),
    ):
        _, record = run_small(tmp_path / name, f"method={method}", *overrides)
        encoder = tmp_path / name / "runs" / "encoders" / record["pretrain_id"]
        states[name] = load_file(encoder / "backbone.safetensors")
        header, *rows = (encoder / "history.csv").read_text().splitlines()
        assert header == "epoch,loss,anchors_without_positive,above_bound,positive_logit,negative_logit"
        assert len(rows) == 2
        assert (encoder / "logits.npz").exists() == (name == "histograms")
    arrays = np.load(encoder / "logits.npz")
    assert arrays["epochs"].tolist() == [2]  # the ninth is never reached
    assert arrays["hardest"].sum() == 30
    for name in ("each", "histograms"):
        assert all(torch.equal(value, states[name][key]) for key, value in states["seldom"].items())


def test_histograms_ask_for_an_encoder_of_their_own_and_nothing_else_changes_its_name(tmp_path):
    def encoder(*overrides):
        return identity.pretrain_id(identity.scientific(config(tmp_path, *overrides)), "data")

    assert encoder("method.pretrain.histograms=null", "trainer.log_every=1") == encoder()
    assert encoder(HISTOGRAMS) != encoder()


@pytest.mark.parametrize(
    "value", ["3", "{bins: 4}", "{bins: 4, hardest: 5, epochs: 3}", "{bins: 4, hardest: 5, epochs: [0]}"]
)
def test_wrong_histograms_are_named(tmp_path, value):
    with pytest.raises(UserError, match=r"method\.pretrain\.histograms=.*: give .*bins.*or null"):
        run_small(tmp_path, f"method.pretrain.histograms={value}")


def test_wrong_bins_are_named(tmp_path):
    with pytest.raises(UserError, match=r"method\.pretrain\.histograms\.bins=0: give a whole number, 1 or more"):
        run_small(tmp_path, "method.pretrain.histograms={bins: 0, hardest: 5, epochs: [1]}")
