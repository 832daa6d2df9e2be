"""A trained model: new rows, as the user has them, → predictions in label units, or features. B rows, D features."""

import logging
import shutil
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from supremix.data.own.features import TableReader
from supremix.data.own.signals import ColumnSignalReader
from supremix.data.own.stored import Intake, State, save_state
from supremix.errors import UserError, writing_to
from supremix.inference.card import card
from supremix.runtime.disk import put
from supremix.store.files import save_weights
from supremix.store.records import write_json

log = logging.getLogger(__name__)

AT_ONCE = 256
"""Rows that are read and put through the network together."""
AUTOCAST = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}
"""Precisions of a run that compute in another type than the weights'."""
HEADS = ("trained", "ridge")
PREFIXES = {"trained": "head", "ridge": "ridge"}
"""Head → what the names of its weights begin with in a saved model."""
CONFIG, WEIGHTS = "config.json", "model.safetensors"
"""Files of a saved model."""


@dataclass(frozen=True, eq=False, repr=False)
class Model:
    """A trained network with all that stands before and behind it.

    Attributes:
        backbone: from what the reader makes of rows to features (B, D).
        heads: "trained", from features to the units that the target scale decodes; "ridge", where the run has it, a
            linear map in float64 from features to label units.
        intake: reads rows, and decodes predictions.
        state: what the intake was made of.
        about: what the model is: its backbone's config, precision, metrics, data and code, JSON values.
    """

    backbone: Any
    heads: nn.ModuleDict
    intake: Intake
    state: State
    about: dict[str, Any]

    def __repr__(self) -> str:
        """Say what it is, in a line."""
        run, labels = self.about["run"], ", ".join(self.intake.labels)
        return (
            f"Model({run['method']} of {run['dataset']}, seed {run['seed']}: {labels}; heads {', '.join(self.heads)})"
        )

    def predict(self, rows: Any, head: str = "trained") -> np.ndarray:
        """Predict the labels of rows, in their units.

        Args:
            rows: B rows: a DataFrame with the columns of the training file, or what the run's reader takes instead: a
                list of paths, of texts, or arrays.
            head: "trained", or "ridge" for the linear probe in closed form.

        Returns:
            Predictions (B,) float64; (B, T) where the model has T targets.

        Raises:
            UserError: rows cannot be read, a prediction is not finite, or the run has no such head.
        """
        self.check_head(head)
        parts = [self.predicted(x, head).double().cpu().numpy() for x in self._inputs(rows)]
        prediction_B = np.concatenate(parts)
        if head == "trained":
            prediction_B = self.intake.target.decode(prediction_B)
        bad_B = ~np.isfinite(prediction_B).reshape(len(prediction_B), -1).all(axis=1)
        if bad_B.any():
            raise UserError(f"the prediction of row {bad_B.argmax() + 1} is not finite: look at its values")
        return prediction_B

    def embed(self, rows: Any) -> np.ndarray:
        """Return the features (B, D) float32 that the heads see of rows, which are as `predict` takes them."""
        return np.concatenate([self.features(x).float().cpu().numpy() for x in self._inputs(rows)])

    def save(self, folder: str | Path) -> Path:
        """Write the model to a new folder: config, safetensors, how rows are read, a model card; return the folder.

        Raises UserError where something is in the folder already.
        """
        folder = Path(folder)
        if folder.resolve() == Path.cwd():
            raise UserError(f"{folder}: the current folder cannot be replaced: name a new folder")
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UserError(f"{folder}: something is there already: name a new folder, or remove it")
        scratch = folder.with_name(f".{folder.name}.new")
        with writing_to(folder, "name another folder, or make space"):
            shutil.rmtree(scratch, ignore_errors=True)
            scratch.mkdir(parents=True)
            parts = {"backbone": self.backbone} | {PREFIXES[name]: head for name, head in self.heads.items()}
            state = {f"{part}.{key}": value for part, module in parts.items() for key, value in _on_cpu(module)}
            sums = save_weights({Path(WEIGHTS).stem: state}, scratch)
            write_json(scratch / CONFIG, self.about | {"weights": sums})
            save_state(scratch, self.state)
            text = card(self.about, ", ".join(self.intake.labels), self.state["kind"], self.backbone.out_dim)
            (scratch / "README.md").write_text(text, encoding="utf-8")
            if folder.exists():
                folder.rmdir()
            put(scratch, folder)
        return folder

    def check_head(self, head: str) -> None:
        """Raise UserError where the model has no such head."""
        if head not in HEADS:
            raise UserError(f"head={head}: use one of {', '.join(HEADS)}")
        if head not in self.heads:
            raise UserError("head=ridge: this run has no ridge probe: runs of protocol=linear_probe have one")

    @torch.inference_mode()
    def features(self, x: Any) -> Tensor:
        """Return features (B, D) of what the reader made of rows."""
        return self.backbone(x)

    @torch.inference_mode()
    def predicted(self, x: Any, head: str) -> Tensor:
        """Return what a head makes of inputs, (B,) or (B, T): in label units for "ridge", else in those of the scale.

        In the run's precision, as its own predictions are: features that a head alone was trained on are float32.
        """
        if head == "ridge":
            return self.heads[head](self.features(x).double())
        h_BD = None if self.about["train_backbone"] else self.features(x)
        with self._autocast():
            return self.heads[head](self.features(x) if h_BD is None else h_BD)

    def _autocast(self) -> Any:
        dtype = AUTOCAST.get(self.about["precision"])
        return nullcontext() if dtype is None else torch.autocast(next(self.heads.parameters()).device.type, dtype)

    def inputs(self, rows: Any) -> dict[str, np.ndarray]:
        """Return what the backbone takes of rows, by the names of an exported network's inputs."""
        return {name: value.cpu().numpy() for name, value in named(self.intake.reader.read(rows)).items()}

    def _inputs(self, rows: Any) -> Iterator[Any]:
        """Yield the inputs of a few rows at a time, on the device."""
        if not hasattr(rows, "__len__"):
            rows = [*rows]
        if len(rows) == 0:
            raise UserError("there are no rows to predict: give at least one")
        if isinstance(self.intake.reader, TableReader | ColumnSignalReader):
            rows, doubts = self.intake.reader.parsed(rows)
            for doubt in doubts:
                log.warning("%s", doubt)
        for first in range(0, len(rows), AT_ONCE):
            part = (rows.iloc if hasattr(rows, "iloc") else rows)[first : first + AT_ONCE]
            try:
                x = self.intake.reader.read(part)
            except UserError as error:
                whole = len(rows) <= AT_ONCE
                raise error if whole else UserError(f"of rows {first + 1} to {first + len(part)}: {error}") from None
            yield {key: self._placed(value) for key, value in x.items()} if isinstance(x, dict) else self._placed(x)

    def _placed(self, x: Tensor) -> Tensor:
        """Return a tensor on the device, numbers with a fraction in the type of the trained weights."""
        weight = next(self.heads["trained"].parameters())
        return x.to(weight.device, weight.dtype if x.is_floating_point() else None)


def named(x: Any) -> dict[str, Tensor]:
    """Return the tensors of a backbone's input by name; a single one is "x"."""
    return x if isinstance(x, dict) else {"x": x}


def _on_cpu(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    return ((key, value.cpu()) for key, value in module.state_dict().items())
