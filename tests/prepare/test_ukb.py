"""UK Biobank: preparation of good and damaged scans, the loader, and a training step through the config."""

import csv
import gzip
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from joblib.externals.loky import get_reusable_executor

from supremix.data import volumes
from supremix.data.raw.nifti import read_volume, to_cube, to_unit_range
from supremix.errors import UserError
from supremix.prepare import ukb
from supremix.prepare.shared.working_folder import resumable_folder
from supremix.prepare.twins import command as make_twin
from supremix.prepare.twins.brains import draw_brain
from supremix.settings.build import build
from supremix.settings.compose import CONF, composed

N = 24
make_piece = ukb.make_piece


@pytest.fixture(scope="session")
def twin(tmp_path_factory) -> Path:
    """The data directory with the tiny twin's raw folder."""
    data = tmp_path_factory.mktemp("ukb")
    assert make_twin.main(["ukb", "--size", "tiny", "--out", str(data), "--workers", "1"]) == 0
    return data


@pytest.fixture(scope="session")
def prepared(twin) -> Path:
    assert run(twin) == 0
    return twin / "out" / "ukb_tiny"


@pytest.fixture
def raw(twin, tmp_path) -> Path:
    """A copy of the raw folder, to damage."""
    shutil.copytree(twin / "ukb_tiny", tmp_path / "ukb_tiny")
    return tmp_path / "ukb_tiny"


def run(data: Path, *more: object) -> int:
    arguments = ["--data", data, "--out", data / "out", "--name", "ukb_tiny", "--workers", 1, *more]
    return ukb.main([str(argument) for argument in arguments])


def eids(raw: Path) -> list[str]:
    return [row["eid"] for row in csv.DictReader((raw / "ages.csv").open())]


def findings(folder: Path) -> dict[tuple[str, str], dict[str, str]]:
    return {(row["id"], row["file"]): row for row in csv.DictReader((folder / "report.csv").open())}


def manifest(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / "manifest.csv").open()))


def nifti(voxels: np.ndarray, affine: np.ndarray | None = None) -> bytes:
    return nib.Nifti1Image(voxels, np.diag([2.0, 2, 2, 1]) if affine is None else affine).to_bytes()


