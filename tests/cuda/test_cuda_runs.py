"""Whole runs on a GPU: the record, predictions that the stored weights give again, evaluation."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from supremix.experiment.evaluate import evaluate
from supremix.experiment.run import run
from supremix.settings.build import loaded_data
from supremix.settings.check import settings_of
from supremix.store.folders import Store
from supremix.store.records import read_record
from tests.running import config


@pytest.mark.parametrize("choice", [
    ["method=supremix"], ["method=supcr", "protocol=finetune"], ["method=vanilla", "imbalance=lds_fds"],
    ["method=supremix", "imbalance=lds_fds", "trainer.precision=bf16-mixed"],
], ids=" ".join)  # fmt: skip
def test_a_run_ends_with_predictions_that_its_weights_give_again(tmp_path, device, choice):
    cfg = config(tmp_path, *choice, f"trainer.accelerator={device.type}")
    directory = run(cfg)
    record = read_record(directory)
    assert record["environment"]["device"].startswith(device.type)
    stored, weights = np.load(directory / "predictions.npz"), load_file(directory / "best.safetensors")
    data = loaded_data(settings_of(cfg))
    head = weights["head.weight"].double(), weights["head.bias"].double()
    features_ND = torch.from_numpy(stored["test_features"]).double()
    expected = data.target.decode((features_ND @ head[0].T + head[1]).numpy()[:, 0])
    tolerance = 1e-3 if "trainer.precision=bf16-mixed" not in choice else 2e-2
    np.testing.assert_allclose(stored["test_best"], expected, rtol=tolerance, atol=tolerance * expected.std())
    if "ridge" in record["metrics"]["test"]:
        assert np.isfinite(stored["test_ridge"]).all()
    assert evaluate(Store(cfg.paths.runs)) == (1, 0)


def test_the_run_of_a_processor_is_found_and_its_encoder_used(tmp_path, device):
    run(config(tmp_path, "method=supremix"))
    run(config(tmp_path, "method=supremix", "protocol=finetune", f"trainer.accelerator={device.type}"))
    assert len(Store(tmp_path / "runs").finished_runs()) == 2
