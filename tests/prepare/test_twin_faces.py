"""Twins of the face data: real formats, reproducible, prepared by the real scripts, and labels that show in them."""

import csv
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.linear_model import RidgeCV

from supremix.data import images
from supremix.prepare import agedb_dir, imdb_wiki
from supremix.prepare.shared.face_csv import FaceRow, format_rows
from supremix.prepare.twins import agedb_dir as agedb_twin
from supremix.prepare.twins import command as make_twin
from supremix.prepare.twins.faces import draw, draw_jpeg, person

PREPARE = {"agedb_dir": agedb_dir.main, "imdb_wiki": imdb_wiki.main}


def make(name: str, out: Path, *more: object) -> int:
    arguments = [name, "--size", "tiny", "--out", out, "--workers", 1, *more]
    return make_twin.main([str(argument) for argument in arguments])


def prepare(name: str, data: Path, out: Path) -> int:
    return PREPARE[name](["--name", f"{name}_tiny", "--data", str(data), "--out", str(out), "--workers", "1"])


@pytest.fixture(scope="module", params=["agedb_dir", "imdb_wiki"])
def made(request, tmp_path_factory) -> tuple[str, Path]:
    """A twin's name, and the directory with its raw and its prepared folder."""
    root = tmp_path_factory.mktemp("twin")
    assert make(request.param, root / "data") == 0
    assert prepare(request.param, root / "data", root / "prepared") == 0
    return request.param, root


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_twin_goes_from_raw_files_to_a_loaded_dataset(made):
    name, root = made
    folder = root / "prepared" / f"{name}_tiny"
    assert json.loads((folder / "meta.json").read_text())["pixels"] == 32  # the twin's own, without an option
    data = images.load_images(folder, name=f"{name}_tiny", pixels=32, bin_size=1, views=None, padding=2, flip=0.5)
    assert data.synthetic
    assert data.sizes["train"] > 2 * data.sizes["val"] > 0
    assert data.label_range > 40
    batch = data.train.fetch(np.arange(8))
    assert batch.float().std() > 20


def test_same_order_same_bytes(made, tmp_path):
    name, root = made
    raw = contents(root / "data" / f"{name}_tiny")
    assert make(name, tmp_path / "again", "--workers", 2) == 0
    assert contents(tmp_path / "again" / f"{name}_tiny") == raw
    assert make(name, tmp_path / "other", "--seed", 1) == 0
    assert contents(tmp_path / "other" / f"{name}_tiny") != raw


def test_existing_twin_is_left_and_another_refused(made, capsys):
    name, root = made
    before = contents(root / "data")
    assert make(name, root / "data") == 0
    assert make(name, root / "data", "--seed", 5) == 1
    assert "something else is there: move or delete it" in capsys.readouterr().err
    assert contents(root / "data") == before


