"""The loop against a bare one, the order of batches, and what adaptation reads and when."""

from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins import MixedPrecision
from torch import nn

from scripts.bench import bench_step
from supremix.data.dataset import Data, Split, TargetScale
from supremix.errors import UserError
from supremix.models.mlp import MLP
from supremix.training import adapt
from supremix.training.batches import Items, Stream, apply, batch_ids, batches_of, epoch_rows
from supremix.training.loop import Hooks, Task, fit
from supremix.training.regression import new_head
from tests.stages import fit_settings, protocol

CPU = torch.device("cpu")


def split(n, seed, reads=None):
    """n rows of 5 features with a linear label; ``reads`` collects the sizes of what is fetched."""
    generator = torch.Generator().manual_seed(seed)
    x_NF = torch.randn(n, 5, generator=generator)
    y_N = (3 * x_NF[:, 0] + 10).double().numpy()

    def fetch(index_B):
        if reads is not None:
            reads.append(len(index_B))
        return x_NF[torch.as_tensor(index_B)]

    return Split(np.array([f"{seed}-{i}" for i in range(n)]), y_N, fetch)


def data(reads=None):
    """Three splits; ``reads`` maps a split's name to the sizes of its reads."""
    reads = reads if reads is not None else {name: None for name in ("train", "val", "test")}
    parts = {
        name: split(n, seed, reads[name]) for seed, (name, n) in enumerate((("train", 50), ("val", 20), ("test", 30)))
    }
    return Data("toy", **parts, bin_size=None, target=TargetScale(0.0, 1.0), input_spec={}, sha256="0", synthetic=True)


def adam(parameters):
    return torch.optim.Adam(parameters, lr=0.01)


def test_the_loop_equals_a_bare_one():
    rows = data().train
    batches = batches_of(Items(rows, rows.y), 16, Stream(0, "test"), CPU)
    models = []
    for _ in range(2):
        torch.manual_seed(0)
        models.append(nn.Sequential(nn.Linear(5, 1), nn.Flatten(0)))
    fabric = Fabric(accelerator="cpu", devices=1)
    wrapped, optimizer = fabric.setup(models[0], adam(models[0].parameters()))
    task = Task(wrapped, optimizer, batches, nn.functional.mse_loss, Stream(0, "t"))
    fitted = fit(fabric, task, fit_settings(epochs=3))
    optimizer = adam(models[1].parameters())
    for epoch in (1, 2, 3):
        losses = []
        for x, y_B in batches(epoch):
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(models[1](x), y_B)
            loss.backward()
            optimizer.step()
            losses += [loss.item()] * len(y_B)
        assert fitted.history[epoch - 1]["loss"] == pytest.approx(np.mean(losses), rel=1e-5)
    for ours, bare in zip(models[0].parameters(), models[1].parameters(), strict=True):
        torch.testing.assert_close(ours, bare, rtol=0, atol=0)


def test_the_reader_is_given_every_so_many_batches_of_an_epoch_the_first_included():
    rows, read = data().train, []
    reader = SimpleNamespace(
        read=lambda epoch, output, y_B, loss: read.append(y_B.tolist()), close=dict, state_dict=dict
    )
    by_epoch = batches_of(Items(rows, rows.y), 8, Stream(0, "test"), CPU)
    fabric = Fabric(accelerator="cpu", devices=1)
    model = nn.Sequential(nn.Linear(5, 1), nn.Flatten(0))
    task = Task(*fabric.setup(model, adam(model.parameters())), by_epoch, nn.functional.mse_loss, Stream(0, "t"))
    fit(fabric, task, fit_settings(epochs=1), Hooks(reader=reader, log_every=3))
    batches = [y_B.tolist() for _, y_B in by_epoch(1)]
    assert read == [batches[0], batches[3], batches[6]]


def test_an_epoch_visits_every_row_once_in_an_order_of_its_own():
    rows = data().train
    batches = batches_of(Items(rows, rows.y), 16, Stream(0, "test"), CPU)
    orders = [torch.cat([y_B for _, y_B in batches(epoch)]) for epoch in (1, 2, 1)]
    for order in orders:
        np.testing.assert_allclose(np.sort(order.numpy()), np.sort(rows.y.astype(np.float32)))
    assert torch.equal(orders[0], orders[2])
    assert not torch.equal(orders[0], orders[1])
    other_stage = torch.cat([y_B for _, y_B in batches_of(Items(rows, rows.y), 16, Stream(0, "other"), CPU)(1)])
    assert not torch.equal(orders[0], other_stage)
    assert [len(y_B) for _, y_B in batches(1)] == [16, 16, 16, 2]


class Shift:
    """A view: the item moved by its uniform number."""

    draws = 1

    def __call__(self, x_BF, uniform_BP):
        return x_BF + uniform_BP


