"""The losses on batches that hypothesis makes up: shapes, precisions, ties, norms, zero rows, windows, temperatures.

Every example checks that value and gradient are finite, equal to the loops in float64, and unmoved by another order of
the rows.
"""

from dataclasses import dataclass

import hypothesis
import hypothesis.strategies as st
import pytest
import torch

from supremix.losses import KernelContrastLoss, SimCSELoss, SupConLoss, SupCRLoss, SupReMixLoss
from tests.reference import supremix as reference
from tests.reference.agreement import both_forms, draws, value_and_gradient
from tests.reference.kernel import kernel_contrast_loss
from tests.reference.simcse import simcse_loss
from tests.reference.supcon import supcon_loss
from tests.reference.supcr import supcr_loss

TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-5, torch.bfloat16: 2e-2, torch.float16: 2e-2}
# Norms whose gradient, up to 1/(norm · τ), is a number of the precision too.
SCALES = {
    torch.float64: [1e-30, 1e-12, 1.0, 1e12, 1e30],
    torch.float32: [1e-30, 1e-12, 1.0, 1e12, 1e30],
    torch.bfloat16: [1e-30, 1e-12, 1.0, 1e12, 1e30],
    torch.float16: [1e-1, 1.0, 1e3],
}
ROUNDINGS = 2
"""Units in the last place by which a logit may be off, and with it, relatively, a term of a sum of exponentials.

Counted where logits grow with the norms of the embeddings; those of cosines are within the tolerances.
"""

LABELS = st.one_of(
    st.lists(st.integers(0, 6).map(float), min_size=1, max_size=9),
    st.lists(st.integers(0, 30).map(lambda tenths: tenths * 0.1), min_size=1, max_size=9),
    st.lists(st.integers(0, 60_000).map(lambda y: y * 1e-4), min_size=1, max_size=9),
)
TEMPERATURES = st.one_of(st.sampled_from([0.01, 0.1, 1.0, 10.0]), st.floats(0.01, 10.0))
WINDOWS = st.sampled_from([float("inf"), 2.0, 1.0, 0.5, 0.0])
PAPER = {"label_range": 6.0, "reduction": "label_sum"}
RELEASE = {
    "mix_space": "sphere",
    "renormalise": False,
    "detach_mixtures": True,
    "window_inclusive": False,
    "reduction": "mean",
}
ANY_FLAGS = st.fixed_dictionaries(
    {
        "mix_neg": st.booleans(),
        "mix_pos": st.booleans(),
        "weight": st.booleans(),
        "mix_space": st.sampled_from(["embedding", "sphere"]),
        "renormalise": st.booleans(),
        "detach_mixtures": st.booleans(),
        "window_inclusive": st.booleans(),
        "reduction": st.sampled_from(["mean", "label_sum"]),
        "label_range": st.sampled_from([None, 6.0]),
    }
)
FLAGS = st.one_of(st.sampled_from([PAPER, RELEASE]), ANY_FLAGS)


@dataclass(frozen=True)
class Drawn:
    """A batch: labels, and embeddings whose norms are about ``scale``, but for rows of zeros."""

    y_N: torch.Tensor
    z_ND: torch.Tensor
    scale: float


@st.composite
def batches(draw, dtype, scales, sentences=1):
    """Rows may be zero, or equal to another; ``sentences`` of 2 gives (N, 2, D)."""
    y = draw(LABELS)
    n, d, scale = len(y), draw(st.sampled_from([2, 3, 8])), draw(st.sampled_from(scales))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 10_000)))
    z_MD = torch.randn(n * sentences, d, generator=generator, dtype=torch.float64)
    z_MD *= 10 ** torch.empty(n * sentences, 1, dtype=torch.float64).uniform_(-1, 0.5, generator=generator)
    rows = st.integers(0, n * sentences - 1)
    for row in draw(st.lists(rows, max_size=2)):
        z_MD[row] = 0
    for copy, row in draw(st.lists(st.tuples(rows, rows), max_size=2)):
        z_MD[copy] = z_MD[row]
    z_MD = (z_MD * scale).to(dtype)
    return Drawn(torch.tensor(y, dtype=torch.float64), z_MD if sentences == 1 else z_MD.view(n, 2, d), scale)


