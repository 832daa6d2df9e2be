"""Compute losses by compiled `loops`, on a GPU by kernels, as one autograd function; else as they are defined."""

import logging
import math
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from supremix.losses import definition, gpu
from supremix.losses.labels import Labels
from supremix.losses.windows import Windows, anchor_weights

log = logging.getLogger(__name__)

ROWS_OF_FLOAT32 = 64
"""Batches up to here take as long in float64, which needs no second try."""
PAIRS_A_TASK, TASKS = 1 << 18, 8
"""The fewest pairs that are worth a thread, and the most parts; the same whatever the threads, for the same bits."""


@cache
def compiled_loops() -> Any:
    """Return the module of compiled loops, None where it cannot be had; the log says once why."""
    try:
        from supremix.losses import loops
    except ModuleNotFoundError:
        log.info("numba is not installed (extra fast): losses run as defined, slower", extra={"file_only": True})
        return None
    except (RuntimeError, OSError) as error:  # no folder for its cache
        log.warning("numba cannot keep compiled loops (%s), so that losses are slower: set NUMBA_CACHE_DIR", error)
        return None
    return loops


def usable(z_ND: Tensor) -> bool:
    """Return whether compiled loops compute these embeddings: on a processor, and without NaN, which must show."""
    return z_ND.device.type == "cpu" and compiled_loops() is not None and math.isfinite(z_ND.detach().sum())


def supremix(z_ND: Tensor, lam_NN: Tensor | None, windows: Windows, loss: Any) -> Tensor:
    """Compute the loss, a scalar; arguments as of `definition.supremix`."""
    defined = partial(definition.supremix, lam_NN=lam_NN, windows=windows, loss=loss)
    if windows.label_N.ndim == 2 or (lam_NN is not None and lam_NN.requires_grad):
        return defined(z_ND)
    if gpu.usable(z_ND, loss):
        return Loops.apply(z_ND, partial(gpu.by_kernels, lam_NN=lam_NN, windows=windows, loss=loss), defined)
    if usable(z_ND):
        return Loops.apply(z_ND, partial(by_loops, lam_NN=lam_NN, windows=windows, loss=loss), defined)
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


def by_loops(z_ND: Tensor, lam_NN: Tensor | None, windows: Windows, loss: Any) -> tuple[float, Tensor] | None:
    """Return SupReMix and its gradient (N, D), None where squares overflow.

    It is computed in float32 where that has the digits, which logits of 10 or less do.
    """
    bounded = loss.similarity == "cosine" and (loss.renormalise or loss.mix_space == "sphere")
    if z_ND.dtype == torch.float32 and len(z_ND) > ROWS_OF_FLOAT32 and bounded and loss.temperature >= 0.1:
        result = value_and_gradient(z_ND, lam_NN, windows, loss, torch.float32)
        if result is not None:
            return result
    return value_and_gradient(z_ND, lam_NN, windows, loss, torch.float64)


def supcr(z_ND: Tensor, labels: Labels, temperature: float) -> tuple[float, Tensor] | None:
    """Return SupCR and its gradient (N, D); None where logits are so far apart that plain sums underflow."""
    loops, n, order_N = compiled_loops(), len(z_ND), np.argsort(labels.y_N, kind="stable")
    row_ND, square_NN, largest = centred_rows(z_ND, order_N)
    if not largest < (600 * temperature) ** 2:
        return None
    value_N, x_NN = np.empty(n), np.empty((n, n))
    loops.supcr(square_NN, labels.y_N[order_N], labels.tolerance, 1 / temperature, value_N, x_NN)
    loops.add_transposed(x_NN, square_NN, -x_NN.sum(0) - x_NN.sum(1))
    gradient_ND = (torch.from_numpy(x_NN) @ row_ND).div_(n * (n - 1))
    return float(value_N.sum()) / (n * (n - 1)), in_batch_order(gradient_ND, order_N, z_ND)


def centred_rows(z_ND: Tensor, order_N: np.ndarray) -> tuple[Tensor, np.ndarray, float]:
    """Return embeddings in label order, centred, in float64, their squared distances (N, N), and the largest.

    Where squares may overflow it is infinity, and the distances are no numbers.
    """
    row_ND, _ = definition.NegativeDistance().rows(z_ND.index_select(0, torch.from_numpy(order_N)).double())
    square_NN = (row_ND @ row_ND.T).numpy()
    if not square_NN.trace() < 1e300:  # here, since compiled loops know no NaN
        return row_ND, square_NN, math.inf
    return row_ND, square_NN, compiled_loops().squared_distances(square_NN)


def in_batch_order(row_ND: Tensor, order_N: np.ndarray, z_ND: Tensor) -> Tensor:
    """Return rows that are in label order in the order, and in the dtype, of the batch's embeddings."""
    compiled_loops().in_batch_order(row_ND.numpy(), order_N, (given_ND := torch.empty_like(z_ND)).numpy())
    return given_ND


