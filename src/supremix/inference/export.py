"""Export the network of a model to ONNX or torch.export, with any number of rows, and check it against the model."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from supremix.errors import UserError, needs
from supremix.inference.graph import OUTPUTS, Graph, examples, is_sequence
from supremix.inference.model import Model

FILES = {"onnx": "model.onnx", "torch": "model.pt2"}
CHECKED = ((1, 0), (5, 3))
"""Rows, and steps by which sequences are longer than in the export, of the inputs that are compared."""
SPREAD_OVER = 32
"""Rows whose outputs say what their spread is."""
TOLERANCE = 1e-4
"""Largest difference of outputs, as a part of their spread over the rows."""

Arrays = dict[str, np.ndarray]
Run = Callable[[Arrays], list[np.ndarray]]
"""From inputs by name to the outputs of an exported network."""


def export(model: Model, to: str, folder: Path, head: str = "trained") -> float:
    """Write the network to a file in a folder that is there, and compare its outputs with the model's.

    Args:
        model: on the CPU.
        to: "onnx" or "torch".
        folder: where ``model.onnx`` or ``model.pt2`` is written.
        head: whose predictions it gives.

    Returns:
        The largest difference from the model, as a part of the outputs' spread.

    Raises:
        UserError: a package is missing, the network cannot be exported, or the outputs differ.
    """
    model.check_head(head)
    if "inputs" not in model.state:
        raise UserError("this run does not hold the form of its inputs: run it again with rerun=true")
    example = examples(model, 2)
    graph = Graph(model, head, tuple(example)).eval()
    path = folder / FILES[to]
    with warnings.catch_warnings(action="ignore"):  # torch's, on its own workings
        run = (_to_onnx if to == "onnx" else _to_torch)(graph, example, path)
        spread = [float(np.std(out)) or 1.0 for out in _outputs(graph, examples(model, SPREAD_OVER))]
        worst = max(_difference(graph, run, examples(model, *size), spread) for size in CHECKED)
    if not worst <= TOLERANCE:
        path.unlink()
        raise UserError(
            f"{path}: its outputs differ from the model's by {worst:.2g} of their spread, more than {TOLERANCE:g}: "
            "nothing was kept"
        )
    return worst


def _to_torch(graph: Graph, example: dict[str, torch.Tensor], path: Path) -> Run:
    torch.export.save(_program(graph, example), path)
    loaded = torch.export.load(path).module()
    return lambda inputs: [out.detach().numpy() for out in loaded(*map(torch.from_numpy, inputs.values()))]


def _to_onnx(graph: Graph, example: dict[str, torch.Tensor], path: Path) -> Run:
    for module in ("onnx", "onnxscript", "onnxruntime"):
        needs(module, extra="export")
    import onnxruntime

    program = torch.onnx.export(
        _program(graph, example),
        input_names=[*example],
        output_names=[*OUTPUTS],
        dynamo=True,
        external_data=False,
        verbose=False,
    )
    assert program is not None
    program.save(path)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda inputs: session.run([*OUTPUTS], inputs)


def _program(graph: Graph, example: dict[str, torch.Tensor]) -> Any:
    """Trace the graph with any number of rows, and any length of sequences."""
    free = torch.export.Dim.DYNAMIC
    shapes = tuple(
        {0: free} | ({value.ndim - 1: free} if is_sequence(name, example) else {}) for name, value in example.items()
    )
    try:
        with torch.no_grad():
            return torch.export.export(
                graph,
                tuple(example.values()),
                dynamic_shapes=(shapes,),
                strict=False,
            )
    except Exception as error:  # torch.export raises types of its own
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"backbone={type(graph.backbone).__name__}: it cannot be exported ({reason})") from error


def _difference(graph: Graph, run: Run, inputs: dict[str, torch.Tensor], spread: list[float]) -> float:
    """Return the largest difference between what two ways make of inputs, as a part of the outputs' spread."""
    outputs = run({name: value.numpy() for name, value in inputs.items()})
    pairs = zip(outputs, _outputs(graph, inputs), spread, strict=True)
    return max(float(np.abs(np.asarray(output) - other).max()) / scale for output, other, scale in pairs)


@torch.inference_mode()
def _outputs(graph: Graph, inputs: dict[str, torch.Tensor]) -> list[np.ndarray]:
    return [out.numpy() for out in graph(*inputs.values())]
