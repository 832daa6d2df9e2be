"""Training on a GPU: precisions, layouts, compilation, the same bits again and after an interruption, one rank."""

from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from supremix.data.dataset import Data, Split, TargetScale
from supremix.losses import SupReMixLoss
from supremix.models.acceleration import accelerate
from supremix.models.heads import ProjectionHead
from supremix.runtime import ranks, sharding
from supremix.runtime.seeding import repeatable
from supremix.training.adapt import Adaptation, adapt
from supremix.training.checkpoint import Checkpoints
from supremix.training.loop import Hooks
from supremix.training.pretrain import Pretraining, pretrain
from tests.cuda.test_cuda_views import COLOURS, TALEB
from tests.models.test_acceleration import BACKBONES, BATCH, ROWS, Interrupted, built, fetching, inputs
from tests.stages import histograms, method, protocol

ADAM = partial(torch.optim.Adam, lr=1e-3, fused=True)
VIEWS = {"images": COLOURS, "volumes": TALEB}
NETWORK = {"cuda": "nccl", "cpu": "gloo"}


@pytest.fixture
def deterministic():
    repeatable(True)
    yield
    repeatable(False)


def data_of(kind, fetches=None):
    """Rows on the host as a loader gives them; views of two kinds. Interrupted when ``fetches`` batches were read."""
    x = inputs(kind)
    if kind == "images":
        x = (x * 255).to(torch.uint8)
    if kind == "volumes":
        x = x[:, 0]

    def to_input(x):
        return {"images": lambda x: x.float() / 255, "volumes": lambda x: x[:, None].float()}.get(kind, lambda x: x)(x)

    split = Split(np.arange(ROWS).astype(str), np.arange(ROWS) % 6.0, fetching(x, fetches), on_disk=True, workers=1)
    return Data("toy", split, split, split, 1.0, TargetScale(0.0, 1.0), {}, "", True, to_input, VIEWS.get(kind))


def trained(device, kind, precision="32-true", channels_last="auto", backend=None, folder=None, fetches=None):
    """Two epochs of pre-training; the history, the weights and the fabric."""
    backbone = built(kind, 16)
    accelerate(backbone, device, channels_last, backend)
    torch.manual_seed(0)
    projection = ProjectionHead(backbone.out_dim, 16, 8)
    fabric = ranks.fabric(device.type, precision)
    hooks = Hooks(checkpoints=None if folder is None else Checkpoints(folder, "pretrain", minutes=0))
    settings = method(epochs=2, batch_size=BATCH, views=2, clip=5.0, histograms=histograms(9, 20, [1, 2]))
    objects = Pretraining(backbone, projection, SupReMixLoss(0.5, 2.0), ADAM)
    fitted = pretrain(fabric, data_of(kind, fetches), objects, settings, 0, hooks)
    model = nn.Sequential(backbone, projection)
    assert all(value.device.type == device.type for value in model.state_dict().values())
    return fitted, {key: value.cpu() for key, value in model.state_dict().items()}, backbone


def assert_same_bits(one, other):
    assert one[0].history == other[0].history
    for key, value in one[1].items():
        assert torch.equal(other[1][key], value), key
    for key, value in one[0].histograms.items():
        np.testing.assert_array_equal(other[0].histograms[key], value)


def assert_near(one, other, tolerance):
    np.testing.assert_allclose(
        [row["loss"] for row in one[0].history], [row["loss"] for row in other[0].history], rtol=tolerance
    )


@pytest.mark.parametrize("kind", BACKBONES)
def test_it_trains_as_on_a_processor(device, kind):
    if kind in ("sentences", "series"):
        pytest.skip("dropout draws other numbers there")
    here, there = trained(device, kind), trained(torch.device("cpu"), kind)
    assert here[0].history[0]["loss"] == pytest.approx(there[0].history[0]["loss"], rel=2e-2)


@pytest.mark.parametrize("precision", ["bf16-mixed", "16-mixed"])
@pytest.mark.parametrize("kind", BACKBONES)
def test_half_precisions_train(device, kind, precision):
    if device.type == "cpu" and precision == "16-mixed":
        pytest.skip("needs a GPU")
    half = trained(device, kind, precision)
    assert all(np.isfinite(row["loss"]) for row in half[0].history)
    assert all(value.dtype in (torch.float32, torch.int64) for value in half[1].values())
    assert half[0].history[0]["loss"] == pytest.approx(trained(device, kind)[0].history[0]["loss"], rel=0.1)


