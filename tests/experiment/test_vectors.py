"""Labels that are vectors, from file to predictions of new rows: scikit-learn's linnerud, 20 rows, three targets."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.datasets import load_linnerud

import supremix
from supremix.cli import main
from supremix.errors import UserError
from supremix.experiment.run import run
from supremix.inference.export import export
from supremix.inference.graph import Decoding
from supremix.metrics import regression_metrics
from supremix.settings.compose import CONF, composed
from supremix.store.records import read_record

TARGETS = ["Weight", "Waist", "Pulse"]
EPOCHS = [f"dataset.recipe.{stage}.epochs=2" for stage in ("pretrain", "adapt", "vanilla")]
PROBE = ["method=supcr", "protocol=linear_probe"]
RUNS = {
    "vanilla": ["method=vanilla"],
    "raw units, chosen by r2": ["method=vanilla", "dataset.scaling=raw", "protocol.select=r2"],
    "probe": PROBE,
    "axis": ["method=supremix", "dataset.label_unit=pca", "dataset.recipe.pretrain.batch_size=14"],
    "kernel": ["method=y_aware"],
    "regulariser": ["method=ranksim"],
    "mixup": ["method=c_mixup"],
    "ridge": ["method=ridge"],
    "trees": ["method=boosting"],
}
REFUSED = {
    "supcon": (["method=supcon"], r"^method\.loss: SupConLoss .* vectors of 3: set dataset\.label_unit=pca"),
    "window": (["method=supremix"], r"^method\.window=auto: Mix-pos .* vectors of 3: set dataset\.label_unit=pca"),
    "paired": (["method=supcr", "method.pretrain.sampler=paired"], r"sampler=paired pairs rows by .* vectors of 3"),
    "own window": (["method=supremix", "method.window=1"], r"^method\.loss: SupReMixLoss .*dataset\.label_unit=pca"),
    "no positives": (
        ["method=supremix", "method.mix_pos=false"],
        r"^none of the anchors of .* has a positive, .* without bins\): set dataset\.label_unit=pca$",
    ),
    "srl": (["method=srl"], r"^method\.regression\.regularisers\.srl\.loss: SRLLoss .*dataset\.label_unit=pca"),
    "wide": (["method=gaussian"], r"^method\.regression\.loss: GaussianNLL .* vectors of 3: train one run a label"),
    "balanced": (["method=balanced_mse"], r"^method\.regression\.loss: BalancedMSELoss takes labels that are numbers"),
    "lds": (["method=vanilla", "imbalance=lds"], r"^imbalance\.lds compares rows by label bin, .* vectors of 3"),
    "transform": (["method=ridge", "dataset.target_transform=log"], r"dataset\.target_transform=log maps one label"),
    "ranks": (["method=ridge", "dataset.label_unit=rank"], r"dataset\.label_unit=rank: labels that are vectors"),
    "missing": (
        ["method=ridge", "dataset.subset.missing=[[1,2]]"],
        r"^dataset\.subset\.missing chooses rows by one label",
    ),
    "permuted": (["method=ridge", "dataset.permute_labels=0"], r"^dataset\.permute_labels moves bins of one label"),
}


@pytest.fixture
def sheet(tmp_path):
    path = tmp_path / "linnerud.csv"
    made = load_linnerud(as_frame=True)
    pd.concat([made.data, made.target], axis=1).to_csv(path, index=False)
    return path


def trained(sheet, *overrides):
    """The run's directory and record."""
    given = ["dataset=table", f"dataset.path={sheet}", f"dataset.label=[{','.join(TARGETS)}]", "tracking=none"]
    given += ["trainer.progress=off", "trainer.accelerator=cpu", f"paths.runs={sheet.parent / 'runs'}", *EPOCHS]
    directory = run(composed(CONF, [*given, *overrides]))
    return directory, read_record(directory)