def block(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(1, 1000, shape).astype(np.int16)


# ---- from bytes to a cube


def test_one_millimetre_scans_become_block_means():
    voxels = block(12, 16, 20).astype(np.float32)
    cube = to_cube(voxels, (1, 1, 1), side=6, voxel=2.0)
    means = voxels.reshape(6, 2, 8, 2, 10, 2).mean((1, 3, 5))
    np.testing.assert_allclose(cube, means[:, 1:7, 2:8], rtol=1e-5)


def test_small_scans_are_zero_padded_around_the_centre():
    voxels = block(4, 8, 6).astype(np.float32)
    cube = to_cube(voxels, (2, 2, 2), side=10, voxel=2.0)
    expected = np.zeros((10, 10, 10), np.float32)
    expected[3:7, 1:9, 2:8] = voxels
    np.testing.assert_allclose(cube, expected, rtol=1e-6)


@pytest.mark.parametrize("sizes", [(0.9, 1.1, 1.0), (1.7, 0.8, 3.0)])
def test_other_voxel_sizes_keep_the_sum_and_a_constant(sizes):
    voxels = block(11, 9, 8).astype(np.float32)
    cube = to_cube(voxels, sizes, side=20, voxel=2.0)
    assert cube.sum() * 8 == pytest.approx(voxels.sum() * np.prod(sizes), rel=1e-5)
    flat = to_cube(np.full((40, 40, 40), 7, np.float32), sizes, side=4, voxel=2.0)
    np.testing.assert_allclose(flat, 7, rtol=1e-5)


def test_odd_grids_are_centred_too():
    voxels = block(11, 13, 7).astype(np.float32)
    for side in (6, 9):
        cube = to_cube(voxels, (1, 1, 1), side, voxel=2.0)
        mirrored = to_cube(voxels[::-1, ::-1, ::-1], (1, 1, 1), side, voxel=2.0)
        np.testing.assert_allclose(mirrored, cube[::-1, ::-1, ::-1], rtol=1e-5)


def test_orientation_is_turned_to_right_anterior_superior():
    voxels = block(5, 6, 7)
    expected, sizes, _ = read_volume(nifti(voxels))
    assert sizes == (2, 2, 2)
    turned = np.flip(voxels.transpose(2, 0, 1), 1)  # axes: superior, left, anterior
    affine = np.array([[0, -2, 0, 8.0], [0, 0, 2, 0], [2, 0, 0, 0], [0, 0, 0, 1]])
    found, _, _ = read_volume(gzip.compress(nifti(turned, affine)))
    np.testing.assert_array_equal(found, expected)


def test_intensities_are_scaled_by_their_own_percentile():
    cube = np.zeros((10, 10, 10), np.float32)
    cube[2:8, 2:8, 2:8] = block(6, 6, 6)
    one, two = to_unit_range(cube), to_unit_range(cube * 37)
    assert one.dtype == np.float16
    assert one.min() == 0
    assert one.max() == 1
    np.testing.assert_allclose(one.astype(float), two.astype(float), atol=1e-3)
    np.testing.assert_allclose(one[cube > 0].max(), 1)
    assert (one == 1).sum() < 10  # half a per cent is clipped, not more


# ---- preparation


def test_a_twin_is_prepared_as_its_size_needs(prepared, twin):
    meta = json.loads((prepared / "meta.json").read_text())
    assert (meta["name"], meta["rows"], meta["synthetic"], meta["label"]) == ("ukb_tiny", N, True, "age, years")
    assert meta["array"]["row_shape"] == [8, 8, 8]
    rows = manifest(prepared)
    assert [row["id"] for row in rows] == sorted(eids(twin / "ukb_tiny"))
    assert {split: sum(row["split"] == split for row in rows) for split in ("train", "val", "test")} == {
        "train": 19,
        "val": 3,
        "test": 2,
    }
    ages = {row["eid"]: float(row["age"]) for row in csv.DictReader((twin / "ukb_tiny" / "ages.csv").open())}
    assert all(float(row["label"]) == ages[row["id"]] for row in rows)
    for file, sha256 in meta["sha256"].items():
        assert hashlib.sha256((prepared / file).read_bytes()).hexdigest() == sha256
    assert (prepared / "report.csv").read_text() == "id,file,action,reason,detail\n"


def test_each_row_is_its_own_scan(prepared, twin):
    arrays = np.concatenate([np.load(file) for file in sorted(prepared.glob("volumes-*.npy"))])
    for i, row in enumerate(manifest(prepared)):
        with zipfile.ZipFile(twin / "ukb_tiny" / f"{row['id']}_20252_2_0.zip") as archive:
            voxels, sizes, _ = read_volume(archive.read("T1/T1_brain.nii.gz"))
        np.testing.assert_array_equal(arrays[i], to_unit_range(to_cube(voxels, sizes, 8, 24.0)))


def test_workers_and_runs_change_no_byte(raw, prepared, capsys):
    data = raw.parent
    assert run(data, "--workers", 2) == 0
    assert "24 volumes of 8³ voxels, 24 mm" in capsys.readouterr().out
    folder = data / "out" / "ukb_tiny"
    assert {p.name for p in folder.iterdir()} == {p.name for p in prepared.iterdir()}
    for path in folder.iterdir():
        if path.name == "stamps.json":  # of the raw files' own times
            continue
        assert path.read_bytes() == (prepared / path.name).read_bytes()
    before = (folder / "meta.json").stat().st_mtime_ns
    assert run(data) == 0
    assert "already prepared" in capsys.readouterr().out
    assert (folder / "meta.json").stat().st_mtime_ns == before
    assert sorted(path.name for path in (data / "out").iterdir()) == ["ukb_tiny"]


def test_damaged_inputs_are_left_out_by_name(raw, capsys):
    def rewrite(eid: str, content: bytes, name: str = ".nii.gz") -> None:
        (raw / f"{eid}_20252_2_0.zip").unlink()
        (raw / f"{eid}{name}").write_bytes(content)

    good = gzip.compress(nifti(block(13, 16, 16), np.diag([16.0, 16, 16, 1])))
    blank = gzip.compress(nifti(np.zeros((9, 9, 9), np.int16)))
    with_nan = block(9, 9, 9).astype(np.float32)
    with_nan[4, 4, 4] = np.nan
    broken: list[tuple[str, str, str]] = []
    names = iter(sorted(eids(raw)))

    def damage(reason: str, detail: str = "") -> str:
        broken.append((next(names), reason, detail))
        return broken[-1][0]

    rewrite(damage("the file is empty"), b"")
    rewrite(damage("truncated or damaged gzip"), good[: len(good) // 2])
    rewrite(damage("not one volume", "9×9×9×3 voxels"), gzip.compress(nifti(block(9, 9, 9, 3))))
    rewrite(damage("not a NIfTI-1 file"), b"\x89PNG" * 500, ".nii")
    rewrite(damage("truncated or damaged NIfTI"), nifti(block(9, 9, 9))[:-100], ".nii")
    rewrite(damage("voxels that are NaN or infinite"), gzip.compress(nifti(with_nan)))
    rewrite(damage("blank: all voxels are equal"), blank)
    archive = raw / f"{damage('truncated or damaged zip')}_20252_2_0.zip"
    archive.write_bytes(archive.read_bytes()[:200])
    with zipfile.ZipFile(raw / f"{damage('no T1/T1_brain.nii.gz in the zip')}_20252_2_0.zip", "w") as unusable:
        unusable.writestr("T1/T1_unusable/T1.nii.gz", good)
    flipped = raw / f"{damage('truncated or damaged zip', 'Bad CRC-32')}_20252_2_0.zip"
    content = bytearray(flipped.read_bytes())
    content[len(content) // 2] ^= 0xFF
    flipped.write_bytes(content)
    doubles = next(names), next(names)
    (raw / f"{doubles[0]}_T1_brain.nii.gz").write_bytes(good)
    shutil.copy(raw / f"{doubles[0]}_20252_2_0.zip", raw / f"{doubles[1]}_20252_2_0.zip")

    assert run(raw.parent) == 0
    folder = raw.parent / "out" / "ukb_tiny"
    by_id = {key[0]: row for key, row in findings(folder).items()}
    for eid, reason, detail in broken:
        assert by_id[eid]["reason"] == reason
        assert by_id[eid]["action"] == "dropped"
        assert detail in by_id[eid]["detail"]
    kept = [row["id"] for row in manifest(folder)]
    assert kept == sorted(set(eids(raw)) - {eid for eid, _, _ in broken})
    other = findings(folder)[doubles[0], f"{doubles[0]}_T1_brain.nii.gz"]
    assert (other["reason"], other["action"]) == ("another file of the same subject", "dropped")
    assert by_id[doubles[1]]["action"] == "kept"
    assert by_id[doubles[1]]["reason"] == "same image as another subject's"
    assert by_id[doubles[1]]["detail"] == doubles[0]
    out = capsys.readouterr().out
    assert "the paper's table 12: 19509/2434/2431: differ" in out
    assert "      2 dropped: truncated or damaged zip" in out
    data = volumes.load_volumes(folder, name="ukb_tiny", bin_size=1, views=None)
    assert sum(data.sizes.values()) == len(kept)


def test_the_table_of_ages_and_the_list_of_exclusions(raw):
    names = sorted(eids(raw))
    header, *lines = (raw / "ages.csv").read_text().splitlines()
    ages = dict(line.split(",") for line in lines)
    del ages[names[0]]
    ages[names[1]], ages[names[2]], ages[names[3]] = "nan", "", "-3"
    ages[names[4]] = "1e9"
    lines = [f"{eid},{age}" for eid, age in ages.items()]
    lines += [f"{names[5]},{ages[names[5]]}", f"{names[6]},99", "9999999,60", ",70"]
    (raw / "ages.csv").write_text("\n".join([header, *lines, ""]))
    (raw / "withdrawn.csv").write_text(f"{names[7]}\n{names[8]}\n1234567\n")
    (raw / f"{names[9]}_20252_3_0.zip").write_bytes(b"")
    (raw / "notes.docx").write_bytes(b"")
    assert run(raw.parent, "--exclude", raw / "withdrawn.csv") == 0
    folder = raw.parent / "out" / "ukb_tiny"
    reasons: dict[str, set[str]] = {}
    for (eid, file), row in findings(folder).items():
        reasons.setdefault(eid or file, set()).add(row["reason"])
    no_age = "file, but no usable age in the table"
    assert reasons[names[0]] == {no_age}
    for i in (1, 2, 3, 4):
        assert reasons[names[i]] == {no_age, "no usable age"}
    assert reasons[names[5]] == {"duplicate row in the table of ages"}
    assert reasons[names[6]] == {no_age, "contradictory rows in the table of ages"}
    assert reasons[names[7]] == reasons[names[8]] == {"on the list of --exclude"}
    assert reasons[names[9]] == {"scan of another visit than the first"}
    assert reasons["9999999"] == {"in the table of ages, but no file"}
    assert reasons["notes.docx"] == {"no EID_20252_2_0.zip, EID*.nii.gz or EID*.nii"}
    assert "row without a subject" in reasons[f"ages.csv row {len(lines)}"]
    kept = [row["id"] for row in manifest(folder)]
    assert kept == [names[5], *names[9:]]


def test_ages_of_the_showcase_and_a_given_split(raw):
    splits = ["train"] * 20 + ["val"] * 2 + ["test"] * 2
    lines = [f"{eid}\t{50 + i}\t{split}" for i, (eid, split) in enumerate(zip(eids(raw), splits, strict=True))]
    (raw / "ages.csv").write_text("\ufeff" + "\n".join(["eid\t21003-2.0\tsplit", *lines, ""]))
    assert run(raw.parent) == 0
    rows = manifest(raw.parent / "out" / "ukb_tiny")
    given = {eid: split for eid, split in zip(eids_of(lines), splits, strict=True)}
    assert {row["id"]: row["split"] for row in rows} == given


def eids_of(lines: list[str]) -> list[str]:
    return [line.split("\t")[0] for line in lines]


def test_a_crop_that_cuts_the_brain_off_is_told(raw):
    assert run(raw.parent, "--side", 8, "--voxel", 8) == 0
    rows = list(findings(raw.parent / "out" / "ukb_tiny").values())
    assert len(rows) == N
    assert {row["reason"] for row in rows} == {"cut off by the crop"}
    assert {row["action"] for row in rows} == {"kept"}


def test_doubts_of_headers_and_voxels_are_in_the_report(raw, capsys):
    names = sorted(eids(raw))[:2]
    for eid, pixdim in zip(names, (1, 2), strict=True):
        content = bytearray(nifti(block(9, 9, 9 if pixdim == 1 else 2)))
        content[80:92] = np.full(3, pixdim, "<f4").tobytes()
        (raw / f"{eid}_20252_2_0.zip").unlink()
        (raw / f"{eid}.nii").write_bytes(content)
    assert run(raw.parent) == 0
    rows = findings(raw.parent / "out" / "ukb_tiny").values()
    assert [(row["id"], row["action"], row["reason"], row["detail"]) for row in rows] == [
        (names[0], "kept", "header gives two voxel sizes", "sform 2 × 2 × 2 mm, which is used, pixdim 1 × 1 × 1 mm"),
        (names[1], "kept", "a slab", "18 × 18 × 4 mm"),
    ]
    assert "1 kept: header gives two voxel sizes" in capsys.readouterr().out
    assert len(manifest(raw.parent / "out" / "ukb_tiny")) == N


def test_interrupted_preparation_goes_on(raw, monkeypatch, capsys):
    """24 scans in pieces of 8, stopped in the third: two pieces are kept."""
    monkeypatch.setattr(ukb, "PER_PIECE", 8)
    whole, read = [0], ukb.read_bytes

    def interrupted(path: Path, image: str) -> bytes:
        whole[0] += 1
        if whole[0] == 20:
            raise KeyboardInterrupt
        return read(path, image)

    monkeypatch.setattr(ukb, "read_bytes", interrupted)
    assert run(raw.parent) == 130
    assert "interrupted" in capsys.readouterr().err
    assert not (raw.parent / "out" / "ukb_tiny").exists()
    assert run(raw.parent) == 0
    assert whole[0] == 20 + 8
    assert "16 of 24 done" in capsys.readouterr().err
    assert len(list((raw.parent / "out" / "ukb_tiny").glob("volumes-*.npy"))) == 3


def die_at_the_third_piece(items, **settings):
    """Stand-in for `make_piece` whose process is killed, as by the system for want of memory."""
    if items[0][0] == os.environ["DIE_AT"]:
        while not list(Path(os.environ["PIECES"]).glob("*.json")):
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGKILL)
    return make_piece(items, **settings)


@pytest.mark.whole
def test_a_killed_worker_is_one_line_and_the_same_command_goes_on(raw, prepared, monkeypatch, capsys):
    monkeypatch.setattr(ukb, "PER_PIECE", 8)
    monkeypatch.setattr(ukb, "make_piece", die_at_the_third_piece)
    monkeypatch.setenv("DIE_AT", sorted(eids(raw))[16])
    folder = raw.parent / "out" / prepared.name
    monkeypatch.setenv("PIECES", str(folder.with_name(f".{folder.name}.partial") / "pieces"))
    # Workers that an earlier test left would lack these variables.
    get_reusable_executor().shutdown(wait=True)
    assert run(raw.parent, "--workers", 2) == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith("error: a worker process was killed")
    assert not folder.exists()
    monkeypatch.setattr(ukb, "make_piece", make_piece)
    assert run(raw.parent, "--workers", 2) == 0
    assert "of 24 done by an interrupted run" in capsys.readouterr().err
    assert (folder / "manifest.csv").read_bytes() == (prepared / "manifest.csv").read_bytes()
    volumes_of = (np.concatenate([np.load(f) for f in sorted(p.glob("volumes-*.npy"))]) for p in (folder, prepared))
    np.testing.assert_array_equal(*volumes_of)


def test_two_preparations_of_a_cohort_at_once_are_refused(raw, prepared, capsys):
    with resumable_folder(raw.parent / "out" / prepared.name, ""):
        assert run(raw.parent) == 1
    assert "another preparation is at work" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda raw: shutil.rmtree(raw), "no such folder"),
        (lambda raw: (raw / "ages.csv").unlink(), "no table of ages"),
        (lambda raw: (raw / "ages.csv").write_text("eid,birthday\n1,2\n"), "no column for the age"),
        (lambda raw: (raw / "ages.csv").write_text("eid,age\n1,2,3\n"), "row 1 has 3 fields"),
        (lambda raw: (raw / "ages.csv").write_text(""), "not readable as a table"),
        (lambda raw: (raw / "ages.csv").write_text("eid,age,split\n1,50,dev\n"), "row 1.*has the split 'dev'"),
        (lambda raw: [path.write_bytes(b"") for path in raw.glob("*.zip")], "fewer than 3 usable.*report.csv"),
        (lambda raw: [path.unlink() for path in raw.glob("*.zip")], "fewer than 3 usable.*report.csv"),
        (lambda raw: (raw / "SYNTHETIC").write_text("{"), "SYNTHETIC.*not readable"),
    ],
)
def test_unusable_sources_are_one_line_and_leave_no_folder(raw, capsys, change, message):
    change(raw)
    assert run(raw.parent) == 1
    err = capsys.readouterr().err
    lines = [line for line in err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    assert re.search(message, lines[0])
    assert not (raw.parent / "out" / "ukb_tiny").exists()


def test_a_full_disk_is_told_before_the_work(raw, capsys, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda place: shutil._ntuple_diskusage(10**9, 10**9 - 1000, 1000))
    assert run(raw.parent) == 1
    assert "0.0 GB are needed, 0.0 GB are free: make space" in capsys.readouterr().err
    assert not (raw.parent / "out").exists()


def test_a_folder_made_otherwise_is_refused(raw, capsys):
    assert run(raw.parent) == 0
    assert run(raw.parent, "--split-seed", 1) == 1
    assert "made from another source or with other settings" in capsys.readouterr().err


def test_help_is_quick_and_states_source_and_terms():
    code = (
        "import runpy, sys; sys.argv = ['ukb.py', '--help']\n"
        "try: runpy.run_path('data_prep/ukb.py', run_name='__main__')\n"
        "except SystemExit: print(sorted({'numpy', 'nibabel', 'torch'} & set(sys.modules)))"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert "field 20252" in done.stdout
    assert "approved application" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


# ---- loading


def load(folder: Path) -> volumes.Data:
    return volumes.load_volumes(folder, name="ukb_tiny", bin_size=1, views=None)


def test_rows_are_fetched_in_any_order(prepared):
    data = load(prepared)
    rows = manifest(prepared)
    assert data.sizes == {"train": 19, "val": 3, "test": 2}
    assert data.synthetic
    assert data.input_spec == {"in_channels": 1}
    arrays = np.concatenate([np.load(file) for file in sorted(prepared.glob("volumes-*.npy"))])
    at = {row["id"]: i for i, row in enumerate(rows)}
    index = np.random.default_rng(0).permutation(19)[:7]
    fetched = data.train.fetch(index)
    assert fetched.dtype == torch.float16
    np.testing.assert_array_equal(fetched, arrays[[at[i] for i in data.train.ids[index]]])
    assert data.to_input(fetched).shape == (7, 1, 8, 8, 8)
    assert data.to_input(fetched).dtype == torch.float32
    assert data.flatten(fetched).shape == (7, 1000)


@pytest.fixture
def spoilt(prepared, tmp_path) -> Path:
    shutil.copytree(prepared, tmp_path / "ukb_tiny")
    return tmp_path / "ukb_tiny"


def edit(path: Path, old: str, new: str) -> None:
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: shutil.rmtree(f), r"no prepared data: run `supremix twin ukb .*--name ukb_tiny"),
        (lambda f: (f / "volumes-0001.npy").write_bytes((f / "volumes-0001.npy").read_bytes()[:-1]), "truncated"),
        (lambda f: (f / "volumes-0001.npy").unlink(), "volumes-0001.npy: missing"),
        (lambda f: np.save(f / "volumes-0000.npy", np.zeros((16, 8, 8, 8), np.float32)), "float32.*expected float16"),
        (lambda f: edit(f / "manifest.csv", "train", "val"), "SHA-256 is not the one in meta.json"),
        (lambda f: edit(f / "manifest.csv", ".0,", "nan,"), r"row 1 .*has the label .*not a finite number"),
        (lambda f: edit(f / "meta.json", '"dtype"', '"type"'), "description of the arrays is damaged"),
        (lambda f: edit(f / "meta.json", '"rows": 24', '"rows": 23'), "24 rows, but meta.json says 23"),
    ],
)
def test_damaged_folders_are_refused(spoilt, change, message):
    change(spoilt)
    with pytest.raises(UserError, match=message) as caught:
        load(spoilt)
    assert "\n" not in str(caught.value)


