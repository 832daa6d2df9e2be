"""HCP-Aging: preparation of good and damaged series, the loader, the twin, and a run through the config."""

import csv
import json
import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from supremix.data import timeseries
from supremix.data.dataset import Data
from supremix.data.readers import Parcels
from supremix.errors import UserError
from supremix.experiment.run import run as run_experiment
from supremix.prepare import hcp_aging
from supremix.prepare.twins import command as make_twin
from supremix.prepare.twins.parcels import NETWORKS, draw_series
from supremix.settings.compose import CONF, composed
from supremix.store.records import read_record

N = 24
P = 400


@pytest.fixture(scope="session")
def twin(tmp_path_factory) -> Path:
    """The data directory with the tiny twin's raw folder."""
    data = tmp_path_factory.mktemp("hcp")
    assert make_twin.main(["hcp_aging", "--size", "tiny", "--out", str(data), "--workers", "1"]) == 0
    return data


@pytest.fixture(scope="session")
def prepared(twin) -> Path:
    assert run(twin) == 0
    return twin / "out" / "hcp_aging_tiny"


@pytest.fixture
def raw(twin, tmp_path) -> Path:
    """A copy of the raw folder, to damage."""
    shutil.copytree(twin / "hcp_aging_tiny", tmp_path / "hcp_aging_tiny")
    return tmp_path / "hcp_aging_tiny"


def run(data: Path, *more: object) -> int:
    arguments = ["--data", data, "--out", data / "out", "--name", "hcp_aging_tiny", "--workers", 1, *more]
    return hcp_aging.main([str(argument) for argument in arguments])


def subjects(raw: Path) -> list[str]:
    return sorted(path.stem for path in raw.glob("*.npy"))


def findings(folder: Path) -> dict[str, dict[str, str]]:
    return {row["id"] or row["file"]: row for row in csv.DictReader((folder / "report.csv").open())}


def manifest(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / "manifest.csv").open()))


def load(folder: Path) -> Data:
    return timeseries.load_series(folder, name="hcp_aging_tiny", bin_size=1)


# ---- preparation


def test_a_twin_is_prepared(prepared, twin):
    meta = json.loads((prepared / "meta.json").read_text())
    assert (meta["name"], meta["rows"], meta["synthetic"]) == ("hcp_aging_tiny", N, True)
    rows = manifest(prepared)
    frames = np.concatenate([np.load(path) for path in sorted(prepared.glob("frames-*.npy"))])
    assert (frames.dtype, frames.shape[1]) == (np.float32, P)
    first = 0
    for row in rows:
        series = np.load(twin / "hcp_aging_tiny" / f"{row['id']}.npy").astype(float)
        expected = (series - series.mean(1, keepdims=True)) / series.std(1, keepdims=True)
        np.testing.assert_allclose(frames[first : first + int(row["frames"])].T, expected, atol=1e-5)
        first += int(row["frames"])
    assert first == len(frames)
    assert sorted({row["split"] for row in rows}) == ["test", "train", "val"]


def test_workers_change_no_byte(raw, prepared):
    assert run(raw.parent, "--workers", 2) == 0
    folder = raw.parent / "out" / "hcp_aging_tiny"
    assert {p.name for p in folder.iterdir()} == {p.name for p in prepared.iterdir()}
    made = [path for path in folder.iterdir() if path.name != "stamps.json"]  # of the raw files' own times
    assert all(path.read_bytes() == (prepared / path.name).read_bytes() for path in made)