def test_views_are_rows_with_repeated_labels_and_depend_on_item_and_epoch_only():
    rows = data().train

    def shifts(batch_size, epoch, seed=0):
        batches = batches_of(
            Items(rows, np.arange(50.0), augment=Shift(), views=2), batch_size, Stream(seed, "test"), CPU
        )
        found = {}
        for x_BF, y_B in batches(epoch):
            half = len(y_B) // 2
            assert torch.equal(y_B[:half], y_B[half:])
            assert len(x_BF) == len(y_B)
            clean = rows.fetch(y_B.long().numpy())
            moved = (x_BF - clean)[:, 0].tolist()
            for place, item in enumerate(y_B.int().tolist()):
                found[item, place // half] = moved[place]
        return found

    whole, small = shifts(50, 1), shifts(7, 1)
    assert len(whole) == 100
    assert whole == pytest.approx(small, abs=1e-5)
    assert all(abs(whole[i, 0] - whole[i, 1]) > 1e-6 for i in range(50))
    assert shifts(50, 2) != pytest.approx(whole, abs=1e-3)
    assert shifts(50, 1, seed=1) != pytest.approx(whole, abs=1e-3)


def test_to_input_is_applied_to_what_is_fetched():
    rows = data().test
    batches = batches_of(Items(rows, rows.y, to_input=lambda x: x * 0 + 7), 30, Stream(0, "test"), CPU)
    assert all((x == 7).all() for x, _ in batches(1))
    assert (apply(nn.Identity(), rows, 8, CPU, lambda x: x * 0 + 7) == 7).all()


def test_the_scheduler_steps_once_an_epoch_and_clipping_bounds_the_step():
    rows = data().train
    model = nn.Sequential(nn.Linear(5, 1), nn.Flatten(0))
    fabric = Fabric(accelerator="cpu", devices=1)
    before = model[0].weight.detach().clone()
    wrapped, optimizer = fabric.setup(model, torch.optim.SGD(model.parameters(), lr=1.0))
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [1], gamma=0.0)
    batches = batches_of(Items(rows, rows.y), 50, Stream(0, "test"), CPU)
    l2 = nn.functional.mse_loss
    fit(fabric, Task(wrapped, optimizer, batches, l2, Stream(0, "t"), scheduler), fit_settings(epochs=4, clip=1e-3))
    moved = (model[0].weight.detach() - before).norm()
    assert 0 < moved <= 1.01e-3  # one step of a clipped gradient; the rate is 0 from the second epoch on


@pytest.mark.parametrize("fused", [True, False])
def test_scaled_gradients_are_clipped_to_what_unscaled_ones_are(fused):
    rows, weights = data().train, []
    batches = batches_of(Items(rows, rows.y), 16, Stream(0, "test"), CPU)
    half = MixedPrecision("16-mixed", "cpu", torch.amp.GradScaler("cpu", init_scale=16.0))
    for fabric in (Fabric(accelerator="cpu", devices=1), Fabric(accelerator="cpu", devices=1, plugins=[half])):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(5, 1), nn.Flatten(0))
        wrapped, optimizer = fabric.setup(model, torch.optim.Adam(model.parameters(), lr=0.1, eps=1.0, fused=fused))
        fit(fabric, Task(wrapped, optimizer, batches, nn.functional.mse_loss, Stream(0, "t")), fit_settings(2, 1.0))
        weights.append(model[0].weight.detach())
    torch.testing.assert_close(weights[1], weights[0], rtol=1e-2, atol=1e-3)


def test_a_loss_that_is_not_a_number_stops_the_run():
    rows = data().train
    model = nn.Sequential(nn.Linear(5, 1), nn.Flatten(0))
    fabric = Fabric(accelerator="cpu", devices=1)
    wrapped, optimizer = fabric.setup(model, torch.optim.SGD(model.parameters(), lr=1e30))
    batches = batches_of(Items(rows, rows.y), 16, Stream(0, "t"), CPU)
    task = Task(wrapped, optimizer, batches, nn.functional.mse_loss, Stream(0, "t"))
    with pytest.raises(UserError, match=r"the loss became (inf|nan) in epoch"):
        fit(fabric, task, fit_settings(epochs=9))


def test_labels_that_are_compared_keep_all_their_digits():
    rows = data().train
    y_N = np.linspace(103.38, 140.987, len(rows))
    for labels_on, dtype in ((CPU, torch.float64), (None, torch.float32)):
        batches = batches_of(Items(rows, y_N, labels_on=labels_on), 16, Stream(0, "t"), CPU)
        got_N = torch.cat([y_B for _, y_B in batches(1)]).sort().values
        assert torch.equal(got_N, torch.from_numpy(y_N).to(dtype))


