"""Whole runs in this process: every method and protocol, the record, the store, the same bits twice."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from supremix.errors import UserError
from supremix.metrics.bias import BIAS
from supremix.metrics.regression import METRICS, VARIANTS, regression_metrics
from supremix.metrics.representation import REPRESENTATION, representation_metrics
from supremix.settings import identity
from supremix.settings.overrides import is_science
from supremix.training import adapt
from tests.running import config, run_small

CONTRASTIVE = ("supcon", "supcr", "supremix")


def test_a_feature_that_is_off_leaves_the_identity_alone():
    before = {"method": {"loss": {"temperature": 0.5}, "clip": None}, "seed": 0}
    later = {"method": {"loss": {"temperature": 0.5}}, "seed": 0, "imbalance": {"lds": None, "fds": None}}
    assert identity.run_id(before, "x") == identity.run_id(later, "x")
    on = later | {"imbalance": {"lds": {"kernel": 5}, "fds": None}}
    assert identity.run_id(on, "x") != identity.run_id(later, "x")
    fixed = {"method": {"loss": {"temperature": 0.5, "similarity": "cosine"}, "sampler": "shuffled"}, "seed": 0}
    assert identity.run_id(fixed, "x") == identity.run_id(before, "x")
    fixed, before = ({"loss": {"_target_": "loss/supremix"} | one} for one in ({"similarity": "cosine"}, {}))
    assert identity.run_id(fixed, "x") == identity.run_id(before, "x")
    given, not_given = ({"loss": {"_target_": "Mine@c0de"} | one} for one in ({"similarity": "cosine"}, {}))
    assert identity.run_id(given, "x") != identity.run_id(not_given, "x")  # whose default may be another
    assert identity.run_id(before | {"seed": 1}, "x") != identity.run_id(before, "x")


@pytest.mark.parametrize("protocol", ["linear_probe", "finetune"])
@pytest.mark.parametrize("method", [*CONTRASTIVE, "random"])
def test_every_method_under_every_protocol_leaves_a_whole_record(tmp_path, method, protocol):
    directory, record = run_small(tmp_path, f"method={method}", f"protocol={protocol}")
    variants = {*VARIANTS} if protocol == "linear_probe" else {"best", "last"}
    assert set(record["metrics"]["test"]) == set(record["metrics"]["val"]) == variants
    assert set(record["metrics"]["test"]["best"]) >= {*METRICS, *BIAS}
    assert set(record["representation"]) == set(REPRESENTATION)
    assert record["interval"] is None
    assert (record["pretrain_id"] is not None) == (method in CONTRASTIVE)
    assert record["selection"]["epochs"] == 3
    assert 1 <= record["selection"]["best_epoch"] <= 3
    assert record["data"]["sizes"] == {"train": 266, "val": 88, "test": 88}
    best = load_file(directory / "best.safetensors")
    assert {key.split(".")[0] for key in best} == {"backbone", "head"}


@pytest.mark.parametrize("method", ["vanilla", "constant", "linear"])
def test_methods_without_a_contrastive_stage(tmp_path, method):
    _, record = run_small(tmp_path, f"method={method}")
    assert record["pretrain_id"] is None
    assert record["pretrain"] is None
    assert (record["representation"] is None) == (method != "vanilla")  # references have no features
    assert np.isfinite(record["metrics"]["test"]["best"]["mae"])


def test_reference_rows_are_what_they_say(tmp_path):
    directory, record = run_small(tmp_path, "method=constant", "dataset.scaling=raw")
    arrays = np.load(directory / "predictions.npz")
    assert len(set(arrays["test_best"])) == 1
    assert record["metrics"]["test"]["best"]["pearson"] is None  # a constant has no correlation


def test_the_record_agrees_with_the_stored_predictions(tmp_path):
    directory, record = run_small(tmp_path)
    arrays = np.load(directory / "predictions.npz")
    for split in ("val", "test"):
        for variant in VARIANTS:
            again = regression_metrics(arrays[f"{split}_y"], arrays[f"{split}_{variant}"])
            assert {name: record["metrics"][split][variant][name] for name in METRICS} == pytest.approx(again)
    assert arrays["test_features"].shape == (88, 10)
    assert record["representation"] == pytest.approx(representation_metrics(arrays["test_features"], arrays["test_y"]))
    best = record["metrics"]["test"]["best"]
    slope, intercept = np.polyfit(arrays["val_y"], arrays["val_best"], 1)
    corrected = regression_metrics(arrays["test_y"], (arrays["test_best"] - intercept) / slope)
    assert best["mae_corrected"] == pytest.approx(corrected["mae"])
    error_N = arrays["test_best"] - arrays["test_y"]
    assert best["slope"] == pytest.approx(np.polyfit(arrays["test_y"], error_N, 1)[0])
    assert "slope" not in record["metrics"]["val"]["best"]


def test_the_chosen_epoch_has_the_lowest_validation_error(tmp_path):
    directory, record = run_small(tmp_path, "method=vanilla", "protocol.epochs=12", "protocol.optimizer.lr=0.05")
    rows = (directory / "history.csv").read_text().splitlines()
    column = rows[0].split(",").index("val")
    val = [float(row.split(",")[column]) for row in rows[1:]]
    assert record["selection"]["best_epoch"] == 1 + int(np.argmin(val))
    assert record["metrics"]["val"]["best"]["mae"] == pytest.approx(min(val), rel=1e-5)
    assert record["metrics"]["val"]["last"]["mae"] == pytest.approx(val[-1], rel=1e-5)
    assert record["selection"]["best_epoch"] < 12  # else best and last would not be told apart here


def test_the_same_seed_gives_the_same_bits_and_another_seed_does_not(tmp_path):
    runs = [run_small(tmp_path / name, f"seed={seed}")[0] for name, seed in (("a", 0), ("b", 0), ("c", 1))]
    first, again, other = (np.load(run / "predictions.npz") for run in runs)
    for key in first.files:
        np.testing.assert_array_equal(first[key], again[key])
    assert not np.array_equal(first["test_best"], other["test_best"])
    assert not np.array_equal(first["test_id"], other["test_id"])  # the split follows the seed by default


@pytest.mark.parametrize(("select", "extreme"), [("mae", "lowest"), ("pearson", "highest")])
def test_the_terminal_says_which_extreme_chose_the_epoch(tmp_path, capsys, select, extreme):
    run_small(tmp_path, "method=vanilla", f"protocol.select={select}", "trainer.progress=plain")
    said = capsys.readouterr().out
    assert f"of 2, {extreme} val {select}" in said
    assert said.count("so that more epochs may do better") == said.count("best: epoch 2 of 2")


def test_a_finished_run_is_shown_and_not_run_again(tmp_path, capsys, monkeypatch):
    directory, _ = run_small(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in directory.rglob("*")}
    monkeypatch.setattr(adapt, "adapt", None)  # would fail if called
    again, _ = run_small(tmp_path, "trainer.progress=plain")
    assert again == directory
    assert before == {path: path.stat().st_mtime_ns for path in directory.rglob("*")}
    assert "finished before" in capsys.readouterr().out


def test_protocols_share_one_encoder(tmp_path):
    _, probe = run_small(tmp_path, "method=supremix", "protocol=linear_probe")
    encoder = tmp_path / "runs" / "encoders" / probe["pretrain_id"] / "backbone.safetensors"
    written = encoder.stat().st_mtime_ns
    _, finetuned = run_small(tmp_path, "method=supremix", "protocol=finetune")
    assert finetuned["pretrain_id"] == probe["pretrain_id"]
    assert finetuned["id"] != probe["id"]
    assert encoder.stat().st_mtime_ns == written
    assert len(list((tmp_path / "runs" / "encoders").glob("*/DONE"))) == 1


def test_a_stored_encoder_gives_the_same_probe_as_a_fresh_one(tmp_path):
    fresh, _ = run_small(tmp_path)
    (fresh / "DONE").unlink()  # only the encoder is left finished
    again, _ = run_small(tmp_path)
    assert again == fresh
    other, _ = run_small(tmp_path / "other")
    np.testing.assert_array_equal(
        np.load(again / "predictions.npz")["test_best"], np.load(other / "predictions.npz")["test_best"]
    )


def test_the_linear_probe_leaves_the_backbone_alone_and_finetuning_does_not(tmp_path):
    for protocol, same in (("linear_probe", True), ("finetune", False)):
        directory, record = run_small(tmp_path, f"protocol={protocol}")
        encoder = load_file(tmp_path / "runs" / "encoders" / record["pretrain_id"] / "backbone.safetensors")
        best = load_file(directory / "best.safetensors")
        assert all(torch.equal(value, best[f"backbone.{key}"]) for key, value in encoder.items()) == same


def test_methods_of_one_seed_start_from_the_same_backbone(tmp_path):
    weights = []
    for method in CONTRASTIVE:
        # A rate this low leaves the initial weights where they are.
        _, record = run_small(tmp_path, f"method={method}", "method.pretrain.optimizer.lr=1e-30")
        weights.append(load_file(tmp_path / "runs" / "encoders" / record["pretrain_id"] / "backbone.safetensors"))
    assert all(torch.equal(weights[0][key], other[key]) for other in weights[1:] for key in weights[0])


def test_the_loss_gets_the_training_labels_range_and_binned_labels(tmp_path, monkeypatch):
    from supremix.losses import SupReMixLoss

    seen = []

    class Spy(SupReMixLoss):
        def forward(self, z_ND, y_N, lam_NN=None, generator=None):
            seen.append((self.label_range, y_N.clone()))
            return super().forward(z_ND, y_N, lam_NN, generator)

    monkeypatch.setattr("supremix.losses.SupReMixLoss", Spy)
    _, record = run_small(tmp_path, "method=supremix")
    assert {label_range for label_range, _ in seen} == {record["data"]["label_range"]}
    assert all((y_N % 10 == 0).all() for _, y_N in seen)


def test_supcr_gets_raw_labels(tmp_path, monkeypatch):
    from supremix.losses import SupCRLoss

    seen = []
    forward = SupCRLoss.forward
    monkeypatch.setattr(SupCRLoss, "forward", lambda self, z, y: (seen.append(y.clone()), forward(self, z, y))[1])
    run_small(tmp_path, "method=supcr")
    assert any((y_N % 10 != 0).any() for y_N in seen)


def test_share_of_anchors_without_a_positive_is_recorded(tmp_path):
    _, supcon = run_small(tmp_path, "method=supcon", "trainer.log_every=1")
    _, supremix = run_small(tmp_path, "method=supremix", "trainer.log_every=1")
    shares = [record["pretrain"]["anchors_without_positive"] for record in (supcon, supremix)]
    assert 0 <= shares[1] < shares[0] < 1  # Mix-pos give most lonely anchors a positive


def test_bias_starts_at_the_mean_label_unless_told_otherwise(tmp_path):
    starts = {}
    for start in ("mean", "zero"):
        directory, _ = run_small(
            tmp_path, "method=random", "dataset.scaling=raw", f"protocol.bias_init={start}",
            "protocol.optimizer.lr=1e-30",
        )  # fmt: skip
        starts[start] = load_file(directory / "last.safetensors")["head.bias"].item()
    assert abs(starts["zero"]) < 1e-20
    assert 100 < starts["mean"] < 200


def test_identity_ignores_where_and_how_and_hears_everything_else(tmp_path):
    def ids(*overrides):
        science = identity.scientific(config(tmp_path, *overrides))
        return identity.run_id(science, "data"), identity.pretrain_id(science, "data")

    plain = ids()
    for override in (
        "paths.runs=elsewhere",
        "trainer.threads=2",
        "tracking.project=other",
        "trainer.log_every=3",
        "trainer.representation_every=3",
    ):
        assert ids(override) == plain
    assert ids("method.window=60.0") == plain  # 60 and 60.0 are one window
    for override in (
        "seed=1",
        "method.pretrain.sampler=paired",
        "method.window=61",
        "dataset.scaling=raw",
        "method/fidelity=release",
    ):
        run_id, pretrain_id = ids(override)
        assert run_id != plain[0]
        assert pretrain_id != plain[1]
    for override in ("protocol=finetune", "protocol.epochs=4"):
        run_id, pretrain_id = ids(override)
        assert run_id != plain[0]
        assert pretrain_id == plain[1]
    science = identity.scientific(config(tmp_path))
    assert identity.run_id(science, "other data") != plain[0]
    assert ids("method=vanilla", "dataset.recipe.adapt.epochs=9") == ids("method=vanilla")  # a recipe it never uses


def test_settings_of_a_page_are_those_that_the_identity_hears(tmp_path):
    plain = identity.scientific(config(tmp_path))
    for override in ("trainer.precision=bf16-mixed", "trainer.workers=1", "trainer.threads=2", "rerun=true", "seed=3"):
        assert is_science(override) == (identity.scientific(config(tmp_path, override)) != plain)


def test_records_are_plain_json_without_nan(tmp_path):
    directory, _ = run_small(tmp_path, "method=constant")

    def refuse(name):
        raise AssertionError(name)

    json.loads((directory / "record.json").read_text(), parse_constant=refuse)


def test_an_interrupted_run_leaves_nothing_that_looks_finished(tmp_path, monkeypatch):
    def interrupted(*_args, **_kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("supremix.experiment.record.np.savez_compressed", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_small(tmp_path)
    left = sorted(path for path in (tmp_path / "runs").iterdir() if path.name != "encoders")
    assert [path.suffix for path in left] == [".partial"]
    assert not list(left[0].rglob("DONE"))
    assert "KeyboardInterrupt" in (left[0] / "run.log").read_text()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["method.temperature=-1"], "method.loss: temperature must be a finite number above 0"),
        (["method.temperature=hot"], "method.loss: .*hot"),
        (["method.window=-1"], "method.loss: window"),
        (["method.beta=[2]"], "method.loss: beta"),
        (["protocol.bias_init=one"], "protocol.bias_init=one: use one of mean, zero"),
        (["protocol.select=accuracy"], "protocol.select=accuracy: use one of mae"),
        (["protocol.epochs=0"], "protocol.epochs=0: give a whole number, 1 or more"),
        (["protocol.batch_size=2.5"], "protocol.batch_size=2.5: give a whole number"),
        (["seed=-1"], "seed=-1"),
        (["method=vanilla", "protocol=linear_probe"], "method=vanilla trains its backbone"),
        (["method=vanilla", "protocol=linear_probe", "backbone.weights=w.pt"], "method=vanilla trains its backbone"),
        (["method=huber", "protocol=linear_probe"], "method=huber trains its backbone"),
        (["method=ranksim", "trainer.precision=16-mixed"], "ranksim: the gradient of RankSim is not in proportion"),
        (["method=supcon", "protocol=none"], "protocol=none trains nothing"),
        (["dataset.load.sizes={train:1,val:1,test:1}"], "442 rows"),
        (["trainer.progress=loud"], "trainer.progress"),
        (["tracking.mode=maybe"], "tracking.mode"),
        (["method.labels=rounded"], "method.labels"),
    ],
)
def test_a_wrong_setting_is_one_line_that_names_the_key(tmp_path, overrides, message):
    with pytest.raises(UserError, match=message) as error:
        run_small(tmp_path, *overrides)
    assert "\n" not in str(error.value)
