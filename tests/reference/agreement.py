"""Batches for the loss tests, and the comparison of a loss with its reference in value and gradient."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from unittest.mock import patch

import torch
from torch import Tensor

PRECISIONS = [(torch.float64, 1e-10), (torch.float32, 1e-5)]


def embeddings(n: int, d: int = 5, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    """Random embeddings of unequal norms, (n, d)."""
    generator = torch.Generator().manual_seed(seed)
    scale = 0.3 + 2 * torch.rand(n, 1, generator=generator, dtype=torch.float64)
    return (scale * torch.randn(n, d, generator=generator, dtype=torch.float64)).to(dtype)


def draws(n: int, seed: int = 0) -> Tensor:
    """Mixing weights λ in (0, 1), another one for each ordered pair, (n, n)."""
    return torch.rand(n, n, generator=torch.Generator().manual_seed(1000 + seed), dtype=torch.float64)


def value_and_gradient(loss: Callable[[Tensor], Tensor], z_ND: Tensor) -> tuple[Tensor, Tensor]:
    z_ND = z_ND.detach().clone().requires_grad_()
    value = loss(z_ND)
    assert value.shape == ()
    (gradient_ND,) = torch.autograd.grad(value, z_ND)
    return value.detach(), gradient_ND


def assert_agrees(
    loss: Callable[[Tensor], Tensor], reference: Callable[[Tensor], Tensor], z_ND: Tensor, tolerance: float
) -> None:
    """The reference is run in float64. `tolerance` is relative to the value and to the largest gradient
    entry, but absolute where they are below 1.
    """
    expected, expected_ND = value_and_gradient(reference, z_ND.double())
    largest = max(expected_ND.abs().max().item(), 1.0)
    for form in both_forms():
        with form:
            value, gradient_ND = value_and_gradient(loss, z_ND)
        torch.testing.assert_close(value.double(), expected, rtol=tolerance, atol=tolerance)
        torch.testing.assert_close(gradient_ND.double(), expected_ND, rtol=tolerance, atol=tolerance * largest)


def both_forms() -> list[AbstractContextManager]:
    """Contexts in which losses run as compiled loops, where numba is installed, and as they are defined."""
    return [nullcontext(), patch("supremix.losses.jit.compiled_loops", lambda: None)]