def test_a_last_batch_of_one_row_under_batch_norm_names_the_way_out():
    rows = data().train
    model = nn.Sequential(nn.BatchNorm1d(5), nn.Linear(5, 1), nn.Flatten(0))
    wrapped, optimizer = Fabric(accelerator="cpu", devices=1).setup(model, torch.optim.SGD(model.parameters(), lr=0.1))
    batches = batches_of(Items(rows, rows.y), len(rows) - 1, Stream(0, "t"), CPU)
    task = Task(wrapped, optimizer, batches, nn.functional.mse_loss, Stream(0, "t"))
    with pytest.raises(UserError, match=r"last batch of an epoch has one row.*choose another batch_size"):
        fit(Fabric(accelerator="cpu"), task, fit_settings(epochs=2))


def test_the_probe_encodes_each_split_once_and_reads_the_test_set_at_the_end():
    reads = {"train": [], "val": [], "test": []}
    order = []
    toy = data(reads)
    backbone = MLP(5, [4])
    adapt.adapt(
        Fabric(accelerator="cpu", devices=1), toy, adapt.Adaptation(backbone, adam), protocol(epochs=20), 0,
        Hooks(lambda epoch, row: order.append((epoch, list(reads["test"])))),
    )  # fmt: skip
    assert (sum(reads["train"]), sum(reads["val"])) == (50, 20)
    assert max(reads["train"]) <= protocol().batch_size, "a volume's batch must not be larger than in training"
    assert all(seen == [] for _, seen in order)
    assert len(order) == 20
    assert sum(reads["test"]) <= 2 * 30  # once for predictions, once for the stored features


def test_finetuning_reads_the_test_set_only_after_the_last_epoch():
    reads = {"train": [], "val": [], "test": []}
    seen = []
    adapt.adapt(
        Fabric(accelerator="cpu", devices=1), data(reads), adapt.Adaptation(MLP(5, [4]), adam),
        protocol(train_backbone=True), 0, Hooks(lambda epoch, row: seen.append(sum(reads["test"]))),
    )  # fmt: skip
    assert seen == [0] * 6


def test_adaptation_ends_when_the_protocols_patience_is_over():
    """At a rate of 0 no epoch is better than the first."""
    still = partial(torch.optim.SGD, lr=0.0)
    fabric, objects = Fabric(accelerator="cpu", devices=1), adapt.Adaptation(MLP(5, [4]), still)
    assert len(adapt.adapt(fabric, data(), objects, protocol(patience=2), 0).history) == 3
    assert len(adapt.adapt(fabric, data(), objects, protocol(), 0).history) == 6


def test_a_head_starts_at_the_mean_target_or_at_zero():
    starts = [new_head(nn.L1Loss(), 3, np.array([0.0, 0.0, 3.0]), how).bias.item() for how in ("mean", "zero")]
    assert starts == [1, 0]


def test_ridge_probe_shrinks_features_that_say_nothing():
    random = np.random.default_rng(0)
    x_ND, y_N = torch.from_numpy(random.normal(size=(100, 30))), random.normal(size=100)
    train, val = (
        Split(np.arange(n).astype(str), y_N[first : first + n], lambda at_B, first=first: x_ND[first + at_B])
        for first, n in ((0, 40), (40, 60))
    )
    assert adapt.ridge_probe(train, val).predict(x_ND[40:].numpy()).std() < 0.2


def test_neighbour_probe_weighs_the_five_nearest_by_their_nearness():
    x_N1, y_N = torch.tensor([[0.0], [1.0], [2.0], [3.0], [4.0], [50.0]]), np.array([0.0, 1.0, 2.0, 3.0, 4.0, 100.0])
    probe = adapt.neighbour_probe(Split(y_N.astype(str), y_N, lambda at_B: x_N1[at_B]))
    weight_5 = 1 / np.array([0.5, 0.5, 1.5, 2.5, 3.5])
    assert probe.predict([[0.5]]) == pytest.approx(weight_5 @ y_N[:5] / weight_5.sum())


def test_ridge_probe_recovers_a_linear_label():
    toy = data()
    ridge = adapt.ridge_probe(toy.train, toy.val)
    prediction = ridge.predict(toy.test.fetch(np.arange(30)).double().numpy())
    np.testing.assert_allclose(prediction, toy.test.y, atol=1e-2)


def test_selection_can_follow_a_metric_that_is_better_when_higher():
    y = np.array([1.0, 2.0, 3.0, 4.0])
    assert adapt.validation_score(y * 2, y, "pearson") < adapt.validation_score(-y, y, "pearson")
    assert adapt.validation_score(y, y, "mae") < adapt.validation_score(y + 1, y, "mae")
    assert adapt.validation_score(np.ones(4), y, "pearson") == float("inf")


INF = float("inf")


