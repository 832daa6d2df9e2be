"""Every backbone as a graph, in both formats and by both heads: the same outputs, whatever the rows and lengths."""

import pytest

from supremix.inference.export import export
from tests.inference.test_export import BACKBONES, model_of


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("to", ["torch", "onnx"])
@pytest.mark.parametrize("head", ["trained", "ridge"])
@pytest.mark.parametrize("name", BACKBONES)
def test_every_backbone_has_the_same_outputs(tmp_path, name, head, to):
    if to == "onnx":
        pytest.importorskip("onnxruntime", reason="pip install 'supremix[export]'")
    assert export(model_of(name), to, tmp_path, head) <= 1e-4
