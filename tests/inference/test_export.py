"""A network as a graph: the same outputs at other numbers of rows and other lengths than it was traced at."""

import numpy as np
import pytest
import torch
from torch import nn

from supremix.data.dataset import TargetScale
from supremix.data.own.stored import Intake, forms_of
from supremix.data.own.values import PLAIN
from supremix.data.transforms import Log, fit_transform
from supremix.errors import UserError
from supremix.inference.export import export
from supremix.inference.graph import Decoding
from supremix.inference.model import Model
from supremix.models.bilstm import BiLSTM
from supremix.models.heads import RegressionHead
from supremix.models.mlp import MLP
from supremix.models.resnet1d import ResNet18 as ResNet1d
from supremix.models.resnet2d import ResNet2d
from supremix.models.resnet3d import ResNet18 as ResNet3d

LABELS = np.array([1.0, 2.0, 2.0, 5.0, 9.0, 30.0])
SENTENCES = {"a": torch.ones(1, 7, dtype=torch.int64), "a_length": torch.tensor([7])}
SENTENCES |= {"b": torch.ones(1, 9, dtype=torch.int64), "b_length": torch.tensor([9])}
WORDS = {"a": torch.ones(1, 1, dtype=torch.int64), "a_length": torch.tensor([1])}  # single texts
BACKBONES = {
    "bilstm of texts": (lambda: BiLSTM(torch.randn(20, 6), 8, 1, 0.2, sentences=1), WORDS),
    "mlp": (lambda: MLP(5, [8, 4]), torch.zeros(1, 5)),
    "resnet18": (lambda: ResNet2d(18, 4), torch.zeros(1, 3, 32, 32)),
    "resnet50": (lambda: ResNet2d(50, 2), torch.zeros(1, 3, 32, 32)),
    "resnet18_1d": (lambda: ResNet1d(4, 4, 16, 0.5), {"x": torch.zeros(1, 4, 40), "length": torch.tensor([40])}),
    "resnet18_3d": (lambda: ResNet3d(1, 2), torch.zeros(1, 1, 20, 20, 20)),
    "bilstm": (lambda: BiLSTM(torch.randn(20, 6), 8, 2, 0.2), SENTENCES),
}


def model_of(name):
    """A model with random weights, its batch norms as after some training."""
    torch.manual_seed(0)
    make, x = BACKBONES[name]
    backbone = make()
    for module in backbone.modules():
        if hasattr(module, "running_var"):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
    heads = {"trained": RegressionHead(backbone.out_dim, 0.0), "ridge": RegressionHead(backbone.out_dim, 0.0).double()}
    spec = {"vectors": backbone.vectors} if name.startswith("bilstm") else {}
    intake = Intake(None, TargetScale(1.0, 2.0, Log(1.0)), spec, ("y",), (PLAIN,))
    about = {"train_backbone": True, "precision": "32-true"}
    return Model(backbone.eval(), nn.ModuleDict(heads).eval(), intake, {"inputs": forms_of(x)}, about)


@pytest.mark.whole
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "head", "to"), [("resnet18", "trained", "onnx"), ("mlp", "ridge", "torch")])
def test_a_backbone_has_the_same_outputs(tmp_path, name, head, to):  # all of them: tests/long/exports.py
    if to == "onnx":
        pytest.importorskip("onnxruntime", reason="pip install 'supremix[export]'")
    assert export(model_of(name), to, tmp_path, head) <= 1e-4


def test_a_graph_that_differs_is_refused(tmp_path, monkeypatch):
    from supremix.inference import export as module

    monkeypatch.setattr(module, "TOLERANCE", -1.0)
    with pytest.raises(UserError, match=r"its outputs differ from the model's by .* nothing was kept"):
        export(model_of("mlp"), "torch", tmp_path)
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("transform", ["none", "log", "quantile"])
def test_labels_are_decoded_as_the_run_does(transform):
    target = TargetScale(1.0, 2.0, fit_transform("toy", transform, LABELS))
    head_B = np.linspace(-3, 3, 41)
    found = Decoding(target)(torch.from_numpy(head_B)).numpy()
    np.testing.assert_allclose(found, target.decode(head_B), rtol=1e-12)
