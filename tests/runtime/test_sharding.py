"""Several ranks against one: the same losses, gradients, weights and predictions; no row lost or read twice."""

from dataclasses import replace
from functools import partial
from unittest import mock

import numpy as np
import pytest
import torch
from torch import nn

from supremix.data.dataset import Data, Split, TargetScale
from supremix.data.vectors import Vectors
from supremix.errors import UserError
from supremix.losses import (
    BalancedMSELoss,
    ConRLoss,
    HLGaussLoss,
    OrdinalEntropyLoss,
    RankSimLoss,
    SimCSELoss,
    SRLLoss,
    SupConLoss,
    SupCRLoss,
    SupReMixLoss,
)
from supremix.models.heads import ProjectionHead
from supremix.models.mlp import MLP
from supremix.models.resnet1d import ResNet18
from supremix.runtime import ranks, spawn
from supremix.runtime.sharding import seed_step, synchronised
from supremix.training import adapt, pretrain
from supremix.training.batches import Items, Stream, apply, batches_of, epoch_rows
from supremix.training.imbalance.fds import FDS
from supremix.training.imbalance.lds import LDS
from supremix.training.mixing import Mixup
from supremix.training.regression import Regulariser
from tests.stages import method, protocol
from tests.training.test_engine import Shift

ROWS = 21  # an odd number, so that no batch divides by two ranks
CPU = torch.device("cpu")
YANG = ("gaussian", 5, 2.0)
LOSSES = {
    "supremix": SupReMixLoss(0.5, 2.0, label_range=6.0),
    "label sum": SupReMixLoss(0.5, 2.0, label_range=6.0, reduction="label_sum"),
    "supcon": SupConLoss(0.5),
    "supcr": SupCRLoss(2.0),
    "simcse": SimCSELoss(0.1),
    "vectors": SupCRLoss(1.0),
}


def joint():
    """Return regularisers: one that draws, on a projection head, and one on features."""
    torch.manual_seed(2)
    drawn, plain = SupReMixLoss(0.5, 2.0, label_range=6.0, on_no_positive="zero"), SupCRLoss(2.0)
    return {
        "supremix": Regulariser(drawn, 0.3, "binned", nn.Linear(8, 6)),
        "supcr": Regulariser(plain, 0.2, "raw", nn.Identity()),
    }


def of_vectors():
    """Return a regulariser that compares vectors."""
    return {"supcr": Regulariser(SupCRLoss(2.0), 0.2, "raw", nn.Identity())}


ALONE = {
    "ranksim": RankSimLoss,
    "conr": partial(ConRLoss, 2.0),
    "ordinal entropy": OrdinalEntropyLoss,
    "srl": partial(SRLLoss, 0.0, 6.0, 1.0, 0.3, points=50),
}


def alone(name):
    """Return one regulariser, on features."""
    return {name: Regulariser(ALONE[name](), 1.0, "raw", nn.Identity())}


STAGES = {
    **{name: {"regularisers": partial(alone, name)} for name in ALONE},
    "l1": {},
    "mse": {"loss": "mse", "clip": 0.5},
    "lds": {"lds": LDS(*YANG, "inverse")},
    "fds": {"fds": FDS(*YANG, 0.9, 0, 1), "epochs": 3},
    "joint": {"regularisers": joint},
    "input mixed": {"mixing": partial(Mixup, 2.0, 1.0, "input")},
    "hidden mixed": {"mixing": partial(Mixup, 2.0, None, "layers.1")},
    "balanced": {"loss_module": partial(BalancedMSELoss, 0.7)},
    "of vectors": {"vectors": True, "regularisers": of_vectors},
    "vectors mixed": {"vectors": True, "mixing": partial(Mixup, 2.0, 1.0, "input")},
    "vectors probe": {"vectors": True, "train_backbone": False},
    "histogram": {"loss_module": partial(HLGaussLoss, 7)},
    "probe": {"train_backbone": False},
    "probe fds": {"train_backbone": False, "fds": FDS(*YANG, 0.9, 0, 1)},
}


