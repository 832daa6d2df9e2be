"""Images, volumes, signals and texts of one's own: read, cached by content, and read again from what is stored."""

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from supremix.data.own import stored
from supremix.data.own.assemble import Plan
from supremix.data.own.images import _auto_pixels, load_images
from supremix.data.own.layout import Layout
from supremix.data.own.signals import load_signals
from supremix.data.own.texts import load_texts
from supremix.data.own.volumes import load_volumes
from supremix.errors import UserError

ROWS = 24
PLAN = Plan({"train": 0.7, "val": 0.15, "test": 0.15}, 0, "standard", "none", "auto", "auto", 16)


def table(folder: Path, column: str, cells: list[str]) -> str:
    """Write a table of cells with a label each; its path."""
    path = folder / "table.csv"
    pd.DataFrame({column: cells, "y": np.linspace(1, 5, len(cells)).round(2)}).to_csv(path, index=False)
    return str(path)


def images(folder: Path):
    from PIL import Image

    for i in range(ROWS):
        pixels = np.random.default_rng(i).integers(0, 255, (12, 9 + i % 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{i}.png")
    path = table(folder, "photo", [f"{i}.png" for i in range(ROWS)])
    load = partial(load_images, input=None, pixels=8, views=None, padding=0, flip=0.0, folder=str(folder / "cache"))
    return path, load, "photo"


def volumes(folder: Path):
    import nibabel as nib

    for i in range(ROWS):
        voxels = np.random.default_rng(i).uniform(1, 100, (6, 7, 8)).astype(np.float32)
        np.save(folder / f"{i}.npy", voxels)
    nib.save(nib.Nifti1Image(voxels, np.diag([2.0, 2, 2, 1])), folder / "0.nii.gz")
    path = table(folder, "scan", ["0.nii.gz", *(f"{i}.npy" for i in range(1, ROWS))])
    load = partial(load_volumes, input=None, side=4, voxel="auto", views=None, folder=str(folder / "cache"))
    return path, load, "scan"


def signals(folder: Path):
    for i in range(ROWS):
        steps = np.random.default_rng(i).normal(3, 2, (10 + i, 2)).round(3)
        if i % 2:
            np.save(folder / f"{i}.npy", steps)
        else:
            pd.DataFrame(steps, columns=["x", "z"]).to_csv(folder / f"{i}.csv", index=False)
    path = table(folder, "record", [f"{i}.{'npy' if i % 2 else 'csv'}" for i in range(ROWS)])
    return path, partial(load_signals, input=None, folder=str(folder / "cache")), "record"


def columns(folder: Path):
    random = np.random.default_rng(0)
    frame = pd.DataFrame(random.normal(size=(ROWS, 12)), columns=[f"nm{i}" for i in range(12)])
    frame.loc[2, "nm3"] = np.nan
    frame["y"] = frame["nm1"] + frame["nm2"]
    frame.to_csv(folder / "table.csv", index=False)
    return str(folder / "table.csv"), partial(load_signals, input=None, folder=str(folder / "cache")), "nm1"


def texts(folder: Path):
    words = ["good", "bad", "film", "story", "boring", "bright"]
    vectors = "\n".join(f"{word} {i} {-i} 0.5" for i, word in enumerate(words))
    (folder / "vectors.txt").write_text(vectors + "\n")
    random = np.random.default_rng(0)
    path = table(folder, "review", [" ".join(random.choice(words, 5)) + " !" for _ in range(ROWS)])
    load = partial(load_texts, input=None, vectors=str(folder / "vectors.txt"), folder=str(folder), max_length=4)
    return path, load, "review"


def pairs(folder: Path):
    path, load, _ = texts(folder)
    frame = pd.read_csv(path)
    frame["reply"] = frame["review"][::-1].to_numpy()
    frame.to_csv(path, index=False)
    return path, load, "reply"


def read_again(data, frame, folder):
    """What the stored reader gives for rows of a table."""
    folder.mkdir()
    stored.save_state(folder, stored.state_of(data))
    return stored.restored(stored.load_state(folder)).reader.read(frame)


@pytest.mark.parametrize("kind", [images, volumes, signals, columns, texts, pairs])
def test_rows_are_read_again_as_training_read_them(kind, tmp_path):
    path, load, column = kind(tmp_path)
    data = load(name="own", path=path, layout=Layout("y"), plan=PLAN)
    assert sum(data.sizes.values()) == ROWS
    frame = pd.read_csv(path)
    frame.index = [f"line {i + 2}" for i in range(ROWS)]
    frame.attrs["folder"] = str(tmp_path)
    again = read_again(data, frame.loc[data.test.ids], tmp_path / "run")
    expected = data.to_input(data.test.fetch(np.arange(len(data.test))))
    if isinstance(expected, dict):
        assert again.keys() == expected.keys()
        assert all(torch.equal(again[key], expected[key]) for key in expected)
    else:
        assert torch.equal(again, expected)
    assert torch.isfinite(torch.as_tensor(data.flatten(data.val.fetch(np.arange(len(data.val)))))).all()
    with pytest.raises(UserError, match="the rows have no column"):
        stored.restored(stored.state_of(data)).reader.read(frame.drop(columns=column))


@pytest.mark.parametrize(("sides", "expected"), [([20, 28, 30], 32), ([40, 48, 500], 48), ([300], 64), ([], 64)])
def test_images_keep_the_side_that_most_have_within_limits(tmp_path, sides, expected):
    from PIL import Image

    for side in sides:
        Image.new("L", (side + 9, side)).save(tmp_path / f"{side}.png")
    (tmp_path / "broken.png").write_bytes(b"none")
    assert _auto_pixels([tmp_path / "broken.png", *(tmp_path / f"{side}.png" for side in sides)]) == expected


@pytest.mark.parametrize("kind", [images, volumes, signals])
def test_files_are_decoded_once_and_again_where_they_change(kind, tmp_path):
    path, load, _ = kind(tmp_path)
    load = partial(load, name="own", path=path, layout=Layout("y"), plan=PLAN)
    first = load()
    cached = sorted((tmp_path / "cache").rglob("*.npy"))
    stamps = [file.stat().st_mtime_ns for file in cached]
    assert load().sha256 == first.sha256
    assert [file.stat().st_mtime_ns for file in cached] == stamps
    (tmp_path / "1.png" if kind is images else tmp_path / "1.npy").write_bytes(
        (tmp_path / "3.png" if kind is images else tmp_path / "3.npy").read_bytes()
    )
    assert load().sha256 != first.sha256


@pytest.mark.parametrize("kind", [images, volumes, signals])
def test_files_that_are_gone_or_damaged_are_named_and_left_out(kind, tmp_path):
    path, load, _ = kind(tmp_path)
    ending = "png" if kind is images else "npy"
    (tmp_path / f"1.{ending}").write_bytes(b"nothing")
    (tmp_path / f"3.{ending}").unlink()
    data = load(name="own", path=path, layout=Layout("y"), plan=PLAN)
    assert sum(data.sizes.values()) == ROWS - 2
    gone, damaged = data.extras["problems"]
    assert "no file at the path" in gone
    assert f"line 5 ('3.{ending}')" in gone
    assert "no usable" in damaged
    assert "line 3" in damaged
    assert not {"line 3", "line 5"} & {*data.train.ids, *data.val.ids, *data.test.ids}
    for file in tmp_path.glob(f"*.{ending}"):
        file.unlink()
    for file in tmp_path.glob("*.csv"):
        if file.name != "table.csv":
            file.unlink()
    for file in tmp_path.glob("*.gz"):
        file.unlink()
    with pytest.raises(UserError, match=r"none of the files in .* is there, such as .*: paths count from the table"):
        load(name="own", path=path, layout=Layout("y"), plan=PLAN)


def test_signals_are_scaled_by_the_training_rows(tmp_path):
    path, load, _ = signals(tmp_path)
    data = load(name="own", path=path, layout=Layout("y"), plan=PLAN)
    batch = data.train.fetch(np.arange(len(data.train)))
    steps = torch.cat([x[:, :n] for x, n in zip(batch["x"], batch["length"], strict=True)], dim=1)
    torch.testing.assert_close(steps.mean(1), torch.zeros(2), atol=1e-4, rtol=0)
    torch.testing.assert_close(steps.std(1), torch.ones(2), atol=1e-2, rtol=0)


def test_words_of_other_rows_are_unknown(tmp_path):
    path, load, _ = texts(tmp_path)
    data = load(name="own", path=path, layout=Layout("y"), plan=PLAN)
    known = data.reader.read(["a good film"])["a"]
    assert known[0, 0] == 0  # "a" stands in no training row
    assert (known[0, 1:] > 0).all()
    assert data.reader.read([None, "film"])["a_length"].tolist() == [1, 1]
