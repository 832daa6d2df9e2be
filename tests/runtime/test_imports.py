"""The imports that are put off: what is not asked for is not there, and what is asked for is whole.

Each test runs a process of its own, in which nothing is imported before.
"""

import subprocess
import sys

import pytest

TRAINS = """
import sys
import torch
from supremix.runtime.imports import import_sklearn, put_off_compiler
put_off_compiler()
from lightning_fabric.wrappers import OptimizedModule
layer = torch.nn.Linear(2, 1)
optimizer = torch.optim.Adam(layer.parameters())
layer(torch.ones(2)).sum().backward()
optimizer.step()
optimizer.zero_grad()
import_sklearn()
from sklearn.linear_model import Ridge
Ridge().fit([[0.0], [1.0]], [0.0, 1.0])
assert not {"torch._dynamo.eval_frame", "pandas"} & {*sys.modules}
assert not isinstance(layer, OptimizedModule)
compiled = torch.compile(layer, backend="eager")
assert isinstance(compiled, OptimizedModule)
assert torch.equal(compiled(torch.ones(2)), layer(torch.ones(2)))
import pandas
Ridge().fit(pandas.DataFrame({"x": [0.0, 1.0]}), [0.0, 1.0])
"""
A_MODULE_INSIDE = """
import sys
import torch
from supremix.runtime.imports import put_off_compiler
put_off_compiler()
import torch._dynamo.config as config
assert torch._dynamo.config is config is sys.modules["torch._dynamo.config"]
assert config.__spec__.origin == config.__file__
from torch._dynamo.utils import counters
assert sys.modules["torch._dynamo.utils"].counters is counters
assert not [finder for finder in sys.meta_path if type(finder).__module__.startswith("supremix")]
"""


@pytest.mark.whole
@pytest.mark.parametrize("code", [TRAINS, A_MODULE_INSIDE], ids=["trains", "a module inside"])
def test_what_is_put_off_comes_when_it_is_asked_for(code):
    hidden = "import sys; sys.modules['torchmetrics'] = None\n"  # Fabric looks at its version, and so imports it all
    done = subprocess.run(
        [sys.executable, "-c", hidden + code], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
