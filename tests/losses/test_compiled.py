"""Compiled loops of the losses: the same bits for any number of threads, and a way on where they cannot be had."""

import ast
import inspect
import itertools
import logging
import math
import sys

import numpy as np
import pytest
import torch

import supremix.losses
from supremix.losses import SupCRLoss, SupReMixLoss, compiled, jit
from supremix.losses.labels import read_labels
from supremix.losses.windows import Windows, find_windows, sorted_bounds, weights
from tests.reference.agreement import draws, embeddings, value_and_gradient

pytest.importorskip("numba")
TYPES = (torch.float32, torch.float64)


@pytest.fixture
def numba_anew(monkeypatch):
    """The choice between loops and definition made anew, before and after."""
    jit.compiled_loops.cache_clear()
    monkeypatch.delitem(sys.modules, "supremix.losses.loops", raising=False)
    monkeypatch.delattr(supremix.losses, "loops", raising=False)
    yield monkeypatch
    jit.compiled_loops.cache_clear()


def is_compiled(value):
    return type(value.grad_fn).__name__ == "LoopsBackward"


def test_losses_on_processors_are_compiled():
    z_ND, y_N = embeddings(7).requires_grad_(), torch.arange(7.0) // 2
    for loss in (SupReMixLoss(0.5, 2.0), SupReMixLoss(0.5, 2.0, similarity="l2"), SupCRLoss()):
        assert is_compiled(loss(z_ND, y_N))


def test_few_rows_are_computed_in_float64_at_once(monkeypatch):
    asked = []
    monkeypatch.setattr(compiled, "value_and_gradient", lambda *given: asked.append(given[-1]) or (0.0, given[0]))
    for rows, limit in [(8, 8), (9, 8)]:
        monkeypatch.setattr(compiled, "ROWS_OF_FLOAT32", limit)
        SupReMixLoss(0.5, 2.0)(embeddings(rows, dtype=torch.float32).requires_grad_(), torch.arange(float(rows)) // 2)
    assert asked == [np.float64, np.float32]


@pytest.mark.parametrize("similarity", ["cosine", "l2"])
def test_threads_change_no_bit(monkeypatch, similarity):
    monkeypatch.setattr(compiled, "PAIRS_A_TASK", 1000)
    y_N, z_ND = torch.from_numpy(np.random.default_rng(0).integers(0, 40, 90)), embeddings(90, dtype=torch.float32)
    loss = SupReMixLoss(0.5, 5.0, similarity=similarity)
    windows = find_windows(read_labels(y_N), 5.0, True)
    assert len(compiled.task_edges(windows, np.array(windows[3:]))) == compiled.TASKS + 1
    found, threads = [], torch.get_num_threads()
    try:
        for number in (1, 2, 5):
            torch.set_num_threads(number)
            found.append(value_and_gradient(lambda z: loss(z, y_N, draws(90)), z_ND))
    finally:
        torch.set_num_threads(threads)
    for value, gradient_ND in found[1:]:
        assert torch.equal(value, found[0][0])
        assert torch.equal(gradient_ND, found[0][1])


def test_what_follows_from_labels_is_the_same_compiled_or_not():
    assert jit.compiled_loops() is not None  # loops are in use
    for seed in range(20):
        generator = np.random.default_rng(seed)
        y_N = generator.integers(0, 9, 40) / 10 if seed % 2 else generator.normal(size=40)
        found, expected = (form(y_N, 1e-9, 0.3) for form in (sorted_bounds, sorted_bounds.__wrapped__))
        for given, plain in zip(found, expected, strict=True):
            assert np.array_equal(given, plain)
        windows = Windows(*found[:2], 1e-9, *found[2:])
        for mix_pos, mean in itertools.product([False, True], repeat=2):
            given = windows.count_positives(mix_pos), windows.high_N - windows.same_N, mean
            assert np.array_equal(weights(*given), weights.__wrapped__(*given))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64, torch.int64])
def test_draws_of_any_type_are_read(dtype):
    z_ND, y_N, lam_NN = embeddings(9, dtype=torch.float32), torch.arange(9.0) // 2, draws(9).to(dtype)
    loss = SupReMixLoss(0.5, 2.0)
    assert torch.equal(loss(z_ND, y_N, lam_NN), loss(z_ND, y_N, lam_NN.float()))


