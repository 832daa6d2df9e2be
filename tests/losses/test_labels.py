"""Labels as callers give them: arrays and lists, damage, steps of any size; and losses in a compiled training step."""

import math

import numpy as np
import pytest
import torch

from supremix.losses import KernelContrastLoss, SimCSELoss, SupConLoss, SupCRLoss, SupReMixLoss, definition
from supremix.losses.labels import read_label_vectors, read_labels
from supremix.losses.windows import anchor_weights
from tests.reference import supremix as reference
from tests.reference.agreement import assert_agrees, draws, embeddings, value_and_gradient
from tests.reference.supcon import supcon_loss
from tests.reference.supcr import supcr_loss

LOSSES = {
    "supremix": SupReMixLoss(0.5, 2.0, mix_neg=False),  # the one part that draws
    "supremix l2": SupReMixLoss(0.5, 2.0, mix_neg=False, similarity="l2"),
    "supcon": SupConLoss(0.5),
    "simcse": SimCSELoss(0.5),
}
VECTORS = {form: KernelContrastLoss(0.5, 20.0, form) for form in ("y_aware", "threshold", "exp")}  # may be labels, too
VECTORS |= {"supcr": SupCRLoss(2.0), "supcon": LOSSES["supcon"]}
NUMBERS, LOSSES = LOSSES.keys() - VECTORS.keys(), LOSSES | VECTORS
LABELS = [3.0, 1.0, 0.0, 3.0, 2.0, 5.0, 2.0]


def inputs(name, n=7):
    return embeddings(2 * n).view(n, 2, 5) if name == "simcse" else embeddings(n)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("of", [list, tuple, np.array, lambda y: np.array(y, dtype=np.int64), lambda y: [*np.array(y)]])
def test_arrays_and_lists_are_labels_too(name, of):
    loss, z = LOSSES[name], inputs(name)
    assert torch.equal(loss(z, of(LABELS)), loss(z, torch.tensor(LABELS)))
    counts = loss.count_positives(of(LABELS))
    assert torch.equal(counts, loss.count_positives(torch.tensor(LABELS)))
    assert counts.shape == (7,)


def test_labels_in_a_list_keep_their_digits():
    y = [0.0, 1 + 1e-9, 1 + 3e-9]
    assert SupCRLoss()(embeddings(3), y) == SupCRLoss()(embeddings(3), torch.tensor(y, dtype=torch.float64))


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("of", [list, np.array, torch.tensor, lambda y: torch.tensor(y, dtype=torch.float16)])
def test_a_label_that_is_not_finite_is_named_by_its_row(name, bad, of):
    y = [*LABELS[:4], bad, *LABELS[5:]]
    for call in (lambda: LOSSES[name](inputs(name), of(y)), lambda: LOSSES[name].count_positives(of(y))):
        with pytest.raises(ValueError, match=rf"^y_N\[4\] is {bad}: leave out rows without a label$"):
            call()
    y[5] = bad
    with pytest.raises(ValueError, match=r"^y_N\[4\] is .*, and those of 1 other rows are not finite: "):
        LOSSES[name](inputs(name), of(y))


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize(
    ("y_N", "named"),
    [
        (LABELS[:6], r"one label for each of the 7 rows, got shape \(6,\)$"),
        (3.0, r"got shape \(\)"),
        ([], r"got shape \(0,\)"),
        (["a"] * 7, "real numbers"),
        (["3"] * 7, "real numbers"),
        ([None] * 7, r"y_N\[0\] is nan, and those of 6 other rows"),
        ([[1.0], [1.0, 2.0]], "real numbers"),
        (torch.ones(7, dtype=torch.complex64), "real numbers, one for each row: got complex64"),
        ([-3e38, 3e38, *LABELS[2:]], r"spans -3e\+38 to 3e\+38, more than float32 holds"),
        ([-1.7e308, 1.7e308, *LABELS[2:]], "more than float32 holds"),
    ],
)
def test_labels_that_are_none_are_refused_in_words(name, y_N, named):
    with pytest.raises(ValueError, match=named):
        LOSSES[name](inputs(name), y_N)


@pytest.mark.parametrize("name", sorted(NUMBERS))
def test_labels_that_are_vectors_are_refused_where_only_numbers_will_do(name):
    with pytest.raises(ValueError, match=r"got shape \(7, 2\)$"):
        LOSSES[name](inputs(name), torch.ones(7, 2))


