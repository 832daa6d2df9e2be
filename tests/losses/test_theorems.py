"""Theorem 1, Lemma 1 and Theorem 2 of the paper, through the public interface of the loss alone."""

import itertools
import math

import hypothesis
import hypothesis.strategies as st
import pytest
import torch
from torch import Tensor

from supremix.losses import SupReMixLoss
from tests.reference.agreement import draws, embeddings, value_and_gradient
from tests.reference.supremix import anchor_pairs


def lower_bound(loss: SupReMixLoss, y_N: Tensor, label_range: float) -> float:
    """L* of eq. (9): Σ_i c_i log(c_i / R) / k_{y_i}, c_i the positives of anchor i, mixed ones included."""
    count_N = loss.count_positives(y_N).double()
    same_label_N = (y_N[:, None] == y_N).sum(1)
    return ((torch.xlogy(count_N, count_N) - count_N * math.log(label_range)) / same_label_N).sum().item()


# Anchors 0 and 1 are the only ones with a positive: each other, and the Mix-pos of rows 2 and 3.
THEOREM_1_LABELS = torch.tensor([50.0, 50.0, 49.0, 51.0, 60.0, 35.0, 80.0, 10.0])


def partial_derivatives(weight: bool, reduction: str) -> tuple[Tensor, Tensor]:
    """∂L/∂s of anchor 0's negatives from rows 4 to 7, real ones, then Mix-neg; and their label distances.

    With λ = 1 for all Mix-neg of anchor 1, row k enters the loss through three logits: its pairs with both
    anchors and the Mix-neg of anchor 0. Their gradients by z_k are independent vectors, so the gradient of
    the loss by z_k gives its partial derivatives by these logits as the only solution of a linear system.
    """
    z_ND, lam_NN, y = embeddings(8, d=6), draws(8), THEOREM_1_LABELS.tolist()
    lam_NN[1] = 1
    options = {"window": 2.0, "weight": weight}
    loss = SupReMixLoss(0.4, label_range=90.0, reduction=reduction, **options)
    assert (loss.count_positives(THEOREM_1_LABELS) > 0).tolist() == [True] * 2 + [False] * 6
    _, gradient_ND = value_and_gradient(lambda z: loss(z, THEOREM_1_LABELS, lam_NN), z_ND)

    def similarities(z_ND: Tensor) -> Tensor:
        """(3 kinds of logit, rows 4 to 7); an anchor's pairs are seven real ones, then six Mix-neg."""
        first, second = (anchor_pairs(z_ND, y, i, lam_NN, 90.0, **options) for i in (0, 1))
        return torch.stack([pair.similarity for pair in first[3:7] + second[3:7] + first[9:13]]).view(3, 4)

    by_z = torch.autograd.functional.jacobian(similarities, z_ND)  # (3 kinds, 4 rows, 8 rows, D)
    partials = []
    for row, k in enumerate(range(4, 8)):
        jacobian_D3, gradient_D = by_z[:, row, k].T, gradient_ND[k]
        partial_3 = torch.linalg.lstsq(jacobian_D3, gradient_D[:, None]).solution[:, 0]
        torch.testing.assert_close(jacobian_D3 @ partial_3, gradient_D, rtol=1e-9, atol=1e-12)
        partials.append(partial_3)
    real, _, mixed = torch.stack(partials, dim=1)
    distance = (THEOREM_1_LABELS[4:] - 50).abs().double()
    return torch.cat([real, mixed]), torch.cat([distance, (1 - lam_NN[0, 4:]) * distance])


@pytest.mark.parametrize("reduction", ["label_sum", "mean"])
def test_theorem_1_the_weight_magnifies_the_farther_negative(reduction):
    weighted, distance = partial_derivatives(True, reduction)
    unweighted, _ = partial_derivatives(False, reduction)
    assert (weighted > 0).all()
    assert (unweighted > 0).all()
    for far, near in (distance[:, None] > distance).nonzero().tolist():
        magnified = (weighted[far] / weighted[near]) / (unweighted[far] / unweighted[near])
        assert magnified > 1
        expected = (1 + distance[far]) / (1 + distance[near])  # eq. (7)
        torch.testing.assert_close(magnified, expected, rtol=1e-8, atol=0)


@pytest.mark.whole
@hypothesis.settings(max_examples=150, deadline=None, derandomize=True)
@hypothesis.given(
    y=st.lists(st.integers(0, 12), min_size=2, max_size=20),
    window=st.sampled_from([0.0, 1.0, 3.0, float("inf")]),
    temperature=st.floats(0.01, 10.0),
    label_range=st.floats(0.5, 100.0),
    mix_space=st.sampled_from(["embedding", "sphere"]),
    seed=st.integers(0, 1000),
    flags=st.fixed_dictionaries(
        {name: st.booleans() for name in ("mix_neg", "mix_pos", "weight")}
        | {"reduction": st.sampled_from(["label_sum", "mean"]), "similarity": st.sampled_from(["cosine", "l2"])}
    ),
)
def test_lemma_1_no_batch_falls_below_the_bound(y, window, temperature, label_range, mix_space, seed, flags):
    mix_space = "embedding" if flags["similarity"] == "l2" else mix_space
    options = flags | {"label_range": label_range, "mix_space": mix_space, "on_no_positive": "zero"}
    loss, y_N = SupReMixLoss(temperature, window, **options), torch.tensor(y, dtype=torch.float64)
    value, bound = loss(embeddings(len(y), d=3, seed=seed), y_N, draws(len(y), seed)), loss.lower_bound(y_N)
    assert value >= bound - 1e-10 * max(1.0, abs(bound))
    if flags["weight"] and flags["reduction"] == "label_sum":
        assert bound == pytest.approx(lower_bound(loss, y_N, label_range), rel=1e-12, abs=1e-12)


def gap_to_bound(temperature: float, place=lambda y_N: y_N, **options) -> float:
    """Loss less bound, each row at t = `place` of its label on the line (1, 0, 0) + t (0, 0.3, 0.1)."""
    y_N = torch.tensor([4, 0, 1, 5, 2, 3, 1, 4, 0, 3], dtype=torch.float64)
    z_ND = torch.tensor([1.0, 0.0, 0.0]).double() + place(y_N)[:, None] * torch.tensor([0.0, 0.3, 0.1])
    loss = SupReMixLoss(temperature, 2.0, label_range=5.0, reduction="label_sum", **options)
    return (loss(z_ND, y_N, torch.full((10, 10), 0.3)) - lower_bound(loss, y_N, 5.0)).item()


def test_theorem_2_ordered_and_linear_embeddings_reach_the_bound_as_the_temperature_falls():
    gaps = [gap_to_bound(temperature) for temperature in (10, 1, 0.1, 0.03, 0.01, 0.003, 0.001, 0.0003)]
    assert all(high > low for high, low in itertools.pairwise(gaps))
    assert gaps[-1] == pytest.approx(0, abs=1e-4)
    # The paper's proof lets the temperature go to infinity instead; there the negatives keep their share.
    assert gaps[0] > 10
    assert gap_to_bound(1e6) > 10


@pytest.mark.parametrize(
    "broken",
    [{"mix_space": "sphere"}, {"place": torch.square}, {"place": lambda y_N: y_N.roll(1)}],
    ids=["mixed on the sphere", "not linear", "labels scattered"],
)
def test_theorem_2_other_embeddings_do_not_reach_the_bound(broken):
    assert min(gap_to_bound(temperature, **broken) for temperature in (10, 1, 0.1, 0.01, 0.001)) > 1