def test_tables_of_every_kind_and_direction_are_the_same(raw, prepared):
    for i, subject in enumerate(subjects(raw)[:4]):
        series = np.load(raw / f"{subject}.npy").astype(float)
        (raw / f"{subject}.npy").unlink()
        if i == 0:
            np.save(raw / f"{subject}.npy", series.T)
        elif i == 1:
            np.savetxt(raw / f"{subject}.csv", series, delimiter=",")
        elif i == 2:
            np.savetxt(raw / f"{subject}.tsv", series.T, delimiter="\t")
        else:
            np.savetxt(raw / f"{subject}.txt", series)
    assert run(raw.parent) == 0
    folder = raw.parent / "out" / "hcp_aging_tiny"
    for name in ("frames-0000.npy", "frames-0001.npy"):
        np.testing.assert_allclose(np.load(folder / name), np.load(prepared / name), atol=1e-5)
    assert manifest(folder) == manifest(prepared)


def test_damaged_inputs_are_left_out_by_name(raw, capsys):
    names = iter(subjects(raw))
    series = np.load(raw / f"{subjects(raw)[-1]}.npy")
    broken: list[tuple[str, str, str]] = []

    def damage(array: np.ndarray, reason: str, detail: str) -> None:
        subject = next(names)
        np.save(raw / f"{subject}.npy", array)
        broken.append((subject, reason, detail))

    def changed(parcel: object, frame: object, value: float) -> np.ndarray:
        copy = series.copy()
        copy[parcel, frame] = value
        return copy

    frames = series.shape[1]
    damage(series[:360], "no 400 parcels", f"360×{frames} values")
    damage(series[None], "no 400 parcels", f"1×400×{frames} values")
    damage(changed(6, 2, np.nan), "values that are NaN or infinite", "the first: parcel 7, frame 3")
    damage(changed(0, 0, np.inf), "values that are NaN or infinite", "parcel 1, frame 1")
    damage(changed([3, 17], slice(None), 0.1), "constant parcels", "2 of 400: 4, 18")
    damage(series[:, :31], "fewer than 32 frames", "31")
    damage(np.ones((P, P)), "parcels and frames cannot be told apart", "400×400")
    damage(series.astype(complex), "not readable as a table of numbers", "complex")
    damage(np.array([["a"] * P] * 40), "not readable as a table of numbers", "")
    truncated, empty, text = next(names), next(names), next(names)
    (raw / f"{truncated}.npy").write_bytes((raw / f"{truncated}.npy").read_bytes()[:-1])
    (raw / f"{empty}.npy").write_bytes(b"")
    (raw / f"{text}.npy").unlink()
    (raw / f"{text}.csv").write_text("1,2,3\n4,5\n")
    broken += [(truncated, "not readable as a table of numbers", ""), (empty, "the file is empty", "")]
    broken += [(text, "not readable as a table of numbers", "")]
    (raw / "README").write_text("hello")

    assert run(raw.parent) == 0
    folder = raw.parent / "out" / "hcp_aging_tiny"
    found = findings(folder)
    for subject, reason, detail in broken:
        assert (found[subject]["action"], found[subject]["reason"]) == ("dropped", reason)
        assert detail in found[subject]["detail"]
    assert found["README"]["reason"].startswith("no SUBJECT.npy")
    assert [row["id"] for row in manifest(folder)] == [s for s in subjects(raw) if s not in {b[0] for b in broken}]
    assert len(found) == len(broken) + 1
    assert "      4 dropped: not readable as a table of numbers" in capsys.readouterr().out


def test_months_and_subjects_without_age(raw):
    names = subjects(raw)
    lines = [f'"{name}"\t"{480 + 12 * i}"' for i, name in enumerate(names[:-1])]
    header = ['"src_subject_id"\t"interview_age"', '"Subject ID"\t"Age in months"']  # as the NDA hands it out
    (raw / "ages.csv").write_text("\n".join([*header, *lines, f"{names[-2]}\tNaN", ""]))
    assert run(raw.parent) == 0
    folder = raw.parent / "out" / "hcp_aging_tiny"
    assert [float(row["label"]) for row in manifest(folder)] == pytest.approx([40 + i for i in range(N - 1)])
    found = findings(folder)
    assert found[names[-1]]["reason"] == "file, but no usable age in the table"
    assert found["Subject ID"]["reason"] == "no usable age"
    assert found[names[-2]]["reason"] == "no usable age"


