"""Metrics of features over epochs: in the history where they are asked for, and without a trace in the result."""

import csv

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from supremix.metrics import representation_metrics
from supremix.metrics.representation import REPRESENTATION
from supremix.training.batches import apply
from supremix.training.curves import representation_curve
from tests.running import run_small
from tests.training.test_engine import MLP, data

CPU = torch.device("cpu")
COLUMNS = [f"representation_{name}" for name in REPRESENTATION]


def test_every_other_epoch_has_the_metrics_of_the_validation_features():
    toy, backbone = data(), MLP(5, [4])
    curve = representation_curve(backbone, toy, 2, 7, CPU)
    assert all(map(np.isnan, curve(1).values()))
    features_ND = apply(backbone, toy.val, 100, CPU, toy.to_input)
    expected = representation_metrics(features_ND.numpy(), toy.val.y)
    assert curve(2) == pytest.approx({f"representation_{name}": value for name, value in expected.items()}, rel=1e-5)
    assert set(curve(1)) == set(curve(2)) == set(COLUMNS)
    assert representation_curve(backbone, toy, None, 7, CPU)(2) == {}


def test_both_stages_have_them_on_request_and_nothing_else_changes(tmp_path):
    def stages(name, *overrides):
        folder, record = run_small(tmp_path / name, "method=supcon", *overrides)
        encoder = tmp_path / name / "runs" / "encoders" / record["pretrain_id"]
        rows = [list(csv.DictReader((stage / "history.csv").open())) for stage in (encoder, folder)]
        return folder.name, load_file(folder / "best.safetensors"), rows

    on = "trainer.representation_every=2"
    tuned, plain, probed = (
        stages("on", "protocol=finetune", on),
        stages("off", "protocol=finetune"),
        stages("probe", on),
    )
    assert tuned[0] == plain[0]
    assert all((value == plain[1][key]).all() for key, value in tuned[1].items())
    for with_curves, without in zip(tuned[2], plain[2], strict=True):
        for row, bare in zip(with_curves, without, strict=True):
            curves = [float(row.pop(column)) for column in COLUMNS]
            assert row == bare
            assert np.isfinite(curves).all() == (int(row["epoch"]) % 2 == 0)
    assert set(COLUMNS) <= set(probed[2][0][0])
    assert not set(COLUMNS) & set(probed[2][1][0])  # frozen features stay as they are
