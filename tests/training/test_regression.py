"""Adaptation: losses with more outputs, regularisers on features, mixtures of rows."""

import math
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from torch import nn

from supremix.data.dataset import Data, Split, TargetScale
from supremix.data.geometry import find_geometry
from supremix.errors import UserError
from supremix.losses import GaussianNLL, HLGaussLoss, QuantileLoss, SupReMixLoss
from supremix.models.heads import HistogramHead, RegressionHead
from supremix.models.mlp import MLP
from supremix.settings import identity
from supremix.settings.check import settings_of
from supremix.training import adapt
from supremix.training.imbalance.fds import FDS
from supremix.training.imbalance.lds import LDS
from supremix.training.mixing import Mixture, Mixup, mixed
from supremix.training.regression import Regressor, Regulariser, as_compared
from tests.running import config
from tests.stages import protocol

ROWS = 40
LABELS = np.arange(ROWS) % 8.0


def toy():
    x_NF = torch.randn(3 * ROWS, 5, generator=torch.Generator().manual_seed(0))
    parts = [
        Split(np.arange(k, k + ROWS).astype(str), LABELS, lambda index_B, k=k: x_NF[k + torch.as_tensor(index_B)])
        for k in (0, ROWS, 2 * ROWS)
    ]
    return Data("toy", *parts, 1.0, TargetScale(3.5, 2.3), {}, "", True)


def adapted(**objects):
    torch.manual_seed(1)
    backbone = MLP(5, [16, 8])
    stage = adapt.Adaptation(backbone, partial(torch.optim.Adam, lr=0.01), **objects)
    settings = protocol(train_backbone=True, epochs=3, batch_size=16)
    return backbone, adapt.adapt(Fabric(accelerator="cpu", devices=1), toy(), stage, settings, 0)


def term(weight, projection=None):
    loss = SupReMixLoss(0.5, 2.0, on_no_positive="zero")
    return {"supremix": Regulariser(loss, weight, "binned", projection or nn.Identity())}


@pytest.mark.parametrize("loss", [GaussianNLL(), QuantileLoss([0.1, 0.5, 0.9]), HLGaussLoss(bins=12)], ids=repr)
def test_the_stored_head_gives_the_predictions_and_intervals_hold_them(loss):
    backbone, outcome = adapted(loss=loss)
    state = {key.removeprefix("head."): value for key, value in outcome.states["best"].items() if key[:5] == "head."}
    head = HistogramHead(8, 12) if "centre" in state else RegressionHead(8, 0.0)
    head.load_state_dict(state)
    backbone.load_state_dict({k.removeprefix("backbone."): v for k, v in outcome.states["best"].items() if k[0] == "b"})
    data = toy()
    predicted = data.target.decode(head(backbone(data.test.fetch(np.arange(ROWS)))).detach().double().numpy())
    np.testing.assert_allclose(predicted, outcome.predictions["test"]["best"], atol=1e-5)
    low_N, high_N = outcome.intervals["test"]
    assert (low_N < high_N).all()
    assert outcome.coverage == pytest.approx(loss.coverage)


def test_a_regulariser_of_weight_0_is_vanilla_to_the_bit_and_another_weight_is_not():
    _, plain = adapted()
    projection = nn.Linear(8, 6)
    for weight, equal in ((0.0, True), (1.0, False)):
        for given in (term(weight), term(weight, projection)):
            _, outcome = adapted(regularisers=given)
            same = np.array_equal(plain.predictions["test"]["best"], outcome.predictions["test"]["best"])
            assert same == equal
    assert not any(key.startswith(("projections", "losses")) for key in outcome.states["best"])


def test_a_projection_of_a_regulariser_is_trained():
    projection = nn.Linear(8, 6)
    before = projection.weight.detach().clone()
    adapted(regularisers=term(1.0, projection))
    assert not torch.equal(projection.weight, before)