def test_the_checksum_is_of_the_content(prepared, spoilt):
    assert load(spoilt).sha256 == load(prepared).sha256
    meta = json.loads((spoilt / "meta.json").read_text())
    meta["sha256"]["volumes-0000.npy"] = "0" * 64
    (spoilt / "meta.json").write_text(json.dumps(meta))
    assert load(spoilt).sha256 != load(prepared).sha256


# ---- the twin and the config


def test_brains_of_the_twin_age():
    """Ventricles grow and cortex thins, on average over the nuisances."""
    mean = {age: np.mean([dark_share(age, seed) for seed in range(8)]) for age in (45, 80)}
    assert mean[80] > 1.5 * mean[45]


def dark_share(age: float, seed: int) -> float:
    """Voxels darker than cortex, as a share of the head's inner part."""
    brain = draw_brain(age, 4.0, np.random.default_rng(seed)).astype(float)
    brain /= np.percentile(brain[brain > 0], 90)
    inner = brain[18:34, 20:44, 22:42]
    return float((inner < 0.4).mean())


def test_a_twin_is_the_same_for_the_same_seed(twin, tmp_path):
    for seed, same in ((0, True), (1, False)):
        arguments = ["ukb", "--size", "tiny", "--out", str(tmp_path / str(seed)), "--workers", "2", "--seed", str(seed)]
        assert make_twin.main(arguments) == 0
        again, first = tmp_path / str(seed) / "ukb_tiny", twin / "ukb_tiny"
        assert ({p.name for p in again.iterdir()} == {p.name for p in first.iterdir()}) == same
        if same:
            assert all(path.read_bytes() == (first / path.name).read_bytes() for path in again.iterdir())
            assert make_twin.main(arguments) == 0  # left as it is
            assert make_twin.main([*arguments, "--seed", "5"]) == 1