def test_splits_are_drawn_in_the_paper_s_proportions_and_by_the_seed(raw):
    counts, drawn = [], []
    for seed in (0, 0, 1):
        assert run(raw.parent, "--split-seed", seed) == 0
        rows = manifest(raw.parent / "out" / "hcp_aging_tiny")
        drawn.append([row["split"] for row in rows])
        counts.append([drawn[-1].count(split) for split in ("train", "val", "test")])
        shutil.rmtree(raw.parent / "out")
    assert drawn[0] == drawn[1] != drawn[2]
    assert counts[0] == counts[2] == [17, 4, 3]  # 24 of 656 in the proportions 456/100/100


# ---- loading


def test_batches_are_padded_with_zeros(prepared, twin):
    data = load(prepared)
    assert data.input_spec == {"in_channels": P}
    index = np.array([5, 0, 16])  # from both pieces
    batch = data.train.fetch(index)
    lengths = batch["length"].tolist()
    assert batch["x"].shape == (3, P, max(lengths))
    assert (batch["x"].dtype, batch["length"].dtype) == (torch.float32, torch.int64)
    for row, length, subject in zip(batch["x"], lengths, data.train.ids[index], strict=True):
        series = np.load(twin / "hcp_aging_tiny" / f"{subject}.npy").astype(float)
        assert length == series.shape[1]
        expected = (series - series.mean(1, keepdims=True)) / series.std(1, keepdims=True)
        np.testing.assert_allclose(row[:, :length], expected, atol=1e-5)
        assert not row[:, length:].any()


def test_flattened_series_are_means_of_eight_parts(prepared):
    data = load(prepared)
    batch = data.train.fetch(np.arange(4))
    flat = data.flatten(batch).reshape(4, P, 8)
    for i in range(4):
        length = int(batch["length"][i])
        edges = [k * length // 8 for k in range(9)]
        means = [batch["x"][i, :, a:b].mean(1) for a, b in pairwise(edges)]
        torch.testing.assert_close(flat[i], torch.stack(means, 1), atol=1e-5, rtol=0)
    longer = {"x": torch.nn.functional.pad(batch["x"], (0, 30), value=9.0), "length": batch["length"]}
    torch.testing.assert_close(data.flatten(longer).reshape(4, P, 8), flat)


@pytest.fixture
def spoilt(prepared, tmp_path) -> Path:
    shutil.copytree(prepared, tmp_path / "hcp_aging_tiny")
    return tmp_path / "hcp_aging_tiny"


def set_frames(folder: Path, row: int, text: str | None) -> None:
    rows = list(csv.reader((folder / "manifest.csv").open()))
    if text is None:
        rows = [cells[:-1] for cells in rows]
    else:
        rows[row][-1] = text
    (folder / "manifest.csv").write_text("\n".join(map(",".join, rows)) + "\n")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: set_frames(f, 3, "x"), r"row 3 \(id 'HCA.*has 'x' frames"),
        (lambda f: set_frames(f, 2, "-40"), "row 2 .*has '-40' frames"),
        (lambda f: set_frames(f, 1, "39"), "frames by its rows, .* in the arrays"),
        (lambda f: set_frames(f, 1, None), "no column frames"),
        (lambda f: (f / "frames-0000.npy").write_bytes(b""), "frames-0000.npy: truncated"),
        (lambda f: (f / "meta.json").write_text("[]"), "not a JSON object"),
    ],
)
def test_damaged_folders_are_refused(spoilt, change, message):
    change(spoilt)
    with pytest.raises(UserError, match=message):
        load(spoilt)


@pytest.mark.parametrize("harm", [lambda file: file.unlink(), lambda file: file.write_bytes(file.read_bytes()[:-9])])
def test_a_file_that_goes_while_a_run_reads_it_is_named_with_the_way_out(spoilt, harm):
    data = load(spoilt)
    for file in spoilt.glob("frames-*.npy"):
        harm(file)
    with pytest.raises(UserError, match=r"frames-0000\.npy: .*: .*(again|anew)"):
        data.train.fetch(np.arange(len(data.train)))


