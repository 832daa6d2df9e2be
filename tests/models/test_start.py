"""Weights at hand: what is read, under which names, and what is refused."""

import pytest
import torch
import torchvision
from safetensors.torch import save_file

from supremix.errors import UserError
from supremix.models.mlp import MLP
from supremix.models.resnet2d import ResNet2d
from supremix.models.start import start_from
from supremix.settings import identity
from tests.running import config, run_small


def equal(one, other):
    return all(torch.equal(value, other[name]) for name, value in one.items())


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_state_dict_of_torchvision_is_read_and_its_classifier_left_out(tmp_path, wrapped, caplog):
    theirs = torchvision.models.resnet18(weights=None).state_dict()
    torch.save({"model": theirs, "epoch": 3} if wrapped else theirs, tmp_path / "net.pth")
    backbone = ResNet2d(18, 64)
    caplog.set_level("INFO", "supremix")
    start_from(backbone, tmp_path / "net.pth")
    assert equal(backbone.state_dict(), theirs)
    assert caplog.messages[-1].endswith(f"weights of {tmp_path / 'net.pth'}; left out: fc")


@pytest.mark.parametrize("prefix", ["", "backbone.", "module."])
def test_names_may_have_what_stood_around_the_backbone(tmp_path, prefix):
    state = {f"{prefix}{name}": value for name, value in MLP(5, [4]).state_dict().items()}
    save_file(state | {"head.weight": torch.ones(1)}, tmp_path / "x.safetensors")
    backbone = MLP(5, [4])
    start_from(backbone, tmp_path / "x.safetensors")
    assert equal(backbone.state_dict(), {name.removeprefix(prefix): value for name, value in state.items()})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"layers.0.weight": torch.ones(4, 5)}, "it has no weight 'layers.0.bias', and this backbone needs .4,."),
        (
            MLP(6, [4]).state_dict(),
            r"it has a weight of shape \(4, 6\) 'layers.0.weight', and .* \(4, 5\): choose",
        ),
        ({name: value * torch.nan for name, value in MLP(5, [4]).state_dict().items()}, "a number that is not finite"),
        ([1, 2], "it holds no state dict"),
        (MLP(5, [4]), r"not readable as weights \(Weights only load failed"),  # code, which is not run
        (b"no archive", "not readable as weights"),
    ],
)
def test_what_does_not_fit_is_told(tmp_path, content, message):
    path = tmp_path / "net.pt"
    path.write_bytes(content) if isinstance(content, bytes) else torch.save(content, path)
    with pytest.raises(UserError, match=f"^backbone.weights={path}: .*{message}"):
        start_from(MLP(5, [4]), path)


def test_a_run_starts_from_them_and_counts_them_by_their_content(tmp_path):
    first, record = run_small(tmp_path, "method=vanilla")
    weights = first / "best.safetensors"
    (tmp_path / "copy.safetensors").write_bytes(weights.read_bytes())
    plain = ["method=random", "protocol=finetune", "protocol.epochs=1", "protocol.optimizer.lr=0"]
    directory, started = run_small(tmp_path, *plain, f"backbone.weights={weights}")
    ids = [
        identity.run_id(identity.scientific(config(tmp_path, *plain, *more)))
        for more in ([], [f"backbone.weights={weights}"], [f"backbone.weights={tmp_path / 'copy.safetensors'}"])
    ]
    assert ids[0] != ids[1] == ids[2]
    assert started["config"]["backbone"]["weights"] == record["weights"]["best.safetensors"]
    from safetensors.torch import load_file

    before, after = load_file(weights), load_file(directory / "best.safetensors")
    assert all(torch.equal(before[name], after[name]) for name in before if name.startswith("backbone."))
    with pytest.raises(UserError, match=r"^backbone.weights=nowhere.pt: no such file$"):
        run_small(tmp_path, "backbone.weights=nowhere.pt")


def test_embeddings_from_elsewhere_are_probed_as_they_are(tmp_path):
    _, record = run_small(tmp_path, "backbone=identity", "method=random")
    assert set(record["metrics"]["test"]) == {"best", "last", "ridge", "knn"}
    with pytest.raises(UserError, match=r"^backbone=identity has no weights, so method=supremix has nothing to pre-"):
        run_small(tmp_path, "backbone=identity", "method=supremix")
