"""The network as one graph of tensors, for export: from what the reader makes of rows to label units and features.

B rows, T targets, K knots of a quantile map.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from supremix.data.dataset import TargetScale
from supremix.data.transforms import Log, Quantile
from supremix.inference.model import Model

OUTPUTS = ("prediction", "features")
SHORTEST = 24
"""The least length of sequences that are drawn: what is traced at one step would be a graph for one step."""


class Graph(nn.Module):
    """Backbone, head and the way back to label units.

    Args:
        model: whose parts these are.
        head: "trained" or "ridge".
        names: of the inputs, in order.
    """

    def __init__(self, model: Model, head: str, names: tuple[str, ...]) -> None:
        super().__init__()
        self.backbone, self.head, self.names = model.backbone, model.heads[head], names
        self.in_double = head == "ridge"
        self.decode = nn.Identity() if self.in_double else Decoding(model.intake.target)

    def forward(self, *inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Return predictions (B,) or (B, T) float64 and features (B, D) of the inputs in order."""
        single = self.names == ("x",)
        with torch.backends.mkldnn.flags(enabled=True):  # else an LSTM is traced step by step, for one length alone
            h_BD = self.backbone(inputs[0] if single else dict(zip(self.names, inputs, strict=True)))
        return self.decode(self.head(h_BD.double() if self.in_double else h_BD).double()), h_BD


class Decoding(nn.Module):
    """`TargetScale.decode` on tensors, in float64."""

    mean: Any
    std: Any
    first: Tensor
    start: Tensor
    width: Tensor
    slope: Tensor

    def __init__(self, target: TargetScale) -> None:
        super().__init__()
        self.transform = target.transform
        for name in ("mean", "std"):
            value = getattr(target, name)
            setattr(self, name, nn.Buffer(torch.from_numpy(value)) if isinstance(value, np.ndarray) else value)
        if isinstance(self.transform, Quantile):
            knots = self.transform.labels, self.transform.scores
            labels, scores = (torch.tensor(part, dtype=torch.float64) for part in knots)
            self.register_buffer("first", labels[:1])
            self.register_buffer("start", scores[:-1])
            self.register_buffer("width", scores.diff())
            self.register_buffer("slope", labels.diff() / scores.diff())

    def forward(self, prediction_B: Tensor) -> Tensor:
        """Return label units (B,) of head units (B,), float64."""
        scaled_B = prediction_B * self.std + self.mean
        if isinstance(self.transform, Log):
            return scaled_B.exp() - self.transform.shift
        if isinstance(self.transform, Quantile):  # each piece adds its part, from its start to its end
            into_BK = (scaled_B[..., None] - self.start).clamp(min=0).minimum(self.width)
            return self.first + (into_BK * self.slope).sum(-1)
        return scaled_B


def examples(model: Model, rows: int, longer: int = 0) -> dict[str, Tensor]:
    """Draw inputs of the form that the run noted, float and whole numbers within what the network takes.

    Args:
        model: whose inputs.
        rows: how many.
        longer: steps by which sequences are longer than noted.
    """
    draws = np.random.default_rng(rows)
    words = len(model.intake.input_spec.get("vectors", ())) or 2
    whole: dict[str, Tensor] = {}
    for name, form in model.state["inputs"].items():
        shape = [*form["shape"]]
        if is_sequence(name, model.state["inputs"]):
            shape[-1] = max(shape[-1], SHORTEST) + longer
        if form["dtype"].startswith("float"):
            values: Any = draws.normal(size=(rows, *shape)).astype(form["dtype"])
        elif shape:
            values = draws.integers(1, words, size=(rows, *shape))
        else:  # lengths, the first row as long as the batch
            partner = max(model.state["inputs"][sequence_of(name)]["shape"][-1], SHORTEST) + longer
            values = np.concatenate([[partner], draws.integers(max(1, partner // 2), partner + 1, size=rows - 1)])
        whole[name] = torch.from_numpy(np.asarray(values))
    return whole


def is_sequence(name: str, forms: dict[str, Any]) -> bool:
    """Return whether an input's last axis has the length that another input states."""
    return any(sequence_of(other) == name for other in forms if other != name)


def sequence_of(name: str) -> str:
    """Return which input's lengths these are: "x" for "length", "a" for "a_length"; the name itself for others."""
    return name.removesuffix("_length") if name != "length" else "x"