def test_labels_that_are_one_in_float32_are_two():
    y_N = torch.from_numpy(np.random.default_rng(0).integers(0, 30, 90)).double()
    y_N[0], loss = -1e8, SupReMixLoss(0.5, 3.0)
    found = [value_and_gradient(lambda z: loss(z, y_N, draws(90).to(z.dtype)), embeddings(90, dtype=t)) for t in TYPES]
    (value, gradient_ND), (exact, exact_ND) = found
    torch.testing.assert_close(value.double(), exact, rtol=1e-5, atol=0)
    torch.testing.assert_close(gradient_ND.double(), exact_ND, rtol=1e-4, atol=1e-5 * exact_ND.abs().max().item())


def test_loops_that_others_call_are_inlined():
    from supremix.losses import loops

    called = {node.func.id for node in ast.walk(ast.parse(inspect.getsource(loops))) if is_call_by_name(node)}
    inner = {name: getattr(loops, name) for name in called if hasattr(getattr(loops, name, None), "targetoptions")}
    assert {"terms", "mix_pos", "take_back"} < set(inner)
    assert not [name for name, function in inner.items() if not function.targetoptions.get("forceinline")]


def is_call_by_name(node):
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name)


def test_without_numba_losses_run_as_defined_and_say_so_once(numba_anew, caplog):
    numba_anew.setitem(sys.modules, "numba", None)
    caplog.set_level(logging.INFO)
    for _ in range(2):
        assert not is_compiled(SupReMixLoss(0.5, 2.0)(embeddings(7).requires_grad_(), torch.arange(7.0) // 2))
    assert caplog.messages == ["numba is not installed (extra fast): losses run as defined, slower"]


def test_without_a_folder_for_its_cache_losses_run_as_defined_and_say_so_once(numba_anew, caplog):
    def refuses(**options):
        raise RuntimeError("cannot cache function 'terms': no locator available for file 'loops.py'")

    numba_anew.setattr("numba.njit", refuses)
    for _ in range(2):
        assert not is_compiled(SupReMixLoss(0.5, 2.0)(embeddings(7).requires_grad_(), torch.arange(7.0) // 2))
    (line,) = caplog.messages
    assert line.startswith("numba cannot keep compiled loops (cannot cache function")
    assert line.endswith("set NUMBA_CACHE_DIR")


@pytest.mark.parametrize("settings", [{}, {"temperature": 0.01}, {"similarity": "l2"}, {"renormalise": False}])
def test_what_is_far_from_the_origin_or_at_a_low_temperature_agrees_with_the_definition(settings, monkeypatch):
    loss = SupReMixLoss(**{"temperature": 0.5, "window": 2.0} | settings)
    z_ND, y_N = 1e3 * embeddings(12), torch.arange(12.0) // 2
    value, gradient_ND = value_and_gradient(lambda z: loss(z, y_N, draws(12)), z_ND)
    monkeypatch.setattr(jit, "compiled_loops", lambda: None)
    expected, expected_ND = value_and_gradient(lambda z: loss(z, y_N, draws(12)), z_ND)
    torch.testing.assert_close(value, expected, rtol=1e-9, atol=0)
    torch.testing.assert_close(gradient_ND, expected_ND, rtol=1e-7, atol=1e-9 * expected_ND.abs().max().item())


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("similarity", ["cosine", "l2"])
def test_loops_know_no_nan_and_leave_it_to_the_definition(monkeypatch, similarity, bad):
    z_ND, asked = embeddings(9), []
    z_ND[4, 1] = bad
    monkeypatch.setattr(compiled, "derivatives", lambda *given: asked.append(given))
    assert SupReMixLoss(1.0, 2.0, similarity=similarity)(z_ND, torch.arange(9.0) // 2).isnan()
    assert not asked


@pytest.mark.parametrize("loss", [SupCRLoss(), SupReMixLoss(1.0, 2.0, similarity="l2")], ids=["supcr", "supremix"])
def test_squares_that_overflow_show(loss):
    z_ND = (1e160 * embeddings(9).double()).requires_grad_()
    value = loss(z_ND, torch.arange(9.0) // 2)
    value.backward()
    assert not (value.isfinite() and z_ND.grad.isfinite().all())


def test_padding_of_mix_pos_far_from_all_adds_nothing():
    """With a distance d of all rows, e^d of padding beyond the range of numbers was multiplied by 0."""
    loss, y_N = SupReMixLoss(1.0, 1.0, similarity="l2", mix_neg=False), torch.arange(3.0)
    for distance in np.linspace(700, 720, 200):
        z_ND = (distance * torch.tensor([[0.0, 0], [1, 0], [0, 1]]).double()).requires_grad_()
        value = loss(z_ND, y_N)
        value.backward()
        assert value.isfinite()
        assert z_ND.grad.isfinite().all()