def test_a_column_of_labels_is_refused_with_the_way_out():
    with pytest.raises(ValueError, match=r"got shape \(7, 1\); squeeze\(1\) makes a column of labels \(N,\)"):
        LOSSES["simcse"](inputs("simcse"), [[label] for label in LABELS])


@pytest.mark.parametrize("name", VECTORS)
def test_vectors_are_labels_in_any_form_too(name):
    y_NT = torch.tensor([LABELS, [label % 2 for label in LABELS]]).T
    value = LOSSES[name](inputs(name), y_NT)
    for of in (y_NT.numpy(), y_NT.tolist(), y_NT.double()):
        torch.testing.assert_close(LOSSES[name](inputs(name), of), value, rtol=1e-12, atol=0)
    column = [[label] for label in LABELS]
    assert torch.equal(LOSSES[name](inputs(name), column), LOSSES[name](inputs(name), LABELS))
    y_NT[4, 1] = math.nan
    with pytest.raises(ValueError, match=r"^y_N\[4\] is nan: leave out rows without a label$"):
        LOSSES[name](inputs(name), y_NT)
    with pytest.raises(ValueError, match=r"got shape \(7, 0\)"):
        LOSSES[name](inputs(name), y_NT[:, :0])


@pytest.mark.parametrize("name", LOSSES)
def test_embeddings_that_are_no_tensor_are_refused_in_words(name):
    with pytest.raises(ValueError, match=r"must be a tensor .* got ndarray"):
        LOSSES[name](inputs(name).numpy(), LABELS)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_embeddings_that_are_not_finite_show_in_value_and_gradient(name, bad):
    """A check of every batch would wait for the device; a fit looks at its losses and names the rows."""
    z = inputs(name)
    z[0, ..., 0] = bad
    value, gradient = value_and_gradient(lambda z: LOSSES[name](z, LABELS), z)
    assert not value.isfinite()
    assert not gradient.isfinite().all()