class Seen(nn.Module):
    """Keeps what it is called with."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def forward(self, z_ND, y_N, prediction_N, weight_N=None):
        self.calls.append((z_ND, y_N, prediction_N, weight_N))
        return z_ND.square().mean()


@pytest.mark.parametrize("fds", [None, FDS("gaussian", 5, 2.0, 0.9, 0, 1)])
@pytest.mark.parametrize("lds", [None, LDS("gaussian", 5, 2.0, "inverse")])
def test_a_users_regulariser_sees_features_labels_predictions_and_weights_of_the_same_rows(lds, fds):
    seen = Seen()
    _, outcome = adapted(regularisers={"own": Regulariser(seen, 0.1, "raw", nn.Identity())}, lds=lds, fds=fds)
    assert any(key.startswith("fds.") for key in outcome.states["last"]) == (fds is not None)
    assert len(seen.calls) == 9
    for z_ND, y_N, prediction_N, weight_N in seen.calls:
        assert z_ND.shape == (len(y_N), 8)
        assert z_ND.requires_grad
        assert not prediction_N.requires_grad
        assert y_N.dtype == torch.float64
        assert (weight_N is None) == (lds is None)
    assert sorted(torch.cat([y_N for _, y_N, *_ in seen.calls[:3]]).tolist()) == sorted(LABELS)


@pytest.mark.parametrize(("labels", "ranked"), [("raw", False), ("binned", True)])
def test_a_regulariser_gets_predictions_in_the_units_of_its_labels(labels, ranked):
    y_N = np.array([1.0, 2, 4, 8, 16, 32, 64, 128])
    data = replace(toy(), train=replace(toy().train, y=y_N), geometry=find_geometry("own", y_N, 4, "auto", "rank"))
    seen_N = as_compared(data, torch.from_numpy(data.target.encode(y_N)), labels).numpy()
    ranks = data.geometry.ranks
    np.testing.assert_allclose(seen_N, np.arange(6.25, 100, 12.5) if ranked else y_N)
    assert np.abs(seen_N - (ranks(y_N) if ranked else y_N)).max() <= ranks.bin_size / 2


def test_partners_come_with_the_kernels_probabilities():
    label_N, draws = np.array([0.0, 1, 1, 2, 5, 9]), 40_000
    mixing = Mixup(2.0, 1.5, "input")
    mixing.fit(label_N)
    for row in (0, 3, 5):
        partner_B, share_B = mixing.partners(np.full(draws, row), torch.Generator().manual_seed(row))
        weights = [math.exp(-((label_N[row] - label) ** 2) / (2 * 1.5**2)) for label in label_N]
        expected = np.array(weights) / sum(weights)
        np.testing.assert_allclose(np.bincount(partner_B, minlength=6) / draws, expected, atol=0.01)
        assert share_B.mean() == pytest.approx(0.5, abs=0.01)
        assert share_B.var() == pytest.approx(1 / 20, abs=0.003)  # of Beta(2, 2)


def test_an_infinite_bandwidth_is_plain_mixup():
    row_B = np.zeros(40_000, dtype=int)
    shares = []
    for bandwidth in (1e12, None):
        mixing = Mixup(2.0, bandwidth, "input")
        mixing.fit(LABELS)
        partner_B, _ = mixing.partners(row_B, torch.Generator().manual_seed(0))
        shares.append(np.bincount(partner_B, minlength=ROWS) / len(row_B))
    np.testing.assert_allclose(shares[0], 1 / ROWS, atol=0.005)
    np.testing.assert_allclose(shares[1], 1 / ROWS, atol=0.005)


@pytest.mark.parametrize("layer", ["input", "layers.1", "features"])
def test_values_of_a_layer_are_mixed_and_evaluation_is_not(layer):
    backbone, x, share_B = MLP(5, [16, 8]), torch.randn(6, 5), torch.rand(3)
    model = Regressor(backbone, nn.Linear(8, 1), nn.L1Loss(), {}, None, None if layer == "input" else layer)
    lam_B1 = share_B[:, None]
    if layer == "input":
        expected = model(lam_B1 * x[:3] + (1 - lam_B1) * x[3:])
        got = model(mixed(x, share_B))
    else:
        after = backbone.layers[2:] if layer == "layers.1" else nn.Identity()
        h = backbone.layers[:2](x) if layer == "layers.1" else backbone(x)
        expected = model.head(after(lam_B1 * h[:3] + (1 - lam_B1) * h[3:]))
        got = model(Mixture(x, share_B))
    torch.testing.assert_close(got, expected)
    torch.testing.assert_close(model(x), model.head(backbone(x)))


def test_a_mixture_trains_on_mixed_targets():
    """With shares of 1 nothing is mixed: the run is the one without mixing."""

    class Whole(Mixup):
        def partners(self, row_B, generator):
            partner_B, share_B = super().partners(row_B, generator)
            return partner_B, torch.ones_like(share_B)

    _, plain = adapted()
    for layer in ("input", "layers.1", "features"):
        _, same = adapted(mixing=Whole(2.0, None, layer))
        np.testing.assert_allclose(same.predictions["test"]["best"], plain.predictions["test"]["best"], rtol=1e-5)
        _, other = adapted(mixing=Mixup(2.0, None, layer))
        assert np.abs(other.predictions["test"]["best"] - plain.predictions["test"]["best"]).max() > 0.01


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["method=supremix", "method/regression=supcon"], "regularisers act on features, which protocol=linear_probe"),
        (["method=c_mixup", "imbalance=lds"], "mixing makes rows whose labels lie between"),
        (["method=c_mixup", "method.regression.views=2"], "mixing makes rows whose labels lie between"),
        (["method=supcon_joint", "method.regression.regularisers.supcon.weight=-1"], "give a number, 0 or more"),
        (["method=huber", "method.regression.views=0"], "give a whole number, 1 or more, or null"),
    ],
)
def test_what_does_not_go_together_is_refused_in_words(tmp_path, overrides, message):
    with pytest.raises(UserError, match=message):
        settings_of(config(tmp_path, *overrides))


def test_row_weights_need_a_loss_row_by_row():
    class Whole(nn.Module):
        def forward(self, prediction_B, target_B):
            return (prediction_B - target_B).abs().mean()

    with pytest.raises(UserError, match=r"imbalance=lds weighs rows, and method\.regression\.loss=Whole"):
        adapted(loss=Whole(), lds=LDS("gaussian", 5, 2.0, "inverse"))
    with pytest.raises(UserError, match=r"mixing\.layer=layers\.9: use input, features, or a module of the backbone"):
        adapted(mixing=Mixup(2.0, None, "layers.9"))


def test_one_encoder_serves_every_regression_stage(tmp_path):
    plain, other = (
        identity.scientific(config(tmp_path, "method=supremix", "protocol=finetune", f"method/regression={name}"))
        for name in ("plain", "c_mixup")
    )
    assert identity.run_id(plain, "") != identity.run_id(other, "")
    assert identity.pretrain_id(plain, "") == identity.pretrain_id(other, "")