def check(loss, expected_loss, batch, largest_logit=0.0):
    """``loss(z, y, order)`` of rows in any order against ``expected_loss(z)`` in float64.

    Gradients are compared times the scale of the embeddings, which they shrink with.
    """
    z_ND, y_N, dtype = batch.z_ND, batch.y_N, batch.z_ND.dtype
    computed = torch.promote_types(dtype, torch.float32)
    tolerance = TOLERANCE[dtype] + ROUNDINGS * torch.finfo(computed).eps * largest_logit
    limits = torch.finfo(dtype)
    spacing = limits.smallest_normal * limits.eps * batch.scale  # below the smallest normal number digits are lost

    def under_autocast(z, order_N):
        with torch.autocast("cpu", dtype=dtype, enabled=dtype != computed):
            return loss(z, y_N[order_N], order_N)

    # Of zero rows alone a loop's value depends on no row.
    expected, expected_ND = value_and_gradient(lambda z: expected_loss(z) + 0 * z.sum(), z_ND.double())
    largest = max((expected_ND * batch.scale).abs().max().item(), 1.0)
    orders = (torch.arange(len(y_N)), torch.arange(len(y_N)).roll(1).flip(0))
    for order_N in orders:
        for form in both_forms():
            with form:
                value, gradient_ND = value_and_gradient(lambda z, o=order_N: under_autocast(z, o), z_ND[order_N])
            assert value.dtype == computed
            assert gradient_ND.dtype == dtype
            assert value.isfinite()
            assert gradient_ND.isfinite().all()
            torch.testing.assert_close(value.double(), expected, rtol=tolerance, atol=tolerance)
            torch.testing.assert_close(
                gradient_ND.double() * batch.scale,
                expected_ND[order_N] * batch.scale,
                rtol=tolerance,
                atol=tolerance * largest + spacing,
            )


def examples(count):
    return hypothesis.settings(max_examples=count, deadline=None, derandomize=True)


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@examples(70)
@hypothesis.given(data=st.data())
def test_supremix(dtype, data):
    flags = data.draw(FLAGS)
    # Logits of mixtures of embeddings that are not renormalised grow with the norms.
    unbounded = flags.get("mix_space") != "sphere" and not flags.get("renormalise", True)
    batch = data.draw(batches(dtype, [1.0] if unbounded else SCALES[dtype]))
    norm_N = batch.z_ND.double().norm(dim=1)
    options = flags | {"temperature": data.draw(TEMPERATURES), "window": data.draw(WINDOWS)}
    # A mixture with a row of zeros leans (1 − λ)/λ times as far as that row moves, at logits of up to 1/τ: what should
    # cancel in its gradient leaves the rounding of those.
    largest_logit = (norm_N.max().item() if unbounded else float((norm_N == 0).any())) / options["temperature"]
    lam_NN = draws(len(batch.y_N), data.draw(st.integers(0, 100))).to(torch.promote_types(dtype, torch.float32))
    check(
        lambda z, y, order: SupReMixLoss(**options, on_no_positive="zero")(z, y, lam_NN[order][:, order]),
        lambda z: reference.supremix_loss(z, batch.y_N, lam_NN.double(), **options),
        batch,
        largest_logit,
    )


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@examples(25)
@hypothesis.given(data=st.data(), temperature=TEMPERATURES)
def test_supcon(dtype, data, temperature):
    batch = data.draw(batches(dtype, SCALES[dtype]))
    check(
        lambda z, y, order: SupConLoss(temperature, "zero")(z, y),
        lambda z: supcon_loss(z, batch.y_N, temperature=temperature),
        batch,
    )


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@examples(25)
@hypothesis.given(data=st.data(), temperature=TEMPERATURES)
def test_supcr(dtype, data, temperature):
    batch = data.draw(batches(dtype, [1e-3, 1.0, 1e3]))  # distances of raw embeddings, so logits grow with the norms
    check(
        lambda z, y, order: SupCRLoss(temperature)(z, y),
        lambda z: supcr_loss(z, batch.y_N, temperature=temperature),
        batch,
        torch.cdist(batch.z_ND.double(), batch.z_ND.double()).max().item() / temperature,
    )


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@examples(25)
@hypothesis.given(data=st.data(), temperature=TEMPERATURES)
def test_simcse(dtype, data, temperature):
    batch = data.draw(batches(dtype, SCALES[dtype], sentences=2))
    check(
        lambda z, y, order: SimCSELoss(temperature)(z, y),
        lambda z: simcse_loss(z, batch.y_N, temperature=temperature),
        batch,
    )


@pytest.mark.parametrize("form", ["y_aware", "threshold", "exp"])
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@examples(15)
@hypothesis.given(data=st.data(), temperature=TEMPERATURES)
def test_kernel_contrast(dtype, form, data, temperature):
    batch = data.draw(batches(dtype, SCALES[dtype]))
    options = {"temperature": temperature, "bandwidth": data.draw(st.sampled_from([2.0, 10.0])), "form": form}
    check(
        lambda z, y, order: KernelContrastLoss(**options)(z, y),
        lambda z: kernel_contrast_loss(z, batch.y_N, **options),
        batch,
    )


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize(
    "loss",
    [SupReMixLoss(0.5, 2.0), SupConLoss(0.5), SupCRLoss(), SimCSELoss(0.5), KernelContrastLoss(0.5, 2.0)],
    ids=repr,
)
def test_an_embedding_that_is_not_finite_shows_in_the_loss(loss, bad):
    z = torch.ones(4, 2, 3) if isinstance(loss, SimCSELoss) else torch.ones(4, 3)
    z[2] = bad
    assert not loss(z, torch.tensor([1.0, 3.0, 3.0, 4.0])).isfinite()