def value_and_gradient(
    z_ND: Tensor, lam_NN: Tensor | None, windows: Windows, loss: Any, dtype: torch.dtype
) -> tuple[float, Tensor] | None:
    """Return the loss and its gradient (N, D); None where ``dtype`` is float32 and loses digits, or squares overflow.

    Args:
        z_ND, lam_NN, windows, loss: as of `supremix`.
        dtype: of the computation.
    """
    given = read_by_loops(z_ND, lam_NN, windows, loss, dtype)
    if given is None:
        return None
    row_ND, rows, how = given
    filled = derivatives(rows, how, task_edges(windows, rows.bounds_4N), not loss.detach_mixtures)
    if filled is None:
        return None
    value_N, k_NN = filled[0], torch.from_numpy(filled[1])
    if how.l2:
        k_NN.fill_diagonal_(0).diagonal().sub_(k_NN.sum(1))
    gradient_ND = k_NN @ row_ND
    if loss.mix_space == "sphere" and not how.l2:  # a unit row moves only at right angles to itself
        gradient_ND -= (gradient_ND * row_ND).sum(1, keepdim=True) * row_ND
    value = float(value_N.sum())
    if loss.weight:  # R of eq. (5) divides every weight
        value -= float(rows.weights_2N[0].sum()) * math.log(loss.label_range or windows.span)
    return value, in_batch_order(gradient_ND, windows.order_N, z_ND)


def read_by_loops(
    z_ND: Tensor, lam_NN: Tensor | None, windows: Windows, loss: Any, dtype: torch.dtype
) -> tuple[Tensor, Any, Any] | None:
    """Return rows in label order, (N, D), with `Rows` and `How` of the loops; None where ``dtype`` does not do."""
    loops, n, l2 = compiled_loops(), len(z_ND), loss.similarity == "l2"
    on_sphere, renormalise = loss.mix_space == "sphere", loss.renormalise
    array_dtype: Any = np.float32 if dtype == torch.float32 else np.float64
    numbers_3N, bound = np.ones((3, n), array_dtype), 0.0
    if l2:
        row_ND, between_NN, largest = centred_rows(z_ND, windows.order_N)
        if math.isinf(largest):
            return None
    else:
        row_ND, tiny = torch.empty(z_ND.shape, dtype=dtype), torch.finfo(z_ND.dtype).tiny
        smallest, largest = loops.unit_rows(
            z_ND.numpy(), windows.order_N, tiny, on_sphere, renormalise, row_ND.numpy(), numbers_3N
        )
        if dtype == torch.float32 and smallest < 1e-6:
            return None
        between_NN, bound = (row_ND @ row_ND.T).numpy(), 1.0 if renormalise else max(1.0, largest)
    if loss.detach_mixtures:
        numbers_3N[2] = 0
    weights_2N, bounds_4N = np.array(anchor_weights(windows, loss)), np.array(windows[3:])
    if not loss.mix_pos:
        bounds_4N[0], bounds_4N[3] = bounds_4N[1], bounds_4N[2]
    lam = np.empty((0, 0), array_dtype) if lam_NN is None else lam_NN.detach().to(dtype).contiguous().numpy()
    rows = loops.Rows(between_NN, *numbers_3N, windows.label_N, bounds_4N, lam, weights_2N)
    return row_ND, rows, loops.How(l2, renormalise and not l2, loss.weight, 1 / loss.temperature, bound)


def derivatives(rows: Any, how: Any, edges: list[int], take_back: bool) -> tuple[np.ndarray, np.ndarray] | None:
    """Run the loops in parts; return the anchors' terms, (N,), and K, (N, N); None where float32 loses digits.

    Args:
        rows, how: as `read_by_loops` gives them.
        edges: where the parts begin and end.
        take_back: whether mixtures pass gradients on.
    """
    loops, bounds_4N, dtype = compiled_loops(), rows.bounds_4N, rows.between_NN.dtype
    n = len(rows.between_NN)
    x_NN, y_NN, value_N = np.empty((n, n), dtype), np.empty((n, n), dtype), np.empty(n)

    def part(first: int, last: int) -> tuple[float, int, int, np.ndarray, np.ndarray]:
        low, high = bounds_4N[0, first], bounds_4N[2, first]
        back_PQ = np.zeros((bounds_4N[1, last - 1] - low, bounds_4N[3, last - 1] - high), dtype)
        diagonal_N = np.zeros(n, dtype)
        lost = loops.supremix(first, last, rows, how, value_N, x_NN, y_NN, back_PQ, diagonal_N)
        return lost, low, high, back_PQ, diagonal_N

    threads = min(torch.get_num_threads(), len(edges) - 1)
    if threads > 1:
        with ThreadPoolExecutor(threads) as pool:
            parts = list(pool.map(part, edges[:-1], edges[1:]))
    else:
        parts = [part(first, last) for first, last in pairwise(edges)]
    if dtype == np.float32 and any(lost for lost, *_ in parts):
        return None

    loops.add_transposed(x_NN, y_NN, sum(diagonal_N for *_, diagonal_N in parts))
    if take_back:
        for _, low, high, back_PQ, _ in parts:
            if back_PQ.size:
                loops.add_back(rows, x_NN, low, high, back_PQ)
    return value_N, x_NN


def task_edges(windows: Windows, bounds_4N: np.ndarray) -> list[int]:
    """Divide the anchors into parts of about the same number of pairs, each with all anchors of its labels."""
    n = len(windows.label_N)
    pairs_N = 2 * n + (bounds_4N[1] - bounds_4N[0]) * (bounds_4N[3] - bounds_4N[2])
    total = int(pairs_N.sum())
    tasks = min(TASKS, 1 + total // PAIRS_A_TASK)
    if tasks == 1:
        return [0, n]
    cuts = np.searchsorted(np.cumsum(pairs_N), np.arange(1, tasks) * (total / tasks))
    return sorted({0, *np.searchsorted(windows.label_N, windows.label_N[cuts]).tolist(), n})