@pytest.mark.parametrize(
    ("scores", "patience", "best", "epochs"),
    [
        ([3, 1, 2], None, 2, 3),
        ([1, 1, 1], None, 1, 3),
        ([INF, 5, INF, 4, 6], None, 4, 5),
        ([INF, INF, 5], None, 3, 3),
        ([INF, INF, INF], None, 3, 3),
        ([INF], None, 1, 1),
        ([3, 1, 2, 2, 0], 2, 2, 4),
        ([3, 1, 1, 1, 0], 2, 2, 4),
        ([3, 1, 2, 0, 2, 0], 2, 4, 6),
        ([INF, INF, INF, 5, 6, 4], 1, 4, 5),
    ],
)
def test_the_best_epoch_is_the_lowest_defined_one_and_training_ends_after_too_many_without_it(
    scores, patience, best, epochs
):
    rows, left, states = data().train, iter(scores), []
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 1), nn.Flatten(0))
    fabric = Fabric(accelerator="cpu", devices=1)
    wrapped, optimizer = fabric.setup(model, adam(model.parameters()))

    def score():
        states.append(model[0].weight.detach().clone())
        return next(left)

    batches = batches_of(Items(rows, rows.y), 16, Stream(0, "test"), CPU)
    task = Task(wrapped, optimizer, batches, nn.functional.mse_loss, Stream(0, "t"), score=score, patience=patience)
    fitted = fit(fabric, task, fit_settings(epochs=len(scores)))
    assert (fitted.best_epoch, len(fitted.history)) == (best, epochs)
    assert torch.equal(fitted.best_state["0.weight"], states[best - 1])


def test_apply_keeps_the_order_and_leaves_no_dropout():
    rows = data().test
    model = nn.Sequential(nn.Linear(5, 3), nn.Dropout(0.5))
    together, pieces = (apply(model, rows, size, CPU) for size in (1000, 7))
    torch.testing.assert_close(together, pieces)
    assert together.shape == (30, 3)


PAIRED = {
    "repeated": np.repeat([3.0, 1.0, 2.0], [5, 4, 3]),
    "odd": np.repeat([3.0, 1.0, 2.0], [2, 2, 3]),
    "alone": np.array([0.0, 1.0, 3.0, 5.0, 7.0, 7.0, 9.0, 9.0, 9.0, 12.0]),
    "none repeated": np.array([4.0, 1.0, 2.0, 8.0, 6.0]),
}


def nearest(row, label_N):
    """The rows that may follow this one, by looking at all."""
    others = [k for k in range(len(label_N)) if k != row]
    near = min(others, key=lambda k: (abs(label_N[k] - label_N[row]), label_N[k]))
    return {k for k in others if label_N[k] == label_N[near]}


@pytest.mark.parametrize("label_N", PAIRED.values(), ids=PAIRED)
@pytest.mark.parametrize("batch_size", [2, 4, 100])
def test_pairs_are_rows_of_the_shuffled_order_each_with_another_of_its_label(label_N, batch_size):
    followed = {row: set() for row in range(len(label_N))}
    for epoch in range(1, 60):
        shuffled = epoch_rows(label_N, batch_size, Stream(0, "t"), epoch)
        pairs = epoch_rows(label_N, batch_size, Stream(0, "t"), epoch, "paired")
        assert len(pairs) == len(shuffled)
        assert all(len(index_B) == batch_size for index_B in pairs[:-1])
        anchors, partners = torch.cat(pairs).reshape(-1, 2).T.tolist()
        assert anchors == torch.cat(shuffled)[: len(anchors)].tolist()
        assert len(anchors) == -(-len(label_N) // 2)
        for row, partner in zip(anchors, partners, strict=True):
            followed[row].add(partner)
    assert followed == {row: nearest(row, label_N) for row in followed}, "all that may follow a row do, and no others"


def test_pairs_depend_on_seed_stage_and_epoch_and_have_the_ids_of_their_rows():
    rows = split(50, 0)
    items = Items(rows, np.arange(50.0) // 5, sampler="paired")

    def seen(stream, epoch):
        return torch.cat([y_B for _, y_B in batches_of(items, 16, stream, CPU)(epoch)]).tolist()

    usual = seen(Stream(0, "t"), 1)
    assert seen(Stream(0, "t"), 1) == usual
    assert usual not in (seen(Stream(1, "t"), 1), seen(Stream(0, "u"), 1), seen(Stream(0, "t"), 2))
    ids = [name for step in (1, 2, 3, 4) for name in batch_ids(items, 16, Stream(0, "t"))(1, step)]
    assert [int(name.partition("-")[2]) // 5 for name in ids] == usual


def test_the_bench_of_a_step_runs(monkeypatch):
    monkeypatch.setattr(bench_step, "EPOCHS", 1)
    measured = bench_step.measure_step(rounds=1)
    assert measured["ratio"] == measured["driver_seconds"] / measured["bare_seconds"]
    assert "driver" in bench_step.table(measured)