@pytest.mark.parametrize("scale", [1e-12, 1e-7, 1e-3, 1.0, 1e6, 1e12])
@pytest.mark.parametrize("offset", [0.0, 100.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_labels_are_as_many_as_they_are_at_any_scale(scale, offset, dtype):
    """Offsets are counted in steps, so that the labels are distinct in their type."""
    y_N = ((torch.arange(8, dtype=torch.float64) + offset) * scale).to(dtype)
    assert SupConLoss(0.5).count_positives(y_N).tolist() == [0] * 8
    assert SupConLoss(0.5).count_positives(y_N[[0, 1, 2, 1, 4, 5, 0, 1]]).tolist() == [1, 2, 0, 2, 0, 0, 1, 2]
    # A window of two steps, both ends included.
    loss = SupReMixLoss(0.5, 2 * scale, mix_neg=False)
    assert loss.count_positives(y_N).tolist() == [0, 2, 4, 4, 4, 4, 2, 0]
    z_ND = embeddings(8)
    ages_N = torch.arange(8.0)
    torch.testing.assert_close(SupCRLoss()(z_ND, y_N), SupCRLoss()(z_ND, ages_N), rtol=1e-12, atol=0)
    unweighted = {"mix_neg": False, "weight": False}
    value = SupReMixLoss(0.5, 2 * scale, **unweighted)(z_ND, y_N)
    expected = SupReMixLoss(0.5, 2.0, **unweighted)(z_ND, ages_N)
    torch.testing.assert_close(value, expected, rtol=1e-6, atol=0)  # the shares of a mixture are ratios of labels


@pytest.mark.parametrize("scale", [1e-12, 1e-7, 1e12])
def test_losses_equal_their_loops_at_any_scale_of_labels(scale):
    y_N, z_ND, lam_NN = torch.tensor(LABELS, dtype=torch.float64) * scale, embeddings(7), draws(7)
    options = {"temperature": 0.5, "window": 2 * scale}
    loss = SupReMixLoss(**options)
    assert_agrees(
        lambda z: loss(z, y_N, lam_NN), lambda z: reference.supremix_loss(z, y_N, lam_NN, **options), z_ND, 1e-9
    )
    assert_agrees(lambda z: SupConLoss(0.5)(z, y_N), lambda z: supcon_loss(z, y_N, temperature=0.5), z_ND, 1e-10)
    assert_agrees(lambda z: SupCRLoss()(z, y_N), lambda z: supcr_loss(z, y_N), z_ND, 1e-10)


def test_labels_that_are_all_zero_are_one_label():
    assert len(read_label_vectors(np.zeros(3)).distinct()[0]) == 1
    assert len(read_label_vectors([[0.0, 1.0], [0.0, 1.0], [0.0, 2.0]]).distinct()[0]) == 2


def test_the_sign_of_labels_is_no_matter_of_which_are_the_same():
    y_N = np.array([4.25, 4.5, 100.0], dtype=np.float32)
    assert read_labels(-y_N).tolerance == read_labels(y_N).tolerance > 1e-6


def test_eight_labels_a_step_of_a_tenth_of_a_millionth_apart_are_eight():
    steps_N = torch.arange(8, dtype=torch.float64) * 1e-7
    for y_N in (steps_N, steps_N + 1.0, steps_N.float()):
        assert SupConLoss(0.5).count_positives(y_N).tolist() == [0] * 8


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("low", [0, 43])
def test_bins_of_a_tenth_are_whole_steps_apart_in_either_precision(dtype, low):
    """0.1 has no finite binary form; whole numbers of the same steps say what is right, in wide and narrow batches."""
    for high in (low + 3, 51):
        steps_N = torch.arange(low, high).repeat(2)
        tenths_N = (steps_N.double() * 0.1).to(dtype)
        for window in (1, 2, 3):
            for inclusive in (True, False):
                counts = [
                    SupReMixLoss(0.5, reach, window_inclusive=inclusive).count_positives(y_N).tolist()
                    for reach, y_N in ((window * 0.1, tenths_N), (float(window), steps_N))
                ]
                assert counts[0] == counts[1]


@pytest.mark.parametrize("name", LOSSES)
def test_a_compiled_training_step_equals_the_plain_one(name):
    """Backend eager: what TorchDynamo traces is what counts, not a compiler."""
    torch._dynamo.reset()
    shape = (6, 2, 4) if name == "simcse" else (6, 4)
    x, y_N = torch.randn(shape, generator=torch.Generator().manual_seed(0)), torch.tensor([20.0, 20, 23, 25, 30, 61])

    def fitted(compiled):
        torch.manual_seed(0)
        net = torch.nn.Linear(4, 8)
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)

        def step(x, y_N):
            optimizer.zero_grad()
            loss = LOSSES[name](net(x), y_N)
            loss.backward()
            optimizer.step()
            return loss.detach()

        step = torch.compile(step, backend="eager") if compiled else step
        losses = [step(x, y_N), step(x[:5], y_N[:5]), step(x, y_N.tolist())]
        return torch.stack([*losses, net.weight.detach().sum()])

    # Rounding, since TorchDynamo of 2.11 takes the optimizer's step in another order of operations than eager code.
    torch.testing.assert_close(fitted(compiled=True), fitted(compiled=False), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_compiled_by_itself_draws_and_refuses_as_ever(name):
    torch._dynamo.reset()
    loss = SupReMixLoss(0.5, 2.0) if name == "supremix" else LOSSES[name]
    compiled, z = torch.compile(loss, backend="eager"), inputs(name)
    torch.manual_seed(0)
    value = compiled(z, torch.tensor(LABELS))
    torch.manual_seed(0)
    assert torch.equal(value, loss(z, torch.tensor(LABELS)))
    with pytest.raises(ValueError, match=r"y_N\[0\] is nan"):
        compiled(z, torch.full((7,), math.nan))


@pytest.mark.parametrize("settings", [{}, {"similarity": "l2"}, {"mix_neg": False}])
def test_loops_and_definition_agree_on_which_labels_are_the_same_to_the_last_bit(settings):
    """A difference of two labels rounds where label ± tolerance does not: 1e9 + k/2²³ with k from 0 to 3."""
    pytest.importorskip("numba")
    generator = torch.Generator().manual_seed(0)
    z_ND = torch.randn(8, 4, generator=generator, dtype=torch.float64)
    for seed in range(40):
        steps_N = np.random.default_rng(seed).integers(0, 4, 8)
        y_N, loss = 1e9 + steps_N * 2.0**-23, SupReMixLoss(1.0, 1e-7, on_no_positive="zero", **settings)
        lam_NN = torch.full((8, 8), 0.3, dtype=torch.float64)
        windows = loss._windows(read_label_vectors(y_N))
        lam = None if settings.get("mix_neg") is False else lam_NN
        expected = definition.supremix(z_ND, lam, windows, anchor_weights(windows, loss), loss)
        assert torch.allclose(loss(z_ND, y_N, lam_NN), expected, rtol=1e-12)
