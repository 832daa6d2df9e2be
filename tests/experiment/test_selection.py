"""Runs whose epoch is chosen by an undefined metric, and runs that learn nothing, say so."""

import logging

import numpy as np
import pytest
import torch
from torch import nn

from supremix.cli.show import measured
from supremix.errors import UserError
from supremix.experiment.record import show
from supremix.metrics.regression import HIGHER_IS_BETTER, LOWER_IS_BETTER
from tests.running import run_small

COLLAPSED = ("method=vanilla", "protocol=end_to_end", f"backbone.build._target_={__name__}.Collapsed")


class Collapsed(nn.Module):
    """A backbone whose features are the same for every row."""

    out_dim = 3

    def __init__(self, **settings):
        super().__init__()
        self.weight_D = nn.Parameter(torch.ones(3))

    def forward(self, x_BF):
        return self.weight_D.expand(len(x_BF), 3)


def warnings(caplog):
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


@pytest.mark.parametrize("metric", ["pearson", "spearman"])
def test_predictions_that_are_all_equal_choose_the_last_epoch_and_the_run_says_so(tmp_path, caplog, capsys, metric):
    directory, record = run_small(tmp_path, *COLLAPSED, f"protocol.select={metric}")
    assert record["selection"] == {"split": "val", "metric": metric, "best_epoch": 2, "epochs": 2, "undefined": True}
    arrays = np.load(directory / "predictions.npz")
    np.testing.assert_array_equal(arrays["val_best"], arrays["val_last"])
    undefined, nothing = warnings(caplog)
    run = "dataset=diabetes method=vanilla seed=0: "
    assert undefined.startswith(f"{run}the validation {metric} was undefined in every epoch")
    assert nothing.startswith(f"{run}nothing was learnt: the validation MAE is ")
    assert nothing in (directory / "run.log").read_text()
    show(record, directory, "finished")
    assert f"best: epoch 2 of 2, highest val {metric}, undefined in every epoch; last: " in capsys.readouterr().out
    line = f"best: epoch 2 of 2, chosen by val {metric}, undefined in every epoch; last: the last epoch"
    assert line in measured(record)


def test_a_defined_metric_chooses_and_says_nothing(tmp_path, caplog):
    learning = ("method=vanilla", "protocol.epochs=20", "protocol.optimizer.lr=0.05")
    _, record = run_small(tmp_path, *learning, "protocol.select=pearson")
    assert "undefined" not in record["selection"]
    assert warnings(caplog) == []


@pytest.mark.parametrize("select", ["mae", "r2"])
def test_a_run_no_better_than_a_constant_says_so(tmp_path, caplog, select):
    _, record = run_small(tmp_path, *COLLAPSED, f"protocol.select={select}")
    (message,) = warnings(caplog)
    assert record["metrics"]["val"]["best"]["mae"] > 0.99 * record["data"]["constant_mae"]
    assert f"is {record['metrics']['val']['best']['mae']:.4g}, and that of a constant" in message
    assert f"{record['data']['constant_mae']:.4g}: train longer" in message


def test_the_constant_is_the_mean_or_the_median_of_training_and_is_no_doubt_of_its_own_row(tmp_path, caplog):
    directory, record = run_small(tmp_path, "method=constant")
    assert record["data"]["constant_mae"] <= record["metrics"]["val"]["best"]["mae"]
    y_N = np.load(directory / "predictions.npz")["val_y"]
    mean = np.load(directory / "predictions.npz")["val_best"][0]
    assert np.abs(y_N - mean).mean() == pytest.approx(record["metrics"]["val"]["best"]["mae"])
    assert record["data"]["constant_mae"] >= np.abs(y_N - np.median(y_N)).mean()
    assert warnings(caplog) == []


@pytest.mark.parametrize("metric", HIGHER_IS_BETTER)
def test_one_validation_row_chooses_by_no_correlation(tmp_path, metric):
    one = ("dataset.load.sizes={train: 266, val: 1, test: 175}", "method=supremix")
    with pytest.raises(
        UserError, match=rf"^protocol\.select={metric}: the only validation label of dataset=diabetes b"
    ):
        run_small(tmp_path, *one, f"protocol.select={metric}")
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("metric", LOWER_IS_BETTER)
def test_one_validation_row_chooses_by_an_error(tmp_path, metric):
    one = ("dataset.load.sizes={train: 266, val: 1, test: 175}", "method=random")
    _, record = run_small(tmp_path, *one, f"protocol.select={metric}")
    assert 1 <= record["selection"]["best_epoch"] <= 3
    _, constant = run_small(tmp_path, *one[:1], "method=constant")
    assert constant["selection"] is None
