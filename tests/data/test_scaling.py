"""Targets of every modality in units of their own: standardised by the training rows, undone before metrics."""

import numpy as np
import pytest
import torch
from torch import nn

from supremix.data.dataset import TargetScale
from supremix.data.scaling import target_scale
from supremix.errors import UserError
from supremix.experiment.run import run
from supremix.prepare.shared.prepared import describe_pieces, write_manifest, write_meta
from supremix.settings.build import build
from supremix.settings.compose import CONF, composed
from supremix.settings.identity import config_hash, scientific
from supremix.store.records import read_record

DATASETS = ("agedb_dir", "ukb", "hcp_aging")
N = 24
AT_ONCE = ("method=vanilla", "protocol=end_to_end", "tracking=none", "trainer.progress=off", "trainer.accelerator=cpu")


class First(nn.Module):
    """A backbone that any input passes: the first of its numbers."""

    out_dim = 1

    def __init__(self, **settings):
        super().__init__()
        self.layer = nn.Linear(1, 1)

    def forward(self, x):
        values = x["x"] if isinstance(x, dict) else x
        return self.layer(values.flatten(1)[:, :1])


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A folder with a few rows of each modality, whose labels are prices."""
    root, rng = tmp_path_factory.mktemp("scaled"), np.random.default_rng(0)
    labels = {
        "label": (200_000 + 1000 * rng.uniform(20, 80, N)).tolist(),
        "split": ["train"] * 16 + ["val", "test"] * 4,
    }
    arrays = {
        "agedb_dir": ("faces.npy", rng.integers(0, 256, (N, 8, 8, 3)).astype(np.uint8), {"row": range(N)}),
        "ukb": ("volumes-0.npy", rng.uniform(size=(N, 4, 4, 4)).astype(np.float16), {}),
        "hcp_aging": ("frames-0.npy", rng.normal(size=(10 * N, 3)).astype(np.float32), {"frames": [10] * N}),
    }
    for name, (file, array, columns) in arrays.items():
        folder = root / f"{name}_tiny"
        folder.mkdir()
        np.save(folder / file, array)
        write_manifest(folder, {"id": [f"row-{i}" for i in range(N)], **labels, **columns})
        pieces = describe_pieces([file], [len(array)], str(array.dtype), array.shape[1:])
        about = {"rows": N, "label": "dollars", "source": {"file": "x", "sha256": "0", "url": ""}, "synthetic": True}
        write_meta(folder, name=name, pixels=8, images=N, array=pieces, **about)
    return root


def config(prepared, tmp_path, name, *overrides):
    tiny = [f"dataset.name={name}_tiny", "dataset.load.bin_size=1000", f"paths.prepared={prepared}"]
    tiny += ["dataset.load.pixels=8", "dataset.load.padding=2"] if name == "agedb_dir" else []
    return composed(CONF, [f"dataset={name}", *tiny, f"paths.runs={tmp_path}", *AT_ONCE, *overrides])


@pytest.mark.parametrize("name", DATASETS)
def test_every_modality_standardises_its_targets_by_the_training_rows_alone(name, prepared, tmp_path):
    raw, null, standard = (
        build("dataset.load", config(prepared, tmp_path, name, f"dataset.scaling={scaling}").dataset.load)
        for scaling in ("raw", "null", "standard")
    )
    assert raw.target == null.target == TargetScale(0.0, 1.0)
    y_N = standard.train.y
    assert standard.target == TargetScale(y_N.mean(), y_N.std())
    np.testing.assert_array_equal(y_N, raw.train.y)
    assert standard.sha256 == raw.sha256
    encoded_N = standard.target.encode(y_N)
    assert abs(encoded_N.mean()) < 1e-9
    assert encoded_N.std() == pytest.approx(1)
    np.testing.assert_allclose(standard.target.decode(encoded_N), y_N, rtol=1e-12)


@pytest.mark.parametrize("name", DATASETS)
def test_predictions_and_metrics_are_in_label_units(name, prepared, tmp_path, caplog):
    own = (f"backbone.build._target_={__name__}.First", "protocol.epochs=2", "dataset.scaling=standard")
    directory = run(config(prepared, tmp_path, name, *own))
    arrays, metrics = np.load(directory / "predictions.npz"), read_record(directory)["metrics"]["test"]["best"]
    assert arrays["test_y"].min() > 200_000
    assert metrics["mae"] == pytest.approx(np.abs(arrays["test_best"] - arrays["test_y"]).mean())
    assert metrics["mae"] < 2 * arrays["test_y"].std()
    assert "scaling" not in caplog.text
    # two epochs of small steps move a head by more than a dollar only where its units are not dollars
    assert np.abs(arrays["test_best"] - arrays["test_best"].mean()).max() > 1


def test_prices_that_stay_at_the_mean_are_told_with_the_way_out(prepared, tmp_path, caplog):
    own = (f"backbone.build._target_={__name__}.First", "protocol.epochs=2")
    run(config(prepared, tmp_path, "ukb", *own))
    assert "nothing was learnt" in caplog.text
    assert ": set dataset.scaling=standard, train longer, change the rate" in caplog.text


@pytest.mark.parametrize("name", [*DATASETS, "imdb_wiki"])
def test_scaling_is_off_as_in_the_paper_and_then_leaves_ids_as_they_were(name):
    cfg = composed(CONF, [f"dataset={name}"])
    science = scientific(cfg)
    assert (cfg.dataset.scaling, cfg.dataset.load.scaling) == (None, None)
    before = config_hash(science)
    assert science["dataset"].pop("scaling", "gone") is None
    assert science["dataset"]["load"].pop("scaling", "gone") is None
    assert config_hash(science) == before
    assert config_hash(scientific(composed(CONF, [f"dataset={name}", "dataset.scaling=standard"]))) != before


def test_a_scaling_that_is_none_is_named_with_those_there_are():
    for wrong in ("minmax", 1, True, [1]):
        with pytest.raises(UserError, match=r"^toy: scaling=.*: use one of raw, standard"):
            target_scale("toy", wrong, np.arange(3.0))


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_labels_of_any_size_come_back_through_float32(scale, offset):
    y_N = (np.random.default_rng(0).normal(size=50) + offset) * scale
    scaled = target_scale("toy", "standard", y_N)
    there = torch.from_numpy(scaled.encode(y_N)).float().double().numpy()
    np.testing.assert_allclose(scaled.decode(there), y_N, atol=1e-6 * scale)
