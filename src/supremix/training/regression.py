"""What is trained in adaptation: the network, and the sum of its loss and its regularisers.

B rows of a batch, K outputs of the head, D features; T targets where labels are vectors, each an output.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from supremix.data.dataset import Data
from supremix.errors import UserError
from supremix.models.heads import RegressionHead
from supremix.training.criteria import drawing, parameters_of
from supremix.training.imbalance.running import Labelled, RunningFDS
from supremix.training.mixing import Mixture, mixed

LOSSES: dict[str, type[nn.Module]] = {"l1": nn.L1Loss, "mse": nn.MSELoss}
"""The losses that a protocol names."""


@dataclass(frozen=True)
class Regulariser:
    """A term of the objective that sees features.

    Args:
        loss: called with features, or with what the projection makes of them, and labels. Of predictions (label units,
            without gradient), row weights and a generator it is given what its signature names: ``prediction_N``,
            ``weight_N``, ``generator``. A contrastive loss will do.
        weight: of its value.
        labels: "binned" or "raw", as it sees them.
        projection: from features to what it sees; trained with the rest.
    """

    loss: Any
    weight: float
    labels: str
    projection: nn.Module


class Regressor(nn.Module):
    """Backbone and head. In training it also gives what regularisers see, calibrates features, and mixes hidden values.

    Args:
        backbone: from inputs to features (B, D).
        head: from features to outputs (B,) or (B, K).
        loss: of its outputs.
        terms: regularisers; what each sees stands beside the outputs while the network trains.
        fds: calibrates the features of training batches, which come with bin numbers.
        layer: whose values are mixed in training batches that are mixtures: "features" or a module of the backbone.
    """

    def __init__(
        self,
        backbone: nn.Module,
        head: nn.Module,
        loss: nn.Module,
        terms: Mapping[str, Regulariser],
        fds: RunningFDS | None,
        layer: str | None,
    ) -> None:
        super().__init__()
        self.backbone, self.head = backbone, head
        if fds is not None:
            self.fds = fds
        self.projections = nn.ModuleDict({name: term.projection for name, term in terms.items()})
        # Their own state and weights, such as a scale that is learnt, are trained and saved with the network's.
        self.losses = nn.ModuleDict({"loss": loss} | {f"term_{name}": term.loss for name, term in terms.items()})
        self.share_B: Tensor | None = None
        if layer is not None:
            self._layer(layer).register_forward_hook(self._mix)

    def forward(self, x: Any) -> Any:
        """Return outputs (B,) or (B, K); with regularisers, while it trains, also what each sees."""
        if isinstance(x, Mixture):
            self.share_B = x.share_B
            try:
                return self.head(self.backbone(x.x))
            finally:
                self.share_B = None
        h_BD = self.backbone(x.x if isinstance(x, Labelled) else x)
        output = self.head(self.fds(h_BD, x.bin_B) if isinstance(x, Labelled) else h_BD)
        if not (self.training and self.projections):
            return output
        return output, *(projection(h_BD) for projection in self.projections.values())

    def _layer(self, name: str) -> nn.Module:
        try:
            return self.backbone if name == "features" else self.backbone.get_submodule(name)
        except AttributeError:
            known = ", ".join(key for key, _ in self.backbone.named_modules() if key)
            raise UserError(f"mixing.layer={name}: use input, features, or a module of the backbone: {known}") from None

    def _mix(self, module: nn.Module, given: Any, output: Any) -> Any:
        if self.share_B is None:
            return None
        if not isinstance(output, Tensor):
            raise UserError("mixing.layer names a module that gives more than one tensor: use features, or another")
        return mixed(output, self.share_B)


class Objective:
    """The loss of a training batch: of its predictions, plus that of each regulariser times its weight.

    Args:
        loss: of outputs and targets, in head units; with ``reduction`` "none" where rows have weights.
        data: gives targets and labels of the training rows.
        regularisers: by name; what they see follows the output, in this order.
        weight_N: of the training rows; None weighs all alike.
        draws: what regularisers draw from.
        device: of the outputs.
    """

    def __init__(
        self,
        loss: Any,
        data: Data,
        regularisers: Mapping[str, Regulariser],
        weight_N: np.ndarray | None,
        draws: torch.Generator,
        device: torch.device,
    ) -> None:
        self.loss, self.data = loss, data
        self.target_N = torch.from_numpy(data.target.encode(data.train.y).astype(np.float32)).to(device)
        self.weight_N = None if weight_N is None else torch.from_numpy(weight_N).to(device)
        self.terms: list[tuple[Regulariser, Callable[..., Tensor], Tensor]] = []
        for name, term in regularisers.items():
            label_N = data.training_labels(term.labels)
            call = drawing(term.loss, draws, f"method.regression.regularisers.{name}.loss")
            self.terms.append((term, call, torch.from_numpy(label_N.astype(np.float64))))
        self.predicted = any("prediction_N" in parameters_of(term.loss) for term in regularisers.values())

    def __call__(self, given: Any, of_B: Tensor) -> Tensor:
        """Return the objective.

        Args:
            given: what `Regressor` gives.
            of_B: row numbers, or targets of mixtures.
        """
        output, *seen = given if isinstance(given, tuple) else (given,)
        if of_B.is_floating_point():
            return self.loss(output, of_B)
        row_B = of_B.to(self.target_N.device, non_blocking=True)
        weight_B = None if self.weight_N is None else self.weight_N[row_B]
        value = self.loss(output, self.target_N[row_B])
        total = value if weight_B is None else (weight_B * value).mean()
        if self.terms:
            known = {"weight_N": weight_B}
            for (term, call, label_N), seen_BD in zip(self.terms, seen, strict=True):
                if self.predicted:
                    known["prediction_N"] = as_compared(self.data, point(self.loss, output), term.labels)
                total = total + term.weight * call(seen_BD, label_N[of_B.cpu()], **known)
        return total


def as_compared(data: Data, prediction_B: Tensor, labels: str) -> Tensor:
    """Return predictions in the units of the labels that a regulariser sees, without gradient, on their device.

    Args:
        data: the dataset.
        prediction_B: predictions, head units.
        labels: "binned" or "raw", as the regulariser sees them; predictions are put into no bins.
    """
    target, vectors = data.target, data.vectors
    ranks = data.geometry.ranks if labels == "binned" and data.geometry is not None else None
    if target.transform is None and vectors is None and ranks is None:
        return target.decode(prediction_B.detach())
    decoded = target.decode(prediction_B.detach().double().cpu().numpy())
    decoded = decoded if vectors is None else vectors.compared(decoded)
    return torch.from_numpy(decoded if ranks is None else ranks.percent(decoded)).to(prediction_B)


def point(loss: Any, output: Tensor) -> Tensor:
    """Return the predictions (B,) that outputs mean, head units."""
    return loss.point(output) if hasattr(loss, "point") else output


def ready(loss: Any, target_N: np.ndarray, weighted: bool) -> Any:
    """Return the loss, fitted to the training targets where it asks for them; row by row where rows have weights."""
    if hasattr(loss, "fit"):
        loss.fit(target_N)
    if weighted:
        if not hasattr(loss, "reduction"):
            raise UserError(
                f"imbalance=lds weighs rows, and method.regression.loss={type(loss).__name__} gives one number for a "
                "batch: use a loss with an argument reduction, or imbalance=none"
            )
        loss.reduction = "none"
    return loss


def new_head(loss: Any, width: int, target_N: np.ndarray, bias_init: str) -> RegressionHead:
    """Return a head as wide as loss and targets need, its bias as the protocol says: at the targets' mean, or at 0."""
    outputs = getattr(loss, "outputs", 1) if target_N.ndim == 1 else target_N.shape[1]
    bias: Any = 0.0
    if bias_init == "mean":
        bias = loss.start(target_N) if hasattr(loss, "start") else target_N.mean(axis=0)
    return RegressionHead(width, bias, outputs)


def stored(loss: Any, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return what is stored of a network's state, the head's weights such that its output is the prediction.

    Of a loss whose predictions are linear in its outputs the head is folded to one output. A histogram's head keeps
    its outputs, and has the centres of the bins beside them.
    """
    kept = {key: value for key, value in state.items() if key.startswith(("backbone.", "head.", "fds."))}
    if hasattr(loss, "centre_K"):
        kept["head.centre"] = loss.centre_K.detach().cpu().clone()
    elif getattr(loss, "outputs", 1) > 1:
        kept["head.weight"] = point(loss, kept["head.weight"].T.contiguous())[None]
        kept["head.bias"] = point(loss, kept["head.bias"][None])
    return kept


def network(
    backbone: nn.Module,
    head: nn.Module,
    loss: nn.Module,
    terms: Mapping[str, Regulariser],
    fds: RunningFDS | None,
    mixing: Any,
) -> nn.Module:
    """Return backbone and head; as a plain sequence where nothing else acts in training."""
    layer = None if mixing is None or mixing.layer == "input" else mixing.layer
    if terms or fds is not None or layer is not None or loss.state_dict():
        return Regressor(backbone, head, loss, terms, fds, layer)
    return nn.Sequential(OrderedDict(backbone=backbone, head=head))