@pytest.mark.parametrize("kind", ["images", "volumes"])
def test_layouts_train_alike(device, kind):
    assert_near(trained(device, kind, channels_last=True), trained(device, kind, channels_last=False), 2e-2)


@pytest.mark.parametrize("kind", ["images", "sentences"])
def test_a_compiled_backbone_trains_alike(device, kind):
    backend = "inductor" if device.type == "cuda" else "eager"
    compiled = trained(device, kind, backend=backend)
    assert all(np.isfinite(row["loss"]) for row in compiled[0].history)
    if kind == "images":  # dropout of a compiled network draws other numbers
        assert_near(compiled, trained(device, kind), 2e-2)


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
@pytest.mark.parametrize("kind", BACKBONES)
def test_the_same_seed_gives_the_same_bits_also_after_an_interruption(device, deterministic, tmp_path, kind, precision):
    whole = trained(device, kind, precision)
    assert_same_bits(whole, trained(device, kind, precision))
    tmp_path.mkdir(exist_ok=True)
    with pytest.raises(Interrupted):
        trained(device, kind, precision, folder=tmp_path, fetches=3)
    assert list(tmp_path.glob("*.ckpt"))
    assert_same_bits(whole, trained(device, kind, precision, folder=tmp_path))


@pytest.mark.parametrize("kind", BACKBONES)
def test_the_probe_gives_the_processors_predictions(device, kind):
    predictions = {}
    for place in (device, torch.device("cpu")):
        backbone = built(kind, 16)
        objects = Adaptation(backbone, partial(torch.optim.Adam, lr=1e-3))
        adapted = adapt(ranks.fabric(place.type, "32-true"), data_of(kind), objects, protocol(epochs=2), 0)
        assert adapted.features.shape == (ROWS, backbone.out_dim)
        predictions[place] = adapted.predictions["test"]
    for name, expected in predictions[torch.device("cpu")].items():
        np.testing.assert_allclose(predictions[device][name], expected, rtol=5e-3, atol=5e-3, err_msg=name)


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_a_network_is_trained_end_to_end(device, precision):
    fabric, backbone = ranks.fabric(device.type, precision), built("images", 16)
    accelerate(backbone, device, "auto", None)
    objects = Adaptation(backbone, ADAM)
    adapted = adapt(fabric, data_of("images"), objects, protocol(train_backbone=True, epochs=2), 0)
    assert np.isfinite(adapted.predictions["test"]["best"]).all()
    assert all(value.device.type == "cpu" for value in adapted.states["best"].values())


def test_one_rank_computes_through_its_group_what_a_process_alone_does(device, monkeypatch):
    """Over NCCL on a GPU: the gathered outputs, the gradients, and batch normalisation over all ranks."""
    environment = {"RANK": 0, "WORLD_SIZE": 1, "LOCAL_RANK": 0, "LOCAL_WORLD_SIZE": 1, "MASTER_ADDR": "127.0.0.1"}
    for name, value in (environment | {"MASTER_PORT": 29511, "GROUP_RANK": 0, "TORCHELASTIC_RUN_ID": "test"}).items():
        monkeypatch.setenv(name, str(value))
    alone, shared = (nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 4)) for _ in range(2))
    shared.load_state_dict(alone.state_dict())
    x, y_N = torch.randn(6, 4).to(device), [1.0, 1.0, 2.0, 3.0, 3.0, 3.0]
    criterion = SupReMixLoss(0.5, 2.0, mix_neg=False)
    if device.type == "cuda":
        shared = nn.SyncBatchNorm.convert_sync_batchnorm(shared)
    fabric = ranks._of_ranks(device.type, "32-true")
    ranks._control()
    try:
        fabric.launch()
        assert torch.distributed.group.WORLD._get_backend(device).name() == NETWORK[device.type]
        wrapped, _ = fabric.setup(shared, torch.optim.SGD(shared.parameters(), lr=0.1))
        z_ND = sharding._gathered(wrapped(x), 6, 2)
        fabric.backward(criterion(z_ND, y_N))
        assert ranks.from_first(lambda: 5) == 5
    finally:
        torch.distributed.destroy_process_group()
        ranks._control.cache_clear()
    alone.to(device)
    criterion(alone(x), y_N).backward()
    for one, other in zip(shared.parameters(), alone.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-4, atol=1e-5)
