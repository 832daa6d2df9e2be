"""Layout, compilation and bfloat16: other kernels, the same training."""

from functools import partial

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from safetensors.torch import load_file
from torch import nn

from supremix.data.dataset import Data, Split, TargetScale
from supremix.errors import UserError
from supremix.experiment.run import run
from supremix.losses import SupReMixLoss
from supremix.models.acceleration import accelerate, lay_out
from supremix.models.bilstm import BiLSTM
from supremix.models.heads import ProjectionHead
from supremix.models.resnet1d import ResNet18 as ResNet1d
from supremix.models.resnet2d import ResNet2d
from supremix.models.resnet3d import ResNet18 as ResNet3d
from supremix.training.checkpoint import Checkpoints
from supremix.training.loop import Hooks
from supremix.training.pretrain import Pretraining, pretrain
from tests.running import config, run_small
from tests.stages import method

ROWS, BATCH = 16, 8
WIDE = 16  # narrower networks on channels-last images corrupt the heap in PyTorch 2.15's CPU kernels
BACKBONES = {
    "images": lambda width: ResNet2d(18, width),
    "volumes": lambda width: ResNet3d(1, width),
    "series": lambda width: ResNet1d(in_channels=3, width=width, kernel=4, dropout=0.2),
    "sentences": lambda width: BiLSTM(torch.randn(30, 6), hidden=width, layers=1, dropout=0.2),
}


def built(kind, width):
    torch.manual_seed(0)
    return BACKBONES[kind](width)


def inputs(kind):
    draw = torch.Generator().manual_seed(1)
    if kind == "sentences":
        words = {side: torch.randint(1, 30, (ROWS, 7), generator=draw) for side in ("a", "b")}
        return words | {f"{side}_length": torch.randint(1, 8, (ROWS,), generator=draw) for side in ("a", "b")}
    if kind == "series":
        return {"x": torch.rand(ROWS, 3, 20, generator=draw), "length": torch.full((ROWS,), 17)}
    shape = (3, 32, 32) if kind == "images" else (1, 12, 12, 12)
    return torch.rand(ROWS, *shape, generator=draw)


def taken(x, index):
    return {key: value[index] for key, value in x.items()} if isinstance(x, dict) else x[index]


class Interrupted(Exception):
    """Ends a stage in the middle."""


def fetching(x, fetches=None):
    """How a split takes rows of ``x``; interrupted when ``fetches`` batches were read."""
    read = 0

    def fetch(index_B):
        nonlocal read
        read += 1
        if fetches is not None and read > fetches:
            raise Interrupted
        return taken(x, torch.as_tensor(index_B))

    return fetch


def trained(backbone, kind, folder, precision, fetches=None):
    """Two epochs of pre-training in place, saved after every step; interrupted when ``fetches`` batches were read."""
    split = Split(np.arange(ROWS).astype(str), np.arange(ROWS) % 6.0, fetching(inputs(kind), fetches))
    data = Data("toy", split, split, split, 1.0, TargetScale(0.0, 1.0), {}, "", True)
    torch.manual_seed(0)
    projection = ProjectionHead(backbone.out_dim, 16, 8)
    folder.mkdir(exist_ok=True)
    embeddings = set()
    projection.register_forward_hook(lambda module, args, out: embeddings.add(out.dtype))
    seen = Seen()
    fitted = pretrain(
        Fabric(accelerator="cpu", devices=1, precision=precision), data,
        Pretraining(backbone, projection, seen, partial(torch.optim.Adam, lr=1e-3, fused=True)),
        method(epochs=2, batch_size=BATCH), 0, Hooks(checkpoints=Checkpoints(folder, "pretrain", minutes=0)),
    )  # fmt: skip
    return fitted, embeddings, seen.dtypes


class Seen(SupReMixLoss):
    """The loss, and the types of the values that it gave."""

    def __init__(self):
        super().__init__(temperature=0.5, window=2.0)
        self.dtypes = set()

    def forward(self, z_ND, y_N, lam_NN=None, generator=None):
        loss = super().forward(z_ND, y_N, lam_NN, generator)
        self.dtypes.add(loss.dtype)
        return loss


@pytest.mark.parametrize("kind", BACKBONES)
def test_bfloat16_trains_with_the_loss_in_float32_and_resumes_to_the_same_bits(tmp_path, kind):
    whole, stopped, again = (built(kind, 4) for _ in range(3))
    fitted, embeddings, losses = trained(whole, kind, tmp_path / "whole", "bf16-mixed")
    assert embeddings == {torch.bfloat16}
    assert losses == {torch.float32}
    assert all(np.isfinite(row["loss"]) for row in fitted.history)
    assert all(value.dtype != torch.bfloat16 for value in whole.state_dict().values())
    with pytest.raises(Interrupted):
        trained(stopped, kind, tmp_path / "stopped", "bf16-mixed", fetches=3)
    resumed, *_ = trained(again, kind, tmp_path / "stopped", "bf16-mixed")
    assert resumed.history == fitted.history
    for key, value in whole.state_dict().items():
        assert torch.equal(again.state_dict()[key], value), key


