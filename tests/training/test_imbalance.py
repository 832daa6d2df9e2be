"""LDS, FDS and shots: values against loops, rows that have no neighbours, and whole runs under every protocol."""

import math
from functools import partial

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from safetensors.torch import load_file
from torch import nn

from supremix.data.dataset import Data, Split, TargetScale
from supremix.errors import UserError
from supremix.metrics.bias import BIAS
from supremix.metrics.regression import METRICS, grouped, regression_metrics
from supremix.metrics.shots import SHOTS, shots
from supremix.models.mlp import MLP
from supremix.settings import identity
from supremix.settings.check import settings_of
from supremix.settings.compose import CONF
from supremix.suite.plan import Cell
from supremix.suite.reading import load
from supremix.tables.render import markdown
from supremix.tables.results import collect
from supremix.training import adapt
from supremix.training.imbalance.bins import Bins, Smoothing, kernel_window
from supremix.training.imbalance.fds import FDS, merged, moments
from supremix.training.imbalance.lds import LDS, REWEIGHT
from supremix.training.imbalance.running import Labelled, RunningFDS, labelled
from supremix.training.regression import LOSSES, Objective, Regressor
from tests.reference import imbalance as reference
from tests.running import config, run_small
from tests.stages import protocol

LABELS = np.array([3.0, 3, 3, 4, 4, 4, 4, 4, 6, 6, 7, 12, 12, 12, 30])  # bins 5, 8 to 11 and 13 to 29 have no row
SETTINGS = [("gaussian", 5, 2.0), ("triang", 5, 2.0), ("laplace", 3, 0.5), ("gaussian", 1, 1.0), ("laplace", 41, 3.0)]
YANG = ("gaussian", 5, 2)


def bin_numbers(bins):
    return torch.from_numpy(bins.of_row)


