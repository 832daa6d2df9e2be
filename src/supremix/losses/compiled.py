"""Compute losses by compiled `loops`, on a GPU by kernels, as one autograd function; else as they are defined."""

import math
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from supremix.losses import definition, gpu, jit, pairs
from supremix.losses.labels import Labels
from supremix.losses.windows import Windows

ROWS_OF_FLOAT32 = 64
"""Batches up to here take as long in float64, which needs no second try."""
PAIRS_A_TASK, TASKS = 1 << 18, 8
"""The fewest pairs that are worth a thread, and the most parts; the same whatever the threads, for the same bits."""


def usable(z_ND: Tensor) -> bool:
    """Return whether compiled loops may compute these embeddings."""
    return z_ND.device.type == "cpu" and jit.compiled_loops() is not None


def supremix(z_ND: Tensor, lam_NN: Tensor | None, windows: Windows, weights_2N: np.ndarray, loss: Any) -> Tensor:
    """Compute the loss, a scalar; arguments as of `definition.supremix`."""
    given = lam_NN, windows, weights_2N, loss

    def defined(z_ND: Tensor) -> Tensor:
        return definition.supremix(z_ND, *given)

    if windows.label_N.ndim == 2 or (lam_NN is not None and lam_NN.requires_grad):
        return defined(z_ND)
    if gpu.usable(z_ND, loss):
        return Loops.apply(z_ND, lambda z_ND: gpu.by_kernels(z_ND, *given), defined)
    if usable(z_ND):
        return Loops.apply(z_ND, lambda z_ND: by_loops(z_ND, *given), defined)
    return defined(z_ND)


class Loops(torch.autograd.Function):
    """A loss that computes its gradient together with its value. A second derivative is that of the definition."""

    @staticmethod
    def forward(ctx: Any, z_ND: Tensor, by_loops: Any, defined: Any) -> Tensor:
        """Compute the loss and keep its gradient.

        Args:
            z_ND: embeddings.
            by_loops: gives value and gradient of them; None where it cannot.
            defined: gives the value, with autograd.
        """
        result = by_loops(z_ND.detach().contiguous())
        if result is None:
            with torch.enable_grad():
                value = defined(given_ND := z_ND.detach().requires_grad_())
                result = value.item(), *torch.autograd.grad(value, given_ND)
        ctx.save_for_backward(z_ND, result[1])
        ctx.defined = defined
        return torch.as_tensor(result[0], dtype=z_ND.dtype)

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        """Scale the gradient that the forward pass computed."""
        z_ND, gradient_ND = ctx.saved_tensors
        if torch.is_grad_enabled():
            (gradient_ND,) = torch.autograd.grad(ctx.defined(z_ND), z_ND, create_graph=True)
        return upstream * gradient_ND, None, None


def by_loops(
    z_ND: Tensor, lam_NN: Tensor | None, windows: Windows, weights_2N: np.ndarray, loss: Any
) -> tuple[float, Tensor] | None:
    """Return SupReMix and its gradient (N, D), None where squares overflow or there is NaN, which must show.

    It is computed in float32 where that has the digits, which logits of 10 or less do.
    """
    bounded = loss.similarity == "cosine" and (loss.renormalise or loss.mix_space == "sphere")
    if z_ND.dtype == torch.float32 and len(z_ND) > ROWS_OF_FLOAT32 and bounded and loss.temperature >= 0.1:
        result = value_and_gradient(z_ND, lam_NN, windows, weights_2N, loss, np.float32)
        if result is not None:
            return result
    return value_and_gradient(z_ND, lam_NN, windows, weights_2N, loss, np.float64)


def supcr(z_ND: Tensor, labels: Labels, temperature: float) -> tuple[float, Tensor] | None:
    """Return SupCR and its gradient (N, D); None where logits are so far apart that plain sums underflow."""
    loops, n, order_N = jit.compiled_loops(), len(z_ND), np.argsort(labels.y_N, kind="stable")
    row_ND, square_NN, largest = centred_rows(z_ND, order_N)
    if not largest < (600 * temperature) ** 2:
        return None
    value_N, x_NN = np.empty(n), np.empty((n, n))
    loops.supcr(square_NN, labels.y_N[order_N], labels.tolerance, 1 / temperature, value_N, x_NN)
    loops.add_transposed(x_NN, square_NN, np.zeros(n))
    loops.of_differences(x_NN)
    return float(value_N.sum()) / (n * (n - 1)), by_rows(x_NN, row_ND, order_N, z_ND).div_(n * (n - 1))