@pytest.mark.parametrize("width", [4, 16])
def test_gradients_of_small_volumes_under_bfloat16_are_finite_and_those_of_float32(width):
    """PyTorch's bfloat16 3D convolutions on processors gave NaN here, now and then; these stay in float32."""
    for side in (12, 24):
        backbone, x = built("volumes", width), torch.rand(4, 1, side, side, side)
        plain = torch.autograd.grad(backbone(x).square().sum(), [*backbone.parameters()])
        for _ in range(5):
            with torch.autocast("cpu", torch.bfloat16):
                features = backbone(x)
            mixed = torch.autograd.grad(features.square().sum(), [*backbone.parameters()])
            for found, exact in zip(mixed, plain, strict=True):
                torch.testing.assert_close(found, exact, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("kind", ["images", "volumes"])
def test_channels_last_computes_the_same_and_keeps_the_weights_names(kind):
    plain, laid_out, x = (*(built(kind, WIDE).eval() for _ in range(2)), inputs(kind))
    lay_out(laid_out)
    convolutions = [module for module in laid_out.modules() if isinstance(module, nn.Conv2d | nn.Conv3d)]
    innermost = {4: torch.channels_last, 5: torch.channels_last_3d}
    assert all(conv.weight.is_contiguous(memory_format=innermost[conv.weight.ndim]) for conv in convolutions)
    seen = []
    convolutions[2].register_forward_hook(lambda module, args, out: seen.append(out))
    with torch.no_grad():
        torch.testing.assert_close(laid_out(x), plain(x), rtol=1e-4, atol=1e-4)
    assert seen[0].is_contiguous(memory_format=innermost[seen[0].ndim])
    assert not seen[0].is_contiguous()
    ours = laid_out.state_dict()
    for key, value in plain.state_dict().items():
        assert torch.equal(ours[key], value), key


@pytest.mark.parametrize(("wanted", "device", "last"), [
    (True, "cpu", True), (False, "cuda", False), ("auto", "cpu", False), ("auto", "cuda", True),
])  # fmt: skip
def test_channels_last_by_itself_on_a_gpu_alone(wanted, device, last):
    backbone = built("images", WIDE)
    accelerate(backbone, torch.device(device), wanted, None)
    assert backbone.layer1[0].conv1.weight.is_contiguous(memory_format=torch.channels_last) is last


def test_a_compiled_run_has_the_same_id_weights_names_and_results(tmp_path):
    overrides = ["protocol=finetune", "dataset.recipe.pretrain.epochs=1", "dataset.recipe.adapt.epochs=1"]
    plain, _ = run_small(tmp_path / "plain", *overrides)
    torch._dynamo.utils.counters.clear()
    compiled, _ = run_small(tmp_path / "compiled", *overrides, "trainer.compile=eager")
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] > 1  # the trial is one
    assert compiled.name == plain.name
    for name in ("best.safetensors", "last.safetensors"):
        ours, theirs = load_file(compiled / name), load_file(plain / name)
        assert ours.keys() == theirs.keys()
        for key, value in theirs.items():
            torch.testing.assert_close(ours[key], value)


class Pairs(nn.Module):
    """A backbone whose contrastive stage calls another method than its forward pass."""

    def sentences(self, x):
        return torch.sin(x) * 2

    def forward(self, x):
        return self.sentences(x) + 1


def test_sentence_vectors_are_compiled_too():
    pairs = Pairs()
    accelerate(pairs, torch.device("cpu"), False, "eager")
    torch._dynamo.utils.counters.clear()
    assert torch.equal(pairs.sentences(torch.ones(3)), torch.sin(torch.ones(3)) * 2)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1


def test_a_missing_compiler_is_told_before_anything_is_trained(tmp_path):
    @torch._dynamo.register_backend
    def no_compiler(graph, example_inputs):
        raise RuntimeError("No working C++ compiler found\nand more")

    with pytest.raises(UserError, match=r"trainer.compile=no_compiler: nothing can be compiled here \(.*No working C"):
        run(config(tmp_path, "trainer.compile=no_compiler"))
    assert not list(tmp_path.rglob("*.ckpt"))


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("trainer.channels_last=last", "trainer.channels_last=last: use true, false or auto"),
        ("trainer.compile=true", "trainer.compile=True: name a backend of torch.compile, such as inductor, or null"),
        ("trainer.compile=indoctor", "trainer.compile=indoctor: nothing can be compiled here .*indoctor"),
    ],
)
def test_wrong_values_are_named(tmp_path, override, message):
    with pytest.raises(UserError, match=message):
        run(config(tmp_path, override))