@pytest.mark.parametrize("dataset", ["ukb", "ukb_demo"])
def test_the_config_has_the_paper_s_values(dataset):
    cfg = composed(CONF, [f"dataset={dataset}", "method=supremix"])
    assert (cfg.method.temperature, cfg.method.window, list(cfg.method.beta)) == (0.5, 3, [2, 8])
    assert cfg.protocol.name == "finetune"
    assert cfg.backbone.name == "resnet18_3d"
    recipe = cfg.dataset.recipe
    assert dict(recipe.views) == {"supremix": 1, "baselines": 2}
    if dataset == "ukb":
        assert (recipe.pretrain.batch_size, recipe.supcr.batch_size, recipe.backbone.width) == (64, 128, 64)
        assert (recipe.pretrain.epochs, recipe.adapt.epochs, recipe.vanilla.epochs) == (100, 100, 100)


def test_the_config_builds_what_trains(twin, prepared):
    cfg = composed(
        CONF, ["dataset=ukb_demo", "dataset.name=ukb_tiny", "method=supremix", f"paths.prepared={twin / 'out'}"]
    )
    data = build("dataset.load", cfg.dataset.load)
    backbone = build("backbone.build", cfg.backbone.build, **data.input_spec)
    x = data.train.fetch(np.arange(4))
    view = data.contrastive_views(x, torch.rand(4, data.contrastive_views.draws))
    features = backbone(torch.cat([data.to_input(x), view]))
    assert features.shape == (8, backbone.out_dim)
    features.square().sum().backward()
    assert all(parameter.grad is not None for parameter in backbone.parameters())