@pytest.fixture(autouse=True)
def float64():
    """What `Fabric` gives a loss has the default type."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


class SentencesMLP(MLP):
    """A backbone with two vectors for each row."""

    def sentences(self, x_BF):
        h_BD = self(x_BF)
        return torch.stack([h_BD, h_BD.flip(1) ** 2], dim=1)


def toy():
    draw = torch.Generator().manual_seed(0)
    x_NF = torch.randn(3 * ROWS, 5, generator=draw)
    parts = [
        Split(np.arange(k, k + ROWS).astype(str), np.arange(k, k + ROWS) % 7.0, partial(take, x_NF[k : k + ROWS]))
        for k in (0, ROWS, 2 * ROWS)
    ]
    return Data("toy", *parts, 1.0, TargetScale(3.0, 2.0), {}, "", True, contrastive_views=Shift())


def two_targets(data):
    """Return the data with a second target beside each label."""
    splits = {name: getattr(data, name) for name in ("train", "val", "test")}
    both = {name: replace(split, y=np.stack([split.y, np.sqrt(split.y) * 9], axis=1)) for name, split in splits.items()}
    mean_T, std_T = both["train"].y.mean(axis=0), both["train"].y.std(axis=0)
    scale, vectors = TargetScale(mean_T, std_T), Vectors(("a", "b"), mean_T, std_T)
    return replace(data, **both, bin_size=None, target=scale, vectors=vectors)


def take(x_NF, index_B):
    return x_NF[torch.as_tensor(index_B)]


def networks():
    torch.manual_seed(1)
    return SentencesMLP(5, [16, 8]), ProjectionHead(8, 16, 8)


def one_gradient(name, views, batch_size=ROWS, **sampler):
    """Loss and change of weights in one epoch; by default a single step over all rows."""
    backbone, projection = networks()
    before = [parameter.detach().clone() for parameter in (*backbone.parameters(), *projection.parameters())]
    embed = "sentences" if name == "simcse" else "items"
    settings = method(embed=embed, views=views, epochs=1, batch_size=batch_size, **sampler)
    fabric, sgd = ranks.fabric("cpu", "64-true"), partial(torch.optim.SGD, lr=1.0)
    objects = pretrain.Pretraining(backbone, projection, LOSSES[name], sgd)
    data = two_targets(toy()) if name == "vectors" else toy()
    fitted = pretrain.pretrain(fabric, data, objects, settings, 0)
    after = (*backbone.parameters(), *projection.parameters())
    step = torch.cat([(old - new.detach()).flatten() for old, new in zip(before, after, strict=True)])
    return torch.cat([step, torch.tensor(list(fitted.history[0].values()))])


def whole_stage(settings):
    """Weights and predictions after some epochs in batches of 8, 8 and 5, or of 4, 4, 4, 4, 4 and 1."""
    settings = {"train_backbone": True, "epochs": 2, "batch_size": 8, "loss": "l1", "bias_init": "mean"} | settings
    against = {name: settings.pop(name, None) for name in ("lds", "fds")}
    made = {"loss": "loss_module", "regularisers": "regularisers", "mixing": "mixing"}
    against |= {name: settings.pop(key)() for name, key in made.items() if key in settings}
    data = two_targets(toy()) if settings.pop("vectors", False) else toy()
    fabric, sgd = ranks.fabric("cpu", "64-true"), partial(torch.optim.SGD, lr=0.05)
    objects = adapt.Adaptation(networks()[0], sgd, **against)
    adapted = adapt.adapt(fabric, data, objects, protocol(**settings), 0)
    weights = [value.double().flatten() for _, value in sorted(adapted.states["last"].items())]
    predicted = [torch.from_numpy(adapted.predictions["test"][which]).flatten() for which in ("last", "best")]
    history = [torch.tensor(list(row.values())) for row in adapted.history]
    return torch.cat([*weights, *predicted, *history])


def mse_of_one_type(prediction_B, target_B, reduction):
    """Targets are float32, and predictions float64 in these tests alone: of both, torch 2.11 has no gradient."""
    square_B = (prediction_B - target_B) ** 2
    return square_B if reduction == "none" else square_B.mean()


class Drawn(nn.Module):
    """A user's loss that draws from torch's global generator."""

    def forward(self, z_ND, y_N):
        return (z_ND * torch.rand_like(z_ND)).mean()


def save_drawn(folder):
    torch.set_default_dtype(torch.float64)
    with mock.patch.dict(LOSSES, drawn=Drawn()):
        torch.save(one_gradient("drawn", 1), folder / f"{ranks.rank()}.pt")


def test_a_loss_that_draws_is_one_loss_on_all_ranks(tmp_path):
    """Two losses would give each rank another value, and the weights a mean of two gradients."""
    spawn.start(2, save_drawn, tmp_path)
    first, second = (torch.load(tmp_path / f"{rank}.pt") for rank in range(2))
    assert torch.equal(first, second)
    assert first[-2:].abs().min() > 1e-3


def outcomes():
    found = {(name, views): one_gradient(name, views) for name in LOSSES for views in (1, 2)}
    found |= {("paired", views): one_gradient("supremix", views, 6, sampler="paired") for views in (1, 2)}
    with mock.patch.object(nn.functional, "mse_loss", mse_of_one_type):
        found |= {name: whole_stage(settings) for name, settings in STAGES.items()}
    return found | {"small batches": whole_stage({"batch_size": 4})}  # the last has one row, and one rank none


def save_outcomes(folder):
    torch.set_default_dtype(torch.float64)
    torch.save(outcomes(), folder / f"{ranks.rank()}.pt")


@pytest.mark.whole
def test_two_ranks_have_the_losses_gradients_and_predictions_of_one(tmp_path):
    spawn.start(2, save_outcomes, tmp_path)
    expected = outcomes()
    for rank in range(2):
        got = torch.load(tmp_path / f"{rank}.pt")
        assert got.keys() == expected.keys()
        for name, value in expected.items():
            # FDS keeps its statistics in float32, as a probe does its features.
            tolerance = 1e-5 if "fds" in str(name) or "probe" in str(name) else 1e-9
            torch.testing.assert_close(
                got[name], value, rtol=0, atol=tolerance, msg=lambda text, name=name: f"{name}: {text}"
            )
            assert value.abs().max() > 1e-3, name
    for name in ALONE:
        assert (expected[name] - expected["l1"]).abs().max() > 1e-4, f"{name} does nothing here"


def test_each_view_of_a_batch_has_the_labels_of_its_rows():
    data = two_targets(toy())
    items = Items(data.train, data.train.y, augment=Shift(), views=2, labels_on=CPU)
    for (_, y_2BT), index_B in zip(
        batches_of(items, 8, Stream(0, "t"), CPU)(1), epoch_rows(items.y_N, 8, Stream(0, "t"), 1), strict=True
    ):
        np.testing.assert_array_equal(y_2BT, np.tile(data.train.y[index_B], (2, 1)))


def save_evaluation(folder):
    torch.set_default_dtype(torch.float64)
    ranks.fabric("cpu", "32-true")
    rows, read = toy().test, []

    def fetch(index_B):
        read.extend(index_B.tolist())
        return rows.fetch(index_B).float()

    torch.manual_seed(0)
    split = Split(rows.ids, rows.y, fetch)
    batches = batches_of(Items(split, np.arange(ROWS), augment=Shift(), views=2), 8, Stream(0, "t"), CPU)
    parts = [x for epoch in (1, 2) for x, _ in batches(epoch)]
    sizes, seen = [len(x) for x in parts], list(read)
    read.clear()
    outputs = apply(nn.Linear(5, 3, dtype=torch.float32), split, 8, CPU)
    torch.save({"outputs": outputs, "read": read, "seen": seen, "sizes": sizes}, folder / f"{ranks.rank()}.pt")


def test_every_row_is_read_by_one_rank_and_predicted_in_its_place(tmp_path):
    (tmp_path / "one").mkdir()
    save_evaluation(tmp_path / "one")
    expected = torch.load(tmp_path / "one" / "0.pt")
    spawn.start(3, save_evaluation, tmp_path)
    got = [torch.load(tmp_path / f"{rank}.pt") for rank in range(3)]
    for one in got:
        torch.testing.assert_close(one["outputs"], expected["outputs"])
    assert sorted(row for one in got for row in one["read"]) == list(range(ROWS))
    assert sorted(row for one in got for row in one["seen"]) == sorted(list(range(ROWS)) * 2)  # two epochs
    assert [one["sizes"][0] for one in got] == [6, 6, 4]  # two views of 3, 3 and 2 of 8 items


def test_ranks_drop_units_of_their_own_and_the_same_ones_when_a_step_is_done_again(monkeypatch):
    def drawn(rank, step):
        monkeypatch.setenv("RANK", str(rank))
        seed_step(torch.device("cpu"), (0, "adapt"), 1, step)
        return torch.rand(()).item()

    torch.manual_seed(5)
    alone = torch.rand(2).tolist()
    torch.manual_seed(5)
    assert [drawn(0, 0), drawn(0, 1)] == alone  # one process goes on in its stream
    for name in ("WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.setenv(name, "2")
    draws = {place: drawn(*place) for place in [(0, 0), (1, 0), (0, 1), (1, 1)]}
    assert len(set(draws.values())) == 4
    assert drawn(1, 0) == draws[1, 0]


def test_a_batch_normalisation_of_a_backbones_own_is_refused_with_several_ranks(monkeypatch):
    fabric = mock.Mock(device=torch.device("cuda"))
    own, torchs = ResNet18(4, 8, 4, 0.0), nn.Sequential(nn.Conv1d(4, 8, 3), nn.BatchNorm1d(8))
    assert synchronised(fabric, own) is own
    monkeypatch.setattr(ranks, "world_size", lambda: 2)
    assert isinstance(synchronised(fabric, torchs)[1], nn.SyncBatchNorm)
    with pytest.raises(UserError, match=r"^2 ranks: MaskedBatchNorm, .* use trainer\.devices=1$"):
        synchronised(fabric, own)