def test_agedb_twin_has_agedbs_format(tmp_path):
    assert make("agedb_dir", tmp_path) == 0
    folder = tmp_path / "agedb_dir_tiny"
    with (folder / "agedb.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 60
    assert {row["path"] for row in rows} == {f"AgeDB/{path.name}" for path in (folder / "AgeDB").iterdir()}
    for row in rows:
        found = re.fullmatch(r"AgeDB/\d+_[A-Za-z]+_(\d+)_[mf]\.jpg", row["path"])
        assert found
        assert found[1] == row["age"]
    assert Image.open(folder / rows[0]["path"]).format == "JPEG"


def test_agedb_twin_takes_names_and_split_from_the_csv_at_hand(tmp_path):
    (tmp_path / "agedb_dir").mkdir()
    splits = ["train"] * 6 + ["val", "test"]
    table = [FaceRow(f"AgeDB/{i}_SomeName_{20 + i % 60}_f.jpg", 20.0 + i % 60, splits[i % 8]) for i in range(480)]
    (tmp_path / "agedb_dir" / "agedb.csv").write_text(format_rows(table))
    assert make("agedb_dir", tmp_path) == 0
    with (tmp_path / "agedb_dir_tiny" / "agedb.csv").open() as file:
        chosen = [FaceRow(row["path"], float(row["age"]), row["split"]) for row in csv.DictReader(file)]
    assert set(chosen) <= set(table)
    counts = [sum(row.split == split for row in chosen) for split in ("train", "val", "test")]
    assert counts == [45, 8, 7]
    ages = [row.age for row in chosen if row.split == "train"]
    assert min(ages) < 23
    assert max(ages) > 76
    assert chosen == sorted(chosen, key=table.index)


def test_real_size_needs_the_real_split(tmp_path, capsys):
    assert make("agedb_dir", tmp_path, "--size", "real") == 1
    assert "agedb.csv: not there: the size real needs the true split" in capsys.readouterr().err
    assert not (tmp_path / "agedb_dir_tiny").exists()


def test_part_of_the_real_split_keeps_shares_and_ages(real_data):
    rows = agedb_twin.read_rows(real_data("agedb_dir/agedb.csv"), agedb_twin.AGES)[0]
    chosen = agedb_twin.choose(rows, 1500, np.random.default_rng(0))
    assert len(set(chosen)) == 1500
    assert [sum(row.split == split for row in chosen) for split in ("train", "val", "test")] == [1111, 195, 194]
    for split in ("train", "val", "test"):
        part, whole = ([row.age for row in table if row.split == split] for table in (chosen, rows))
        assert np.quantile(part, [0.1, 0.5, 0.9]) == pytest.approx(np.quantile(whole, [0.1, 0.5, 0.9]), abs=1.5)
    assert agedb_twin.choose(rows, len(rows), np.random.default_rng(0)) == rows


def test_imdb_twin_has_files_for_every_filter_to_drop(tmp_path):
    assert make("imdb_wiki", tmp_path / "data", "--seed", 3) == 0
    (tmp_path / "data" / "imdb_wiki_tiny" / "imdb_wiki.csv").unlink()  # so that the metadata decide
    assert prepare("imdb_wiki", tmp_path / "data", tmp_path / "out") == 0
    with (tmp_path / "out" / "imdb_wiki_tiny" / "report.csv").open() as file:
        reasons = {row["reason"] for row in csv.DictReader(file)}
    assert reasons >= {"face score too low", "a second face"}
    assert reasons <= {
        "face score too low",
        "a second face",
        "age missing or out of range",
        "missing file",
        "unreadable",
    }


def faces_of(ages: np.ndarray, pixels: int = 32) -> np.ndarray:
    drawn = []
    for i, age in enumerate(ages):
        content = draw_jpeg(float(age), person(f"p{i % 40}", i % 2 == 0, 0), np.random.default_rng([7, i]), pixels)
        with Image.open(io.BytesIO(content)) as image:
            drawn.append(np.asarray(image.convert("RGB")))
    return np.stack(drawn)


@pytest.mark.whole
def test_brightness_does_not_tell_the_age():
    ages = np.random.default_rng(0).uniform(5, 90, 500)
    mean_colour = faces_of(ages).mean(axis=(1, 2))
    ridge = RidgeCV().fit(mean_colour[:300], ages[:300])
    error = np.abs(ridge.predict(mean_colour[300:]) - ages[300:]).mean()
    constant = np.abs(ages[:300].mean() - ages[300:]).mean()
    assert error > 0.9 * constant


def test_age_changes_the_face_and_nuisances_stay():
    who = person("someone", True, 0)
    young, old = (draw(age, who, np.random.default_rng(3), 64).astype(int) for age in (15.0, 85.0))
    changed = np.abs(young - old).max(axis=2) > 40
    assert 0.02 < changed.mean() < 0.6
    corner = np.s_[:4, :4]
    assert not changed[corner].any()


def test_person_is_the_same_in_all_images():
    one, again, other = person("A", True, 0), person("A", True, 0), person("B", True, 0)
    assert np.array_equal(one.skin, again.skin)
    assert one.width == again.width
    assert one.width != other.width
    assert person("A", True, 1).width != one.width


def test_bad_arguments(tmp_path, capsys):
    assert make("agedb_dir", tmp_path, "--seed", -1) == 1
    assert "give a seed of 0 or more" in capsys.readouterr().err