def centred_rows(z_ND: Tensor, order_N: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Return embeddings in label order, centred, in float64, their squared distances (N, N), and the largest.

    Where squares may overflow it is infinity, and the distances are no numbers.
    """
    row_ND, _ = definition.NegativeDistance().rows(z_ND.index_select(0, torch.from_numpy(order_N)).double())
    square_NN = (row_ND @ row_ND.T).numpy()
    if not square_NN.trace() < 1e300:  # here, since compiled loops know no NaN
        return row_ND.numpy(), square_NN, math.inf
    return row_ND.numpy(), square_NN, jit.compiled_loops().squared_distances(square_NN)


def by_rows(k_NN: np.ndarray, row_ND: np.ndarray, order_N: np.ndarray, z_ND: Tensor, across: bool = False) -> Tensor:
    """Return the gradient K @ rows, of rows in label order, as that of the batch's embeddings.

    ``across`` leaves what is at right angles to each row, as only that moves a unit row.
    """
    sum_ND, gradient_ND = torch.from_numpy(k_NN) @ torch.from_numpy(row_ND), torch.empty_like(z_ND)
    jit.compiled_loops().in_batch_order(sum_ND.numpy(), row_ND, order_N, across, gradient_ND.numpy())
    return gradient_ND


def value_and_gradient(
    z_ND: Tensor, lam_NN: Tensor | None, windows: Windows, weights_2N: np.ndarray, loss: Any, dtype: Any
) -> tuple[float, Tensor] | None:
    """Return the loss and its gradient (N, D); None where ``dtype`` is float32 and loses digits, or squares overflow.

    Args:
        z_ND, lam_NN, windows, weights_2N, loss: as of `supremix`.
        dtype: NumPy's, of the computation.
    """
    given = read_by_loops(z_ND, lam_NN, windows, weights_2N, loss, dtype)
    if given is None:
        return None
    row_ND, rows, how = given
    filled = derivatives(rows, how, task_edges(windows, rows.bounds_4N), not loss.detach_mixtures)
    if filled is None:
        return None
    value_N, k_NN = filled
    value = float(value_N.sum())
    if loss.weight:  # R of eq. (5) divides every weight
        value -= float(weights_2N[0].sum()) * math.log(loss.label_range or windows.span)
    return value, by_rows(k_NN, row_ND, windows.order_N, z_ND, loss.mix_space == "sphere" and not how.l2)


def read_by_loops(
    z_ND: Tensor, lam_NN: Tensor | None, windows: Windows, weights_2N: np.ndarray, loss: Any, dtype: Any
) -> tuple[np.ndarray, Any, Any] | None:
    """Return rows in label order, (N, D), with `Rows` and `How` of the loops; None where ``dtype`` does not do."""
    loops, n, l2 = jit.compiled_loops(), len(z_ND), loss.similarity == "l2"
    on_sphere, renormalise, bound = loss.mix_space == "sphere", loss.renormalise and not l2, 0.0
    if l2:
        numbers_3N = np.ones((3, n), dtype)
        row_ND, between_NN, largest = centred_rows(z_ND, windows.order_N)
    else:
        row_ND, tiny = np.empty(z_ND.shape, dtype), torch.finfo(z_ND.dtype).tiny
        numbers_3N, smallest, largest = loops.unit_rows(
            z_ND.numpy(), windows.order_N, tiny, on_sphere, loss.renormalise, row_ND
        )
        if dtype == np.float32 and smallest < 1e-6:
            return None
        between_NN, bound = ((unit_ND := torch.from_numpy(row_ND)) @ unit_ND.T).numpy(), largest
    if largest == math.inf:
        return None
    if loss.detach_mixtures:
        numbers_3N[2] = 0
    bounds_4N = np.array(windows[3:])
    if not loss.mix_pos:
        bounds_4N[0], bounds_4N[3] = bounds_4N[1], bounds_4N[2]
    lam = np.empty((0, 0), dtype)
    if lam_NN is not None:
        lam = pairs.at_least_float32(lam_NN.detach()).numpy().astype(dtype, order="C", copy=False)
    rows = loops.Rows(between_NN, *numbers_3N, windows.label_N, bounds_4N, lam, weights_2N)
    return row_ND, rows, loops.How(l2, renormalise, loss.weight, 1 / loss.temperature, bound)


def derivatives(rows: Any, how: Any, edges: list[int], take_back: bool) -> tuple[np.ndarray, np.ndarray] | None:
    """Run the loops in parts; return the anchors' terms, (N,), and K, (N, N); None where float32 loses digits.

    Args:
        rows, how: as `read_by_loops` gives them.
        edges: where the parts begin and end.
        take_back: whether mixtures pass gradients on.
    """
    loops, n, dtype = jit.compiled_loops(), len(rows.between_NN), rows.between_NN.dtype
    value_N, x_NN, y_NN = np.empty(n), np.empty((n, n), dtype), np.empty((n, n), dtype)

    def part(first: int, last: int) -> tuple[float, np.ndarray, np.ndarray]:
        return loops.supremix(first, last, rows, how, value_N, x_NN, y_NN)

    threads = min(torch.get_num_threads(), len(edges) - 1)
    if threads > 1:
        with ThreadPoolExecutor(threads) as pool:
            parts = list(pool.map(part, edges[:-1], edges[1:]))
    else:
        parts = [part(first, last) for first, last in pairwise(edges)]
    if dtype == np.float32 and any(lost for lost, *_ in parts):
        return None

    loops.add_transposed(x_NN, y_NN, sum(diagonal_N for _, diagonal_N, _ in parts))
    if take_back:
        for first, last, (*_, back_PQ) in zip(edges[:-1], edges[1:], parts, strict=True):
            loops.add_back(rows, x_NN, first, last, back_PQ)
    if how.l2:
        loops.of_differences(x_NN)
    return value_N, x_NN


def task_edges(windows: Windows, bounds_4N: np.ndarray) -> list[int]:
    """Divide the anchors into parts of about the same number of pairs, each with all anchors of its labels."""
    n = len(windows.label_N)
    if n * n * (2 + n / 4) < PAIRS_A_TASK:  # whatever the windows
        return [0, n]
    pairs_N = 2 * n + (bounds_4N[1] - bounds_4N[0]) * (bounds_4N[3] - bounds_4N[2])
    total = int(pairs_N.sum())
    tasks = min(TASKS, 1 + total // PAIRS_A_TASK)
    if tasks == 1:
        return [0, n]
    cuts = np.searchsorted(np.cumsum(pairs_N), np.arange(1, tasks) * (total / tasks))
    return sorted({0, *np.searchsorted(windows.label_N, windows.label_N[cuts]).tolist(), n})