def test_new_series_with_a_parcel_that_is_constant_but_for_rounding_are_refused_as_in_preparation():
    series_TP = np.random.default_rng(0).normal(size=(40, 5))
    series_TP[:, 3] = 0.1 + 1e-9 * series_TP[:, 3]
    with pytest.raises(UserError, match=r"series 2: parcel 4 is constant but for rounding"):
        Parcels(5).read([series_TP[:, :3].repeat(2, 1)[:, :5], series_TP])


# ---- the twin and the config


def correlations(age: float) -> tuple[float, float]:
    """Mean correlation within networks, and between the two that grow together, over some subjects."""
    network = np.arange(P) * NETWORKS // P
    values = []
    for seed in range(6):
        r = np.corrcoef(draw_series(age, 400, np.random.default_rng(seed)))
        within = np.mean([r[np.ix_(network == k, network == k)].mean() for k in range(NETWORKS)])
        values.append((within, r[np.ix_(network == 2, network == 6)].mean()))
    return tuple(np.mean(values, axis=0))


def test_the_twin_s_correlations_drift_with_age_and_its_means_do_not():
    young, old = correlations(40), correlations(88)
    assert young[0] > old[0] + 0.1
    assert young[1] < old[1] - 0.1
    series = draw_series(60, 500, np.random.default_rng(0))
    assert np.abs(series.mean(1) / series.std(1)).max() < 0.4


def test_nothing_linear_in_the_twin_tells_the_age():
    rng = np.random.default_rng(0)
    ages = rng.uniform(36, 90, 80)
    x = np.array([draw_series(age, 60, np.random.default_rng(i))[::8].ravel() for i, age in enumerate(ages)])
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    gram = x @ x.T
    train, test = slice(0, 60), slice(60, 80)
    weights = np.linalg.solve(gram[train, train] + 0.1 * np.eye(60), ages[train] - ages[train].mean())
    error = np.abs(gram[test, train] @ weights + ages[train].mean() - ages[test]).mean()
    assert error > 0.85 * np.abs(ages[test] - ages[train].mean()).mean()


@pytest.mark.parametrize("dataset", ["hcp_aging", "hcp_aging_demo"])
def test_the_config_has_the_paper_s_values(dataset):
    cfg = composed(CONF, [f"dataset={dataset}", "method=supremix"])
    assert (cfg.method.temperature, cfg.method.window, list(cfg.method.beta)) == (0.5, 5, [2, 8])
    assert (cfg.protocol.name, cfg.backbone.name) == ("finetune", "resnet18_1d")
    recipe = cfg.dataset.recipe
    assert dict(recipe.views) == {"supremix": 1, "baselines": 1}
    if dataset == "hcp_aging":
        assert (recipe.pretrain.batch_size, recipe.backbone.width, recipe.projection.hidden) == (64, 64, 512)
        assert (recipe.pretrain.epochs, recipe.adapt.epochs, recipe.vanilla.epochs) == (100, 100, 100)


def test_raw_files_become_a_record(twin, prepared, tmp_path):
    overrides = [
        "dataset=hcp_aging_demo",
        "dataset.name=hcp_aging_tiny",
        "method=supremix",
        f"paths.prepared={twin / 'out'}",
        f"paths.runs={tmp_path}",
        "dataset.recipe.backbone.width=2",
        "dataset.recipe.pretrain.epochs=1",
        "dataset.recipe.adapt.epochs=1",
        "tracking=none",
        "trainer.progress=off",
        "trainer.accelerator=cpu",
    ]
    record = read_record(run_experiment(composed(CONF, overrides)))
    assert record["synthetic"] is True
    assert record["data"]["sizes"] == {"train": 17, "val": 4, "test": 3}
    assert np.isfinite(record["metrics"]["test"]["best"]["mae"])