@pytest.mark.parametrize("name", RUNS)
def test_metrics_are_those_of_each_target_and_their_mean_in_standard_deviations(sheet, name):
    directory, record = trained(sheet, *RUNS[name])
    stored = np.load(directory / "predictions.npz")
    frame = pd.read_csv(sheet)[TARGETS]
    training = np.setdiff1d([f"line {at + 2}" for at in frame.index], [*stored["val_id"], *stored["test_id"]])
    std_T = frame.iloc[[int(place.split()[1]) - 2 for place in training]].std(ddof=0)
    got = record["metrics"]["test"]["best"]
    each = [regression_metrics(y, p) for y, p in zip(stored["test_y"].T, stored["test_best"].T, strict=True)]
    for target, metrics in zip(TARGETS, each, strict=True):
        for metric, value in metrics.items():
            assert got[f"{metric}_{target}"] == pytest.approx(value, nan_ok=True) or np.isnan(value)
    assert got["mae"] == pytest.approx(np.mean([metrics["mae"] for metrics in each] / std_T))
    assert got["r2"] == pytest.approx(np.mean([metrics["r2"] for metrics in each]))
    assert np.ptp(stored["test_y"], axis=0).min() > 0
    if name == "probe":
        assert record["metrics"]["test"]["ridge"]["mae"] != got["mae"]


def test_a_loaded_model_predicts_all_targets_saved_exported_and_at_the_terminal(sheet, tmp_path, capsys):
    directory, _ = trained(sheet, *PROBE)
    stored, frame = np.load(directory / "predictions.npz"), pd.read_csv(sheet)
    rows = frame.iloc[[int(place.split()[1]) - 2 for place in stored["test_id"]]]
    supremix.load(directory).save(tmp_path / "model")
    for model in (supremix.load(directory), supremix.load(tmp_path / "model")):
        for head, variant in {"trained": "best", "ridge": "ridge"}.items():
            got = model.predict(rows.drop(columns=TARGETS), head=head)
            np.testing.assert_allclose(got, stored[f"test_{variant}"], rtol=1e-5)
    assert export(model, "torch", tmp_path) < 1e-4
    scale, heads_BT = model.intake.target, torch.randn(4, 3, dtype=torch.float64)
    np.testing.assert_allclose(Decoding(scale)(heads_BT), scale.decode(heads_BT.numpy()))
    assert main.main(["predict", str(directory), str(sheet), "-o", str(tmp_path / "out.csv")]) == 0
    table = pd.read_csv(tmp_path / "out.csv")
    np.testing.assert_allclose(table[[f"predicted_{target}" for target in TARGETS]], model.predict(frame), rtol=1e-5)
    assert "20 rows with Waist: mae" in capsys.readouterr().out


def test_labels_are_shown_each_before_a_run(sheet, capsys):
    chosen = [f"--label={target}" for target in TARGETS]
    assert main.main(["inspect", str(sheet), *chosen, "dataset.label_unit=pca"]) == 0
    shown = capsys.readouterr().out
    assert "labels 'Waist' of 20 usable rows" in shown
    assert "first principal direction of the labels: contrastive losses compare labels" in shown
    assert f"'dataset.label=[{','.join(TARGETS)}]' dataset.label_unit=pca" in shown


def test_supremix_without_mix_pos_takes_vectors_that_repeat(sheet):
    frame = pd.read_csv(sheet)
    frame[TARGETS] = frame[TARGETS].rank().sub(1).floordiv(10)
    frame.to_csv(sheet, index=False)
    _, record = trained(sheet, "method=supremix", "method.mix_pos=false", "dataset.recipe.pretrain.epochs=1")
    assert record["config"]["method"]["window"] == "auto"
    assert np.isfinite(record["pretrain"]["final_loss"])
    assert record["pretrain"]["above_bound"] > 0


@pytest.mark.parametrize("name", REFUSED)
def test_what_needs_a_number_refuses_vectors_in_one_line(sheet, name):
    overrides, error = REFUSED[name]
    with pytest.raises(UserError, match=error) as caught:
        trained(sheet, *overrides)
    assert "\n" not in str(caught.value)


def test_a_list_of_one_label_is_that_label(sheet):
    _, several = trained(sheet, "method=ridge", "dataset.label=[Pulse]")
    _, alone = trained(sheet, "method=ridge", "dataset.label=Pulse")
    assert several["metrics"] == alone["metrics"]
    assert torch.equal(torch.tensor(several["data"]["label_range"]), torch.tensor(alone["data"]["label_range"]))
