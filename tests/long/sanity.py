"""What each method of the field must do on real data, measured so that it can fail: scikit-learn's diabetes data.

Means over three seeds; each line is printed. Run by `make test-long`, or: pytest -s tests/long/sanity.py
"""

from functools import cache

import numpy as np
import pytest
import torch

from supremix.experiment.run import run
from supremix.losses import ConRLoss, OrdinalEntropyLoss, RankSimLoss, SRLLoss, SupConLoss, SupCRLoss, SupReMixLoss
from supremix.settings.compose import CONF, composed
from supremix.store.records import read_record

SEEDS = (0, 1, 2)
QUIET = ["dataset=diabetes", "tracking=none", "trainer.progress=off", "trainer.accelerator=cpu"]


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    """Records and arrays of a method's runs over the seeds, each trained once."""
    store = tmp_path_factory.mktemp("runs")

    @cache
    def of(*overrides):
        runs = []
        for seed in SEEDS:
            folder = run(composed(CONF, [*QUIET, f"paths.runs={store}", f"seed={seed}", *overrides]))
            runs.append((read_record(folder), np.load(folder / "predictions.npz")))
        return runs

    return of


def features(arrays):
    y_N = torch.from_numpy(arrays["test_y"])
    return torch.from_numpy(arrays["test_features"]), y_N, torch.from_numpy(arrays["test_best"])


def bins(y_N):
    return (y_N / 10).round() * 10


TERMS = {  # method → its term on features, labels and predictions
    "ordinal_entropy": lambda z, y, p: OrdinalEntropyLoss()(z, bins(y)),
    "srl": lambda z, y, p: SRLLoss(20.0, 350.0, 10.0, 0.3, 0.0, 2000, 100, 0.01, 10).train()(
        z, bins(y), generator=torch.Generator().manual_seed(0)
    ),
    "supcon_joint": lambda z, y, p: SupConLoss(1.0)(z, bins(y)),
    "supcr_joint": lambda z, y, p: SupCRLoss(2.0)(z, y),
    "supremix_joint": lambda z, y, p: SupReMixLoss(1.0, 60.0, reduction="mean")(
        z, bins(y), lam_NN=torch.full((len(y), len(y)), 0.2)
    ),
}


@pytest.mark.parametrize("method", TERMS)
def test_a_regulariser_is_lower_with_its_method_than_with_vanilla(result, method):
    """On test features, which it did not see. Ordinal Entropy's weight is its authors', of another scale: 1 here."""
    louder = [f"method.regression.regularisers.{method}.weight=1"] if method == "ordinal_entropy" else []
    values = {
        name: np.mean([float(TERMS[method](*features(arrays))) for _, arrays in runs])
        for name, runs in (("vanilla", result("method=vanilla")), (method, result(f"method={method}", *louder)))
    }
    print(f"\n{method}: its term {values[method]:.4g}, with Vanilla {values['vanilla']:.4g}")
    assert values[method] < values["vanilla"]


@pytest.mark.parametrize(
    "loss",
    [
        lambda z, y, seed: RankSimLoss()(z, bins(y), generator=torch.Generator().manual_seed(seed)),
        lambda z, y, seed: ConRLoss(omega=16.0)(z, y, prediction_N=y.flip(0)),
    ],
    ids=["ranksim", "conr"],
)
def test_a_term_alone_falls_as_it_is_followed(result, loss):
    """From Vanilla's test features, moved freely by its gradient. In a network of ten features its authors' weight of
    100 leaves RankSim's features on one line and its error far above Vanilla's: said in docs/methods.md."""
    (_, arrays), *_ = result("method=vanilla")
    z_ND, y_N, _ = features(arrays)
    z_ND = z_ND.double().requires_grad_()
    optimizer = torch.optim.Adam([z_ND], lr=0.01)
    values = []
    for step in range(200):
        value = loss(z_ND, y_N, step)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        values.append(value.item())
    print(f"\nalone: {np.mean(values[:10]):.4g}, after 200 steps {np.mean(values[-10:]):.4g}")
    assert np.mean(values[-10:]) < 0.8 * np.mean(values[:10])


@pytest.mark.parametrize("method", ["y_aware", "threshold", "exp"])
def test_kernel_contrast_orders_features_by_label(result, method):
    """More than a random encoder does."""
    spearman = {
        name: np.mean([record["representation"]["spearman"] for record, _ in result(f"method={name}")])
        for name in ("random", method)
    }
    print(f"\n{method}: Spearman of distances {spearman[method]:.3f}, random encoder {spearman['random']:.3f}")
    assert spearman[method] > spearman["random"]


@pytest.mark.parametrize("method", ["gaussian", "quantile", "hl_gauss"])
def test_intervals_cover_about_what_they_say(result, method):
    covered = np.mean([record["interval"]["test"]["coverage"] for record, _ in result(f"method={method}")])
    print(f"\n{method}: {100 * covered:.0f} % of test labels in 90 % intervals")
    assert 0.75 < covered <= 1


@pytest.mark.xfail(reason="measured: −0.549 against −0.506 of MSE; these labels are not imbalanced enough", strict=True)
def test_balanced_mse_shrinks_predictions_less_than_mse(result):
    """The slope of error against label is nearer 0: extreme labels are not pulled to the mean as far."""
    runs = {
        "mse": result("method=vanilla", "protocol.loss=mse"),
        "balanced_mse": result("method=balanced_mse"),
    }
    slope = {name: np.mean([r["metrics"]["test"]["best"]["slope"] for r, _ in found]) for name, found in runs.items()}
    print(f"\nslope of error against label: MSE {slope['mse']:.3f}, Balanced MSE {slope['balanced_mse']:.3f}")
    assert abs(slope["balanced_mse"]) < abs(slope["mse"])


@pytest.mark.parametrize("method", ["c_mixup", "manifold_mixup"])
def test_mixup_trains_to_less_overfitting_than_vanilla(result, method):
    """The error on test rows rises less from the best epoch to the last."""

    def rise(runs):
        return np.mean([r["metrics"]["test"]["last"]["mae"] - r["metrics"]["test"]["best"]["mae"] for r, _ in runs])

    rises = {name: rise(result(f"method={name}", "dataset.recipe.vanilla.epochs=400")) for name in ("vanilla", method)}
    print(f"\n{method}: test MAE rises by {rises[method]:.2f} to the last epoch, Vanilla's by {rises['vanilla']:.2f}")
    assert rises[method] < rises["vanilla"]


def test_huber_with_a_huge_delta_is_mse(result):
    """It is half the MSE, and Adam's steps know no scale but for ε; of few epochs, since more magnify rounding."""
    few = "dataset.recipe.vanilla.epochs=5"
    huber, mse, l1 = (
        result(*line, few)
        for line in (
            ("method=huber", "method.regression.loss.delta=1e6"),
            ("method=vanilla", "protocol.loss=mse"),
            ("method=vanilla",),
        )
    )

    def gap(runs):
        return max(np.abs(a["test_last"] - b["test_last"]).max() for (_, a), (_, b) in zip(runs, mse, strict=True))

    print(f"\nHuber with delta 1e6 against MSE: predictions differ by {gap(huber):.2g}, those of L1 by {gap(l1):.2g}")
    assert gap(huber) < 1e-2 < 1 < gap(l1)