def features(rows, channels=4, seed=0):
    return torch.randn(rows, channels, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 3 + 1


def by_channel(z_ND, column):
    """A loop's result for each channel, side by side."""
    return np.stack([column(z_ND[:, d].tolist()) for d in range(z_ND.shape[1])], axis=1)


def test_bins_count_training_rows_and_know_labels_outside():
    bins = Bins(LABELS, 1.0)
    assert bins.number.tolist() == [3, 4, 6, 7, 12, 30]
    assert bins.count == 6
    assert bins.rows.sum() == len(LABELS)
    np.testing.assert_array_equal(bins.rows_at(np.array([2.0, 3, 4, 5, 30, 31, -100])), [0, 3, 5, 0, 1, 0, 0])
    tenths = Bins(np.array([0.1, 0.2, 0.3, 0.30000000000000004, 4.3]), 0.1)
    np.testing.assert_array_equal(tenths.of_row, [0, 1, 2, 2, 3])
    assert tenths.number.tolist() == [1, 2, 3, 43]


@pytest.mark.parametrize(("kernel", "size", "sigma"), SETTINGS)
def test_windows_and_smoothing_are_the_kernels(kernel, size, sigma):
    window = kernel_window(kernel, size, sigma)
    expected = [reference.kernel(kernel, k - size // 2, size, sigma) for k in range(size)]
    np.testing.assert_allclose(window, expected, rtol=1e-12)
    values = features(6, 2)
    loop = [sum(reference.kernel(kernel, j - i, size, sigma) * values[j] for j in range(6)) for i in range(6)]
    smooth = Smoothing(Bins(np.arange(6.0), 1.0), window)
    np.testing.assert_allclose(smooth(values), torch.stack(loop), rtol=1e-12)


@pytest.mark.parametrize(("kernel", "size", "sigma"), SETTINGS)
def test_smoothing_of_the_bins_that_occur_has_the_bits_of_smoothing_over_all(kernel, size, sigma):
    """Over all bins: a sum of shifted copies, in which bins without a row are zeros."""
    bins, window = Bins(LABELS, 1.0), kernel_window(kernel, size, sigma)
    values = features(bins.count, 3)
    place_K = torch.from_numpy(bins.number - bins.number[0])
    padded = torch.zeros(28 + 2 * (size // 2), 3, dtype=values.dtype)
    padded[place_K + size // 2] = values
    dense = torch.stack([weight * padded[k : k + 28] for k, weight in enumerate(window.tolist())]).sum(0)
    assert torch.equal(Smoothing(bins, window)(values), dense[place_K])


@pytest.mark.parametrize("apart", [1e3, 1e9, 1e14])
def test_cost_follows_the_rows_and_not_the_range_of_their_labels(apart):
    """Bins up to 4e15 from each other: an array over their range would be no array."""
    wide = np.where(LABELS > 10, LABELS * apart, LABELS) * np.where(LABELS > 20, -1, 1)
    bins, z_ND = Bins(wide, 1.0), features(len(LABELS))
    np.testing.assert_array_equal(bins.rows_at(np.array([3.0, 12 * apart, -30 * apart, 5, 1e15])), [3, 3, 1, 0, 0])
    assert [mask.tolist() for mask in shots(bins.rows_at(wide)).values()][2] == [True] * len(LABELS)
    labels = wide.astype(np.int64).tolist()
    weight_N = LDS(*YANG, "sqrt_inv").row_weights(bins)
    np.testing.assert_allclose(weight_N, reference.lds_weights(labels, *YANG, "sqrt_inv"), rtol=1e-6)

    def loop(z):
        return reference.fds_calibrated(z, labels, reference.own_statistics(z, labels), *YANG)

    expected = by_channel(z_ND, loop)
    np.testing.assert_allclose(FDS(*YANG, 0.9, 0, 1).calibrated(z_ND, bins), expected, rtol=1e-9, atol=1e-9)
    running = RunningFDS(FDS(*YANG, 0.0, 0, 1), bins, 4)
    for epoch in (1, 2):
        running.start(epoch)
        got = running(z_ND.float(), bin_numbers(bins))
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("reweight", REWEIGHT)
@pytest.mark.parametrize(("kernel", "size", "sigma"), SETTINGS)
def test_lds_weights_equal_the_loop(kernel, size, sigma, reweight):
    weight_N = LDS(kernel, size, sigma, reweight).row_weights(Bins(LABELS, 1.0))
    expected = reference.lds_weights(LABELS.astype(int).tolist(), kernel, size, sigma, reweight)
    np.testing.assert_allclose(weight_N, expected, rtol=1e-6)
    assert weight_N.mean() == pytest.approx(1)
    assert weight_N[-1] == weight_N.max(), "the loneliest label weighs most"


@pytest.mark.parametrize("loss", ["l1", "mse"])
def test_lds_with_equal_counts_is_no_lds_and_otherwise_weights_each_row(loss):
    def plain(prediction_B, row_B):
        return getattr(nn.functional, f"{loss}_loss")(prediction_B, torch.from_numpy(of_rows[0]).float()[row_B])

    def value_and_gradient(objective, y_N):
        of_rows[0] = y_N
        prediction = torch.linspace(-1, 3, len(y_N)).requires_grad_()
        value = objective(prediction, torch.arange(len(y_N)))
        return value.detach(), torch.autograd.grad(value, prediction)[0]

    def ours(y_N):
        weight_N = LDS(*YANG, "sqrt_inv").row_weights(Bins(y_N, 1.0))
        toy = Data(
            "toy", *[Split(y_N.astype(str), y_N, lambda rows: rows)] * 3, 1.0, TargetScale(0.0, 1.0), {}, "", True
        )
        criterion = LOSSES[loss](reduction="none")
        objective = Objective(criterion, toy, {}, weight_N, torch.Generator(), torch.device("cpu"))
        return objective, torch.from_numpy(weight_N)

    of_rows = [LABELS]

    equal = np.repeat([0.0, 10, 20, 30], 3)  # too far apart for the kernel to mix
    for got, expected in zip(value_and_gradient(ours(equal)[0], equal), value_and_gradient(plain, equal), strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-6, atol=1e-7)
    objective, weight_N = ours(LABELS)
    value, gradient = value_and_gradient(objective, LABELS)
    _, unweighted = value_and_gradient(plain, LABELS)
    torch.testing.assert_close(gradient, weight_N * unweighted)
    assert value != value_and_gradient(plain, LABELS)[0]


def test_moments_of_parts_are_those_of_the_whole():
    z_ND, bin_N = features(60), torch.arange(60) % 7 // 2 * 2  # odd bins stay empty
    whole, parts = moments(z_ND, bin_N, 9), moments(z_ND[:0], bin_N[:0], 9)
    for start, end in ((0, 1), (1, 2), (2, 30), (30, 60)):
        parts = merged(parts, moments(z_ND[start:end], bin_N[start:end], 9))
    for a, b in zip(whole, parts, strict=True):
        torch.testing.assert_close(a, b)
    for b in (0, 2, 4, 6):
        torch.testing.assert_close(whole.squares_KD[b], ((z_ND[bin_N == b] - whole.mean_KD[b]) ** 2).sum(0))


@pytest.mark.parametrize("at_once", [4096, 4])
@pytest.mark.parametrize(("kernel", "size", "sigma"), SETTINGS)
def test_fixed_features_are_calibrated_as_the_loop_says(kernel, size, sigma, at_once, monkeypatch):
    monkeypatch.setattr("supremix.training.imbalance.fds.ROWS_AT_ONCE", at_once)
    bins, z_ND = Bins(LABELS, 1.0), features(len(LABELS))
    z_ND[:3, 1] *= 100  # a variance whose ratio is clamped, below and, beside it, above
    z_ND[3:8, 2] = 5.0  # a channel that is constant in a bin
    got = FDS(kernel, size, sigma, 0.9, 0, 1).calibrated(z_ND, bins)
    labels = LABELS.astype(int).tolist()

    def loop(z):
        return reference.fds_calibrated(z, labels, reference.own_statistics(z, labels), kernel, size, sigma)

    np.testing.assert_allclose(got, by_channel(z_ND, loop), rtol=1e-9, atol=1e-9)
    assert torch.isfinite(got).all()


def test_a_bin_alone_stays_as_it_is_and_one_row_takes_its_neighbours_mean():
    bins, z_ND = Bins(LABELS, 1.0), features(len(LABELS))
    got = FDS("gaussian", 3, 1.0, 0.9, 0, 1).calibrated(z_ND, bins)
    torch.testing.assert_close(got[11:], z_ND[11:])  # labels 12 and 30: no other bin within the window
    pair = z_ND[8:10].mean(0)  # label 6 beside the single row of label 7
    beside = math.exp(-0.5)
    torch.testing.assert_close(got[10], (z_ND[10] + beside * pair) / (1 + beside))


@pytest.mark.parametrize(
    ("start_update", "start_smooth", "momentum"), [(0, 1, 0.9), (0, 0, 0.5), (1, 3, 0.9), (2, 0, 0)]
)
def test_running_statistics_follow_the_loop_over_epochs(start_update, start_smooth, momentum):
    bins, labels = Bins(LABELS, 1.0), LABELS.astype(int).tolist()
    running = RunningFDS(FDS(*YANG, momentum, start_update, start_smooth), bins, 2)
    before = [None, None]
    for epoch in range(1, 6):
        running.start(epoch)
        z_ND = features(len(LABELS), 2, seed=epoch).float()
        got = torch.cat([running(z, b) for z, b in zip(z_ND.split(4), bin_numbers(bins).split(4), strict=True)])
        for d in range(2):
            z = z_ND[:, d].tolist()
            expected = z
            if epoch > start_smooth and before[d] is not None:
                expected = reference.fds_calibrated(z, labels, before[d], *YANG)
            np.testing.assert_allclose(got[:, d], expected, rtol=2e-4, atol=2e-4)
            if epoch > start_update:
                before[d] = reference.running_statistics(before[d], reference.own_statistics(z, labels), momentum)
    assert not torch.equal(got, z_ND)


def test_statistics_are_of_features_before_calibration_and_have_no_gradient():
    bins = Bins(LABELS, 1.0)
    runs = [RunningFDS(FDS(*YANG, 0.0, 0, start), bins, 3) for start in (1, 99)]  # calibrating, and not
    for epoch in (1, 2, 3):
        for running in runs:
            running.start(epoch)
            z_ND = features(len(LABELS), 3, seed=epoch).float().requires_grad_()
            out = running(z_ND, bin_numbers(bins))
            (gradient,) = torch.autograd.grad(out.sum(), z_ND)
            scale = torch.ones(bins.count, 3) if running.current is None else running.current.scale_KD
            torch.testing.assert_close(gradient, scale[bin_numbers(bins)])
    torch.testing.assert_close(runs[0].mean, runs[1].mean)
    assert runs[1].current is None


def test_a_saved_state_goes_on_as_if_not_interrupted():
    bins = Bins(LABELS, 1.0)

    def fresh():
        return RunningFDS(FDS(*YANG, 0.9, 0, 1), bins, 3)

    def epoch(running, number):
        running.start(number)
        return running(features(len(LABELS), 3, seed=number).float(), bin_numbers(bins))

    whole, first, second = fresh(), fresh(), fresh()
    for number in (1, 2, 3):
        expected = epoch(whole, number)
    for number in (1, 2):
        epoch(first, number)
    second.load_state_dict(first.state_dict())
    assert torch.equal(epoch(second, 3), expected)


def test_evaluation_is_never_calibrated_and_training_is():
    bins = Bins(LABELS, 1.0)
    running = RunningFDS(FDS(*YANG, 0.9, 0, 1), bins, 4)
    model = Regressor(nn.Identity(), nn.Linear(4, 1), nn.L1Loss(), {}, running, None)
    x = features(len(LABELS)).float()
    batches = labelled(lambda epoch, first: iter([(x, torch.arange(len(LABELS)))]), running, bins.of_row)
    seen = []
    for number in (1, 2):
        for batch, row_B in batches(number):
            assert isinstance(batch, Labelled)
            assert len(row_B) == len(batch.bin_B)
            seen.append(model(batch))
    torch.testing.assert_close(seen[0], model.head(x))
    assert not torch.allclose(seen[1], seen[0])
    rows = running.epoch_rows.clone()
    torch.testing.assert_close(model(x), model.head(x))
    assert torch.equal(running.epoch_rows, rows), "what is evaluated leaves no trace in the statistics"


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: LDS("box", 5, 2, "sqrt_inv"), "kernel=box: use one of gaussian, triang, laplace"),
        (lambda: LDS("gaussian", 4, 2, "sqrt_inv"), "size=4: give an odd whole number"),
        (lambda: LDS("gaussian", -1, 2, "sqrt_inv"), "size=-1"),
        (lambda: LDS("gaussian", 5, 0, "sqrt_inv"), "sigma=0: give a number above 0"),
        (lambda: LDS("gaussian", 5, 2, "root"), "reweight=root: use one of sqrt_inv, inverse"),
        (lambda: FDS("gaussian", 5, math.nan, 0.9, 0, 1), "sigma=nan"),
        (lambda: FDS("gaussian", 5, 2, 1.0, 0, 1), "momentum=1.0: give a number from 0 to below 1"),
        (lambda: FDS("gaussian", 5, 2, 0.9, -1, 1), "start_update=-1"),
        (lambda: FDS("gaussian", 5, 2, 0.9, 0, 1.5), "start_smooth=1.5"),
    ],
)
def test_settings_without_meaning_are_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_shots_follow_the_training_rows_of_a_labels_bin():
    rows = {1: 101, 2: 100, 3: 20, 4: 19, 6: 1}
    bins = Bins(np.repeat([float(label) for label in rows], list(rows.values())), 1.0)
    labels = np.array([0.0, 1, 2, 3, 4, 5, 6, 99])
    masks = shots(bins.rows_at(labels))
    assert tuple(masks) == SHOTS
    for place, label in enumerate(labels):
        assert [name for name in SHOTS if masks[name][place]] == [reference.shot(rows.get(int(label), 0))]


def test_metrics_of_groups_and_of_an_empty_one():
    y, prediction = np.array([1.0, 2, 3, 4]), np.array([1.5, 2, 2, 8])
    ends = np.array([True, False, False, True])
    got = grouped(y, prediction, {"ends": ends, "none": np.zeros(4, dtype=bool), "one": np.arange(4) == 2})
    assert set(got) == {f"{name}_{group}" for name in METRICS for group in ("ends", "none", "one")}
    for name, value in regression_metrics([1, 4], [1.5, 8]).items():
        assert got[f"{name}_ends"] == pytest.approx(value)
    assert all(math.isnan(got[f"{name}_none"]) for name in METRICS)
    assert got["mae_one"] == 1
    assert math.isnan(got["pearson_one"])
    assert grouped(y, prediction, {}) == {}


@pytest.mark.parametrize("imbalance", ["lds", "fds", "lds_fds"])
@pytest.mark.parametrize("protocol", ["linear_probe", "finetune", "end_to_end"])
def test_every_imbalance_config_runs_under_every_protocol_and_matters(tmp_path, imbalance, protocol):
    method = "vanilla" if protocol == "end_to_end" else "supremix"
    options = (f"method={method}", f"protocol={protocol}", "protocol.epochs=3")
    directory, record = run_small(tmp_path, *options, f"imbalance={imbalance}")
    plain, without = run_small(tmp_path, *options)
    assert record["pretrain_id"] == without["pretrain_id"]
    assert record["id"] != without["id"]
    assert len(list((tmp_path / "runs" / "encoders").glob("*/DONE"))) == (method == "supremix")
    ours, theirs = (np.load(path / "predictions.npz") for path in (directory, plain))
    assert np.isfinite(ours["test_last"]).all()
    assert not np.allclose(ours["test_last"], theirs["test_last"], atol=1e-4)
    if protocol == "linear_probe":
        assert not np.allclose(ours["test_ridge"], theirs["test_ridge"], atol=1e-4)
        np.testing.assert_array_equal(ours["test_features"], theirs["test_features"])
    elif imbalance != "lds":
        assert load_file(directory / "best.safetensors")["fds.rows"].sum() == record["data"]["sizes"]["train"]


def test_the_probe_calibrates_training_features_and_no_others():
    seen = {}

    def split(name, rows, seed):
        x_NF = features(rows, 5, seed).float()
        return Split(np.arange(rows).astype(str), np.arange(rows) % 6.0, lambda at_B: x_NF[torch.as_tensor(at_B)])

    data = Data(
        "toy", split("train", 40, 0), split("val", 12, 1), split("test", 12, 2), bin_size=1, target=TargetScale(0, 1),
        input_spec={}, sha256="0", synthetic=True,
    )  # fmt: skip
    backbone = MLP(5, [4])
    sgd = partial(torch.optim.SGD, lr=0.1)
    objects = adapt.Adaptation(backbone, sgd, fds=FDS(*YANG, 0.9, 0, 1))
    original = adapt.ridge_probe

    def spy(train, val, weight_N):
        seen.update(train=adapt.all_rows(train), val=adapt.all_rows(val))
        return original(train, val, weight_N)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(adapt, "ridge_probe", spy)
        adapt.adapt(Fabric(accelerator="cpu", devices=1), data, objects, protocol(epochs=1, batch_size=8), 0)
    with torch.no_grad():
        raw = {name: backbone(getattr(data, name).fetch(np.arange(len(getattr(data, name))))) for name in seen}
    np.testing.assert_allclose(seen["val"], raw["val"], rtol=1e-5)
    labels = data.train.y.astype(int).tolist()

    def loop(z):
        return reference.fds_calibrated(z, labels, reference.own_statistics(z, labels), *YANG)

    np.testing.assert_allclose(seen["train"], by_channel(raw["train"].double(), loop), rtol=1e-4, atol=1e-5)


def test_shots_are_recorded_for_every_variant_and_an_empty_one_is_null(tmp_path):
    directory, record = run_small(tmp_path, "method=random", "dataset.load.bin_size=40")
    assert set(record["data"]["groups"]["test"]) == set(SHOTS)
    assert sum(record["data"]["groups"]["test"].values()) == 88
    assert record["data"]["groups"]["test"]["many"] == 0  # 266 rows in bins of 40: none has more than 100
    arrays = np.load(directory / "predictions.npz")
    for variant in ("best", "last", "ridge"):
        values = record["metrics"]["test"][variant]
        assert set(values) == {*METRICS, *BIAS, *(f"{name}_{shot}" for name in METRICS for shot in SHOTS)}
        assert all(values[f"{name}_many"] is None for name in METRICS)
        parts = [values[f"mae_{shot}"] * record["data"]["groups"]["test"][shot] for shot in ("medium", "few")]
        assert sum(parts) / 88 == pytest.approx(np.abs(arrays["test_y"] - arrays[f"test_{variant}"]).mean())


@pytest.mark.parametrize("options", [("method=random",), ("method=vanilla", "protocol=end_to_end")])
def test_a_run_whose_labels_span_billions_of_bins_is_measured(tmp_path, options):
    directory, record = run_small(tmp_path, *options, "imbalance=lds_fds", "dataset.load.bin_size=1e-9")
    assert record["data"]["groups"]["test"] == {"many": 0, "medium": 0, "few": 88}
    assert np.isfinite(np.load(directory / "predictions.npz")["test_last"]).all()


def test_labels_beyond_what_a_bin_number_holds_are_refused_before_training(tmp_path):
    with pytest.raises(
        UserError, match=r"^diabetes: bin_size=1e-13: label \d+ is 2\^50 or more bins from 0, more than "
    ):
        run_small(tmp_path, "method=random", "dataset.load.bin_size=1e-13")
    assert not (tmp_path / "runs").exists()


def test_without_bins_there_are_no_shots_and_no_imbalance_config(tmp_path):
    _, record = run_small(tmp_path, "method=constant", "dataset.load.bin_size=null")
    assert set(record["metrics"]["test"]["best"]) == {*METRICS, *BIAS}
    assert record["data"]["groups"] == {"val": {}, "test": {}}
    for name in ("lds", "fds"):
        with pytest.raises(UserError, match=rf"imbalance\.{name} compares rows by label bin, and dataset=diabetes has"):
            run_small(tmp_path, "method=random", "dataset.load.bin_size=null", f"imbalance={name}")


@pytest.mark.parametrize("method", ["constant", "linear", "ridge"])
def test_reference_regressors_take_no_imbalance_config(tmp_path, method):
    settings_of(config(tmp_path, f"method={method}"))
    with pytest.raises(
        UserError, match=rf"imbalance\.lds acts on .* method={method} does not have: use imbalance=none"
    ):
        settings_of(config(tmp_path, f"method={method}", "imbalance=lds_fds"))


def test_a_wrong_setting_names_its_key(tmp_path):
    with pytest.raises(UserError, match=r"imbalance\.lds: .*size=4: give an odd whole number"):
        run_small(tmp_path, "imbalance=lds", "imbalance.lds.size=4")


def test_identity_hears_what_is_on_and_the_encoder_does_not(tmp_path):
    def ids(*overrides):
        science = identity.scientific(config(tmp_path, *overrides))
        return identity.run_id(science, "data"), identity.pretrain_id(science, "data")

    plain = ids()
    variants = ("imbalance=lds", "imbalance=fds", "imbalance=lds_fds")
    tried = [ids(option) for option in variants] + [ids("imbalance=lds", "imbalance.lds.reweight=inverse")]
    assert len({plain[0], *(run_id for run_id, _ in tried)}) == 5
    assert {pretrain_id for _, pretrain_id in tried} == {plain[1]}
    science = identity.scientific(config(tmp_path))
    without = {key: value for key, value in science.items() if key != "imbalance"}
    assert identity.run_id(science, "data") == identity.run_id(without, "data"), "ids from before it are the same"


def test_a_vanilla_encoder_is_trained_without_and_probed_with_it(tmp_path):
    _, vanilla = run_small(tmp_path, "method=vanilla")
    _, probe = run_small(tmp_path, "method=vanilla_probe", "imbalance=lds_fds")
    assert probe["pretrain_id"] == vanilla["id"]


def test_table_7_shows_an_empty_shot_as_a_dash():
    spec = load(CONF / "table" / "7.yaml")
    values = {column.split("/")[1]: 7.0 for column in spec.metrics} | {"mae_few": None, "gm_few": None}
    record = {"schema": 1, "synthetic": False, "metrics": {"test": {"best": values}}}
    found = [(Cell("", row.name, seed, []), record) for _, row in spec.cells() for seed in spec.seeds]
    lines = markdown(collect(spec, found)).splitlines()
    line = next(line for line in lines if line.startswith("| SupReMix + LDS + FDS |"))
    assert line.endswith("| **7.00 ± 0.00** | 5.27 | +1.73 | – | 7.61 | – |")
    assert "missing" not in line


def test_table_7_holds_the_papers_gains():
    """Of the best SupReMix row in each column; on medium shots the paper prints 29.1, which its numbers do not give."""
    rows = load(CONF / "table" / "7.yaml").rows
    gains = {"mae": 15.5, "mae_many": 10.9, "mae_medium": 23.9, "mae_few": 31.2}
    gains |= {"gm": 18.3, "gm_many": 14.6, "gm_medium": 33.0, "gm_few": 41.3}
    for metric, percent in gains.items():
        ours = min(row.paper[metric] for row in rows if row.kind == "ours" and metric in row.paper)
        assert 100 * (rows[0].paper[metric] - ours) / ours == pytest.approx(percent, abs=0.06)
